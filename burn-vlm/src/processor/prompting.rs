//! How a conversation becomes tokens, its pictures one placeholder each.

use super::Pictures;
use crate::error::VlmError;
use crate::text::{ChatTemplate, Content, Message, ProcessorFiles, TemplateArgs, Tokenizer};

/// The name under which prompts are taken as they stand.
pub(super) const RAW: &str = "raw";

/// How a conversation becomes text.
#[derive(Debug, Clone)]
pub(super) enum Prompting {
    /// By a chat template.
    Template(Box<ChatTemplate>),
    /// The one turn is the text: markup that it spells is markup.
    Raw,
    /// Not at all: the files have no template.
    Missing,
}

impl Prompting {
    /// By the template of `files`, if they have one.
    pub fn find(files: &ProcessorFiles, reads_pictures: bool) -> Result<Self, VlmError> {
        let found = ChatTemplate::find(files, reads_pictures)?;
        Ok(found.map_or(Self::Missing, Self::from))
    }

    pub fn template(&self) -> Option<&ChatTemplate> {
        match self {
            Self::Template(template) => Some(template),
            Self::Raw | Self::Missing => None,
        }
    }

    /// The same with switches of the template set.
    ///
    /// # Errors
    /// A name that the template does not read, or no template.
    pub fn with_args(self, args: &TemplateArgs) -> Result<Self, VlmError> {
        match self {
            Self::Template(template) => Ok(template.with_args(args)?.into()),
            other => other.without_args(args).map(|()| other),
        }
    }

    fn without_args(&self, args: &TemplateArgs) -> Result<(), VlmError> {
        match args.keys().next() {
            None => Ok(()),
            Some(name) => Err(VlmError::Text(format!(
                "there is no chat template that reads {name:?}, expected no such value"
            ))),
        }
    }

    /// The tokens of a conversation.
    ///
    /// # Errors
    /// There is no template, it refuses the conversation, or a raw prompt has more than one turn.
    pub fn encode(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        args: &TemplateArgs,
        (files, tokenizer, pictures): (&ProcessorFiles, &Tokenizer, &Pictures),
    ) -> Result<Vec<u32>, VlmError> {
        match self {
            Self::Template(template) => {
                template.encode(tokenizer, messages, add_generation_prompt, args)
            }
            Self::Raw => {
                self.without_args(args)?;
                tokenizer.encode_template(&raw_text(messages, tokenizer, pictures)?, None)
            }
            Self::Missing => Err(ChatTemplate::missing(files)),
        }
    }
}

impl From<ChatTemplate> for Prompting {
    fn from(template: ChatTemplate) -> Self {
        Self::Template(Box::new(template))
    }
}

/// The one turn's words, what the family writes for a picture at each of its marks, after the
/// tokens with which the tokenizer begins every text, unless the words begin so.
fn raw_text(
    messages: &[Message],
    tokenizer: &Tokenizer,
    pictures: &Pictures,
) -> Result<String, VlmError> {
    let [message] = messages else {
        return Err(VlmError::Text(format!(
            "the conversation has {} turns, expected one, whose text is the raw prompt",
            messages.len()
        )));
    };
    let part = |part: &Content| match part {
        Content::Text(text) => text.clone(),
        Content::Image => pictures.template_text().to_owned(),
    };
    let words: String = message.content.iter().map(part).collect();
    let prefix = tokenizer.prefix()?;
    Ok(match words.starts_with(&prefix) {
        true => words,
        false => prefix + &words,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Processor, ProcessorOptions, tests::files};
    use super::*;
    use crate::image::golden;
    use crate::text::tokenizer::tiny;
    use serde_json::json;

    fn with(template: &str, args: TemplateArgs) -> Result<Processor, VlmError> {
        Processor::from_files(files())?.with_options(&ProcessorOptions {
            chat_template: Some(template.into()),
            template_args: args,
            ..ProcessorOptions::default()
        })
    }

    /// Ids of the tiny tokenizer: `hi` 256, `<|im_start|>` 259, `<|im_end|>` 260, the ends of a
    /// picture 261 and 263 about its tokens 262; other bytes are themselves.
    #[test]
    fn a_raw_prompt_is_what_it_spells() {
        let raw = with(RAW, TemplateArgs::new()).unwrap();
        let ids = |text: &str| {
            let asked = [Message::text("user", text)];
            raw.encode(&asked, &[], true).unwrap().tokens
        };
        assert_eq!(ids("hi\n"), [256, 10]);
        assert_eq!(ids("<|im_start|>hi<|im_end|>"), [259, 256, 260]);
        let shown = [Message::with_image_marks("user", "<image>hi")];
        let picture = [golden::picture("tiny_9x7.png")];
        let prompt = raw.encode(&shown, &picture, true).unwrap();
        let mut without = prompt.tokens.clone();
        without.dedup();
        assert_eq!(without, [261, 262, 263, 256]);
        let two = [Message::text("system", "S"), Message::text("user", "hi")];
        let message = raw.encode(&two, &[], true).unwrap_err().to_string();
        assert!(message.contains("has 2 turns, expected one"), "{message}");
        // What is saved is the model's own template.
        assert!(raw.files().get("chat_template.jinja").is_none());
    }

    #[test]
    fn only_conversations_need_a_template() {
        let mut files = ProcessorFiles::new();
        files.insert("tokenizer.json", tiny::bytes());
        files.insert("config.json", r#"{"model_type": "qwen2"}"#);
        let bare = Processor::from_files(files).unwrap();
        let asked = [Message::text("user", "hi")];
        let message = bare.encode(&asked, &[], true).unwrap_err().to_string();
        assert!(message.contains("no chat template"), "{message}");
        assert_eq!(bare.tokenizer().encode_text("hi").unwrap(), [256]);
        let options = ProcessorOptions {
            chat_template: Some(RAW.into()),
            ..ProcessorOptions::default()
        };
        let raw = bare.with_options(&options).unwrap();
        assert_eq!(raw.encode(&asked, &[], true).unwrap().tokens, [256]);
    }

    #[test]
    fn switches_reach_the_template_or_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.jinja");
        std::fs::write(&file, "{{ messages[0].content }}{{ 'hi' if think }}").unwrap();
        let think = TemplateArgs::from_iter([("think".to_owned(), json!(true))]);
        let processor = with(&file.to_string_lossy(), think.clone()).unwrap();
        let asked = [Message::text("user", "hi")];
        let tokens = |args: &TemplateArgs| {
            let prompt = processor.encode_with(&asked, &[], true, args);
            prompt.unwrap().tokens
        };
        assert_eq!(tokens(&TemplateArgs::new()), [256, 256]);
        let not = TemplateArgs::from_iter([("think".to_owned(), json!(false))]);
        assert_eq!(tokens(&not), [256]);
        let message = with(RAW, think).unwrap_err().to_string();
        assert!(
            message.contains("no chat template that reads \"think\""),
            "{message}"
        );
    }
}
