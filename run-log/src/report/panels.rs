//! Which charts a run gets, from the numbers it has.

use super::chart::{Chart, Kind, Unit};
use crate::history::{History, Point};
use crate::metric_help;

/// Lines in one chart at most; more cannot be told apart.
const MAX_LINES: usize = 5;

/// The charts under their headings; headings without charts are left out.
pub(super) fn panels(history: &History) -> Vec<(&'static str, Vec<Chart>)> {
    let mut panels = Panels {
        history,
        drawn: vec!["time/step_s".into()],
        charts: Vec::new(),
    };

    let accuracy = panels.matching("eval/", "/pass@");
    panels.many(
        "Held-out accuracy",
        Unit::Share,
        Kind::Dots,
        &accuracy,
        "eval/",
    );
    panels.one("Reward", Unit::Plain, "reward/mean");
    let mut parts = panels.matching("reward/", "");
    let others = ["mean", "std", "zero_std_groups", "greedy"].map(|n| format!("reward/{n}"));
    parts.retain(|n| !others.contains(n));
    panels.many(
        "Parts of the reward",
        Unit::Plain,
        Kind::Lines,
        &parts,
        "reward/",
    );
    let lengths = [
        ("all", "response/tokens"),
        ("right", "response/tokens_correct"),
        ("wrong", "response/tokens_wrong"),
    ];
    let caption = "Mean length of all completions, of the right and of the wrong ones.";
    panels.named(
        "Response length",
        caption,
        Unit::Tokens,
        Kind::Lines,
        &lengths,
    );
    let tokens = panels.matching("eval/", "/tokens");
    panels.many(
        "Held-out response length",
        Unit::Tokens,
        Kind::Dots,
        &tokens,
        "eval/",
    );
    panels.one("Cut off at the limit", Unit::Share, "response/truncated");
    for (title, unit, end) in [
        ("Held-out reward", Unit::Plain, "/reward"),
        ("Held-out answers cut off", Unit::Share, "/truncated"),
    ] {
        let names = panels.matching("eval/", end);
        panels.many(title, unit, Kind::Dots, &names, "eval/");
    }
    let learning = panels.take();

    panels.one("Entropy", Unit::Nats, "policy/entropy");
    let clipped = [("above", "policy/clip_high"), ("below", "policy/clip_low")];
    let caption = "Share of tokens whose probability ratio left the clip range, by side.";
    panels.named(
        "Clipped tokens",
        caption,
        Unit::Share,
        Kind::Lines,
        &clipped,
    );
    panels.one("Distance from the reference", Unit::Nats, "policy/kl_ref");
    panels.one("Distance from the old policy", Unit::Nats, "policy/kl_old");
    panels.one("New to old probability", Unit::Free, "policy/ratio_mean");
    panels.one(
        "Sampler and trainer disagree",
        Unit::Nats,
        "policy/sampler_gap_max",
    );
    panels.one("Policy loss", Unit::Free, "policy/loss");
    panels.one("Reward of greedy completions", Unit::Plain, "reward/greedy");
    panels.one("Spread of rewards", Unit::Plain, "reward/std");
    panels.one(
        "Groups without signal",
        Unit::Share,
        "reward/zero_std_groups",
    );
    panels.one("Groups kept", Unit::Plain, "filter/kept");
    let dropped = panels.matching("filter/dropped/", "");
    panels.many(
        "Groups dropped",
        Unit::Plain,
        Kind::Lines,
        &dropped,
        "filter/dropped/",
    );
    let policy = panels.take();

    panels.one("Gradient norm", Unit::Plain, "optim/grad_norm");
    panels.one("Learning rate", Unit::Plain, "optim/lr");
    let updates = [
        ("made", "optim/updates"),
        ("skipped", "optim/skipped_updates"),
    ];
    let caption =
        "Optimiser steps of each step, and those left out because gradients were not finite.";
    panels.named("Updates", caption, Unit::Plain, Kind::Lines, &updates);
    panels.one("Value loss", Unit::Plain, "value/loss");
    let values = [("expected", "value/mean"), ("returned", "value/return")];
    let caption = "What the critic expects of a response, and what it should have.";
    panels.named("Values", caption, Unit::Plain, Kind::Lines, &values);
    panels.time();
    let speed = [
        ("sampling", "throughput/rollout_tokens_per_s"),
        ("training", "throughput/train_tokens_per_s"),
    ];
    let caption = "Tokens per second of sampling, and of updating.";
    panels.named(
        "Throughput",
        caption,
        Unit::TokensPerSecond,
        Kind::Lines,
        &speed,
    );
    panels.one("Peak memory", Unit::Bytes, "memory/peak_bytes");
    let machine = panels.take();

    let others: Vec<String> = panels.matching("", "");
    for name in others {
        panels.one(&name, Unit::Free, &name);
    }
    let others = panels.take();

    let all = [
        ("Learning", learning),
        ("Policy", policy),
        ("Optimiser and machine", machine),
        ("Other numbers", others),
    ];
    all.into_iter()
        .filter(|(_, charts)| !charts.is_empty())
        .collect()
}

struct Panels<'a> {
    history: &'a History,
    /// Metrics that stand in some chart already, or need none.
    drawn: Vec<String>,
    charts: Vec<Chart>,
}

impl Panels<'_> {
    /// Names not drawn yet that start with `prefix` and contain `part` after it.
    fn matching(&self, prefix: &str, part: &str) -> Vec<String> {
        let fits = |name: &&str| {
            let rest = name.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.contains(part)) && !self.drawn.iter().any(|d| d == name)
        };
        self.history
            .names()
            .filter(fits)
            .map(str::to_owned)
            .collect()
    }

    fn one(&mut self, title: &str, unit: Unit, name: &str) {
        let caption = metric_help(name).unwrap_or_default();
        self.named(title, caption, unit, Kind::Lines, &[(title, name)]);
    }

    /// A chart of the metrics that exist, labelled by their names without the prefix.
    fn many(&mut self, title: &str, unit: Unit, kind: Kind, names: &[String], prefix: &str) {
        let caption = match names {
            // A single part of the reward, or reason to drop, is best told by its own help.
            [.., name] if names.len() == 1 || kind == Kind::Dots => metric_help(name),
            _ if prefix == "reward/" => Some("Mean of each part the reward is made of."),
            _ => Some("Groups dropped, by the reason."),
        };
        for names in names.chunks(MAX_LINES) {
            let lines: Vec<(&str, &str)> = names
                .iter()
                .map(|n| (n.strip_prefix(prefix).unwrap_or(n), n.as_str()))
                .collect();
            self.named(title, caption.unwrap_or_default(), unit, kind, &lines);
        }
    }

    fn named(
        &mut self,
        title: &str,
        caption: &str,
        unit: Unit,
        kind: Kind,
        lines: &[(&str, &str)],
    ) {
        let present: Vec<&(&str, &str)> = lines
            .iter()
            .filter(|(_, name)| !self.history.get(name).is_empty())
            .collect();
        if present.is_empty() {
            return;
        }
        self.drawn
            .extend(present.iter().map(|(_, name)| (*name).to_owned()));
        self.charts.push(Chart {
            title: title.to_owned(),
            caption: caption.to_owned(),
            unit,
            kind,
            lines: present
                .iter()
                .map(|(label, name)| ((*label).to_owned(), self.history.get(name).to_vec()))
                .collect(),
        });
    }

    /// Where the seconds of a step go, with what is in none of the phases as the last layer.
    fn time(&mut self) {
        let phases = [
            ("rollout", "time/rollout_s"),
            ("reward", "time/reward_s"),
            ("scoring", "time/score_s"),
            ("update", "time/update_s"),
        ];
        let caption = "Seconds of each step, by what they were spent on.";
        self.named(
            "Time of a step",
            caption,
            Unit::Seconds,
            Kind::Stacked,
            &phases,
        );
        let whole = self.history.get("time/step_s");
        let Some(chart) = self.charts.last_mut().filter(|c| c.kind == Kind::Stacked) else {
            if !whole.is_empty() {
                self.one("Time of a step", Unit::Seconds, "time/step_s");
            }
            return;
        };
        // A phase that a step did not have took no time.
        let steps: Vec<f64> = match whole {
            [] => chart.lines[0].1.iter().map(|p| p.0).collect(),
            whole => whole.iter().map(|p| p.0).collect(),
        };
        let at = |points: &[Point], step: f64| {
            let found = points.binary_search_by(|p| p.0.total_cmp(&step)).ok();
            found
                .map(|i| points[i].1)
                .filter(|v| v.is_finite())
                .unwrap_or(0.0)
        };
        for (_, points) in &mut chart.lines {
            *points = steps.iter().map(|s| (*s, at(points, *s))).collect();
        }
        let rest = |(i, p): (usize, &Point)| {
            let spent: f64 = chart.lines.iter().map(|(_, points)| points[i].1).sum();
            (
                p.0,
                if p.1.is_finite() {
                    (p.1 - spent).max(0.0)
                } else {
                    0.0
                },
            )
        };
        let rest: Vec<Point> = whole.iter().enumerate().map(rest).collect();
        if !rest.is_empty() {
            chart.lines.push(("other".to_owned(), rest));
        }
    }

    fn take(&mut self) -> Vec<Chart> {
        std::mem::take(&mut self.charts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(lines: &str) -> History {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        std::fs::write(&path, lines).unwrap();
        History::load(&path).unwrap()
    }

    #[test]
    fn every_number_has_exactly_one_place() {
        let names = [
            "reward/mean",
            "reward/accuracy",
            "reward/std",
            "response/tokens",
            "policy/clip_low",
            "eval/a/pass@1",
            "eval/a/tokens",
            "filter/kept",
            "filter/dropped/easy",
            "my/own",
            "optim/lr",
            "memory/peak_bytes",
        ];
        let row: Vec<String> = names.iter().map(|n| format!("\"{n}\":0.5")).collect();
        let history = history(&format!("{{\"step\":1,{}}}\n", row.join(",")));
        let panels = panels(&history);
        let lines: usize = panels
            .iter()
            .flat_map(|(_, c)| c.iter().map(|c| c.lines.len()))
            .sum();
        assert_eq!(lines, names.len());
        let headings: Vec<&str> = panels.iter().map(|(heading, _)| *heading).collect();
        assert_eq!(
            headings,
            [
                "Learning",
                "Policy",
                "Optimiser and machine",
                "Other numbers"
            ]
        );
    }

    #[test]
    fn time_that_no_phase_explains_is_shown() {
        let history = history(
            "{\"step\":1,\"time/rollout_s\":2.0,\"time/update_s\":3.0,\"time/step_s\":6.0}\n\
             {\"step\":2,\"time/rollout_s\":1.0,\"time/step_s\":1.5}\n",
        );
        let panels = panels(&history);
        let expected = [
            ("rollout".to_owned(), vec![(1.0, 2.0), (2.0, 1.0)]),
            ("update".to_owned(), vec![(1.0, 3.0), (2.0, 0.0)]),
            ("other".to_owned(), vec![(1.0, 1.0), (2.0, 0.5)]),
        ];
        assert_eq!(panels[0].1[0].lines, expected);
    }
}
