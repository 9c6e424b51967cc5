//! Chat templates that come with this crate, by name.

/// A template with places for what differs between models: `@image@`, what the family writes for a
/// picture, and `@prefix@`, the tokens with which the tokenizer begins every text.
pub(super) struct Builtin {
    pub name: &'static str,
    source: &'static str,
}

/// All of them.
///
/// * `internvl2_5`: the conversation template of InternVL 2.5's own code, with its system message
///   where a conversation has none.
/// * `r1_zero`: a base model's prompt without any chat markup, for one question, after which the
///   model is already thinking: VisualThinker-R1-Zero, evaluation.
/// * `visualthinker_base`: the same with a literal `<image>` after the pictures, as
///   VisualThinker-R1-Zero trained.
pub(super) const BUILTIN: [Builtin; 3] = [
    Builtin {
        name: "internvl2_5",
        source: include_str!("templates/internvl2_5.jinja"),
    },
    Builtin {
        name: "r1_zero",
        source: include_str!("templates/r1_zero.jinja"),
    },
    Builtin {
        name: "visualthinker_base",
        source: include_str!("templates/visualthinker_base.jinja"),
    },
];

impl Builtin {
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILTIN.iter().find(|builtin| builtin.name == name)
    }

    /// The template for one model, complete in itself.
    pub fn source(&self, image: &str, prefix: &str) -> String {
        // Jinja's string literals take these as they are, but for quotes and backslashes.
        let literal = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        self.source
            .replace("@image@", &literal(image))
            .replace("@prefix@", &literal(prefix))
    }
}
