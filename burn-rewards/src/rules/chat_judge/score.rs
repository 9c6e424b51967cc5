//! The score in a judge's reply.

use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Value};

/// How a judge's reply says its score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreForm {
    /// A number after a key, as `Score: 7`; the last of them counts.
    #[default]
    Number,
    /// A field of a JSON object; the last object that has it counts.
    Json,
    /// `yes` or `no`.
    YesNo,
}

/// Objects that are tried, from the end of a reply.
const MOST_OBJECTS: usize = 64;

impl ScoreForm {
    /// What stands before the number, or the field of the object, where no other is given.
    pub fn key(self) -> &'static str {
        match self {
            Self::Number => "Score:",
            Self::Json => "score",
            Self::YesNo => "",
        }
    }

    /// The score of a reply, from `low` to `high`, as a share of that range. What a judge thinks
    /// before `</think>` is no reply.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(self, reply: &str, key: &str, [low, high]: [f64; 2]) -> Result<f64, String> {
        let reply = reply
            .rsplit_once("</think>")
            .map_or(reply, |(_, said)| said);
        let number = match self {
            Self::YesNo => return yes_no(reply).ok_or_else(|| "`yes` or `no`".into()),
            Self::Number => number_after(reply, key, high)?,
            Self::Json => number_in(reply, key)?,
        };
        match (low..=high).contains(&number) {
            true => Ok((number - low) / (high - low)),
            false => Err(format!("a score from {low} to {high}, not {number}")),
        }
    }
}

fn number_after(reply: &str, key: &str, high: f64) -> Result<f64, String> {
    let missing = || format!("a number after `{key}`");
    let lower = (reply.to_ascii_lowercase(), key.to_ascii_lowercase());
    let at = lower.0.rfind(&lower.1).ok_or_else(missing)?;
    let rest = &reply[at + key.len()..];
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || "*_`\"$([:=".contains(c));
    let (number, rest) = leading_number(rest).ok_or_else(missing)?;
    // `3/5` where 10 is the best would be taken for 3 of 10.
    match rest
        .trim_start()
        .strip_prefix('/')
        .map(|r| leading_number(r.trim_start()))
    {
        Some(Some((of, _))) if of != high => Err(format!("a score out of {high}, not out of {of}")),
        _ => Ok(number),
    }
}

fn leading_number(text: &str) -> Option<(f64, &str)> {
    let digits = |at: usize| text[at..].bytes().take_while(u8::is_ascii_digit).count();
    let start = usize::from(text.starts_with(['-', '+']));
    let mut end = start + digits(start);
    if text[end..].starts_with('.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn number_in(reply: &str, key: &str) -> Result<f64, String> {
    let object = |(at, _): (usize, &str)| {
        let mut values = Deserializer::from_str(&reply[at..]).into_iter::<Value>();
        values.next()?.ok()?.get(key).cloned()
    };
    let found = reply
        .rmatch_indices('{')
        .take(MOST_OBJECTS)
        .find_map(object);
    let number = match found {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => crate::remote::number(&value),
        None => None,
    };
    number
        .filter(|n: &f64| n.is_finite())
        .ok_or_else(|| format!("a JSON object with a number as `{key}`"))
}

/// A reply that has both words says with its first or its last one what it means.
fn yes_no(reply: &str) -> Option<f64> {
    let words = reply.split(|c: char| !c.is_alphanumeric());
    let said = |word: &str| match word.to_ascii_lowercase().as_str() {
        "yes" => Some(1.0),
        "no" => Some(0.0),
        _ => None,
    };
    let words: Vec<Option<f64>> = words.filter(|w| !w.is_empty()).map(said).collect();
    let all: Vec<f64> = words.iter().flatten().copied().collect();
    match all.as_slice() {
        [] => None,
        [one, rest @ ..] if rest.iter().all(|r| r == one) => Some(*one),
        _ => match (*words.first()?, *words.last()?) {
            (Some(first), Some(last)) if first != last => None,
            (first, last) => first.or(last),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: ScoreForm, reply: &str) -> Result<f64, String> {
        form.read(reply, form.key(), [0.0, 10.0])
    }

    #[test]
    fn a_number_after_its_key() {
        for (reply, expected) in [
            ("Score: 7", 0.7),
            ("score: 3. On second thought\n**Score:** 8/10", 0.8),
            ("Score: \"2.5\"", 0.25),
            ("<think>Score: 1</think>Score:10", 1.0),
            ("Good.\nScore: [[4]]", 0.4),
        ] {
            assert_eq!(read(ScoreForm::Number, reply), Ok(expected), "{reply}");
        }
        for (reply, expected) in [
            ("7", "a number after `Score:`"),
            ("Score: seven", "a number after"),
            ("Score: 11", "0 to 10, not 11"),
            ("Score: -1", "not -1"),
            ("Score: 3/5", "not out of 5"),
            ("", "a number after"),
        ] {
            let message = read(ScoreForm::Number, reply).unwrap_err();
            assert!(message.contains(expected), "{reply}: {message}");
        }
    }

    #[test]
    fn a_field_of_the_last_object_that_has_it() {
        for (reply, expected) in [
            (r#"{"score": 5}"#, 0.5),
            (
                r#"So {"score": 1}, no: ```json {"why": {"a": 1}, "score": "9"}``` {x}"#,
                0.9,
            ),
            (r#"{"score": true}"#, 0.1),
        ] {
            assert_eq!(read(ScoreForm::Json, reply), Ok(expected), "{reply}");
        }
        for reply in [
            "",
            "{",
            r#"{"mark": 5}"#,
            r#"{"score": null}"#,
            r#"{"score": 5"#,
        ] {
            assert!(read(ScoreForm::Json, reply).is_err(), "{reply}");
        }
    }

    #[test]
    fn yes_or_no_and_nothing_in_between() {
        for (reply, expected) in [
            ("Yes", 1.0),
            ("**No.**", 0.0),
            ("Yes, there is no doubt.", 1.0),
            ("There is no mistake, so: yes", 1.0),
            ("<think>no?</think>yes", 1.0),
        ] {
            assert_eq!(read(ScoreForm::YesNo, reply), Ok(expected), "{reply}");
        }
        for reply in [
            "",
            "maybe",
            "Yes and no",
            "nobody",
            "It is no, or it is yes then",
        ] {
            assert!(read(ScoreForm::YesNo, reply).is_err(), "{reply}");
        }
    }
}
