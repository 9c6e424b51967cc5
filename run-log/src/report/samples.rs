//! Completions with their pictures: the same questions before and after, and the rollouts of some
//! steps.

use super::picture::Pictures;
use super::text::{escape, number, response, shorten, signed, thousands};
use crate::completions::Evaluation;
use crate::rollout_log::RolloutRecord;

/// Questions shown of each outcome.
const MAX_PER_OUTCOME: usize = 4;
/// Groups shown of a step, and draws of a group.
const MAX_GROUPS: usize = 4;
const MAX_DRAWS: usize = 8;

/// What became of a question: (was right before, is right after, heading).
const OUTCOMES: [(bool, bool, &str); 4] = [
    (false, true, "Wrong before, right after"),
    (true, true, "Right before and after"),
    (true, false, "Right before, wrong after"),
    (false, false, "Wrong before and after"),
];

/// Questions of an evaluation set, side by side before and after. All outcomes are counted, and the
/// examples of each are the first in the file: nothing is picked by hand.
pub(super) fn evaluation(evaluation: &Evaluation, pictures: &mut Pictures<'_>) -> String {
    let label = |step: u64| match step {
        0 => "Before training".to_owned(),
        step => format!("After step {}", thousands(step as f64)),
    };
    let before_label = label(evaluation.before_step);
    let Some(after_step) = evaluation.after_step else {
        let cards = evaluation.pairs.iter().take(2 * MAX_PER_OUTCOME);
        return cards
            .map(|(b, _)| card(b, &[(&before_label, b)], pictures))
            .collect();
    };
    let after_label = label(after_step);
    let pairs: Vec<(&RolloutRecord, &RolloutRecord)> = evaluation
        .pairs
        .iter()
        .filter_map(|(b, a)| Some((b, a.as_ref()?)))
        .collect();
    let outcome = |was: bool, is: bool| {
        let fits = move |b: &RolloutRecord, a: &RolloutRecord| {
            (b.correct == Some(true)) == was && (a.correct == Some(true)) == is
        };
        pairs.iter().filter(move |(b, a)| fits(b, a))
    };
    let mut bar = String::new();
    let mut key = String::new();
    let mut cards = String::new();
    for (i, (was, is, heading)) in OUTCOMES.iter().enumerate() {
        let count = outcome(*was, *is).count();
        if count == 0 {
            continue;
        }
        let share = count as f64 / pairs.len() as f64 * 100.0;
        bar += &format!("<i class=\"o{i}\" style=\"width:{share:.2}%\"></i>");
        key += &format!(
            "<li class=\"o{i}\">{heading} <b>{}</b></li>",
            thousands(count as f64)
        );
        cards += &format!("<h4 class=\"o{i}\">{heading}</h4>\n");
        for (before, after) in outcome(*was, *is).take(MAX_PER_OUTCOME) {
            cards += &card(
                before,
                &[(&before_label, before), (&after_label, after)],
                pictures,
            );
        }
    }
    format!("<div class=\"bar\">{bar}</div><ul class=\"legend\">{key}</ul>\n{cards}")
}

/// The groups of a step with all their draws.
pub(super) fn step(step: u64, records: &[RolloutRecord], pictures: &mut Pictures<'_>) -> String {
    let mut groups: Vec<Vec<&RolloutRecord>> = Vec::new();
    for record in records {
        match groups
            .iter()
            .position(|g| g[0].prompt_id == record.prompt_id)
        {
            Some(at) => groups[at].push(record),
            None if groups.len() < MAX_GROUPS => groups.push(vec![record]),
            None => {}
        }
    }
    let mut out = String::new();
    for group in &groups {
        let mut draws: String = group.iter().take(MAX_DRAWS).map(|r| draw(r)).collect();
        if group.len() > MAX_DRAWS {
            draws += &format!(
                "<p class=\"more\">and {} more draws</p>",
                group.len() - MAX_DRAWS
            );
        }
        let mean = group.iter().map(|r| r.reward).sum::<f64>() / group.len() as f64;
        let note = format!(
            "mean reward <b>{}</b> over {} draws",
            number(mean),
            group.len()
        );
        out += &format!(
            "<article class=\"group\">{}<div class=\"draws\">{draws}</div></article>\n",
            question(group[0], &note, pictures),
        );
    }
    let ids: std::collections::HashSet<&str> = records.iter().map(|r| &*r.prompt_id).collect();
    let right = records.iter().filter(|r| r.correct == Some(true)).count();
    format!(
        "<details class=\"step\"><summary><b>Step {}</b> {} questions, {} completions, {} right\
         </summary>{out}</details>\n",
        thousands(step as f64),
        thousands(ids.len() as f64),
        thousands(records.len() as f64),
        thousands(right as f64),
    )
}

/// A question with one column for each answer to it.
fn card(
    asked: &RolloutRecord,
    columns: &[(&str, &RolloutRecord)],
    pictures: &mut Pictures<'_>,
) -> String {
    let column = |(label, record): &(&str, &RolloutRecord)| {
        format!(
            "<div class=\"col\"><h5>{}{}</h5><pre dir=\"auto\">{}</pre>{}</div>",
            escape(label),
            mark(record.correct),
            response(&record.response),
            facts(record),
        )
    };
    format!(
        "<article class=\"pair\">{}<div class=\"cols\">{}</div></article>\n",
        question(asked, "", pictures),
        columns.iter().map(column).collect::<String>()
    )
}

/// The pictures, the question, its answer, and a note in HTML.
fn question(record: &RolloutRecord, note: &str, pictures: &mut Pictures<'_>) -> String {
    // The pictures stand beside the question: marks for them at its start say nothing more.
    let prompt = match record.images.is_empty() {
        true => record.prompt.trim(),
        false => record
            .prompt
            .trim()
            .trim_start_matches("<image>")
            .trim_start(),
    };
    format!(
        "<div class=\"pics\">{}</div><div class=\"ask\"><p dir=\"auto\">{}</p><p class=\"gold\">\
         answer <b>{}</b> <span>{}</span> <span>{note}</span></p></div>",
        pictures.html(&record.images),
        escape(&shorten(prompt)),
        escape(&record.answer),
        escape(&record.prompt_id),
    )
}

fn draw(record: &RolloutRecord) -> String {
    let advantage = match record.advantage {
        Some(a) if a.is_finite() => {
            let class = if a < 0.0 { "neg" } else { "pos" };
            // Group-normalised advantages rarely pass 3; the bar is for the eye only.
            let width = (a.abs() / 3.0).min(1.0) * 50.0;
            format!(
                "<span class=\"adv {class}\" title=\"advantage\"><i style=\"width:{width:.0}%\"></i>\
                 <b>{}</b></span>",
                signed(a)
            )
        }
        _ => String::new(),
    };
    let (class, dropped) = if record.kept {
        ("draw", "")
    } else {
        ("draw out", "<em>dropped</em>")
    };
    format!(
        "<div class=\"{class}\"><div class=\"head\">{}<b>draw {}</b>{dropped}{advantage}</div>\
         <pre dir=\"auto\">{}</pre>{}</div>",
        mark(record.correct),
        record.draw,
        response(&record.response),
        facts(record)
    )
}

fn mark(correct: Option<bool>) -> &'static str {
    match correct {
        Some(true) => "<span class=\"mark right\">right</span>",
        Some(false) => "<span class=\"mark wrong\">wrong</span>",
        None => "",
    }
}

/// Reward with its parts, length, and how it ended if not by itself.
fn facts(record: &RolloutRecord) -> String {
    let mut facts = vec![format!("reward <b>{}</b>", number(record.reward))];
    let part = |(name, value): (&String, &f64)| format!("{} {}", escape(name), number(*value));
    facts.extend(record.parts.iter().map(part));
    facts.push(format!("{} tokens", thousands(record.tokens as f64)));
    if record.finish_reason != "stop" {
        facts.push(escape(&record.finish_reason));
    }
    let facts: String = facts
        .iter()
        .map(|fact| format!("<span>{fact}</span> "))
        .collect();
    format!("<p class=\"facts\">{facts}</p>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn record(id: usize, correct: bool, response: &str) -> RolloutRecord {
        RolloutRecord {
            logprobs: vec![],
            behaviour_logprobs: vec![],
            step: 1,
            prompt_id: format!("row-{id}"),
            draw: 0,
            prompt: "How <many>?".into(),
            images: vec!["gone.png".into()],
            answer: "2".into(),
            response: response.into(),
            tokens: 3,
            finish_reason: "stop".into(),
            reward: 1.0,
            parts: BTreeMap::from([("format".into(), 0.1)]),
            correct: Some(correct),
            advantage: Some(-1.5),
            kept: false,
            context: Default::default(),
        }
    }

    #[test]
    fn all_outcomes_are_counted_and_few_shown() {
        let pair = |i| (record(i, i < 2, "old"), Some(record(i, i != 1, "new")));
        let set = Evaluation {
            set: "held_out".into(),
            before_step: 0,
            after_step: Some(30),
            pairs: (0..12).map(pair).collect(),
        };
        let html = evaluation(
            &set,
            &mut Pictures::new(Path::new("/nowhere"), &|path| std::fs::read(path)),
        );
        assert!(html.contains("Wrong before, right after <b>10</b>"));
        assert!(html.contains("Right before, wrong after <b>1</b>"));
        assert_eq!(html.matches("<article").count(), MAX_PER_OUTCOME + 2);
        assert!(html.contains("How &lt;many&gt;?") && html.contains("picture missing"));
        assert!(html.contains("Before training") && html.contains("After step 30"));
    }

    #[test]
    fn a_step_shows_its_groups_whole() {
        let mut records: Vec<RolloutRecord> = Vec::new();
        for id in 0..6 {
            records.extend((0..3).map(|draw| RolloutRecord {
                draw,
                ..record(id, id == 0, "x")
            }));
        }
        let html = step(
            1,
            &records,
            &mut Pictures::new(Path::new("/nowhere"), &|path| std::fs::read(path)),
        );
        assert!(html.contains("6 questions, 18 completions, 3 right"));
        assert_eq!(html.matches("class=\"draw out\"").count(), MAX_GROUPS * 3);
        assert!(html.contains("<b>−1.5</b>"));
    }
}
