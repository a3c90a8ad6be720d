//! Looks once a second whether the operator changed something about installed plugins, and has the running host follow.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::plugin::folder::Moment;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::installed;

/// Time between two looks. A look is two calls of the system; files of every kind of disk and mount can be looked at so.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows until it is dropped. `since` is the moment that the dispatcher was started with.
pub(super) async fn follow(dispatcher: Arc<Dispatcher>, folder: PluginsFolder, config: Config, since: Moment) {
    let mut seen = since;
    loop {
        tokio::time::sleep(PAUSE).await;
        // Before they are read: what changes while they are read is seen next time.
        let moment = folder.moment();
        if moment == seen {
            continue;
        }
        seen = moment;
        let read = {
            let (folder, config) = (folder.clone(), config.clone());
            tokio::task::spawn_blocking(move || installed::read(&folder, &config)).await
        };
        match read {
            Ok(Ok(installed)) => {
                if let Err(error) = dispatcher.follow(installed).await {
                    tracing::error!(%error, "Installed plugins stay as they were: {error}");
                }
            }
            Ok(Err((plugin, error))) => {
                tracing::error!(plugin.id = %plugin, %error, "Installed plugins stay as they were: `{plugin}`: {error}");
            }
            Err(error) => tracing::error!(%error, "Installed plugins could not be looked at"),
        }
    }
}
