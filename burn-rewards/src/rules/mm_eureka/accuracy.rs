//! What the instruct and the Qwen accuracy share.

use crate::{
    RewardError,
    extract::{first_line_answer_tag, is_blank, last_answer_tag, python_strip},
    math::{
        ExprTarget, LatexTarget, Options, ParseConfig, StringTarget, Target, Verifier, choice,
        parse,
    },
};

/// The options of the rescue of multiple-choice answers.
const CHOICES: &str = "ABCD";

/// How a gold answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoldText {
    /// As it stands in the data.
    Plain,
    /// As the content of `$…$`.
    Wrapped,
}

impl GoldText {
    fn of(self, answer: &str) -> String {
        match self {
            Self::Plain => answer.to_owned(),
            Self::Wrapped => format!("${answer}$"),
        }
    }
}

/// LaTeX, numbers and choice letters, as the originals parse responses.
pub(super) fn with_choices() -> ParseConfig {
    ParseConfig {
        targets: vec![
            Target::String(StringTarget::default()),
            Target::Latex(LatexTarget::default()),
            Target::Expr(ExprTarget::default()),
        ],
        ..ParseConfig::default()
    }
}

/// Whether `response` answers `answer`.
///
/// # Errors
/// A gold answer that is neither mathematics nor a choice letter.
pub(super) fn judge(
    rule: &str,
    gold: GoldText,
    answer: &str,
    response: &str,
) -> Result<bool, RewardError> {
    let letter = choice::single(answer, CHOICES);
    let verifier = Verifier::custom(ParseConfig::default(), with_choices(), Options::default());
    let parsed = verifier.parse_gold(&gold.of(answer));
    let parsed = match (parsed, letter) {
        _ if is_blank(answer) => {
            let expected = "expected a text that is not empty";
            return Err(RewardError::gold(rule, answer, expected));
        }
        (Err(error), None) => {
            return Err(RewardError::gold(rule, answer, error.reason.to_string()));
        }
        (Ok(gold), None) if gold.is_words() => {
            let expected = "expected mathematics or a choice letter";
            return Err(RewardError::gold(rule, answer, expected));
        }
        (parsed, _) => parsed.ok(),
    };
    let content = last_answer_tag(response).unwrap_or_else(|| after_last_open(response));
    if letter.is_some() {
        let chosen = chosen(content);
        return Ok(chosen.is_some() && chosen == letter);
    }
    Ok(parsed.is_some_and(|gold| verifier.verify_gold(&gold, content).is_equal()))
}

/// The one option that a text names, if it names exactly one.
fn chosen(content: &str) -> Option<char> {
    choice::single(content, CHOICES).or_else(|| {
        let mut all = choice::standing(content, CHOICES).map(|(_, letter)| letter);
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    })
}

fn after_last_open(response: &str) -> &str {
    response
        .rsplit_once("<answer>")
        .map_or(response, |(_, rest)| rest)
}

/// The original: its quirks are part of it.
///
/// - only an `<answer>` within one line is seen, the first of them;
/// - a gold answer that does not parse pays 1;
/// - the verifier has gold answer and response in each other's place;
/// - an option counts if its letter occurs anywhere, also inside a word, and no other's does.
pub(super) fn judge_compat(gold: GoldText, answer: &str, response: &str) -> bool {
    let response = python_strip(response);
    if response.is_empty() {
        return false;
    }
    let inner = first_line_answer_tag(response);
    let content = match inner {
        Some(inner) => format!("<answer>{inner}</answer>"),
        None => after_last_open(response).to_owned(),
    };
    let defaults = ParseConfig::default().like_python();
    let parsed = parse(&gold.of(answer), &defaults);
    let nothing = parsed.values.is_empty() && parsed.literal.is_none() && parsed.fallback.is_none();
    if nothing {
        return true;
    }
    let swapped = Verifier::custom(with_choices().like_python(), defaults, Options::default());
    if swapped.verify(&content, &gold.of(answer)).is_equal() {
        return true;
    }
    let student = python_strip(inner.unwrap_or(&content)).to_lowercase();
    let student = student.replace("</answer>", "").replace("<answer>", "");
    let letter = parsed.fallback.map(|text| text.to_lowercase());
    let choices = ["a", "b", "c", "d"];
    letter
        .filter(|l| choices.contains(&l.as_str()))
        .is_some_and(|letter| {
            student.contains(&letter)
                && choices.iter().all(|c| *c == letter || !student.contains(c))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answer: &str, response: &str) -> bool {
        judge("r", GoldText::Plain, answer, response).unwrap()
    }

    #[test]
    fn a_choice_is_a_letter_that_stands_for_itself() {
        assert!(judged("B", "<think>A? no</think><answer>B</answer>"));
        assert!(judged("B", "<answer>\nB\n</answer>"), "over several lines");
        assert!(judged("b", "<answer>The answer is (B).</answer>"));
        assert!(!judged("B", "<answer>bird</answer>"));
        assert!(!judged("B", "<answer>A or B</answer>"));
        assert!(!judged("B", ""));
        // The original finds a `b` in `bird`, and no other letter of the four but the `d`.
        assert!(judge_compat(
            GoldText::Wrapped,
            "B",
            "<answer>ribs</answer>"
        ));
        assert!(!judge_compat(
            GoldText::Wrapped,
            "B",
            "<answer>bird</answer>"
        ));
    }

    #[test]
    fn a_gold_answer_that_does_not_parse_pays_only_in_the_original() {
        assert!(judge("r", GoldText::Plain, "not possible", "anything").is_err());
        assert!(judge("r", GoldText::Plain, " ", "anything").is_err());
        assert!(judge_compat(GoldText::Plain, "not possible", "anything"));
    }

    #[test]
    fn a_number_in_a_tag_over_several_lines_counts() {
        assert!(judged("596", "<answer>\n$596$\n</answer>"));
        assert!(!judged("596", "596 it is <answer>$5$</answer>"));
    }
}
