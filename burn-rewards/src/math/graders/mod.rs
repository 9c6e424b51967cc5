//! The graders that compare cleaned strings rather than parsed mathematics.

use super::{Outcome, Profile, Reason, Verdict};

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

/// Grades `response` against the gold answer.
pub(super) fn grade(profile: Profile, gold: &str, response: &str) -> Outcome {
    if reading(profile, gold, true) == reading(profile, response, false) {
        Outcome::new(Verdict::Equal, Reason::SameString)
    } else {
        Outcome::new(Verdict::Different, Reason::SameString)
    }
}

/// What the grader compares, for people.
pub(super) fn reading(_profile: Profile, text: &str, _is_gold: bool) -> String {
    text.trim().to_owned()
}
