//! `cache`: rows that the host keeps, looked for by a hook that is asked about their statement, and forgotten on request.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::cache;
use crate::bindings::tidegate::plugin::hook;
use crate::cache::Cache;
use crate::cache::Clear;
use crate::cache::Figures;
use crate::cache::Pattern;
use crate::cache::TierFigures;
use crate::cache::Tiers;
use crate::capability::State;
use crate::capability::rows::GuestRows;
use crate::hook::statements::KeepPolicy;

/// The longest that rows are kept.
const LONGEST_TTL: Duration = Duration::from_hours(24);

/// How rows are kept, as a guest wants it.
pub(crate) fn policy(policy: hook::Policy) -> KeepPolicy {
    KeepPolicy {
        // Guest-controlled.
        ttl: Duration::from_millis(u64::from(policy.ttl_ms)).min(LONGEST_TTL),
        tiers: Tiers {
            memory: policy.tiers.contains(hook::Tiers::MEMORY),
            disk: policy.tiers.contains(hook::Tiers::DISK),
            shared: policy.tiers.contains(hook::Tiers::SHARED),
        },
        probe: policy.probe,
    }
}

impl cache::Host for State {
    async fn find(&mut self, key: String, wanted: cache::Policy) -> wasmtime::Result<Option<Resource<GuestRows>>> {
        self.enter()?;
        let kept = self.hook.as_ref().and_then(|question| question.kept.clone()).filter(|kept| kept.name() == key);
        let (Some(cache), Some(kept)) = (self.granted_cache(), kept) else { return Ok(None) };
        let call = self.call.clone();
        match kept.find(&call, &cache, policy(wanted)).await {
            Some(entry) => Ok(Some(self.push_rows(entry.rows.clone(), None)?)),
            None => Ok(None),
        }
    }

    async fn clear(&mut self, what: cache::Selection) -> wasmtime::Result<u64> {
        self.enter()?;
        let Some(cache) = self.granted_cache() else { return Ok(0) };
        let mut cleared = 0;
        for what in self.selected(what) {
            cleared += cache.clear(&what).await;
        }
        Ok(cleared)
    }

    async fn read_figures(&mut self) -> wasmtime::Result<cache::Figures> {
        self.enter()?;
        let figures = self.granted_cache().map(|cache| cache.figures()).unwrap_or_default();
        let Figures { memory, disk, shared, looked, found, kept, collapsed, stale, rejected, passed_over } = figures;
        let tiers = [("memory", memory, true), ("disk", disk, true), ("shared", shared, false)];
        let tiers = tiers.into_iter().filter_map(|(name, figures, countable)| Some(tier(name, figures?, countable)));
        Ok(cache::Figures {
            tiers: tiers.collect(),
            hits: found,
            misses: looked.saturating_sub(found),
            kept,
            stale,
            collapsed,
            too_large: rejected,
            passed_over,
        })
    }
}

impl State {
    /// The cache, when the plugin may use it now. Without a grant it is a cache that holds nothing.
    fn granted_cache(&self) -> Option<Arc<Cache>> {
        self.services.cache.clone().filter(|_| self.guest.grants.allows("cache"))
    }

    /// What a selection names, database by database. Only databases that the plugin may see are in it.
    fn selected(&self, what: cache::Selection) -> Vec<Clear> {
        let cache::Selection::Table(cache::Table { database, name }) = what else {
            return vec![match what {
                cache::Selection::Pattern(text) => Clear::Pattern(Pattern::new(&text)),
                _ => Clear::All,
            }];
        };
        let visible = self.guest.grants.visible(&self.services.databases);
        let meant = visible.map(|(visible, _)| visible).filter(|visible| database.is_empty() || visible.config().name.as_str() == database);
        let tables = meant.flat_map(|meant| {
            let tables = meant.versions().tables_called(&name);
            tables.into_iter().map(|table| Clear::Table { database: meant.config().name.clone(), table: table.to_string() })
        });
        tables.collect()
    }
}

fn tier(name: &str, figures: TierFigures, countable: bool) -> cache::TierFigures {
    let TierFigures { hits, misses, entries, bytes, max_bytes, evictions, errors } = figures;
    cache::TierFigures {
        tier: name.into(),
        hits,
        misses,
        entries: countable.then_some(entries),
        bytes: countable.then_some(bytes),
        max_bytes,
        evictions,
        errors,
    }
}
