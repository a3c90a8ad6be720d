//! A guest that sends requests wherever it is asked to, and follows redirects wherever they lead.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::http::Request;

/// The arguments of `run`.
#[derive(Deserialize, JsonSchema)]
pub struct Run {
    /// The method; `GET` when left out.
    method: Option<String>,
    /// Where to.
    url: String,
    /// Headers, each as a name and a value.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Bytes of its body.
    #[serde(default)]
    bytes: usize,
    /// How many redirects to follow.
    #[serde(default)]
    follow: u32,
    /// How often to send it.
    #[serde(default)]
    times: u32,
}

impl Tool for Run {
    const NAME: &'static str = "run";
    const DESCRIPTION: &'static str = "Sends a request.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        let mut url = self.url;
        let mut left = self.follow;
        for _ in 1..self.times {
            Request::get(&url).send()?;
        }
        loop {
            let mut request = Request::new(self.method.as_deref().unwrap_or("GET"), &url);
            request.body = vec![b'x'; self.bytes];
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let response = request.send()?;
            match response.find_header("location") {
                Some(next) if left > 0 => {
                    left -= 1;
                    url = next.to_owned();
                }
                _ => return Ok(Content::text(format!("{} {}", response.status, response.text())).into()),
            }
        }
    }
}

tidegate_plugin::export!(tools: [Run]);
