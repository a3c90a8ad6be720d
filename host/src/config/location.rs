//! Which configured databases are the same: as an account, or as data.

use super::DatabaseConfig;
use super::EngineKind;

/// The parts of a URL that say where something is. A URL that has others is its own path.
struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    /// With its port, when it names one.
    host: &'a str,
    path: &'a str,
    options: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let (base, options) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = base.split_once(':').unwrap_or(("", base));
        let Some(rest) = rest.strip_prefix("//") else { return Self { scheme, user: "", host: "", path: rest, options } };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        Self { scheme, user: login.split(':').next().unwrap_or_default(), host, path, options }
    }
}

impl DatabaseConfig {
    /// Where the data is, whoever asks and however: equal for databases whose tables are the same tables. In the MySQL family that is a
    /// server, whose databases see each other. Hosts with different names count as different servers.
    pub fn server(&self) -> String {
        let url = self.url.reveal();
        let Parts { user, host, path, options, .. } = Parts::of(url);
        if self.engine == EngineKind::Sqlite {
            let path =
                url.split('?').next().unwrap_or(url).split_once(':').map_or(url, |(_, path)| path.strip_prefix("//").unwrap_or(path));
            let file = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
            return format!("sqlite:{}", file.display());
        }
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
            _ => (host, ""),
        };
        let name = match name.to_ascii_lowercase().as_str() {
            "" | "localhost" | "[::1]" => "127.0.0.1".to_owned(),
            name => name.to_owned(),
        };
        let default_port = if self.engine == EngineKind::MySql { "3306" } else { "5432" };
        let port = if port.is_empty() { default_port } else { port };
        // A socket, or another host in place of the one above.
        let places = ["host=", "hostaddr=", "port=", "socket=", "dbname="];
        let other: Vec<&str> = options.split('&').filter(|option| places.iter().any(|key| option.starts_with(key))).collect();
        let other = other.join("&");
        match self.engine {
            EngineKind::MySql => format!("mysql:{name}:{port}?{other}"),
            _ => format!("postgres:{name}:{port}/{}?{other}", if path.is_empty() { user } else { path }),
        }
    }

    /// Where it is and as whom, without the password: what tells the kept rows of one account from those of another.
    pub fn place(&self) -> String {
        let url = self.url.reveal();
        if self.engine == EngineKind::Sqlite {
            return url.to_owned();
        }
        let Parts { scheme, user, host, path, options } = Parts::of(url);
        let options: Vec<&str> = options.split('&').filter(|option| !option.starts_with("password=")).collect();
        format!("{scheme}://{user}@{host}/{path}?{}", options.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::DatabaseConfig;
    use crate::config::DatabaseName;

    fn config(url: &str) -> DatabaseConfig {
        DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url).unwrap()
    }

    #[test]
    fn the_same_data_is_the_same_server_whoever_asks() {
        for (one, other, same) in [
            ("postgres://a:x@localhost/shop", "postgresql://b@127.0.0.1:5432/shop?sslmode=require", true),
            ("postgres://shop@DB.example/", "postgres://db.example:5432/shop", true),
            ("postgres://a@db/shop", "postgres://a@db/store", false),
            ("postgres://a@db/shop", "postgres://a@db:5433/shop", false),
            ("postgres://a@db/shop", "postgres://a@mylocalhost/shop", false),
            ("postgres:///shop?host=/run/a", "postgres:///shop?host=/run/b", false),
            ("mysql://a@[::1]/shop", "mariadb://b@localhost:3306/store", true),
            ("mysql://a@db/shop", "mysql://a@other/shop", false),
            ("sqlite:/nowhere/a.db", "sqlite:///nowhere/a.db?mode=ro", true),
            ("sqlite:/nowhere/a.db", "sqlite:/nowhere/b.db", false),
        ] {
            assert_eq!(config(one).server() == config(other).server(), same, "{one} and {other}");
        }
    }

    #[test]
    fn a_place_has_the_account_and_no_password() {
        let place = config("postgres://ann:secret@db/shop?password=secret&sslmode=require").place();
        assert!(place.contains("ann@db/shop") && place.contains("sslmode") && !place.contains("secret"), "{place}");
        assert_ne!(config("postgres://ann@db/shop").place(), config("postgres://bob@db/shop").place());
    }
}
