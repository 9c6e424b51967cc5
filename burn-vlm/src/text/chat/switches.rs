//! What a chat template reads beside the conversation.

use std::collections::BTreeSet;

use minijinja::Environment;
use serde_json::{Map, Value};

use super::{ChatTemplate, NAME};
use crate::error::VlmError;
use crate::text::files::NAMED_TOKENS;

/// Values of a chat template's switches by name, as `enable_thinking`: transformers' and TRL's
/// `chat_template_kwargs`.
pub type TemplateArgs = Map<String, Value>;

/// Names that the renderer itself gives a template.
const OWN: [&str; 4] = ["messages", "add_generation_prompt", "tools", "documents"];

/// The names that the template reads and nobody else gives it.
pub(super) fn read_by(environment: &Environment<'_>) -> BTreeSet<String> {
    let Ok(template) = environment.get_template(NAME) else {
        return BTreeSet::new();
    };
    let mut names: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
    names.extend(defaulted(template.source()));
    for (global, _) in environment.globals() {
        names.remove(global);
    }
    names.retain(|name| !is_given(name));
    names
}

/// The names that a template sets to themselves, as `{% set think = think | default(false) %}`:
/// minijinja takes them for the template's own.
fn defaulted(source: &str) -> impl Iterator<Item = String> + '_ {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let name = move |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| is_part(*c))
            .collect()
    };
    source.split("set ").skip(1).filter_map(move |rest| {
        let (target, value) = rest.split_once('=')?;
        let target = target.trim();
        (!target.is_empty() && target.chars().all(is_part) && name(value) == target)
            .then(|| target.to_owned())
    })
}

fn is_given(name: &str) -> bool {
    OWN.contains(&name) || NAMED_TOKENS.contains(&name)
}

impl ChatTemplate {
    /// The names of its switches, sorted: what [`TemplateArgs`] may set.
    pub fn switches(&self) -> impl Iterator<Item = &str> {
        self.switches.iter().map(String::as_str)
    }

    /// The same template, whose switches are as `args` says unless a conversation has its own.
    ///
    /// # Errors
    /// A name that the template does not read.
    pub fn with_args(self, args: &TemplateArgs) -> Result<Self, VlmError> {
        self.check_args(args)?;
        let args = args.clone();
        Ok(Self { args, ..self })
    }

    /// Refuses what the template would not see.
    pub(super) fn check_args(&self, args: &TemplateArgs) -> Result<(), VlmError> {
        let Some(name) = args.keys().find(|name| !self.switches.contains(*name)) else {
            return Ok(());
        };
        let expected = match self.switches.is_empty() {
            true => "no such value: it has no switches".to_owned(),
            false => format!("one of {}", self.switches().collect::<Vec<_>>().join(", ")),
        };
        Err(VlmError::Text(format!(
            "{}: the chat template does not read {name:?}, expected {expected}",
            self.origin.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Message, ProcessorFiles};
    use serde_json::json;
    use std::path::Path;

    /// The end of Qwen3's template, and a switch with a number.
    const SOURCE: &str = "{%- set ns = namespace(n=0) %}{%- for m in messages %}{{- m.content }}\
        {%- endfor %}{%- if add_generation_prompt %}{{- bos_token }}|\
        {%- if enable_thinking is defined and enable_thinking is false %}\
        {{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}\
        {%- if budget %}{{- budget + 1 }}{%- endif %}";

    fn template(source: &str) -> ChatTemplate {
        let mut files = ProcessorFiles::new();
        files.insert("tokenizer_config.json", r#"{"bos_token": "<s>"}"#);
        ChatTemplate::new(source, Path::new("t.jinja"), &files).unwrap()
    }

    fn args(json: Value) -> TemplateArgs {
        json.as_object().unwrap().clone()
    }

    #[test]
    fn a_conversations_own_switches_come_before_those_of_the_template() {
        let template = template(SOURCE);
        let switches: Vec<&str> = template.switches().collect();
        assert_eq!(switches, ["budget", "enable_thinking"]);
        let asked = [Message::text("user", "hi")];
        let render = |template: &ChatTemplate, own: Value| {
            template.render(&asked, true, &args(own)).unwrap()
        };
        let silent = "hi<s>|<think>\n\n</think>\n\n";
        assert_eq!(render(&template, json!({})), "hi<s>|");
        let off = json!({"enable_thinking": false});
        assert_eq!(render(&template, off.clone()), silent);
        let template = template.with_args(&args(off)).unwrap();
        assert_eq!(render(&template, json!({})), silent);
        assert_eq!(
            render(&template, json!({"enable_thinking": true})),
            "hi<s>|"
        );
        let both = format!("{silent}42");
        assert_eq!(render(&template, json!({"budget": 41})), both);
    }

    #[test]
    fn what_the_template_does_not_read_is_refused() {
        let refused = |source: &str, name: &str| {
            let args = TemplateArgs::from_iter([(name.to_owned(), json!(true))]);
            let template = template(source);
            let of_row = template.render(&[], true, &args).unwrap_err().to_string();
            let message = template.with_args(&args).unwrap_err().to_string();
            assert_eq!(message, of_row);
            message
        };
        assert_eq!(
            refused(SOURCE, "enable_thinkin"),
            "t.jinja: the chat template does not read \"enable_thinkin\", expected one of budget, \
             enable_thinking"
        );
        let defaulted =
            "{%- set think = think | default(false) %}{%- set x = 1 %}{{ think }}{{ x }}";
        let switches: Vec<String> = template(defaulted).switches().map(str::to_owned).collect();
        assert_eq!(switches, ["think"]);
        // What the renderer gives is no switch.
        for name in [
            "messages",
            "add_generation_prompt",
            "bos_token",
            "namespace",
        ] {
            refused(SOURCE, name);
        }
        let none = refused("{{ messages[0].content }}", "enable_thinking");
        assert!(
            none.ends_with("expected no such value: it has no switches"),
            "{none}"
        );
    }
}
