//! Rendering a conversation with the model's own chat template.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use serde_json::Value as Json;

use super::files::{NAMED_TOKENS, OLD_TEMPLATE, TEMPLATE, TEMPLATE_KEY, token_text};
use super::message::{Content, Message};
use super::{ProcessorFiles, Tokenizer, python, special};
use crate::{dir, error::VlmError};

mod switches;

pub use switches::TemplateArgs;

const NAME: &str = "chat";

/// Instructions that a template may take for a conversation; published ones take some hundreds a
/// message.
const MAX_INSTRUCTIONS: u64 = 50_000_000;

/// What is said of a template that takes more.
const ENDLESS: &str = "the chat template takes more than 50,000,000 instructions for a \
    conversation, as one whose loops never end";

/// A Jinja chat template, rendered as `transformers` does: `trim_blocks`, `lstrip_blocks`, loop
/// controls, Python's string and dictionary methods and its way of printing, `tojson`,
/// `raise_exception`, `strftime_now`, and the tag `{% generation %}`.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    origin: PathBuf,
    tokens: BTreeMap<String, String>,
    /// Names it reads beside what every template is given.
    switches: BTreeSet<String>,
    /// Values of some of them, for conversations without their own.
    args: TemplateArgs,
    /// A content may be a string.
    takes_text: bool,
    /// A content may be a list of parts.
    takes_parts: bool,
}

impl ChatTemplate {
    /// The template of a model, from the first of these that has one, as transformers 5.23 looks for
    /// it. For a model that reads pictures: `processor_config.json`, `chat_template.json`,
    /// `chat_template.jinja`, `tokenizer_config.json`. For one that reads text: `chat_template.jinja`,
    /// `tokenizer_config.json`, then `chat_template.json`, which transformers does not look at there.
    ///
    /// In JSON it is the key `chat_template`, one template or a list of `{"name", "template"}` of
    /// which `default` is taken.
    ///
    /// # Errors
    /// There is none, or it is no valid template.
    pub fn from_files(files: &ProcessorFiles, reads_pictures: bool) -> Result<Self, VlmError> {
        Self::find(files, reads_pictures)?.ok_or_else(|| Self::missing(files))
    }

    /// The same, `None` where the files have no template.
    ///
    /// # Errors
    /// It is no valid template.
    pub fn find(files: &ProcessorFiles, reads_pictures: bool) -> Result<Option<Self>, VlmError> {
        const OF_TEXT: &[&str] = &[TEMPLATE, "tokenizer_config.json", OLD_TEMPLATE];
        const OF_PICTURES: &[&str] = &[
            "processor_config.json",
            OLD_TEMPLATE,
            TEMPLATE,
            "tokenizer_config.json",
        ];
        for name in if reads_pictures { OF_PICTURES } else { OF_TEXT } {
            let found = match *name {
                TEMPLATE => files.text(name)?.map(str::to_owned),
                _ => template_in(files.object(name)?.as_ref(), &files.path(name))?,
            };
            if let Some(source) = found {
                return Self::new(&source, &files.path(name), files).map(Some);
            }
        }
        Ok(None)
    }

    /// What is said where `files` have no template and a conversation needs one.
    pub fn missing(files: &ProcessorFiles) -> VlmError {
        VlmError::config(
            files.path(""),
            "no chat template: neither chat_template.jinja, nor the key chat_template in \
             chat_template.json or tokenizer_config.json; expected one, or another named by \
             model.chat_template or --chat-template (`raw` for prompts that need none)",
        )
    }

    /// The template in `path`: a JSON file with the key `chat_template`, or Jinja itself. The
    /// tokens that it may name come from `files`.
    ///
    /// # Errors
    /// The file cannot be read or holds no valid template.
    pub fn from_file(path: &Path, files: &ProcessorFiles) -> Result<Self, VlmError> {
        let wrong = |error| VlmError::config(path, format!("not UTF-8: {error}"));
        let text = String::from_utf8(dir::read_any(path)?).map_err(wrong)?;
        if path.extension().is_none_or(|extension| extension != "json") {
            return Self::new(&text, path, files);
        }
        let json = dir::parse(text.as_bytes(), path)?;
        let missing = || VlmError::config(path, "the key chat_template is missing");
        Self::new(
            &template_in(Some(&json), path)?.ok_or_else(missing)?,
            path,
            files,
        )
    }

    /// Whether a conversation with pictures can be rendered.
    pub fn takes_images(&self) -> bool {
        self.takes_parts
    }

    /// The template `source`, called `origin` in messages.
    ///
    /// # Errors
    /// It is no valid template, or `tokenizer_config.json` is no JSON.
    pub fn new(source: &str, origin: &Path, files: &ProcessorFiles) -> Result<Self, VlmError> {
        let mut environment = Environment::new();
        let invalid = |error: minijinja::Error| {
            VlmError::config(origin, format!("the chat template is invalid: {error}"))
        };
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(invalid)?);
        environment.set_fuel(Some(MAX_INSTRUCTIONS));
        python::install(&mut environment);
        environment
            .add_template_owned(NAME, python::without_generation_tags(source).into_owned())
            .map_err(invalid)?;

        let mut tokens = BTreeMap::new();
        for name in ["special_tokens_map.json", "tokenizer_config.json"] {
            let json = files.object(name)?.unwrap_or_default();
            for key in NAMED_TOKENS {
                let wrong = |message| VlmError::config(files.path(name), message);
                if let Some(token) = token_text(&json[key], key).map_err(wrong)? {
                    tokens.insert(key.to_owned(), token.to_owned());
                }
            }
        }
        let mut template = Self {
            source: source.to_owned(),
            origin: origin.into(),
            tokens,
            switches: switches::read_by(&environment),
            environment,
            args: TemplateArgs::new(),
            takes_text: true,
            takes_parts: true,
        };
        template.takes_parts = template.shows_probe(true)?;
        // A template that fails on everything shows its own message when it is used.
        template.takes_text = template.shows_probe(false)? || !template.takes_parts;
        Ok(template)
    }

    /// The template itself.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a text comes out when it is given as a list of parts, or as a string. A list that is
    /// printed as such shows the line break as an escape.
    fn shows_probe(&self, as_parts: bool) -> Result<bool, VlmError> {
        const PROBE: &str = "2f6\nb1c";
        let message = value(&Message::text("user", PROBE), as_parts);
        match self.render_values(vec![message], false, &TemplateArgs::new()) {
            Err(error) if error.kind() == ErrorKind::OutOfFuel => {
                Err(VlmError::config(&self.origin, ENDLESS))
            }
            rendered => Ok(rendered.is_ok_and(|text| text.contains(PROBE))),
        }
    }

    /// The conversation as one text, which ends with the opening of the assistant's turn if
    /// `add_generation_prompt`. Turns without pictures are given to the template as strings where
    /// it takes strings. `args` are the conversation's own over those of the template.
    ///
    /// # Errors
    /// The template refuses the conversation, does not read one of `args`, or takes only text and
    /// there are pictures.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        args: &TemplateArgs,
    ) -> Result<String, VlmError> {
        self.check_args(args)?;
        let images: usize = messages.iter().map(Message::image_count).sum();
        if images > 0 && !self.takes_parts {
            return Err(VlmError::Text(format!(
                "{}: the chat template takes text only, but the conversation shows {images} images",
                self.origin.display()
            )));
        }
        let as_parts = |message: &Message| message.image_count() > 0 || !self.takes_text;
        let values = messages
            .iter()
            .map(|message| value(message, as_parts(message)))
            .collect();
        self.render_values(values, add_generation_prompt, args)
            .map_err(|error| {
                let place = self.origin.display();
                if error.kind() == ErrorKind::OutOfFuel {
                    return VlmError::config(&self.origin, ENDLESS);
                }
                VlmError::Text(format!(
                    "{place}: the chat template refused the conversation: {error}"
                ))
            })
    }

    fn render_values(
        &self,
        messages: Vec<Value>,
        add_generation_prompt: bool,
        args: &TemplateArgs,
    ) -> Result<String, minijinja::Error> {
        let tokens = self
            .tokens
            .iter()
            .map(|(name, token)| (name.clone(), Value::from(token)));
        let mut context: BTreeMap<String, Value> = tokens.collect();
        for (name, value) in self.args.iter().chain(args) {
            context.insert(name.clone(), Value::from(Serde(value)));
        }
        context.insert("messages".into(), Value::from(messages));
        context.insert(
            "add_generation_prompt".into(),
            Value::from(add_generation_prompt),
        );
        context.insert("tools".into(), Value::from(()));
        context.insert("documents".into(), Value::from(()));
        let template = self.environment.get_template(NAME)?;
        let mut out = Limited(vec![]);
        template.render_captured_to(context, &mut out)?;
        String::from_utf8(out.0)
            .map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))
    }

    /// The tokens of the conversation. Special tokens are those that the template wrote; one that
    /// is spelled in a message's content is text.
    ///
    /// # Errors
    /// As [`render`](Self::render); or a role spells a special token.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
        args: &TemplateArgs,
    ) -> Result<Vec<u32>, VlmError> {
        let specials = tokenizer.specials();
        if let Some(message) = messages
            .iter()
            .find(|message| specials.occur_in(&message.role))
        {
            let role = &message.role;
            return Err(VlmError::Text(format!(
                "the role {role:?} contains a special token"
            )));
        }
        let parts = || messages.iter().flat_map(|message| &message.content);
        let texts = || {
            parts().filter_map(|part| match part {
                Content::Text(text) => Some(text.as_str()),
                Content::Image => None,
            })
        };
        if texts().all(|text| specials.interruptions(text).is_empty()) {
            let rendered = self.render(messages, add_generation_prompt, args)?;
            return tokenizer.encode_template(&rendered, None);
        }
        let roles = messages.iter().map(|message| message.role.as_str());
        let all: Vec<&str> = texts().chain(roles).chain([self.source.as_str()]).collect();
        let guard = special::unused_character(all.into_iter()).ok_or_else(|| {
            VlmError::Text("the conversation uses every private character of Unicode".into())
        })?;
        let mut guarded = messages.to_vec();
        for part in guarded.iter_mut().flat_map(|message| &mut message.content) {
            if let Content::Text(text) = part {
                *text = special::interrupt(text, &specials.interruptions(text), guard);
            }
        }
        let rendered = self.render(&guarded, add_generation_prompt, args)?;
        tokenizer.encode_template(&rendered, Some(guard))
    }
}

/// What a template writes, as far as it may.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > python::MAX_TEXT {
            let message = format!("the template writes more than {} bytes", python::MAX_TEXT);
            return Err(io::Error::other(message));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message as the template sees it.
fn value(message: &Message, as_parts: bool) -> Value {
    let part = |part: &Content| match part {
        Content::Text(text) => context! { type => "text", text => text },
        Content::Image => context! { type => "image" },
    };
    let content = if as_parts {
        message.content.iter().map(part).collect::<Value>()
    } else {
        let texts = message.content.iter().filter_map(|part| match part {
            Content::Text(text) => Some(text.as_str()),
            Content::Image => None,
        });
        Value::from(texts.collect::<String>())
    };
    context! { role => &message.role, content => content }
}

/// The `chat_template` of a JSON file: a template, or a list of named ones.
fn template_in(json: Option<&Json>, path: &Path) -> Result<Option<String>, VlmError> {
    let named = match json.and_then(|json| json.get(TEMPLATE_KEY)) {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(source)) => return Ok(Some(source.clone())),
        Some(Json::Array(named)) => named,
        Some(other) => {
            let message = format!("chat_template is {other}, expected a string or a list");
            return Err(VlmError::config(path, message));
        }
    };
    let default = named.iter().find(|entry| entry["name"] == "default");
    let source = default.and_then(|entry| entry["template"].as_str());
    let names: Vec<&str> = named
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    let missing = || {
        let message = format!("chat_template lists {names:?}, none of which is \"default\"");
        VlmError::config(path, message)
    };
    source
        .map(|source| Some(source.to_owned()))
        .ok_or_else(missing)
}

#[cfg(test)]
mod tests;
