//! `plugins_status`: which plugins run, which wait, and what a person does about it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::plugins;
use tidegate_plugin::plugins::Plugin;
use tidegate_plugin::plugins::State;

/// Arguments of `plugins_status`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct PluginsStatus {}

impl Tool for PluginsStatus {
    const NAME: &'static str = "plugins_status";
    const TITLE: Option<&'static str> = Some("Plugins");
    const DESCRIPTION: &'static str = "Which plugins run, and which wait for a person. Only a person can install, approve or \
        remove plugins: show them the `command` of a plugin that waits.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        let listed: Vec<Value> = plugins::list().iter().map(told).collect();
        Ok(Content::json(&json!({ "plugins": listed }))?.into())
    }
}

fn told(plugin: &Plugin) -> Value {
    let state = match plugin.state {
        State::Running => "running",
        State::NotApproved => "not approved",
        State::Off => "off",
    };
    let mut told = json!({ "id": plugin.id, "version": plugin.version, "state": state });
    if let Some(waiting) = &plugin.waiting {
        told["waiting"] = json!(waiting);
    }
    if let Some(command) = &plugin.advice {
        told["command"] = json!(command);
    }
    told
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::Outcome;
    use tidegate_plugin::test::Host;

    use super::*;

    #[test]
    fn what_waits_is_told_with_the_command_for_it() {
        let plugin = Plugin {
            id: "example.org/advisor".into(),
            version: "1.0.0".into(),
            state: State::Running,
            waiting: Some("2.0.0".into()),
            advice: Some("tidegate plugin approve example.org/advisor --diff".into()),
        };
        let outcome = Host::new().plugin(plugin).call::<PluginsStatus>(json!({}));
        let contents = outcome.ok().and_then(Outcome::complete).expect("it is complete");
        let [Content::Json(text)] = contents.as_slice() else { panic!("{contents:?}") };
        for part in ["\"running\"", "\"waiting\":\"2.0.0\"", "approve example.org/advisor --diff"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
