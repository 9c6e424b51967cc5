//! The graders that compare cleaned strings, with or without mathematics behind them.
//!
//! Each works on the answer's text. A response is at most [`MAX_RESPONSE`] bytes from its end, an
//! answer at most [`MAX_ANSWER`].

mod dapo;
mod gsm8k;
mod hendrycks;
mod prm800k;
mod qwen;
mod scan;
mod text;

use super::{Outcome, Profile, Reason, Verdict, words};
use crate::extract::stated;

/// Bytes of a response that are looked at, from its end.
const MAX_RESPONSE: usize = 1 << 20;

/// Bytes of an answer that is graded; a longer one is no answer.
const MAX_ANSWER: usize = 4_096;

/// Whether `profile` works on strings.
pub(super) fn is_string_grader(profile: Profile) -> bool {
    matches!(
        profile,
        Profile::Dapo
            | Profile::Hendrycks
            | Profile::Gsm8k
            | Profile::Prm800k
            | Profile::QwenSimplerl
    )
}

/// What the grader compares, and `None` where it finds nothing.
fn answer(profile: Profile, text: &str, is_gold: bool) -> Option<String> {
    let text = text::tail(text, MAX_RESPONSE);
    let found = match profile {
        Profile::Dapo => dapo::answer(text, is_gold),
        Profile::Gsm8k => gsm8k::answer(text, is_gold),
        Profile::Hendrycks => hendrycks::answer(text, is_gold),
        Profile::QwenSimplerl => qwen::answer(text, is_gold),
        _ => prm800k::answer(text, is_gold),
    };
    found.filter(|a| a.len() <= MAX_ANSWER)
}

/// The answer that Qwen2.5-Math's rules find in a response, cleaned.
pub(crate) fn qwen_answer(response: &str) -> Option<String> {
    answer(Profile::QwenSimplerl, response, false)
}

/// Grades `response` against the gold answer.
///
/// With `compat` the original's own faults are kept: a word of magnitude is a unit, and DAPO's
/// grader reads no `\(13\)`, no `\dfrac` and no full stop.
pub(super) fn grade(profile: Profile, gold: &str, response: &str, compat: bool) -> Outcome {
    let scales = [gold, stated(response)].map(words::scale);
    if !compat && scales[0] != scales[1] && cuts_words(profile) {
        return Outcome::new(Verdict::Different, Reason::SameString);
    }
    let written = |text: String| match (profile, compat) {
        (Profile::Dapo, false) => dapo::plainly(&text),
        _ => text,
    };
    let Some(gold) = answer(profile, gold, true).map(written) else {
        return Outcome::new(Verdict::GoldUnparsed, Reason::GoldUnparsed);
    };
    let Some(pred) = answer(profile, response, false).map(written) else {
        return Outcome::new(Verdict::Different, Reason::NoAnswer);
    };
    let (equal, reason) = match profile {
        Profile::Prm800k => prm800k::equal(&gold, &pred),
        Profile::QwenSimplerl => qwen::equal(&gold, &pred, 0),
        _ => (gold == pred, Reason::SameString),
    };
    Outcome::new(
        if equal {
            Verdict::Equal
        } else {
            Verdict::Different
        },
        reason,
    )
}

/// Whether the grader drops words behind a number, of whatever meaning.
fn cuts_words(profile: Profile) -> bool {
    matches!(profile, Profile::Hendrycks | Profile::QwenSimplerl)
}

/// What the grader compares, for people.
pub(super) fn reading(profile: Profile, text: &str, is_gold: bool) -> String {
    answer(profile, text, is_gold).unwrap_or_default()
}
