//! Chat templates that are known by a name.

use super::Tokenizer;
use crate::error::VlmError;

/// A chat template with gaps for what differs between models: `@image@`, what the family writes
/// for a picture, and `@prefix@`, the tokens with which the tokenizer begins every text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedTemplate {
    /// What users call it.
    pub name: &'static str,
    /// Jinja, with the gaps.
    pub source: &'static str,
}

impl NamedTemplate {
    /// Templates for models of any family.
    ///
    /// * `r1_zero`: a base model's prompt without any chat markup, for one question, after which
    ///   the model is already thinking: VisualThinker-R1-Zero, evaluation.
    /// * `visualthinker_base`: the same with a literal `<image>` after the pictures, as
    ///   VisualThinker-R1-Zero trained.
    pub const GENERAL: &'static [Self] = &[
        Self {
            name: "r1_zero",
            source: include_str!("templates/r1_zero.jinja"),
        },
        Self {
            name: "visualthinker_base",
            source: include_str!("templates/visualthinker_base.jinja"),
        },
    ];

    /// The template for one model, complete in itself: `image` is what it writes for a picture.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn complete(&self, image: &str, tokenizer: &Tokenizer) -> Result<String, VlmError> {
        // Jinja's string literals take these as they are, but for quotes and backslashes.
        let literal = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(self
            .source
            .replace("@image@", &literal(image))
            .replace("@prefix@", &literal(&tokenizer.prefix()?)))
    }
}
