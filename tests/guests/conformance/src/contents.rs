//! Tools that answer with each kind of content.

use tidegate_plugin::Content;
use tidegate_plugin::Media;
use tidegate_plugin::ResourceContent;
use tidegate_plugin::ToolError;

use crate::tools;

/// A picture of one pixel.
pub(crate) const PIXEL: &[u8] = include_bytes!("pixel.png");
/// A millisecond of silence.
const SILENCE: &[u8] = include_bytes!("silence.wav");

/// The picture as content.
pub(crate) fn pixel() -> Content {
    Content::Image(Media::new("image/png", PIXEL))
}

tools! {
    SimpleText "test_simple_text" "Answers with text." |_| {
        Ok(Content::text("This is a simple text response for testing.").into())
    }

    ImageContent "test_image_content" "Answers with a picture." |_| Ok(pixel().into())

    AudioContent "test_audio_content" "Answers with sound." |_| Ok(Content::Audio(Media::new("audio/wav", SILENCE)).into())

    EmbeddedResource "test_embedded_resource" "Answers with an embedded resource." |_| {
        let resource = ResourceContent::text("test://embedded-resource", "text/plain", "This is an embedded resource content.");
        Ok(Content::Embedded(resource).into())
    }

    MultipleContents "test_multiple_content_types" "Answers with text, a picture and an embedded resource." |_| {
        let resource = ResourceContent::text("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#);
        Ok(vec![Content::text("Multiple content types test:"), pixel(), Content::Embedded(resource)].into())
    }

    ErrorHandling "test_error_handling" "Always fails." |_| {
        Err(ToolError::failed("TEST_ERROR", "This tool intentionally returns an error for testing"))
    }
}
