//! What a component says of itself, in a custom section that is read before anything of it is compiled or run.
//!
//! The section is called `tidegate:plugin` and holds JSON: `{"id", "version", "host-api"}`, the same as in the manifest beside it.
//! It tells a component that was put under another plugin's manifest, and which contract it was built for. It proves nothing
//! about who wrote it; that is what the signature over the manifest is for, which holds the component's digest.

use std::ops::Range;

use serde::Deserialize;
use serde::Serialize;
use wasmparser::Chunk;
use wasmparser::Encoding;
use wasmparser::Parser;
use wasmparser::Payload;

use super::manifest::About;

/// The name of the section.
pub const SECTION: &str = "tidegate:plugin";

/// Bytes of what the section holds.
const HEADER_BYTES: usize = 4 << 10;

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Header {
    /// The id of its plugin.
    pub id: String,
    /// The version of its plugin.
    pub version: semver::Version,
    /// The versions of the contract that it works with.
    pub host_api: semver::VersionReq,
}

/// Why there is no header to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The bytes are no component.
    #[error("this is no WebAssembly component: {0}")]
    NotAComponent(String),
    /// It has the section twice.
    #[error("the component has the section `{SECTION}` more than once")]
    Twice,
    /// What the section holds.
    #[error("the section `{SECTION}` of the component is not what it should be: {0}")]
    Content(String),
    /// It says something else than the manifest.
    #[error("the component says that its {what} is `{component}`, and the manifest says `{manifest}`; they do not belong together")]
    Differs {
        /// `id`, `version` or `host-api`.
        what: &'static str,
        /// As the component says.
        component: String,
        /// As the manifest says.
        manifest: String,
    },
}

impl Header {
    /// What the component of this manifest has to say.
    pub fn of(about: &About) -> Self {
        Self { id: about.id.clone(), version: about.version.clone(), host_api: about.host_api.clone() }
    }

    /// Checks that it says what the manifest says.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Differs`] with the first difference.
    pub fn check(&self, about: &About) -> Result<(), HeaderError> {
        let pairs = [
            ("id", self.id.clone(), about.id.clone()),
            ("version", self.version.to_string(), about.version.to_string()),
            ("host-api", self.host_api.to_string(), about.host_api.to_string()),
        ];
        match pairs.into_iter().find(|(_, component, manifest)| component != manifest) {
            Some((what, component, manifest)) => Err(HeaderError::Differs { what, component, manifest }),
            None => Ok(()),
        }
    }
}

/// The header of a component; `None` when it has none.
///
/// # Errors
///
/// Bytes that are no component, and a section that is not what it should be.
pub fn read(component: &[u8]) -> Result<Option<Header>, HeaderError> {
    let sections = sections(component)?;
    let [section] = sections.as_slice() else {
        return if sections.is_empty() { Ok(None) } else { Err(HeaderError::Twice) };
    };
    if section.content.len() > HEADER_BYTES {
        return Err(HeaderError::Content(format!("it has {} bytes, and {HEADER_BYTES} are allowed", section.content.len())));
    }
    serde_json::from_slice(section.content).map(Some).map_err(|error| HeaderError::Content(error.to_string()))
}

/// The component with this header in place of the one it may have had.
///
/// # Errors
///
/// Bytes that are no component.
pub fn embed(component: &[u8], header: &Header) -> Result<Vec<u8>, HeaderError> {
    let content = serde_json::to_vec(header).map_err(|error| HeaderError::Content(error.to_string()))?;
    let mut out = Vec::with_capacity(component.len() + content.len() + 32);
    let mut copied = 0;
    for section in sections(component)? {
        out.extend_from_slice(&component[copied..section.whole.start]);
        copied = section.whole.end;
    }
    out.extend_from_slice(&component[copied..]);
    // A custom section: id 0, its length, the length of its name, its name, what it holds.
    let mut body = leb128(SECTION.len());
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(&content);
    out.push(0);
    out.extend(leb128(body.len()));
    out.extend(body);
    Ok(out)
}

/// A section with our name.
struct Section<'a> {
    /// Where it is, with its own header.
    whole: Range<usize>,
    content: &'a [u8],
}

/// The sections with our name on the outermost level of a component. What is nested in it is passed over unread.
fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, HeaderError> {
    let wrong = |text: &str| HeaderError::NotAComponent(text.into());
    let mut parser = Parser::new(0);
    let mut at = 0;
    let mut found = Vec::new();
    loop {
        let rest = bytes.get(at..).ok_or_else(|| wrong("it ends in the middle"))?;
        let chunk = parser.parse(rest, true).map_err(|error| wrong(error.message()))?;
        let Chunk::Parsed { consumed, payload } = chunk else { return Err(wrong("it ends in the middle")) };
        let begin = at;
        at += consumed;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => return Err(wrong("it is a core module")),
            Payload::CustomSection(section) if section.name() == SECTION => {
                found.push(Section { whole: begin..at, content: section.data() });
            }
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                at = at.saturating_add(unchecked_range.len());
            }
            Payload::End(_) => return Ok(found),
            _ => {}
        }
    }
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(id: &str) -> Header {
        Header { id: id.into(), version: semver::Version::new(1, 2, 3), host_api: "^0.1".parse().unwrap() }
    }

    fn component() -> &'static [u8] {
        tidegate_bundle::PLUGINS[0].component
    }

    #[test]
    fn what_was_embedded_is_read_and_takes_the_place_of_what_was_there() {
        assert_eq!(read(component()).unwrap(), None);
        let once = embed(component(), &header("one")).unwrap();
        assert_eq!(read(&once).unwrap(), Some(header("one")));
        let twice = embed(&once, &header("another")).unwrap();
        assert_eq!(read(&twice).unwrap(), Some(header("another")));
        assert_eq!(embed(&twice, &header("one")).unwrap(), once);
    }

    #[test]
    fn a_nested_section_is_not_ours() {
        let inner = embed(&[0, b'a', b's', b'm', 0x0d, 0, 1, 0], &header("inner")).unwrap();
        let mut outer = vec![0, b'a', b's', b'm', 0x0d, 0, 1, 0, 4];
        outer.extend(leb128(inner.len()));
        outer.extend(&inner);
        assert_eq!(read(&inner).unwrap(), Some(header("inner")));
        assert_eq!(read(&outer).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let twice = {
            let mut bytes = embed(component(), &header("one")).unwrap();
            let section = bytes[component().len()..].to_vec();
            bytes.extend(section);
            bytes
        };
        assert!(matches!(read(&twice), Err(HeaderError::Twice)));
        assert!(matches!(read(b""), Err(HeaderError::NotAComponent(_))));
        assert!(matches!(read(b"\0asm\x01\0\0\0"), Err(HeaderError::NotAComponent(_))));
        assert!(matches!(read(&component()[..component().len() - 1]), Err(HeaderError::NotAComponent(_))));
        let about = |id: &str| About { id: id.into(), version: semver::Version::new(1, 2, 3), ..About::for_tests() };
        assert!(header("one").check(&about("one")).is_ok());
        let error = header("one").check(&about("other")).unwrap_err().to_string();
        assert!(error.contains("`one`") && error.contains("`other`"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), begin in any::<bool>()) {
            if begin {
                bytes.splice(0..0, *b"\0asm\x0d\0\x01\0");
            }
            let _ = read(&bytes);
            let _ = embed(&bytes, &header("one"));
        }

        #[test]
        fn a_damaged_component_does_not_make_it_panic(at in 0usize..2_000, value in any::<u8>()) {
            let mut bytes = embed(component(), &header("one")).unwrap();
            let at = (bytes.len() - 1).saturating_sub(at);
            bytes[at] = value;
            let _ = read(&bytes);
        }
    }
}
