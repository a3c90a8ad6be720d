//! Tools that let the suite look at the host: change news, mirrored headers, schemas word for word.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::changes;

use crate::tools;

tools! {
    TriggerToolChange "test_trigger_tool_change" "Says that the list of tools changed." |_| {
        changes::tools_changed();
        Ok(Content::text("Tool list change triggered").into())
    }

    TriggerPromptChange "test_trigger_prompt_change" "Says that the list of prompts changed." |_| {
        changes::prompts_changed();
        Ok(Content::text("Prompt list change triggered").into())
    }
}

/// Arguments of `test_custom_header`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct CustomHeader {
    value: String,
}

impl Tool for CustomHeader {
    const NAME: &'static str = "test_custom_header";
    const DESCRIPTION: &'static str = "Repeats an argument that the client mirrors into a header.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn input_schema() -> String {
        r#"{
            "type": "object",
            "properties": { "value": { "type": "string", "description": "What to repeat", "x-mcp-header": "Value" } },
            "required": ["value"],
            "additionalProperties": false
        }"#
        .to_owned()
    }

    fn call(self, _: &Round) -> ToolResult {
        Ok(Content::text(format!("Value: {}", self.value)).into())
    }
}

/// Arguments of `json_schema_2020_12_tool`: whatever its schema lets through.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct JsonSchema202012(Map<String, Value>);

impl Tool for JsonSchema202012 {
    const NAME: &'static str = "json_schema_2020_12_tool";
    const DESCRIPTION: &'static str = "Tool with JSON Schema 2020-12 features";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn input_schema() -> String {
        r##"{
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
                }
            },
            "properties": {
                "name": { "type": "string" },
                "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" },
                "email": { "type": "string" }
            },
            "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
            "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
            "then": { "required": ["phone"] },
            "else": { "required": ["email"] },
            "additionalProperties": false
        }"##
        .to_owned()
    }

    fn call(self, _: &Round) -> ToolResult {
        Ok(Content::text(format!("JSON Schema 2020-12 tool called with {}", Value::Object(self.0))).into())
    }
}
