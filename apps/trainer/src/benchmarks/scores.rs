//! Scores that benchmarks make of the verdicts on all rows together.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What was found of one row.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    /// The fields that the benchmark keeps.
    pub kept: &'a Map<String, Value>,
    /// Whether its completion is right.
    pub right: bool,
}

/// Numbers by name; none where rows are missing that they are made of.
pub type Score = fn(&[Verdict<'_>]) -> Vec<(&'static str, f64)>;

impl Verdict<'_> {
    fn text(&self, name: &str) -> String {
        match self.kept.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }
}

/// Right and all rows by the value of a field.
fn counts(verdicts: &[Verdict<'_>], field: &str) -> BTreeMap<String, (usize, usize)> {
    let mut counts = BTreeMap::<_, (usize, usize)>::new();
    for verdict in verdicts {
        let count = counts.entry(verdict.text(field)).or_default();
        count.0 += usize::from(verdict.right);
        count.1 += 1;
    }
    counts
}

fn share((right, all): (usize, usize)) -> f64 {
    right as f64 / all.max(1) as f64
}

/// CV-Bench: `2D` is the mean over ADE20K and COCO, `3D` is Omni3D's, the score is the mean of the
/// two.
pub(super) fn cv_bench(verdicts: &[Verdict<'_>]) -> Vec<(&'static str, f64)> {
    let counts = counts(verdicts, "source");
    let of = |name: &str| {
        let found = counts
            .iter()
            .find(|(source, _)| source.eq_ignore_ascii_case(name));
        found.map(|(_, count)| share(*count))
    };
    let (Some(ade), Some(coco), Some(deep)) = (of("ADE20K"), of("COCO"), of("Omni3D")) else {
        return vec![];
    };
    let flat = (ade + coco) / 2.0;
    vec![("2D", flat), ("3D", deep), ("score", (flat + deep) / 2.0)]
}

/// MMStar: the mean of the accuracies of its six categories.
pub(super) fn mmstar(verdicts: &[Verdict<'_>]) -> Vec<(&'static str, f64)> {
    let counts = counts(verdicts, "category");
    match counts.len() {
        6 => vec![(
            "score",
            counts.values().copied().map(share).sum::<f64>() / 6.0,
        )],
        _ => vec![],
    }
}

/// WeMath, over its composite problems of two and three steps, from the verdicts on the steps and
/// on the whole: insufficient knowledge (whole wrong, a step wrong), inadequate generalisation
/// (whole wrong, all steps right), rote memorisation (whole right; strict: a step wrong, loose: all
/// steps wrong) and complete mastery (the other ones whose whole is right). The score counts
/// mastery as one and inadequate generalisation as a half.
///
/// A problem of which rows are missing counts in none of them.
pub(super) fn wemath(verdicts: &[Verdict<'_>]) -> Vec<(&'static str, f64)> {
    let mut problems = BTreeMap::<(String, String), BTreeMap<String, bool>>::new();
    for verdict in verdicts {
        if let Some((steps, step)) = verdict.text("key").split_once("steps_") {
            let problem = (steps.to_owned(), verdict.text("ID"));
            let rows = problems.entry(problem).or_default();
            rows.insert(step.to_owned(), verdict.right);
        }
    }
    let (mut all, mut unknown, mut narrow) = (0, 0, 0);
    let (mut strict, mut loose) = (0, 0);
    for ((steps, _), rows) in &problems {
        let steps: usize = steps.parse().unwrap_or(0);
        let rights: Vec<bool> = (1..=steps)
            .filter_map(|step| rows.get(&step.to_string()).copied())
            .collect();
        let Some(whole) = rows
            .get("multi")
            .filter(|_| steps > 0 && rights.len() == steps)
        else {
            continue;
        };
        let (every, some) = (rights.iter().all(|r| *r), rights.iter().any(|r| *r));
        all += 1;
        unknown += usize::from(!whole && !every);
        narrow += usize::from(!whole && every);
        strict += usize::from(*whole && every);
        loose += usize::from(*whole && some);
    }
    if all == 0 {
        return vec![];
    }
    let rate = |count: usize| share((count, all));
    vec![
        ("problems", all as f64),
        ("score_strict", rate(strict) + 0.5 * rate(narrow)),
        ("score_loose", rate(loose) + 0.5 * rate(narrow)),
        ("insufficient_knowledge", rate(unknown)),
        ("inadequate_generalisation", rate(narrow)),
        ("complete_mastery_strict", rate(strict)),
        ("complete_mastery_loose", rate(loose)),
        (
            "rote_memorisation_strict",
            rate(all - unknown - narrow - strict),
        ),
        (
            "rote_memorisation_loose",
            rate(all - unknown - narrow - loose),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The score of rows given as fields and verdict.
    fn scored(score: Score, rows: &[(Value, bool)]) -> BTreeMap<&'static str, f64> {
        let verdicts: Vec<Verdict<'_>> = rows
            .iter()
            .map(|(kept, right)| Verdict {
                kept: kept.as_object().unwrap(),
                right: *right,
            })
            .collect();
        score(&verdicts).into_iter().collect()
    }

    #[test]
    fn cv_bench_weighs_flat_and_deep_alike() {
        let row = |source: &str, right| (json!({ "source": source }), right);
        let rows = [
            row("ADE20K", true),
            row("ADE20K", false),
            row("COCO", true),
            row("Omni3D", true),
            row("Omni3D", true),
            row("Omni3D", true),
            row("Omni3D", false),
        ];
        let found = scored(cv_bench, &rows);
        // (1/2 + 1) / 2, 3/4, and the mean of both.
        assert_eq!(
            (found["2D"], found["3D"], found["score"]),
            (0.75, 0.75, 0.75)
        );
        assert!(scored(cv_bench, &rows[..3]).is_empty());
    }

    #[test]
    fn mmstar_is_the_mean_of_six_categories() {
        let row = |category: i32, right| (json!({ "category": category.to_string() }), right);
        let mut rows: Vec<_> = (1..6).map(|category| row(category, false)).collect();
        assert!(scored(mmstar, &rows).is_empty());
        rows.extend([row(6, true), row(6, true), row(6, false), row(1, true)]);
        // 1/2 of the first, 2/3 of the last, nothing of the others.
        assert!((scored(mmstar, &rows)["score"] - (0.5 + 2.0 / 3.0) / 6.0).abs() < 1e-12);
    }

    /// Five problems, one of each kind and one of which a row is missing; by hand.
    #[test]
    fn wemath_tells_knowledge_from_rote() {
        let mut rows = vec![];
        let mut problem = |id: &str, steps: &[bool], whole: Option<bool>| {
            let kind = steps.len();
            for (i, right) in steps.iter().enumerate() {
                rows.push((
                    json!({ "ID": id, "key": format!("{kind}steps_{}", i + 1) }),
                    *right,
                ));
            }
            if let Some(right) = whole {
                rows.push((
                    json!({ "ID": id, "key": format!("{kind}steps_multi") }),
                    right,
                ));
            }
        };
        problem("a", &[true, true], Some(true)); // mastery
        problem("b", &[true, false], Some(true)); // rote if strict, mastery if loose
        problem("c", &[true, true, true], Some(false)); // inadequate generalisation
        problem("d", &[false, true, true], Some(false)); // insufficient knowledge
        problem("a", &[false, false, false], Some(true)); // rote; an ID of the three-step ones
        problem("e", &[true, true], None);
        let found = scored(wemath, &rows);
        let expected = [
            ("problems", 5.0),
            ("score_strict", 0.3),
            ("score_loose", 0.5),
            ("insufficient_knowledge", 0.2),
            ("inadequate_generalisation", 0.2),
            ("complete_mastery_strict", 0.2),
            ("complete_mastery_loose", 0.4),
            ("rote_memorisation_strict", 0.4),
            ("rote_memorisation_loose", 0.2),
        ];
        for (name, value) in expected {
            assert!(
                (found[name] - value).abs() < 1e-12,
                "{name}: {}",
                found[name]
            );
        }
    }
}
