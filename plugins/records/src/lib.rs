//! The plugin `records`: rows read and changed without SQL.
//!
//! A client names tables and columns, which have to be in the catalog, and gives values, which are checked against the types of their
//! columns and bound. No text of a client's gets into a statement.

mod aggregate_query;
mod change_records;
mod create_records;
mod family;
mod filter;
mod join_tables;
mod json;
mod once;
mod page;
mod read_table;
#[cfg(test)]
mod sample;
mod sql;
mod table;
mod target;
mod written;

tidegate_plugin::export! {
    tools: [
        read_table::ReadTable,
        read_table::FilteredSearch,
        aggregate_query::AggregateQuery,
        join_tables::JoinTables,
        create_records::CreateRecord,
        create_records::CreateRecords,
        change_records::UpdateRecords,
        change_records::DeleteRecords,
    ],
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the list that a model reads in every conversation; about 3.5 make a token.
    const LIST_BYTES: usize = 7_750;

    #[test]
    fn the_list_of_tools_stays_short() {
        let list = tidegate_plugin::test::tool_list::<Plugin>().to_string();
        assert!(list.len() <= LIST_BYTES, "{} bytes: {list}", list.len());
    }
}
