//! What no algorithm may depend on.

use super::{
    harness::{Layout, Numbers, Out, PLAIN, run},
    oracle::Oracle,
};
use burn_rl::{
    algo::{ALGORITHMS, Entry, Settings},
    recipe::Recipe,
    reduce::LossReduction,
    types::ScoredBatch,
};
use toml::Table;

fn recipe(entry: &Entry) -> Recipe {
    (entry.build)(&Table::new()).unwrap()
}

/// Batches in which no random choice decides: Clip-Cov would draw others from a permuted batch only
/// if two tokens had the same numbers.
fn batches() -> Vec<Numbers> {
    Oracle::open()
        .batches(false)
        .into_iter()
        .step_by(5)
        .collect()
}

#[track_caller]
fn same(what: &str, entry: &Entry, a: &Out, b: &Out, tolerance: f64) {
    let name = entry.name;
    let near = |x: f64, y: f64| (x - y).abs() <= tolerance * x.abs().max(1.0);
    assert!(
        near(a.loss, b.loss),
        "{name}, {what}: loss {} and {}",
        a.loss,
        b.loss
    );
    assert!(
        near(a.value_loss, b.value_loss),
        "{name}, {what}: value loss"
    );
    for (key, x, y) in [
        (
            "advantages",
            &a.advantages.per_token,
            &b.advantages.per_token,
        ),
        ("d_logp", &a.d_logp, &b.d_logp),
        ("d_entropy", &a.d_entropy, &b.d_entropy),
        ("d_values", &a.d_values, &b.d_values),
    ] {
        let scale = x.iter().flatten().fold(1e-3f32, |m, v| m.max(v.abs()));
        for (x, y) in x.iter().zip(y) {
            assert_eq!(x.len(), y.len(), "{name}, {what}: {key}");
            for (x, y) in x.iter().zip(y) {
                let gap = f64::from((x - y).abs() / scale);
                assert!(gap <= tolerance, "{name}, {what}: {key} {x} and {y}");
            }
        }
    }
}

/// Runs a check for every algorithm and some batches.
fn every(check: impl Fn(&Entry, &Recipe, &Numbers)) {
    let batches = batches();
    for entry in ALGORITHMS {
        let recipe = recipe(entry);
        batches
            .iter()
            .for_each(|numbers| check(entry, &recipe, numbers));
    }
}

#[test]
fn the_split_into_micro_batches() {
    every(|entry, recipe, numbers| {
        let whole = run(recipe, numbers, PLAIN);
        for micro_batch in [1, 2, 3] {
            let parts = run(
                recipe,
                numbers,
                Layout {
                    micro_batch,
                    ..PLAIN
                },
            );
            same(
                &format!("micro-batch {micro_batch}"),
                entry,
                &whole,
                &parts,
                1e-5,
            );
        }
    });
}

#[test]
fn padding_and_what_it_holds() {
    every(|entry, recipe, numbers| {
        let right = run(recipe, numbers, PLAIN);
        for (left, extra, filler) in [(true, 0, 0.0), (true, 3, -7.5), (false, 2, f32::NAN)] {
            let layout = Layout {
                left,
                extra,
                filler,
                ..PLAIN
            };
            same(
                "padding",
                entry,
                &right,
                &run(recipe, numbers, layout),
                1e-6,
            );
        }
    });
}

#[test]
fn masked_tokens() {
    every(|entry, recipe, numbers| {
        let mut other = numbers.clone();
        for (i, sample) in other.batch.samples.iter_mut().enumerate() {
            let mask = sample.mask.clone();
            for (t, _) in mask.iter().enumerate().filter(|(_, m)| !**m) {
                for list in [
                    &mut sample.old_logp,
                    &mut sample.behaviour_logp,
                    &mut sample.ref_logp,
                    &mut sample.values,
                    &mut other.logp[i],
                    &mut other.entropy[i],
                    &mut other.values[i],
                ] {
                    list[t] = f32::NAN;
                }
            }
        }
        let (a, b) = (run(recipe, numbers, PLAIN), run(recipe, &other, PLAIN));
        same("masked tokens", entry, &a, &b, 1e-6);
        for (row, sample) in b.d_logp.iter().zip(&numbers.batch.samples) {
            let hidden = row.iter().zip(&sample.mask).filter(|(_, m)| !**m);
            assert!(
                hidden.into_iter().all(|(d, _)| *d == 0.0),
                "{}: a masked token learns",
                entry.name
            );
        }
    });
}

/// The samples in another order.
fn permuted(numbers: &Numbers, groups: &[Vec<usize>]) -> Numbers {
    let pick = |lists: &[Vec<f32>]| groups.iter().flatten().map(|i| lists[*i].clone()).collect();
    let samples = |g: &Vec<usize>| {
        g.iter()
            .map(|i| numbers.batch.samples[*i].clone())
            .collect()
    };
    let mut batch = ScoredBatch::from_groups(groups.iter().map(samples));
    batch.carried = numbers.batch.carried;
    Numbers {
        batch,
        logp: pick(&numbers.logp),
        entropy: pick(&numbers.entropy),
        values: pick(&numbers.values),
    }
}

#[test]
fn the_order_of_samples_and_groups() {
    every(|entry, recipe, numbers| {
        let mut order: Vec<Vec<usize>> = numbers
            .batch
            .groups
            .iter()
            .map(|g| g.clone().collect())
            .collect();
        order.reverse();
        for group in &mut order {
            group.rotate_left(1);
        }
        let plain = run(recipe, numbers, PLAIN);
        let other = run(recipe, &permuted(numbers, &order), PLAIN);
        let order: Vec<usize> = order.into_iter().flatten().collect();
        let back = |lists: &[Vec<f32>]| {
            let mut out = vec![vec![]; lists.len()];
            for (index, i) in order.iter().enumerate().take(lists.len()) {
                out[*i].clone_from(&lists[index]);
            }
            out
        };
        let mut restored = other.clone();
        restored.advantages.per_token = back(&other.advantages.per_token);
        restored.d_logp = back(&other.d_logp);
        restored.d_entropy = back(&other.d_entropy);
        restored.d_values = back(&other.d_values);
        same("order", entry, &plain, &restored, 1e-5);
    });
}

/// The batch with all rewards changed.
fn with_rewards(numbers: &Numbers, change: impl Fn(f64) -> f64) -> Numbers {
    let mut other = numbers.clone();
    for sample in &mut other.batch.samples {
        sample.reward = change(sample.reward);
        sample.greedy_reward = sample.greedy_reward.map(&change);
    }
    let average = &mut other.batch.carried.reward_average;
    *average = average.map(change);
    other
}

/// What an algorithm's settings say of its advantages, so that a new one needs no line here.
struct Facts(Table);

impl Facts {
    fn of(entry: &Entry) -> Self {
        Self((entry.defaults)())
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.0.get(key).and_then(|v| v.as_str()) == Some(value)
    }

    fn number(&self, key: &str) -> f64 {
        self.0[key].as_float().unwrap()
    }

    /// Demonstrations and distillation do not read the reward of a response.
    fn reads_rewards(&self) -> bool {
        self.0.contains_key("baseline") && self.number("outcome_weight") != 0.0
    }

    fn is_linear_in_rewards(&self) -> bool {
        // ADORA asks whether a reward is above a half; a critic's values and a KL are not scaled.
        let kl_in_reward = self.number("beta") > 0.0 && !self.is("kl_in", "loss");
        self.number("adora_lambda") == 1.0 && !self.is("baseline", "critic") && !kl_in_reward
    }

    /// Whether the baseline takes out a shift of all rewards.
    fn ignores_shift(&self) -> bool {
        let no_baseline = self.is("baseline", "none") || self.is("baseline", "critic");
        let in_scale = || self.is("scale", "group_mean") || self.number("adora_lambda") != 1.0;
        !self.reads_rewards() || !no_baseline && !in_scale()
    }

    /// Whether a scale takes out a factor of all rewards, up to ε.
    fn ignores_factor(&self) -> bool {
        let scaled = !self.is("scale", "none") || self.is("whiten", "full");
        !self.reads_rewards() || self.is_linear_in_rewards() && scaled
    }

    /// Whether a factor of all rewards is one of all advantages.
    fn keeps_factor(&self) -> bool {
        self.reads_rewards() && self.is_linear_in_rewards() && !self.ignores_factor()
    }
}

fn named(test: fn(&Facts) -> bool) -> Vec<&'static str> {
    let all = ALGORITHMS.iter().filter(|e| test(&Facts::of(e)));
    all.map(|e| e.name).collect()
}

#[test]
fn a_shift_of_all_rewards() {
    every(|entry, recipe, numbers| {
        if !Facts::of(entry).ignores_shift() {
            return;
        }
        // Differences of a quarter stay exact.
        let shifted = with_rewards(numbers, |r| (r * 4.0).round() / 4.0 + 2.0);
        let rounded = with_rewards(numbers, |r| (r * 4.0).round() / 4.0);
        let (a, b) = (run(recipe, &rounded, PLAIN), run(recipe, &shifted, PLAIN));
        same("shift", entry, &a, &b, 1e-5);
    });
    assert_eq!(
        named(|facts| !facts.ignores_shift()),
        ["max_rl", "adora", "ppo", "reinforce", "reinforce_pp"]
    );
    let shifts = |name: &str| {
        let entry = ALGORITHMS.iter().find(|e| e.name == name).unwrap();
        let recipe = recipe(entry);
        batches().iter().any(|numbers| {
            let a = run(&recipe, numbers, PLAIN).advantages;
            a != run(&recipe, &with_rewards(numbers, |r| r + 2.0), PLAIN).advantages
        })
    };
    assert!(
        ["max_rl", "ppo", "reinforce"].into_iter().all(shifts),
        "the exceptions are exceptions"
    );
}

#[test]
fn a_factor_of_all_rewards() {
    every(|entry, recipe, numbers| {
        let a = run(recipe, numbers, PLAIN);
        let b = run(recipe, &with_rewards(numbers, |r| 4.0 * r), PLAIN);
        if Facts::of(entry).ignores_factor() {
            same("factor", entry, &a, &b, 1e-4);
        }
    });
    assert!(named(Facts::ignores_factor).len() >= 18);
    let doubles = named(Facts::keeps_factor);
    assert!(doubles.len() >= 5, "{doubles:?}");
    for entry in ALGORITHMS.iter().filter(|e| doubles.contains(&e.name)) {
        for numbers in &batches() {
            let a = run(&recipe(entry), numbers, PLAIN).advantages.per_token;
            let b = with_rewards(numbers, |r| 4.0 * r);
            let b = run(&recipe(entry), &b, PLAIN).advantages.per_token;
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            assert!(
                pairs.into_iter().all(|(a, b)| (4.0 * a - b).abs() < 1e-5),
                "{}",
                entry.name
            );
        }
    }
}

#[test]
fn on_policy_every_ratio_is_one() {
    every(|entry, recipe, numbers| {
        let mut numbers = numbers.clone();
        for (sample, logp) in numbers.batch.samples.iter_mut().zip(&numbers.logp) {
            sample.old_logp.clone_from(logp);
        }
        let out = run(recipe, &numbers, PLAIN);
        let tokens: usize = numbers.batch.samples.iter().map(|s| s.active()).sum();
        for (name, sum) in &out.stats {
            match name.as_str() {
                "policy/ratio_mean" => assert_eq!(*sum, tokens as f64, "{}", entry.name),
                "policy/clip_high" | "policy/clip_low" => assert_eq!(*sum, 0.0, "{}", entry.name),
                _ => {}
            }
        }
        if recipe.needs().old_logp {
            assert!(
                out.stats.iter().any(|(n, _)| n == "policy/ratio_mean"),
                "{}",
                entry.name
            );
        }
    });
}

#[test]
fn without_advantage_nothing_is_learned() {
    every(|entry, _, numbers| {
        if entry.name == "sft" {
            return; // A demonstration is always worth something.
        }
        // Equal rewards, equal to what every baseline expects, and no regulariser.
        let options = Table::from_iter([
            ("beta".to_owned(), 0.0.into()),
            ("drift".to_owned(), 0.0.into()),
        ]);
        let recipe = (entry.build)(&options).unwrap();
        let mut numbers = with_rewards(numbers, |_| 0.0);
        for (sample, logp) in numbers.batch.samples.iter_mut().zip(&numbers.logp) {
            sample.values.fill(0.0);
            // KL-Cov's penalty has no gradient on policy.
            sample.old_logp.clone_from(logp);
        }
        let out = run(&recipe, &numbers, PLAIN);
        assert!(
            out.d_logp.iter().flatten().all(|d| *d == 0.0),
            "{}: {:?}",
            entry.name,
            out.d_logp
        );
        assert_eq!(out.loss, 0.0, "{}", entry.name);
    });
}

#[test]
fn the_configuration_there_and_back() {
    for entry in ALGORITHMS {
        let defaults = (entry.defaults)();
        let text = toml::to_string(&defaults).unwrap();
        let again: Table = toml::from_str(&text).unwrap();
        assert_eq!(again, defaults, "{}", entry.name);
        let (spelled, silent) = ((entry.build)(&again).unwrap(), recipe(entry));
        let numbers = &batches()[1];
        let (a, b) = (run(&spelled, numbers, PLAIN), run(&silent, numbers, PLAIN));
        same("configuration", entry, &a, &b, 0.0);
        let shapes = |r: &Recipe| {
            (
                r.needs(),
                r.reduction(),
                r.refill(),
                r.filters().len(),
                r.shapers().len(),
            )
        };
        assert_eq!(shapes(&spelled), shapes(&silent), "{}", entry.name);
        // The algorithm's own options and the shared settings never have a name in common.
        let shared = Settings::keys();
        assert!(
            (entry.own)()
                .keys()
                .all(|k| !shared.contains(k) && k != "name"),
            "{}",
            entry.name
        );
    }
}

#[test]
fn there_are_enough_of_them_and_each_on_one_screen() {
    assert!(ALGORITHMS.len() >= 25);
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/algo");
    for entry in ALGORITHMS {
        let path = dir.join(format!("{}.rs", entry.name));
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 120, "{} has {lines} lines", path.display());
        assert!(!entry.paper.is_empty() && !entry.equation.is_empty() && !entry.about.is_empty());
    }
    assert!(
        ALGORITHMS
            .iter()
            .any(|e| recipe(e).reduction() == LossReduction::GroupMean)
    );
}
