//! What an answer depends on, what a write touches, and the stamp that holds the one against the other.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::EVERYTHING;

/// The tables whose rows an answer depends on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dependencies(pub(super) Arc<Tables>);

/// Tables, and the generation of the schema that they were told from.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) schema: u64,
    pub(super) ids: Box<[u32]>,
    pub(super) names: Box<[Arc<str>]>,
}

impl Dependencies {
    /// The tables by schema and name (`public.orders`), sorted.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.names.iter().map(|name| &**name)
    }

    /// What a write to exactly these tables touches, for one that was seen from outside.
    pub fn as_touched(&self) -> Touched {
        Touched { schema: Some(self.0.schema), tables: self.0.ids.iter().copied().collect(), everything: false, changes_schema: false }
    }
}

impl PartialEq for Dependencies {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.ids == other.0.ids && self.0.schema == other.0.schema)
    }
}

/// What a write may change. Several are merged into that of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// The schema that the tables were told from; none when it does not matter.
    pub(super) schema: Option<u64>,
    pub(super) tables: BTreeSet<u32>,
    pub(super) everything: bool,
    pub(super) changes_schema: bool,
}

impl Touched {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Every table, because it cannot be told.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Every table, and what they are: a statement that changes schema, roles or settings.
    pub fn schema() -> Self {
        Self { everything: true, changes_schema: true, ..Self::default() }
    }

    /// These tables, as the schema of that generation has them.
    pub(in crate::database) fn tables(schema: u64, tables: BTreeSet<u32>) -> Self {
        Self { schema: Some(schema), tables, ..Self::default() }
    }

    /// Adds what another write touches.
    pub fn merge(&mut self, other: Self) {
        self.everything |= other.everything || (self.schema.is_some() && other.schema.is_some() && self.schema != other.schema);
        self.changes_schema |= other.changes_schema;
        self.schema = self.schema.or(other.schema);
        self.tables.extend(other.tables);
    }

    /// Whether it may be any table.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether it is no table at all.
    pub fn is_nothing(&self) -> bool {
        !self.everything && self.tables.is_empty()
    }
}

/// The versions that some tables had at one moment. Two are equal when nothing was written in between.
#[derive(Clone)]
pub struct Stamp {
    pub(super) epoch: u64,
    pub(super) everything: u64,
    pub(super) tables: Arc<Tables>,
    pub(super) versions: Box<[u64]>,
}

impl Stamp {
    /// A form to keep beside the rows, also outside of this process: equal for equal stamps and for no others.
    pub fn to_bytes(&self) -> Vec<u8> {
        let names: usize = self.tables.names.iter().map(|name| name.len() + 12).sum();
        let mut bytes = Vec::with_capacity(16 + names);
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(self.everything.to_le_bytes());
        for (name, version) in self.tables.names.iter().zip(&self.versions) {
            bytes.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(version.to_le_bytes());
        }
        bytes
    }
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch
            && self.everything == other.everything
            && self.versions == other.versions
            && (Arc::ptr_eq(&self.tables, &other.tables) || self.tables.names == other.tables.names)
    }
}

impl Eq for Stamp {}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables.names.iter().zip(&self.versions);
        f.debug_map().entry(&EVERYTHING, &self.everything).entries(tables).finish()
    }
}
