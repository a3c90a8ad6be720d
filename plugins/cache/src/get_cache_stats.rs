//! `get_cache_stats`: what the cache did and holds.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::cache;
use tidegate_plugin::cache::TierFigures;

/// Arguments of `get_cache_stats`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct GetCacheStats {}

impl Tool for GetCacheStats {
    const NAME: &'static str = "get_cache_stats";
    const TITLE: Option<&'static str> = Some("Cache figures");
    const DESCRIPTION: &'static str = "Hits, misses and size of the result cache since the host started.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let figures = cache::figures();
        let lookups = figures.hits + figures.misses;
        // Rounded to a thousandth: more means nothing.
        let rate = if lookups == 0 { 0.0 } else { (figures.hits as f64 / lookups as f64 * 1000.0).round() / 1000.0 };
        let stats = json!({
            "hits": figures.hits,
            "misses": figures.misses,
            "hit_rate": rate,
            "kept": figures.kept,
            "stale": figures.stale,
            "collapsed": figures.collapsed,
            "too_large": figures.too_large,
            "passed_over": figures.passed_over,
            "tiers": figures.tiers.iter().map(tier).collect::<Vec<_>>(),
        });
        Ok(Content::json(&stats)?.into())
    }
}

fn tier(figures: &TierFigures) -> serde_json::Value {
    json!({
        "tier": figures.tier,
        "hits": figures.hits,
        "misses": figures.misses,
        "entries": figures.entries,
        "bytes": figures.bytes,
        "max_bytes": figures.max_bytes,
        "evictions": figures.evictions,
        "errors": figures.errors,
    })
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::Outcome;
    use tidegate_plugin::test::Host;

    use super::*;

    #[test]
    fn figures_are_told_also_when_nothing_was_looked_for() {
        let outcome = Host::new().call::<GetCacheStats>(json!({}));
        let contents = outcome.ok().and_then(Outcome::complete).expect("it is complete");
        let [Content::Json(text)] = contents.as_slice() else { panic!("{contents:?}") };
        assert!(text.contains("\"hit_rate\":0.0"), "{text}");
    }
}
