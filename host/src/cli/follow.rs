//! Looks once a second whether the operator changed something about installed plugins, and has the running host follow.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::plugin::folder::Moment;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::install;
use crate::plugin::installed;

/// Time between two looks. A look is two calls of the system; files of every kind of disk and mount can be looked at so.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows until it is dropped. `since` is the moment that the dispatcher was started with.
pub(super) async fn follow(dispatcher: Arc<Dispatcher>, folder: PluginsFolder, config: Config, since: Moment) {
    let mut seen = since;
    loop {
        tokio::time::sleep(PAUSE).await;
        roll_back_what_is_worse(&dispatcher, &folder).await;
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

/// Goes back from new versions that fail much more than the ones before. The lock says so then, and the host follows it.
async fn roll_back_what_is_worse(dispatcher: &Dispatcher, folder: &PluginsFolder) {
    for worse in dispatcher.take_worse() {
        let (folder, id, version) = (folder.clone(), worse.id.clone(), worse.version.clone());
        let rolled_back = tokio::task::spawn_blocking(move || {
            let claim = folder.claim()?;
            // Somebody may have done so already.
            let runs = folder.read_lock()?.find(&id).is_some_and(|entry| entry.running.version == version);
            if runs { install::roll_back(&claim, &id).map(Some) } else { Ok(None) }
        });
        let told = format!(
            "Plugin `{}` {} failed {} of {} calls, and the version before {} of {}",
            worse.id, worse.version, worse.now.failures, worse.now.calls, worse.before.failures, worse.before.calls
        );
        match rolled_back.await {
            Ok(Ok(Some(before))) => tracing::error!(plugin.id = %worse.id, "{told}; {} runs again", before.version),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::error!(plugin.id = %worse.id, %error, "{told}; it was not rolled back: {error}"),
            Err(error) => tracing::error!(plugin.id = %worse.id, %error, "{told}; rolling it back was cut off"),
        }
    }
}
