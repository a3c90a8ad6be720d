//! Makes the database that is measured: a role that may only read, and 10,000 rows of eight columns.

use std::str::FromStr as _;

use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::Executor as _;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use crate::Result;

/// The rows: two integers, a float, two texts, a boolean, a text that is missing in every third row, an integer.
const ROWS: &str = "create table bench_items as
    select i::integer as id, (i * 7919 % 100000)::bigint as customer, round((i * 37 % 100000) / 100.0, 2)::double precision as price,
        'Item number ' || i as name, (array['Utrecht', 'Porto', 'Sapporo', 'Accra', 'Valparaíso'])[i % 5 + 1] as city,
        i % 3 = 0 as active, case when i % 3 = 1 then null else 'checked on shelf ' || i % 90 end as note,
        (i % 250)::integer as stock
    from generate_series(1, 10000) as i";

/// A database of this run, removed by [`Sample::remove`].
pub(crate) struct Sample {
    admin: PgConnectOptions,
    name: String,
    /// Where a role that may only read finds it.
    pub(crate) url: String,
}

impl Sample {
    /// Makes role, database and rows. `admin_url` is PostgreSQL as a role that may create both.
    pub(crate) async fn create(admin_url: &str) -> Result<Self> {
        let admin = PgConnectOptions::from_str(admin_url)?;
        let name = format!("tidegate_bench_{}", std::process::id());
        let options = admin.clone().username(&name).password("tidegate").database(&name);
        let sample = Self { admin: admin.clone(), name, url: options.to_url_lossy().to_string() };
        let mut connection = admin.connect().await.map_err(|error| format!("PostgreSQL cannot be reached: {error}"))?;
        sample.clear(&mut connection).await?;
        let name = &sample.name;
        connection.execute(AssertSqlSafe(format!("create role {name} login password 'tidegate'"))).await?;
        connection.execute(AssertSqlSafe(format!("create database {name}"))).await?;
        connection.close().await?;

        let mut connection = admin.database(name).connect().await?;
        connection.execute(ROWS).await?;
        connection.execute("alter table bench_items add primary key (id)").await?;
        connection.execute("vacuum analyze bench_items").await?;
        connection.execute(AssertSqlSafe(format!("grant select on bench_items to {name}"))).await?;
        connection.close().await?;
        Ok(sample)
    }

    /// Removes role and database; who is still connected is cut off.
    pub(crate) async fn remove(self) -> Result<()> {
        let mut connection = self.admin.connect().await?;
        self.clear(&mut connection).await?;
        Ok(connection.close().await?)
    }

    async fn clear(&self, connection: &mut PgConnection) -> Result<()> {
        let name = &self.name;
        connection.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await?;
        connection.execute(AssertSqlSafe(format!("drop role if exists {name}"))).await?;
        Ok(())
    }
}
