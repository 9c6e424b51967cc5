//! GSM8K: the number after `####`, otherwise the last number, compared as a string without commas.
//!
//! Source: volcengine/verl, `verl/utils/reward_score/gsm8k.py`; the format is that of the data set
//! (Cobbe et al. 2021). Other than there, a full stop that ends the number does not belong to it.

use super::text::last_chars;

/// Characters of a response that are looked at.
const WINDOW: usize = 300;

pub(super) fn answer(text: &str, is_gold: bool) -> Option<String> {
    if let Some((_, after)) = text.rsplit_once("#### ") {
        return numbers(after.trim_start_matches('$'))
            .next()
            .filter(|_| after.starts_with(number_start));
    }
    let text = if is_gold {
        text
    } else {
        last_chars(text, WINDOW)
    };
    numbers(text).last()
}

fn number_start(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '-' | '.' | '$')
}

/// Runs of digits, commas and full stops with an optional sign, cleaned; those without a digit are
/// none.
fn numbers(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let body = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
            let start = rest.find(|c| body(c) || c == '-')?;
            let from = &rest[start..];
            let digits = from.strip_prefix('-').unwrap_or(from);
            let length = digits.find(|c| !body(c)).unwrap_or(digits.len());
            let sign = from.len() - digits.len();
            rest = &from[(sign + length).max(1)..];
            let run = &from[..sign + length];
            if run.bytes().any(|b| b.is_ascii_digit()) {
                let run = run.replace(',', "");
                return Some(run.trim_end_matches('.').to_owned());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_number_or_the_last() {
        assert_eq!(answer("so 3.\n#### 1,234", true).as_deref(), Some("1234"));
        assert_eq!(answer("first 3, then 18.", false).as_deref(), Some("18"));
        assert_eq!(answer("#### -7", false).as_deref(), Some("-7"));
        assert_eq!(answer("no number - at all.", false), None);
    }
}
