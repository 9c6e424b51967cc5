//! What a gold answer is of what stands in a row.

use burn_rewards::extract::{last_box, python_list};
use serde_json::Value;

/// How the gold answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gold {
    /// As it is; of a list each item is accepted.
    AsIs,
    /// The letter of an option: `B`, `(B)`, or the option's text. As it is where there are none.
    Letter,
    /// The same, but where there are no options a list that Python has printed is one of which each
    /// item is accepted.
    LetterOrOneOf,
    /// The number of an option, from 0.
    Index,
    /// What stands after the last `####`.
    AfterHashes,
    /// The content of the last box.
    LastBox,
    /// A list of one answer, or of several that belong together: joined by commas.
    Joined,
}

/// The letters of options.
pub(super) const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The text that a field is, if it says something.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

impl Gold {
    /// The gold answer that the field `name` holds, where the row has `options`.
    ///
    /// # Errors
    /// What stands there is none.
    pub(super) fn of(self, name: &str, value: &Value, options: &[String]) -> Result<Value, String> {
        let written = || text(value).ok_or_else(|| wrong(name, value, "a text or a number"));
        Ok(match self {
            Self::AsIs if value.is_array() => value.clone(),
            Self::AsIs => written()?.into(),
            Self::LetterOrOneOf if options.is_empty() => {
                let written = written()?;
                python_list(&written).map_or_else(|| written.into(), Value::from)
            }
            Self::Letter if options.is_empty() => written()?.into(),
            Self::Letter | Self::LetterOrOneOf => letter(name, &written()?, options)?.into(),
            Self::Index => {
                let index = written()?.parse::<usize>().ok();
                let last = options.len().saturating_sub(1);
                let expected = format!("the number of an option, 0 to {last}");
                let index = index.filter(|i| *i < options.len());
                let letter = index.and_then(|i| LETTERS.get(i..=i));
                letter.ok_or_else(|| wrong(name, value, &expected))?.into()
            }
            Self::AfterHashes => {
                let written = written()?;
                let (_, after) = written.rsplit_once("####").unwrap_or(("", &written));
                after.trim().into()
            }
            Self::LastBox => {
                let written = written()?;
                let boxed = last_box(&written).map(|(_, content)| content);
                boxed
                    .ok_or_else(|| wrong(name, value, "a text with a \\boxed{…}"))?
                    .into()
            }
            Self::Joined => {
                let items = match value {
                    Value::Array(items) => items.iter().filter_map(text).collect(),
                    value => {
                        let written = text(value).unwrap_or_default();
                        python_list(&written).unwrap_or_else(|| vec![written])
                    }
                };
                items.join(", ").into()
            }
        })
    }
}

fn letter(name: &str, written: &str, options: &[String]) -> Result<String, String> {
    let bare = written
        .trim()
        .trim_start_matches('(')
        .trim_end_matches([')', '.']);
    let mut chars = bare.chars();
    let one = chars
        .next()
        .filter(|c| chars.next().is_none() && LETTERS.contains(*c));
    let at = one.and_then(|c| LETTERS.find(c));
    match at {
        Some(at) if at < options.len() => Ok(LETTERS[at..=at].into()),
        _ => {
            let same = options
                .iter()
                .position(|option| option.trim() == written.trim());
            let letter = same.and_then(|at| LETTERS.get(at..=at));
            letter.map(str::to_owned).ok_or_else(|| {
                let written = Value::from(written);
                wrong(name, &written, "the letter or the text of an option")
            })
        }
    }
}

fn wrong(name: &str, value: &Value, expected: &str) -> String {
    format!("`{name}` is {value}, expected {expected}")
}
