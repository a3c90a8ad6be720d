//! The languages that plugins are written in here, and how a project shows which one it is.

use std::path::Path;

use clap::ValueEnum;

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
