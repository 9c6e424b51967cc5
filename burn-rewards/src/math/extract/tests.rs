//! Which part of a response is taken for the answer, against math-verify's own choice.

use super::read::as_percent;
use crate::math::formula;
use crate::math::{Normalization, ParseConfig, Profile, parse};

/// Rows of the recorded choices whose text `agrees` judges wrong, read by each profile's
/// configuration after `change`.
fn disagreeing(change: fn(ParseConfig) -> ParseConfig) -> Vec<String> {
    let rows = include_str!("../../../../tests/golden/math_verify/extraction.jsonl");
    let mut wrong = Vec::new();
    for line in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let config = row["config"].as_str().unwrap();
        let text = row["text"].as_str().unwrap();
        let profile = Profile::from_name(config).unwrap();
        let parsed = parse(text, &change(profile.pred_config()));
        let agrees = match row["found"].as_str() {
            None => parsed.values.is_empty() && parsed.literal.is_none(),
            Some(found) if config == "string" => parsed.literal == Some(found.to_lowercase()),
            Some(found) => {
                // Several environments are one list for us, and joined by "and" there.
                let reading = formula::read(found, &Normalization::default());
                match reading.values {
                    Ok(values) if row["percent"] == true => {
                        parsed.values.first() == as_percent(values).first()
                    }
                    Ok(values) => parsed.values.first() == values.first(),
                    Err(_) => parsed.values.is_empty(),
                }
            }
        };
        if !agrees {
            wrong.push(text.to_owned());
        }
    }
    wrong
}

#[test]
fn the_same_part_is_chosen() {
    let as_published = |config| ParseConfig {
        prose: false,
        ..config
    };
    assert_eq!(disagreeing(as_published), [""; 0]);
}

#[test]
fn prose_is_read_otherwise_only_where_that_is_meant() {
    assert_eq!(
        disagreeing(|config| config),
        [
            // A sentence parts the boxes.
            r"\boxed{3} This sentence stands between the two and says noth, or \boxed{5}",
            // Names, sums and equations belong to the answer.
            "The answer is x = 402",
            "The answer: a = 1, b = 402",
            "the answer is 3 + 4 and 9 is not",
            "x=42",
            "532 + 2 = 534",
            // Words are an answer.
            "no answer at all",
            "AZYUK2A",
            "room B12",
            // A letter in brackets is an option.
            "(B)",
        ]
    );
}

/// The first value found in `text` with the default configuration, as text.
fn found(text: &str) -> String {
    let parsed = parse(text, &ParseConfig::default());
    match (parsed.value(), parsed.reason) {
        (Some(value), None) => value.to_string(),
        (None, Some(reason)) => reason.to_string(),
        other => panic!("a value or a reason: {other:?}"),
    }
}

#[test]
fn what_does_not_parse_is_not_replaced_by_a_number_in_it() {
    // The Python library takes the last number of each.
    for text in [
        r"$4 \unknown 5$",
        r"so $\foo{3} + 7$",
        r"the answer is $\foo{3} + 7$",
        r"\boxed{\foo{3} + 7}",
        r"$x = 5$, hence \boxed{\foo{3} + 7}",
        r"$(8+3$",
        r"$8, 3,$",
    ] {
        assert_eq!(found(text), "the answer does not parse", "{text}");
    }
}

#[test]
fn plain_equations_and_tags_are_whole_answers() {
    assert_eq!(
        found("4*x - 7*y + 32 = 0"),
        "(rel (+ (* 4 x) (- (* 7 y)) 32) = 0)"
    );
    assert_eq!(
        found("The line is 4x+8y+33=0."),
        "(rel (+ (* 4 x) (* 8 y) 33) = 0)"
    );
    assert_eq!(found("1-1/e"), "(+ 1 (- (/ 1 E)))");
    assert_eq!(found("<think>it is 246</think><answer>240</answer>"), "240");
    assert_eq!(found("The answer is \"79\""), "79");
    assert_eq!(found(r"\boxed{71.86}\%"), "(% 7186e-2)");
    assert_eq!(found("37/5 is 7 2/5"), "(+ 7 (/ 2 5))");
}

#[test]
fn any_text_is_legal() {
    for unit in [
        "(",
        "{",
        "\\{",
        "|",
        "$",
        "$$",
        "\\[",
        "\\(",
        " [",
        "\\boxed{",
        "\\fbox",
        "answer: ",
        "final answer is ",
        "1 ",
        "1,",
        "^{",
        "\\frac",
        "\\sqrt",
        "\\text{",
        "0.\\overline{3",
        "f(",
        "\\int ",
        "\\lim_{",
        "!",
        "=1",
        "½",
        "²",
        "√",
        "１",
        "é",
        "\u{200b}",
        "\\left|",
        "\\mathbf{",
        "<answer>",
        "** ",
        "$\\boxed{5}$ and ",
        "]1,",
        "\\begin{cases}",
        "a\\setminus ",
        "-",
    ] {
        for wrapped in ["{}", "${}$", "\\boxed{{}}", "the answer is {}"] {
            let text = wrapped.replace("{}", &unit.repeat(3_000));
            let parsed = parse(&text, &ParseConfig::default());
            assert_eq!(
                parsed.values.is_empty() && parsed.literal.is_none(),
                parsed.reason.is_some(),
                "{unit}"
            );
        }
    }
}

#[test]
fn a_text_over_the_limit_is_refused() {
    let parsed = parse(&"1 ".repeat(super::MAX_TEXT), &ParseConfig::default());
    assert_eq!(parsed.reason, Some(crate::math::Unparsed::Limit));
}
