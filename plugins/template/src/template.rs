//! What a template is: its file format, and what has to hold before it is taken.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;
use tidegate_plugin::catalog::Engine;

use crate::chart::Chart;
use crate::parameter::Kind;
use crate::parameter::Parameter;
use crate::parameter::is_name;
use crate::placeholder;
use crate::placeholder::Part;

/// Bytes of a template's text.
const TEXT_BYTES: usize = 64 << 10;

/// Parameters of one template.
const PARAMETERS: usize = 32;

/// Requirements of one template.
const REQUIREMENTS: usize = 16;

/// A named statement with typed parameters. Two templates are equal when they say the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    /// What it is called by.
    pub(crate) name: String,
    /// What it answers, for a model that chooses.
    pub(crate) description: String,
    /// What it is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<Parameter>,
    /// Its statement on each engine.
    pub(crate) statements: Statements,
    /// What the server must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires: Vec<Requirement>,
    /// The chart that shows its rows best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chart: Option<Chart>,
    /// Whether it is listed as a tool of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tool: bool,
}

/// One statement for each engine that it is written for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statements {
    /// For engines that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) any: Option<String>,
    /// For PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) postgres: Option<String>,
    /// For MySQL and MariaDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mysql: Option<String>,
    /// For SQLite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqlite: Option<String>,
}

/// Something that the server must have before the statement makes sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requirement {
    /// The engine that it holds for; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<EngineName>,
    /// The product, when one engine's family has several: `MariaDB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) product: Option<String>,
    /// The oldest version, for example `13` or `10.6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// An extension of PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extension: Option<String>,
    /// A variable of the MySQL family that must be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variable: Option<String>,
    /// How to get what is missing, in a sentence.
    pub(crate) how: String,
}

/// An engine by its name in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineName {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl EngineName {
    /// The engine of the contract.
    #[must_use]
    pub(crate) const fn engine(self) -> Engine {
        match self {
            Self::Postgres => Engine::Postgres,
            Self::Mysql => Engine::Mysql,
            Self::Sqlite => Engine::Sqlite,
        }
    }

    /// The name of an engine.
    #[must_use]
    pub(crate) const fn of(engine: Engine) -> &'static str {
        match engine {
            Engine::Postgres => "postgres",
            Engine::Mysql => "mysql",
            Engine::Sqlite => "sqlite",
        }
    }
}

impl Statements {
    /// The statement for an engine.
    #[must_use]
    pub(crate) fn find(&self, engine: Engine) -> Option<&str> {
        let own = match engine {
            Engine::Postgres => &self.postgres,
            Engine::Mysql => &self.mysql,
            Engine::Sqlite => &self.sqlite,
        };
        own.as_deref().or(self.any.as_deref())
    }

    /// The engines that there is a statement for.
    #[must_use]
    pub(crate) fn engines(&self) -> Vec<&'static str> {
        let all = [Engine::Postgres, Engine::Mysql, Engine::Sqlite];
        all.into_iter().filter(|engine| self.find(*engine).is_some()).map(EngineName::of).collect()
    }

    /// Every statement, with the field it stands in and the engines it is run by.
    fn each(&self) -> impl Iterator<Item = (&'static str, &str, Vec<Engine>)> {
        let own = [
            ("statements.postgres", &self.postgres, Engine::Postgres),
            ("statements.mysql", &self.mysql, Engine::Mysql),
            ("statements.sqlite", &self.sqlite, Engine::Sqlite),
        ];
        let rest = own.iter().filter(|(_, text, _)| text.is_none()).map(|(_, _, engine)| *engine).collect::<Vec<_>>();
        let own = own.into_iter().filter_map(|(field, text, engine)| Some((field, text.as_deref()?, vec![engine])));
        self.any.as_deref().map(|text| ("statements.any", text, rest)).into_iter().chain(own)
    }
}

impl Template {
    /// Reads and checks a template from TOML or, when it begins with a brace, JSON.
    ///
    /// # Errors
    ///
    /// A sentence that names the field.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_BYTES {
            return Err(format!("a template has at most {TEXT_BYTES} bytes, and this one has {}", text.len()));
        }
        let json: Json = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| format!("the template is not JSON: {error}"))?
        } else {
            let table: toml::Table = toml::from_str(text).map_err(|error| format!("the template is not TOML: {}", error.message()))?;
            serde_json::to_value(table).map_err(|error| format!("the template has no JSON form: {error}"))?
        };
        Self::from_json(json)
    }

    /// Reads and checks a template.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub(crate) fn from_json(json: Json) -> Result<Self, String> {
        let template: Self = serde_path_to_error::deserialize(json).map_err(|error| {
            let path = error.path().to_string();
            if path == "." { error.inner().to_string() } else { format!("`{path}`: {}", error.inner()) }
        })?;
        template.check()?;
        Ok(template)
    }

    /// A parameter by its name.
    #[must_use]
    pub(crate) fn find_parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err(format!("`name` must be 1 to 48 of a-z, 0-9 and _, beginning with a letter, not `{}`", self.name));
        }
        if self.description.trim().is_empty() || self.description.chars().count() > 1000 {
            return Err("`description` must have 1 to 1,000 characters".to_owned());
        }
        if self.parameters.len() > PARAMETERS {
            return Err(format!("`parameters` has {} entries; at most {PARAMETERS} are taken", self.parameters.len()));
        }
        if self.requires.len() > REQUIREMENTS {
            return Err(format!("`requires` has {} entries; at most {REQUIREMENTS} are taken", self.requires.len()));
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            let at = |text: String| format!("`parameters[{index}]`: {text}");
            parameter.check().map_err(at)?;
            if self.parameters[..index].iter().any(|earlier| earlier.name == parameter.name) {
                return Err(at(format!("`name`: there is another parameter `{}`", parameter.name)));
            }
            if let Some(of) = &parameter.of
                && self.find_parameter(of).is_none_or(|table| table.kind != Kind::Table)
            {
                return Err(at(format!("`of`: there is no parameter `{of}` of type `table`")));
            }
        }
        for (index, requirement) in self.requires.iter().enumerate() {
            requirement.check().map_err(|text| format!("`requires[{index}]`: {text}"))?;
        }
        self.check_statements()
    }

    fn check_statements(&self) -> Result<(), String> {
        let mut used = Vec::new();
        let mut count = 0;
        for (field, text, engines) in self.statements.each() {
            count += 1;
            for engine in engines {
                let parts = placeholder::parts(text, engine).map_err(|error| format!("`{field}`: {error}"))?;
                for part in parts {
                    if let Part::Parameter { name, facet } = part {
                        let parameter = self.find_parameter(&name).ok_or_else(|| format!("`{field}`: there is no parameter `{name}`"))?;
                        if facet.is_some() && parameter.kind != Kind::Table {
                            return Err(format!("`{field}`: only a `table` has a name and a schema, and `{name}` is none"));
                        }
                        used.push(name);
                    }
                }
            }
        }
        if count == 0 {
            return Err("`statements`: there is none; name one for `any`, `postgres`, `mysql` or `sqlite`".to_owned());
        }
        let is_needed = |parameter: &Parameter| used.contains(&parameter.name);
        let is_named = |parameter: &Parameter| self.parameters.iter().any(|other| other.of.as_ref() == Some(&parameter.name));
        match self.parameters.iter().find(|parameter| !is_needed(parameter) && !is_named(parameter)) {
            Some(parameter) => Err(format!("`parameters`: no statement uses `{}`", parameter.name)),
            None => Ok(()),
        }
    }
}

impl Requirement {
    fn check(&self) -> Result<(), String> {
        if self.product.is_none() && self.version.is_none() && self.extension.is_none() && self.variable.is_none() {
            return Err("one of `product`, `version`, `extension`, `variable` is missing".to_owned());
        }
        if self.how.trim().is_empty() {
            return Err("`how` must say how to get it".to_owned());
        }
        if let Some(version) = &self.version
            && (version.is_empty() || !version.split('.').all(|part| part.parse::<u32>().is_ok()))
        {
            return Err(format!("`version` must be numbers with dots, not `{version}`"));
        }
        let is_for = |engine| self.engine == Some(engine);
        if self.extension.is_some() && !is_for(EngineName::Postgres) {
            return Err("`extension` needs `engine = \"postgres\"`".to_owned());
        }
        if let Some(variable) = &self.variable
            && (!is_for(EngineName::Mysql) || !is_name(variable))
        {
            return Err("`variable` must be the name of a server variable, with `engine = \"mysql\"`".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SMALL: &str = "name = \"newest\"\ndescription = \"The newest.\"\nstatements = { any = \"select * from t limit {{n}}\" }\n\
        [[parameters]]\nname = \"n\"\ntype = \"integer\"\ndefault = 10\nmin = 1\nmax = 100\n";

    #[test]
    fn toml_and_json_say_the_same() {
        let template = Template::parse(SMALL).unwrap_or_else(|error| panic!("{error}"));
        let text = serde_json::to_string(&template).expect("it has a JSON form");
        assert_eq!(Template::parse(&text), Ok(template));
    }

    #[test]
    fn an_error_names_the_field() {
        let error = |text: &str| Template::parse(text).expect_err(text);
        assert!(error("name = 1").contains("`name`"));
        assert!(error(&SMALL.replace("\"integer\"", "\"number of\"")).contains("`parameters[0].type`"));
        assert!(error(&SMALL.replace("max = 100", "most = 100")).contains("unknown field `most`"));
        assert!(error(&SMALL.replace("default = 10", "default = 101")).contains("`parameters[0]`: `default`"));
        assert!(error(&SMALL.replace("{{n}}", "{{m}}")).contains("`statements.any`: there is no parameter `m`"));
        assert!(error(&SMALL.replace("limit {{n}}", "")).contains("no statement uses `n`"));
        assert!(error(&SMALL.replace("any", "oracle")).contains("unknown field `oracle`"));
        assert!(error(&SMALL.replace("\"newest\"", "\"New est\"")).contains("`name`"));
        assert!(error(&SMALL.replace("select", "select '{{n}}',")).contains("inside quotes"));
        assert!(error(&"x".repeat(TEXT_BYTES + 1)).contains("at most"));
        assert!(error("{").contains("not JSON"));
        assert!(error("[").contains("not TOML"));
    }

    #[test]
    fn a_requirement_says_what_and_how() {
        let with = |requirement: Json| {
            let mut json = json!({ "name": "a", "description": "b", "statements": { "any": "select 1" } });
            json["requires"] = json!([requirement]);
            Template::from_json(json)
        };
        assert!(with(json!({ "engine": "postgres", "extension": "e", "how": "CREATE EXTENSION e" })).is_ok());
        assert!(with(json!({ "engine": "mysql", "version": "8.0", "how": "Update." })).is_ok());
        for wrong in [
            json!({ "how": "x" }),
            json!({ "version": "8", "how": "" }),
            json!({ "version": "8-beta", "how": "x" }),
            json!({ "extension": "e", "how": "x" }),
            json!({ "engine": "mysql", "variable": "a; drop", "how": "x" }),
        ] {
            assert!(with(wrong.clone()).is_err_and(|error| error.contains("`requires[0]`")), "{wrong}");
        }
    }
}
