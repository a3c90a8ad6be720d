//! The languages that plugins are written in here, and how a project shows which one it is.

use std::path::Path;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;

/// What an author reads who asks for Go, which people look for here; `plugin-sdk/README.md` says the same.
#[derive(Debug, thiserror::Error)]
#[error(
    "Go's garbage collector calls the host in the middle of an allocation, which the component model forbids, so a call may trap; \
     take `rust`, `js`, `python` or `c`"
)]
struct NoGo;

/// Reads a language that an author names. It knows `go` too, without offering it, so that it can be refused with a reason.
pub(super) fn parser() -> impl TypedValueParser<Value = Language> {
    let offered = Language::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let refused = PossibleValue::new("go").hide(true);
    PossibleValuesParser::new(offered.chain([refused])).try_map(|name| Language::from_str(&name, false).map_err(|_| NoGo))
}

/// A language with a toolchain that this program knows how to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// Rust, with cargo and the SDK
    Rust,
    /// JavaScript, with componentize-js
    Js,
    /// Python, with componentize-py
    Python,
    /// C, with zig
    C,
}

impl Language {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Rust, Self::Js, Self::Python, Self::C];

    /// The file that shows it.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "plugin.js",
            Self::Python => "plugin.py",
            Self::C => "plugin.c",
        }
    }

    /// The language of the project in `folder`.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|language| folder.join(language.mark()).is_file())
    }

    /// What an author types first, to have its tools.
    pub(super) const fn first_step(self) -> &'static str {
        match self {
            Self::Rust => "rustup target add wasm32-wasip2",
            Self::Js => "npm install",
            Self::Python | Self::C => "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
        }
    }

    /// As people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Arg;
    use clap::Command;

    use super::*;

    /// The language that `--lang NAME` gives, or what is said in its place.
    fn parse(name: &str) -> Result<Language, String> {
        let command = Command::new("new").arg(Arg::new("lang").long("lang").value_parser(parser()));
        let matches = command.try_get_matches_from(["new", "--lang", name]).map_err(|error| error.to_string())?;
        Ok(*matches.get_one::<Language>("lang").unwrap())
    }

    #[test]
    fn every_language_is_read_by_its_name_and_no_other_is() {
        for (name, language) in [("rust", Language::Rust), ("js", Language::Js), ("python", Language::Python), ("c", Language::C)] {
            assert_eq!(parse(name), Ok(language));
        }
        let said = parse("cobol").unwrap_err();
        assert!(said.contains("[possible values: rust, js, python, c]"), "{said}");
    }

    #[test]
    fn go_is_refused_with_the_reason_and_what_to_take_instead() {
        let said = parse("go").unwrap_err();
        assert!(said.contains("invalid value 'go'") && said.contains("garbage collector calls the host"), "{said}");
        assert!(said.contains("take `rust`, `js`, `python` or `c`"), "{said}");
    }
}
