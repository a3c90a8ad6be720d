//! A guest that stores, counts and holds secrets, as much as it is asked to.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::cache_bytes;
use tidegate_plugin::metric;
use tidegate_plugin::secret;
use tidegate_plugin::storage;
use tidegate_plugin::storage::Expected;
use tidegate_plugin::storage::Scope;
use tidegate_plugin::vault;

/// Whose keys are meant.
fn scope(shared: bool) -> Scope {
    if shared { Scope::Shared } else { Scope::Caller }
}

macro_rules! tool {
    ($tool:ident, $name:literal, $description:literal, |$self:ident| $body:expr) => {
        impl Tool for $tool {
            const NAME: &'static str = $name;
            const DESCRIPTION: &'static str = $description;
            const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
            const NEEDS: Needs = Needs::Nothing;

            fn call($self, _: &Round) -> ToolResult {
                let text: Result<String, ToolError> = $body;
                Ok(Content::text(text?).into())
            }
        }
    };
}

/// The arguments of `put`.
#[derive(Deserialize, JsonSchema)]
pub struct Put {
    /// In the keys that callers share.
    #[serde(default)]
    shared: bool,
    /// The key.
    key: String,
    /// How many bytes; the value is so many `x`.
    #[serde(default)]
    bytes: usize,
    /// The value, where no number of bytes is given.
    #[serde(default)]
    value: String,
}

tool!(Put, "put", "Stores a value.", |self| {
    let value = if self.bytes > 0 { vec![b'x'; self.bytes] } else { self.value.into_bytes() };
    Ok(format!("version {}", storage::set(scope(self.shared), &self.key, &value)?))
});

/// The arguments of `get`.
#[derive(Deserialize, JsonSchema)]
pub struct Get {
    /// From the keys that callers share.
    #[serde(default)]
    shared: bool,
    /// The key.
    key: String,
}

tool!(Get, "get", "Tells a stored value.", |self| {
    let entry = storage::get(scope(self.shared), &self.key)?;
    Ok(entry.map_or_else(|| "nothing".to_owned(), |entry| String::from_utf8_lossy(&entry.value).into_owned()))
});

/// The arguments of `keys`.
#[derive(Deserialize, JsonSchema)]
pub struct Keys {
    /// Of the keys that callers share.
    #[serde(default)]
    shared: bool,
}

tool!(Keys, "keys", "Lists stored keys.", |self| {
    let listed = storage::list(scope(self.shared), "", None, 1_000)?;
    Ok(listed.into_iter().map(|listed| listed.key).collect::<Vec<_>>().join(" "))
});

/// The arguments of `increase`.
#[derive(Deserialize, JsonSchema)]
pub struct Increase {
    /// How often.
    times: u32,
}

tool!(Increase, "increase", "Increases a stored number that others increase too.", |self| {
    for _ in 0..self.times {
        loop {
            let entry = storage::get(Scope::Caller, "number")?;
            let expected = entry.as_ref().map_or(Expected::Absent, |entry| Expected::Version(entry.version));
            let number: u64 = entry.and_then(|entry| String::from_utf8(entry.value).ok()?.parse().ok()).unwrap_or(0);
            match storage::set_if(Scope::Caller, "number", (number + 1).to_string().as_bytes(), expected) {
                Err(storage::Error::Conflict(_)) => {}
                other => {
                    other?;
                    break;
                }
            }
        }
    }
    Ok("done".to_owned())
});

/// The arguments of `flood_storage`.
#[derive(Deserialize, JsonSchema)]
pub struct FloodStorage {
    /// Bytes of each value.
    bytes: usize,
}

tool!(FloodStorage, "flood_storage", "Stores values until that fails.", |self| {
    let mut stored = 0;
    while storage::set(Scope::Caller, &format!("flood/{stored}"), &vec![0; self.bytes]).is_ok() {
        stored += 1;
    }
    let usage = storage::usage()?;
    Ok(format!("{stored} values, {} of {} bytes", usage.bytes, usage.max_bytes))
});

/// The arguments of `flood_calls`.
#[derive(Deserialize, JsonSchema)]
pub struct FloodCalls {}

tool!(FloodCalls, "flood_calls", "Calls the host without end.", |self| {
    let Self {} = self;
    while cache_bytes::get("nothing").is_none() {}
    Ok("there was something".to_owned())
});

/// The arguments of `flood_metrics`.
#[derive(Deserialize, JsonSchema)]
pub struct FloodMetrics {
    /// How many names and how many labels.
    many: u32,
}

tool!(FloodMetrics, "flood_metrics", "Counts under many names and labels.", |self| {
    for number in 0..self.many {
        metric::count(&format!("name_{number}"), 1, &[]);
        metric::count("calls", 1, &[("number", &number.to_string())]);
        metric::observe("seconds", f64::from(number), &[]);
        metric::gauge("level", f64::NAN, &[]);
    }
    Ok("done".to_owned())
});

/// The arguments of `hold`.
#[derive(Deserialize, JsonSchema)]
pub struct Hold {
    /// The secret.
    name: String,
    /// Whether to tell it.
    #[serde(default)]
    reveal: bool,
}

tool!(Hold, "hold", "Signs with a secret, or tells it.", |self| {
    let Some(secret) = secret::find(&self.name) else { return Ok(Content::text("no such secret").into()) };
    if self.reveal {
        return Ok(Content::text(secret.reveal()).into());
    }
    let signature: String = secret.sign(b"message").iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{} {signature}", secret.name()))
});

/// The arguments of `deposit`.
#[derive(Deserialize, JsonSchema)]
pub struct Deposit {
    /// The vault.
    vault: String,
    /// The name.
    name: String,
    /// How many bytes.
    bytes: usize,
    /// Whether to go away in the middle.
    #[serde(default)]
    panic: bool,
}

tool!(Deposit, "deposit", "Puts so many bytes into a vault.", |self| {
    let writer = vault::put(&self.vault, &self.name, false)?;
    writer.write(&vec![b'x'; self.bytes])?;
    assert!(!self.panic, "it was told to");
    Ok(format!("{} bytes", writer.finish()?.bytes))
});

/// The arguments of `withdraw`.
#[derive(Deserialize, JsonSchema)]
pub struct Withdraw {
    /// The vault.
    vault: String,
    /// The name.
    name: String,
}

tool!(Withdraw, "withdraw", "Reads from a vault and tells how many bytes there are.", |self| {
    let reader = vault::get(&self.vault, &self.name)?;
    let mut bytes = 0;
    loop {
        let read = reader.read(u32::MAX)?;
        if read.is_empty() {
            break;
        }
        bytes += read.len();
    }
    Ok(format!("{bytes} of {} bytes", reader.describe().bytes))
});

/// The arguments of `blobs`.
#[derive(Deserialize, JsonSchema)]
pub struct Blobs {
    /// The vault.
    vault: String,
}

tool!(Blobs, "blobs", "Lists what is in a vault.", |self| {
    let blobs = vault::list(&self.vault, "", None, 100)?;
    Ok(blobs.into_iter().map(|blob| blob.name).collect::<Vec<_>>().join(" "))
});

/// The arguments of `remember`.
#[derive(Deserialize, JsonSchema)]
pub struct Remember {
    /// The key.
    key: String,
    /// What to keep; nothing only looks.
    value: Option<String>,
}

tool!(Remember, "remember", "Tells what was kept under a key, and keeps something else.", |self| {
    let found = cache_bytes::get(&self.key);
    if let Some(value) = self.value {
        cache_bytes::put(&self.key, value.as_bytes(), Duration::from_secs(600));
    }
    Ok(found.map_or_else(|| "nothing".to_owned(), |found| String::from_utf8_lossy(&found).into_owned()))
});

tidegate_plugin::export!(tools: [Put, Get, Keys, Increase, FloodStorage, FloodCalls, FloodMetrics, Hold, Deposit, Withdraw, Blobs, Remember]);
