//! Conversations: who says what, and where the pictures are.

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::VlmError;

/// Where a picture goes in a data row's text.
pub const IMAGE_MARK: &str = "<image>";

/// One turn of a conversation.
///
/// In JSON the content is a list of parts, or a plain string when reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the chat template knows.
    pub role: String,
    /// Texts and pictures in order.
    #[serde(deserialize_with = "string_or_parts")]
    pub content: Vec<Content>,
}

/// A part of a message: `{"type":"text","text":"…"}` or `{"type":"image"}` in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Part", into = "Part")]
pub enum Content {
    /// Text, in which nothing has a special meaning.
    Text(String),
    /// The place of the next picture.
    Image,
}

/// The JSON form of [`Content`]; keys beside these, such as a picture's address, are not read.
#[derive(Serialize, Deserialize)]
struct Part {
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl TryFrom<Part> for Content {
    type Error = String;

    fn try_from(part: Part) -> Result<Self, String> {
        match (part.r#type.as_str(), part.text) {
            ("text", Some(text)) => Ok(Self::Text(text)),
            ("text", None) => Err("a content part of type \"text\" has no key \"text\"".into()),
            ("image", _) => Ok(Self::Image),
            (other, _) => Err(format!(
                "a content part is of type {other:?}, expected \"text\" or \"image\""
            )),
        }
    }
}

impl From<Content> for Part {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self {
                r#type: "text".into(),
                text: Some(text),
            },
            Content::Image => Self {
                r#type: "image".into(),
                text: None,
            },
        }
    }
}

fn string_or_parts<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Content>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<Content>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string or a list of content parts")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![Content::Text(text.to_owned())])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut parts: A,
        ) -> Result<Self::Value, A::Error> {
            let mut content = Vec::new();
            while let Some(part) = parts.next_element()? {
                content.push(part);
            }
            Ok(content)
        }
    }
    input.deserialize_any(Visitor)
}

impl Message {
    /// A turn of text alone, taken as it is.
    pub fn text(role: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: vec![Content::Text(text.into())],
        }
    }

    /// A turn whose `<image>` marks become places of pictures; the text around them is kept
    /// exactly. [`place_images`] then holds the marks against the pictures there are.
    pub fn with_image_marks(role: impl Into<String>, text: &str) -> Self {
        let mut content = Vec::new();
        for (i, piece) in text.split(IMAGE_MARK).enumerate() {
            if i > 0 {
                content.push(Content::Image);
            }
            if !piece.is_empty() {
                content.push(Content::Text(piece.to_owned()));
            }
        }
        Self {
            role: role.into(),
            content,
        }
    }

    /// The text of this turn without its pictures.
    pub fn plain_text(&self) -> String {
        let text = |part: &Content| match part {
            Content::Text(text) => Some(text.clone()),
            Content::Image => None,
        };
        self.content.iter().filter_map(text).collect()
    }

    /// How many pictures this turn shows.
    pub fn image_count(&self) -> usize {
        self.content
            .iter()
            .filter(|part| matches!(part, Content::Image))
            .count()
    }
}

/// Makes a conversation show exactly `images` pictures: without any mark they go to the front of
/// the first user turn (of the first turn, if nobody is `user`).
///
/// # Errors
/// There are marks, but not as many as pictures; or pictures and no turn to show them in.
pub fn place_images(messages: &mut [Message], images: usize) -> Result<(), VlmError> {
    let marks: usize = messages.iter().map(Message::image_count).sum();
    if marks == images {
        return Ok(());
    }
    if marks > 0 {
        return Err(VlmError::Text(format!(
            "the conversation marks {marks} images with {IMAGE_MARK}, but {images} were given"
        )));
    }
    let user = messages
        .iter()
        .position(|message| message.role == "user")
        .unwrap_or(0);
    let Some(message) = messages.get_mut(user) else {
        return Err(VlmError::Text(format!(
            "{images} images were given, but no message"
        )));
    };
    message
        .content
        .splice(0..0, std::iter::repeat_n(Content::Image, images));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Content {
        Content::Text(text.into())
    }

    #[test]
    fn marks_become_places_and_text_is_kept() {
        let message = Message::with_image_marks("user", "A: <image>\nB: <image><image>");
        let expected = [
            text("A: "),
            Content::Image,
            text("\nB: "),
            Content::Image,
            Content::Image,
        ];
        assert_eq!(message.content, expected);
        assert_eq!(message.image_count(), 3);
        assert_eq!(Message::with_image_marks("user", "").content, []);
    }

    #[test]
    fn unmarked_pictures_come_first_in_the_first_user_turn() {
        let mut messages = [Message::text("system", "S"), Message::text("user", "Q")];
        place_images(&mut messages, 2).unwrap();
        assert_eq!(messages[0].image_count(), 0);
        assert_eq!(
            messages[1].content,
            [Content::Image, Content::Image, text("Q")]
        );
        place_images(&mut messages, 2).unwrap();
        assert_eq!(
            messages[1].image_count(),
            2,
            "placing again changes nothing"
        );
    }

    #[test]
    fn a_mismatch_says_both_numbers() {
        let mut messages = [Message::with_image_marks("user", "<image><image> x")];
        for images in [0, 1, 3] {
            let message = place_images(&mut messages, images).unwrap_err().to_string();
            let expected = format!("marks 2 images with <image>, but {images} were given");
            assert!(message.contains(&expected), "{message}");
        }
        assert!(place_images(&mut [], 1).is_err());
        assert!(place_images(&mut [], 0).is_ok());
    }

    #[test]
    fn json_reads_strings_and_parts_and_writes_parts() {
        let parts = r#"{"role":"user","content":[{"type":"image"},{"type":"text","text":"hi"}]}"#;
        let message: Message = serde_json::from_str(parts).unwrap();
        assert_eq!(message.content, [Content::Image, text("hi")]);
        assert_eq!(serde_json::to_string(&message).unwrap(), parts);
        let plain: Message = serde_json::from_str(r#"{"role":"user","content":"hi"}"#).unwrap();
        assert_eq!(plain, Message::text("user", "hi"));
        let address = r#"{"role":"user","content":[{"type":"image","image":"a.png"}]}"#;
        assert_eq!(
            serde_json::from_str::<Message>(address)
                .unwrap()
                .image_count(),
            1
        );

        let error = |json: &str| {
            serde_json::from_str::<Message>(json)
                .unwrap_err()
                .to_string()
        };
        let video = error(r#"{"role":"user","content":[{"type":"video"}]}"#);
        assert!(
            video.contains(r#"type "video", expected "text" or "image""#),
            "{video}"
        );
        let number = error(r#"{"role":"user","content":3}"#);
        assert!(
            number.contains("a string or a list of content parts"),
            "{number}"
        );
    }
}
