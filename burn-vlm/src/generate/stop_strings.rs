//! Texts that end a completion.

use crate::{error::VlmError, text::Tokenizer};

/// Stop strings: texts at whose end a completion ends, as `</answer>`.
///
/// Tokens seldom end where such a text ends, so the last one may go beyond it. All tokens are the
/// completion; its [text](Self::cut) goes up to the string, or to its end where it is included.
#[derive(Debug, Clone, Copy)]
pub struct StopStrings<'a> {
    strings: &'a [String],
    include: bool,
    tokenizer: &'a Tokenizer,
}

impl<'a> StopStrings<'a> {
    /// The first of `strings` that is said ends a completion; `include` leaves it in the text.
    ///
    /// # Errors
    /// An empty string, or one that spells a special token, which is no text of a completion: it is
    /// a stop token.
    pub fn new(
        strings: &'a [String],
        include: bool,
        tokenizer: &'a Tokenizer,
    ) -> Result<Self, VlmError> {
        for string in strings {
            let refuse = |expected: &str| {
                Err(VlmError::Request(format!(
                    "the stop string {string:?} {expected}"
                )))
            };
            if string.is_empty() {
                return refuse("is empty, expected a text");
            }
            if tokenizer.spells_special(string) {
                return refuse(
                    "spells a special token, expected plain text: what a model says as a token ends \
                     a completion as a stop token (eos_token_id of generation_config.json)",
                );
            }
        }
        Ok(Self {
            strings,
            include,
            tokenizer,
        })
    }

    /// Whether one of the strings ends in the last token of `tokens`, where none was said before.
    pub fn end(&self, tokens: &[u32]) -> bool {
        let Some(longest) = self.strings.iter().map(String::len).max() else {
            return false;
        };
        // A token has at least a byte, but for special ones, and the decoder may drop a blank at the
        // beginning of what it is given.
        let from = tokens.len().saturating_sub(longest + MARGIN);
        let tail = self.tokenizer.decode(&tokens[from..], true);
        tail.is_ok_and(|tail| self.strings.iter().any(|string| tail.contains(string)))
    }

    /// The text of a completion up to the first of the strings that is in it.
    pub fn cut<'t>(&self, text: &'t str) -> &'t str {
        let places = self.strings.iter().filter_map(|string| {
            let start = text.find(string)?;
            Some((start, start + string.len()))
        });
        // The string that was said first is the one that ended first.
        match places.min_by_key(|(start, end)| (*end, *start)) {
            None => text,
            Some((_, end)) if self.include => &text[..end],
            Some((start, _)) => &text[..start],
        }
    }
}

/// Tokens that are looked at beyond the length of a string.
const MARGIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokenizer::tiny;

    fn ids(text: &str) -> Vec<u32> {
        Tokenizer::from_bytes(&tiny::bytes())
            .unwrap()
            .encode_text(text)
            .unwrap()
    }

    #[test]
    fn a_completion_ends_with_the_token_that_ends_the_string() {
        let tokenizer = Tokenizer::from_bytes(&tiny::bytes()).unwrap();
        let strings = ["</a>".to_owned(), "é!".to_owned()];
        for include in [false, true] {
            let stop = StopStrings::new(&strings, include, &tokenizer).unwrap();
            for (text, cut) in [
                ("xy</a>", "xy"),
                ("12345678901234567890é!", "12345678901234567890"),
            ] {
                let tokens = ids(text);
                let ends = |n: &usize| stop.end(&tokens[..*n]);
                let first = (0..=tokens.len()).find(ends);
                assert_eq!(first, Some(tokens.len()), "{text}");
                let expected = if include { text } else { cut };
                // What the last token says beyond the string is no text of it.
                assert_eq!(stop.cut(&format!("{text}\n")), expected);
            }
            assert!(!stop.end(&ids("</a </a")));
            assert_eq!(stop.cut("no end"), "no end");
        }
        let both = ["ab".to_owned(), "abc".to_owned(), "b".to_owned()];
        let stop = StopStrings::new(&both, false, &tokenizer).unwrap();
        assert_eq!(
            stop.cut("xabc"),
            "x",
            "the longest of those that end together"
        );
    }

    #[test]
    fn strings_that_can_never_be_said_are_refused() {
        let tokenizer = Tokenizer::from_bytes(&tiny::bytes()).unwrap();
        for (string, expected) in [("", "is empty"), ("x<|im_end|>", "spells a special token")] {
            let strings = [string.to_owned()];
            let error = StopStrings::new(&strings, false, &tokenizer).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
