//! Answers of calls that came from kept rows alone, kept as a whole: found again, such a call runs no guest at all.
//!
//! An answer is good while the rows of every statement that it came from would be: the same versions of the same tables, the same
//! setup of the session, the same hooks, the plugin's right to the database, and no older than those rows may get.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use serde_json::Map;
use serde_json::Value as Json;

use crate::cache::Digest;
use crate::cache::Metadata;
use crate::call::Call;
use crate::call::ClientFeatures;
use crate::capability::Services;
use crate::capability::call_reads::CallRead;
use crate::config::CacheScope;
use crate::config::Right;
use crate::plugin::registry::ToolEntry;
use crate::runtime::answer::Content;

/// What the key of this form of digest is for.
const PURPOSE: &str = "tidegate call 1";

/// Answers that are kept.
const ANSWERS: u64 = 512;

/// Bytes of the rows of one answer; larger ones come from the rows of their statements.
const ANSWER_BYTES: usize = 64 << 10;

/// The longest that one is kept.
const LONGEST: Duration = Duration::from_hours(24);

/// Which plugins and which state of the cache an answer comes from.
type Version = (u64, u64);

struct Answer {
    content: Vec<Content>,
    reads: Vec<CallRead>,
    until: Instant,
}

/// The kept answers.
pub(super) struct KeptCalls {
    answers: Metadata<Digest, Answer, Version>,
}

impl Default for KeptCalls {
    fn default() -> Self {
        Self { answers: Metadata::new(ANSWERS, LONGEST) }
    }
}

/// Names the answer of a call: who asks what of which tool, with what client.
pub(super) fn key(call: &Call, target: &ToolEntry, arguments: &Map<String, Json>, scope: CacheScope) -> Digest {
    let caller = match scope {
        CacheScope::Caller => call.caller.as_str(),
        CacheScope::Everyone => "",
    };
    let arguments = serde_json::to_vec(arguments).unwrap_or_default();
    let (plugin, tool) = (target.plugin.id(), &target.tool.local_name);
    let ClientFeatures { form, url, sampling, roots } = call.features;
    let features = [form, url, sampling, roots].map(u8::from);
    let parts = [caller.as_bytes(), plugin.as_bytes(), tool.as_bytes(), &arguments, &features];
    parts.into_iter().fold(Digest::builder(PURPOSE), |digest, part| digest.part(part)).finish()
}

impl KeptCalls {
    /// The answer under `key`, when it is still good.
    pub(super) async fn find(&self, call: &Call, services: &Services, target: &ToolEntry, key: &Digest) -> Option<Vec<Content>> {
        let cache = services.cache.as_ref()?;
        let answer = self.answers.find(key, &version(services))?;
        if answer.until <= Instant::now() {
            return None;
        }
        for read in &answer.reads {
            let config = read.kept.database().config();
            target.guest.grants.database(&services.databases, "database-read", config.name.as_str(), Right::Read).ok()?;
            if services.hooks.setup(call, &config.name, config.engine, false).await.ok()? != *read.kept.setup() {
                return None;
            }
            if read.kept.current(call, cache, read.policy).await? != read.stamp {
                return None;
            }
        }
        cache.count_answer();
        for read in &answer.reads {
            read.kept.worth().asked();
            read.kept.worth().found();
        }
        Some(answer.content.clone())
    }

    /// Keeps an answer that came from these reads and from nothing else, once their rows were found: what is asked only once is kept as
    /// rows alone.
    pub(super) fn keep(&self, services: &Services, key: Digest, from: (u64, u64), content: &[Content], reads: Vec<CallRead>) {
        let small = content.iter().all(|piece| match piece {
            Content::Rows(output) => output.next.is_none() && output.rows.held_bytes() <= ANSWER_BYTES,
            Content::Text(text) => text.len() <= ANSWER_BYTES,
            _ => false,
        });
        if !reads.iter().all(|read| read.was_found) {
            return;
        }
        let Some(until) = reads.iter().map(|read| read.until).min() else { return };
        let in_memory = services.cache.as_ref().is_some_and(|cache| reads.iter().all(|read| cache.has_memory(read.policy.tiers)));
        if small && in_memory && version(services) == from {
            self.answers.keep(key, from, Arc::new(Answer { content: content.to_vec(), reads, until }));
        }
    }
}

/// The set of plugins and the state of the cache now.
pub(super) fn version(services: &Services) -> Version {
    (services.hooks.generation(), services.cache.as_ref().map_or(0, |cache| cache.clears()))
}
