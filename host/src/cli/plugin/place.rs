//! Which folder of plugins a command works on.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::config::environment;
use crate::config::file;
use crate::config::file::Sources;
use crate::plugin::folder::PluginsFolder;

/// Where installed plugins are.
#[derive(Clone, Debug, Args)]
pub(super) struct PlaceOptions {
    /// The folder of installed plugins [default: `plugins_folder` of the configuration, $TIDEGATE_PLUGINS, or the user's data folder]
    #[arg(long, value_name = "FOLDER")]
    plugins_dir: Option<PathBuf>,
    /// The configuration file [default: tidegate.toml, when it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PlaceOptions {
    /// The configuration; what is wrong with it is nothing to these commands unless it was named.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let sources = Sources { file: self.config.clone(), databases: Vec::new() };
        Ok(file::load(&sources)?)
    }

    /// The folder.
    pub(super) fn open(&self) -> Result<PluginsFolder, Failure> {
        let folder = match &self.plugins_dir {
            Some(folder) => Some(folder.clone()),
            None => self.config()?.plugins_folder,
        };
        folder.map(PluginsFolder::new).ok_or_else(|| {
            Failure::new(Exit::Configuration, format!("there is no folder for plugins: {} is empty", environment::PLUGINS))
                .next("name one with `--plugins-dir FOLDER`, or with `plugins_folder` in tidegate.toml")
        })
    }
}
