//! Keeping a special token's text inside a user's words from becoming the special token.
//!
//! The words are given a guard character inside every special token's text before the template is
//! rendered. The template can still look at the words, trim and split them, and what it adds itself
//! stays recognisable: a special token without a guard is the template's. Guards are removed again
//! before the words are encoded. Words without such text, nearly all, are not changed at all.

use std::ops::Range;

/// The special tokens of a tokenizer, longest first.
#[derive(Debug, Clone)]
pub(super) struct SpecialTokens {
    tokens: Vec<SpecialToken>,
    first_bytes: [bool; 256],
}

#[derive(Debug, Clone)]
pub(super) struct SpecialToken {
    pub content: String,
    pub id: u32,
    /// The token swallows white space on its left.
    pub lstrip: bool,
    /// The token swallows white space on its right.
    pub rstrip: bool,
}

/// A special token's text at `range`.
pub(super) struct Match<'a> {
    pub range: Range<usize>,
    pub token: &'a SpecialToken,
}

impl SpecialTokens {
    pub fn new(mut tokens: Vec<SpecialToken>) -> Self {
        tokens.retain(|token| !token.content.is_empty());
        tokens.sort_by_key(|token| std::cmp::Reverse(token.content.len()));
        let mut first_bytes = [false; 256];
        for token in &tokens {
            first_bytes[usize::from(token.content.as_bytes()[0])] = true;
        }
        Self {
            tokens,
            first_bytes,
        }
    }

    /// The longest special token that starts at byte `at`.
    fn at(&self, text: &str, at: usize) -> Option<&SpecialToken> {
        let rest = &text.as_bytes()[at..];
        if !rest
            .first()
            .is_some_and(|&byte| self.first_bytes[usize::from(byte)])
        {
            return None;
        }
        self.tokens
            .iter()
            .find(|token| rest.starts_with(token.content.as_bytes()))
    }

    /// Special tokens from left to right, the longest first where several start, none overlapping:
    /// the rule of the `tokenizers` library.
    pub fn matches<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Match<'a>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < text.len() {
                if let Some(token) = self.at(text, at) {
                    let start = at;
                    at += token.content.len();
                    return Some(Match {
                        range: start..at,
                        token,
                    });
                }
                at += 1;
            }
            None
        })
    }

    /// True when a special token's text stands somewhere in `text`.
    pub fn occur_in(&self, text: &str) -> bool {
        self.matches(text).next().is_some()
    }

    /// Byte positions at which `text` must be interrupted so that no special token's text survives
    /// in it, nor can arise where it is joined to other text: after the first character of every
    /// occurrence, overlapping ones too, after the first character of a beginning of one at the end
    /// of `text`, and at the start of `text` if that is the end of one.
    pub fn interruptions(&self, text: &str) -> Vec<usize> {
        let mut places = Vec::new();
        if self
            .tokens
            .iter()
            .any(|token| begins_with_tail(text, &token.content))
        {
            places.push(0);
        }
        for (at, first) in text.char_indices() {
            let rest = &text[at..];
            let split = |token: &SpecialToken| {
                rest.starts_with(&token.content) || token.content.starts_with(rest)
            };
            if self.first_bytes[usize::from(text.as_bytes()[at])] && self.tokens.iter().any(split) {
                places.push(at + first.len_utf8());
            }
        }
        places
    }
}

/// True when `text` starts with a proper ending of `token`.
fn begins_with_tail(text: &str, token: &str) -> bool {
    token
        .char_indices()
        .skip(1)
        .any(|(at, _)| text.starts_with(&token[at..]))
}

/// A private-use character that none of `texts` contains.
pub(super) fn unused_character<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<char> {
    ('\u{E000}'..='\u{F8FF}').find(|&c| texts.clone().all(|text| !text.contains(c)))
}

/// `text` with `guard` at each of `places`, which ascend.
pub(super) fn interrupt(text: &str, places: &[usize], guard: char) -> String {
    let mut out = String::with_capacity(text.len() + places.len() * guard.len_utf8());
    let mut from = 0;
    for &place in places {
        out.push_str(&text[from..place]);
        out.push(guard);
        from = place;
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specials(contents: &[&str]) -> SpecialTokens {
        let token = |(id, content): (usize, &&str)| SpecialToken {
            content: (*content).into(),
            id: id as u32,
            lstrip: false,
            rstrip: false,
        };
        SpecialTokens::new(contents.iter().enumerate().map(token).collect())
    }

    fn guarded(specials: &SpecialTokens, text: &str) -> String {
        interrupt(text, &specials.interruptions(text), '|')
    }

    #[test]
    fn the_leftmost_and_longest_token_is_found() {
        let specials = specials(&["<a", "<a>", "<b>"]);
        let found: Vec<_> = specials
            .matches("é<a>x<a<b>")
            .map(|m| (m.range, m.token.id))
            .collect();
        assert_eq!(found, [(2..5, 1), (6..8, 0), (8..11, 2)]);
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        let specials = specials(&["<end>", "<pad>"]);
        for text in ["", "a < b > c", "<en d>", "éé <p>", "ends with end"] {
            assert!(specials.interruptions(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn whole_overlapping_and_half_tokens_are_interrupted() {
        let specials = specials(&["<end>", "><e"]);
        assert_eq!(guarded(&specials, "a<end>b"), "a<|end>b");
        // The start could end "><e", the end could begin it.
        assert_eq!(guarded(&specials, "<end><end>"), "|<|end>|<|end>|");
        assert_eq!(guarded(&specials, "say <en"), "say <|en");
        assert_eq!(guarded(&specials, "d> more"), "|d> more");
        for (a, b) in [
            ("<", "end>"),
            ("<en", "d>"),
            ("<end", ">"),
            (">", "<e"),
            ("x>", "<end>"),
        ] {
            let joined = guarded(&specials, a) + &guarded(&specials, b);
            assert!(!specials.occur_in(&joined), "{joined}");
        }
    }

    #[test]
    fn a_guard_is_a_character_that_nobody_uses() {
        let texts = ["\u{E000}", "x\u{E002}"];
        assert_eq!(unused_character(texts.into_iter()), Some('\u{E001}'));
        let all: String = ('\u{E000}'..='\u{F8FF}').collect();
        assert_eq!(unused_character([all.as_str()].into_iter()), None);
    }
}
