//! Everything that has to be found out about a plugin before it is installed: its files, its signature, whose key that is, and that
//! it starts.

use std::sync::Mutex;

use clap::Args;

use super::ask;
use super::show;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::PluginName;
use crate::plugin::fetch::Step;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::inspection;
use crate::plugin::inspection::Expected;
use crate::plugin::inspection::Inspected;
use crate::plugin::install::Candidate;
use crate::plugin::install::proof;
use crate::plugin::install::source::Fetched;
use crate::plugin::install::source::Source;
use crate::plugin::trust::PublicKey;
use crate::plugin::trust::publishers::Publisher;
use crate::plugin::trust::publishers::Standing;
use crate::plugin::trust::publishers::Via;
use crate::plugin::trust::rotation::Rotation;

/// Bytes between two lines about a download.
const REPORT_BYTES: u64 = 1 << 20;

/// What is allowed of what comes.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrustOptions {
    /// The key of the publisher, as they told you: RW…
    #[arg(long, value_name = "KEY")]
    publisher_key: Option<String>,
    /// Take a plugin that is signed by another key than before; it waits for approval
    #[arg(long)]
    allow_publisher_change: bool,
    /// Take an unsigned plugin; from a folder only
    #[arg(long)]
    allow_unsigned: bool,
}

/// A plugin that can be installed.
pub(super) struct Judged {
    /// It.
    pub(super) candidate: Candidate,
    /// A key that is to be trusted with it.
    pub(super) publisher: Option<Publisher>,
}

/// Fetches a plugin and finds out everything about it. `quiet` leaves out the lines about its progress.
///
/// # Errors
///
/// Whatever is wrong with it, and a key that nobody trusts.
pub(super) async fn judge(source: &Source, options: &TrustOptions, folder: &PluginsFolder, quiet: bool) -> Result<Judged, Failure> {
    let say = |text: String| {
        if !quiet {
            output::error_line(text);
        }
    };
    say(format!("fetching {source}"));
    let fetched = fetch(source, quiet).await?;
    let key = options.publisher_key.as_deref().map(PublicKey::parse).transpose();
    let key = key.map_err(|error| Failure::new(Exit::Usage, format!("--publisher-key: {error}")))?;
    let Fetched { files, resolved, vouched, index_snapshot, rotation } = fetched;
    let may_be_unsigned = options.allow_unsigned && matches!(source, Source::Folder(_));
    let expected = Expected { key: key.clone().or_else(|| vouched.clone()), may_be_unsigned };
    let inspected = inspection::inspect(files, &expected).map_err(|error| refused(source, &error))?;
    let publisher = trust(&inspected, options, folder, key.as_ref(), vouched.as_ref(), rotation.as_ref())?;
    say(format!("checked: {}", show::origin(&inspected)));
    say("starting it once, with no rights".into());
    let contract = proof::prove(&inspected, crate::config::environment::cache()).await.map_err(|error| refused(source, &error))?;
    let candidate = Candidate { inspected, contract, source: source.to_string(), resolved, index_snapshot };
    Ok(Judged { candidate, publisher })
}

/// Fetches the files and tells how far it is.
pub(super) async fn fetch(source: &Source, quiet: bool) -> Result<Fetched, Failure> {
    let told = Mutex::new((String::new(), 0));
    let report = |step: Step<'_>| {
        let Ok(mut told) = told.lock() else { return };
        if told.0 != step.file {
            *told = (step.file.to_owned(), 0);
        }
        if !quiet && step.done_bytes >= told.1 + REPORT_BYTES {
            told.1 = step.done_bytes;
            let of = step.total_bytes.map_or(String::new(), |total| format!(" of {}", bytesize::ByteSize(total)));
            output::error_line(format!("  {}: {}{of}", step.file.escape_debug(), bytesize::ByteSize(step.done_bytes)));
        }
    };
    source.fetch(&report).await.map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// A plugin that is not taken.
pub(super) fn refused(source: &Source, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the plugin at {source} is not taken: {error}"))
}

/// Decides whether the key that signed is trusted, and answers the trust that is new.
fn trust(
    inspected: &Inspected,
    options: &TrustOptions,
    folder: &PluginsFolder,
    named: Option<&PublicKey>,
    vouched: Option<&PublicKey>,
    rotation: Option<&Rotation>,
) -> Result<Option<Publisher>, Failure> {
    let id = &inspected.manifest.plugin.id;
    let scope = PluginName::parse(id).map_or_else(|| id.clone(), |name| name.key_scope());
    let publishers = folder.read_publishers()?;
    let Some(key) = &inspected.publisher else {
        return match publishers.find(&scope) {
            Some(trusted) if !options.allow_publisher_change => {
                Err(Failure::new(Exit::Failed, format!("`{id}` is not signed, and plugins of `{scope}` are signed by {}", trusted.key))
                    .next("`--allow-publisher-change` takes it all the same"))
            }
            Some(_) | None => Ok(None),
        };
    };
    let publisher = |via| Some(Publisher { scope: scope.clone(), key: key.clone(), since: show::now(), via });
    match publishers.standing(&scope, key, rotation) {
        Standing::Trusted => Ok(None),
        Standing::Successor => Ok(publisher(Via::Rotation)),
        Standing::Unknown if named == Some(key) => Ok(publisher(Via::Operator)),
        Standing::Unknown if vouched == Some(key) => Ok(publisher(Via::Index)),
        Standing::Unknown if !ask::is_somebody_there() => {
            Err(Failure::new(Exit::Failed, format!("nothing of `{scope}` was installed yet, and its key {key} is not known"))
                .next(format!("compare it with what its publisher says in another place, then give `--publisher-key {key}`")))
        }
        Standing::Unknown => {
            output::error_line(format!(
                "\n`{id}` is the first plugin of `{scope}` here. It is signed by the key\n  {key}  (id {})",
                key.id()
            ));
            if ask::yes(&format!("Is this the key of `{scope}`, and do you trust it for all of that from now on?")) {
                Ok(publisher(Via::FirstUse))
            } else {
                Err(Failure::new(Exit::Failed, "the key is not trusted, and nothing was installed"))
            }
        }
        Standing::Other(trusted) if options.allow_publisher_change => {
            output::error_line(format!("plugins of `{scope}` were signed by {trusted} before, and this one is signed by {key}"));
            Ok(publisher(Via::Operator))
        }
        Standing::Other(trusted) => {
            Err(Failure::new(Exit::Failed, format!("`{id}` is signed by the key {key}, and plugins of `{scope}` by {trusted}")).next(
                "somebody else may have signed it. If its publisher says that they have a new key, `--allow-publisher-change` takes it",
            ))
        }
    }
}
