//! How a verdict came about, for people.

use super::{Options, Outcome, Profile, Reason, Verdict, Verifier};
use crate::extract::{announced, last_answer_tag, last_box};

/// A verdict with where the answer was found, how both sides were read and what other graders say.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The verdict and what it rests on.
    pub outcome: Outcome,
    /// Where the answer stands in the response; none where the response has none.
    pub found: Option<Found>,
    /// Readings of the gold answer, best first.
    pub gold_read: Vec<String>,
    /// Readings of the answer, best first.
    pub pred_read: Vec<String>,
    /// What the other profiles say.
    pub others: Vec<(Profile, Outcome)>,
}

/// The piece of a response that the answer was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands.
    pub place: &'static str,
    /// The piece.
    pub text: String,
}

/// Characters of a piece that are shown.
const SHOWN: usize = 200;

/// Judges `response` and tells how. The place is the narrowest one that reads as the whole response
/// does: the last `<answer>`, the last box, what follows the last phrase that announces an answer,
/// the last formula, the last line.
pub fn trace(profile: Profile, options: &Options, gold: &str, response: &str) -> Trace {
    let verifier = Verifier::with_options(profile, options.clone());
    let explained = verifier.explain(gold, response);
    let reads = |piece: &str| verifier.explain(gold, piece).pred_parsed;
    let mut found = None;
    if !explained.pred_parsed.is_empty() {
        let pieces = places(response).into_iter();
        let mut same = pieces.filter(|(_, text)| reads(text) == explained.pred_parsed);
        let (place, text) = same.next().unwrap_or(("in the response", response));
        found = Some(Found {
            place,
            text: text.trim().chars().take(SHOWN).collect(),
        });
    }
    let others = Profile::names();
    let others = others
        .iter()
        .filter_map(|name| Profile::from_name(name).ok());
    let verdict = |other: Profile| {
        let verifier = Verifier::with_options(other, options.clone());
        (other, verifier.verify(gold, response))
    };
    Trace {
        outcome: explained.outcome,
        found,
        gold_read: explained.gold_parsed,
        pred_read: explained.pred_parsed,
        others: others.filter(|o| *o != profile).map(verdict).collect(),
    }
}

/// Places where answers stand, those that decide first.
fn places(response: &str) -> Vec<(&'static str, &str)> {
    let formula = || {
        let end = response.trim_end_matches(|c| c != '$').strip_suffix('$')?;
        let start = end.trim_end_matches('$').rfind('$')?;
        Some(&response[start..end.len() + 1])
    };
    let line = response.trim_end().rsplit('\n').next();
    [
        ("in the last <answer>", last_answer_tag(response)),
        (
            "in the last \\boxed{}",
            last_box(response).map(|(whole, _)| whole),
        ),
        ("after the words that announce it", announced(response)),
        ("in the last formula", formula()),
        ("in the last line", line),
    ]
    .into_iter()
    .filter_map(|(place, text)| Some((place, text?)))
    .collect()
}

/// What an outcome says, in words.
pub fn why(outcome: Outcome) -> &'static str {
    match (outcome.verdict, outcome.reason) {
        (_, Reason::SameForm) => "both sides have the same canonical form",
        (_, Reason::SameString) => "both sides are the same text",
        (Verdict::Equal, Reason::Exact) => "equal in exact arithmetic",
        (_, Reason::Exact) => "different in exact arithmetic",
        (Verdict::Equal, Reason::Rounded) => "equal after rounding to the decimals that count",
        (_, Reason::Rounded) => "different after rounding to the decimals that count",
        (Verdict::Equal, Reason::Modular | Reason::Numeric) => "equal at every point tried",
        (_, Reason::Modular | Reason::Numeric) => "different at some point tried",
        (Verdict::Equal, Reason::Parts) => "all elements, ends or sides are equal",
        (_, Reason::Parts) => "some element, end or side differs",
        (_, Reason::Shape) => "one side is a set, relation, matrix or text and the other is not",
        (_, Reason::NoAnswer) => "the response holds no answer",
        (_, Reason::Unparsed) => "the answer in the response is no mathematics that is read",
        (_, Reason::Limit) => "the answer is too long or too deep",
        (_, Reason::Fuel) => "the work limit was used up; counts as different",
        (_, Reason::NoPoint) => "no point was found at which both sides have a value",
        (_, Reason::GoldUnparsed) => "the gold answer is no mathematics that is read",
        (_, other) => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(gold: &str, response: &str) -> Trace {
        trace(Profile::default(), &Options::default(), gold, response)
    }

    #[test]
    fn the_place_of_the_answer_is_told() {
        for (response, place) in [
            (r"so $x=3$ and $\boxed{4}$", "in the last \\boxed{}"),
            ("The answer is $4$.", "after the words that announce it"),
            ("It follows that $x$ is $4$", "in the last formula"),
        ] {
            let found = traced("4", response).found.unwrap();
            assert_eq!(found.place, place, "{response}");
        }
        assert_eq!(traced("4", "").found, None);
    }

    #[test]
    fn both_readings_the_reason_and_the_other_graders_are_there() {
        let told = traced("0.5", r"$\boxed{\frac{1}{2}}$");
        assert!(told.outcome.is_equal() && !why(told.outcome).is_empty());
        assert!(!told.gold_read.is_empty() && !told.pred_read.is_empty());
        assert_eq!(told.others.len(), Profile::names().len() - 1);
        let string = |t: &Trace| {
            let mut others = t.others.iter();
            others
                .find(|(p, _)| p.name() == "gsm8k")
                .map(|(_, o)| o.is_equal())
        };
        assert_eq!(string(&told), Some(false), "it looks for `####`");
    }
}
