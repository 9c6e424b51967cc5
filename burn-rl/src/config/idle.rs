//! Settings that can do nothing beside others: what each needs in order to act.

use super::{LrSchedule, RunConfig};
use crate::{
    error::RlError,
    recipe::{CompletionSource, Recipe},
};
use burn_vlm::lora::is_adapter;
use toml::{Table, Value};

/// What settings need in order to act.
struct Rule {
    /// Dotted keys, or the beginning of keys up to a dot.
    keys: &'static [&'static str],
    /// Whether they act.
    act: fn(&RunConfig, &Recipe) -> bool,
    /// Why not.
    because: &'static str,
    /// What becomes of a value that is not the default.
    then: Then,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// It is an error.
    Refuse,
    /// It is said before the first step: a switch is often turned off for once.
    Tell,
}

const RULES: &[Rule] = &[
    Rule {
        keys: &["optim.min_lr_ratio"],
        act: |run, _| run.optim.schedule != LrSchedule::Constant,
        because: "optim.schedule is constant",
        then: Then::Refuse,
    },
    Rule {
        keys: &["critic"],
        act: |_, recipe| recipe.critic().is_some(),
        because: "this algorithm has no critic",
        then: Then::Refuse,
    },
    Rule {
        keys: &["critic.optim.min_lr_ratio"],
        act: |run, _| run.critic.optim.schedule != LrSchedule::Constant,
        because: "critic.optim.schedule is constant",
        then: Then::Refuse,
    },
    Rule {
        keys: &[
            "lora.alpha",
            "lora.merge_rollouts",
            "lora.dropout",
            "lora.rslora",
            "lora.target_modules",
            "lora.layers",
        ],
        // What an adapter's directory fixes is refused where it is read.
        act: |run, _| run.lora.is_on() || is_adapter(run.model.path.as_ref()),
        because: "lora.rank is 0, so there is no adapter",
        then: Then::Refuse,
    },
    Rule {
        keys: &[
            "train.demonstrations.coefficient",
            "train.demonstrations.rows",
        ],
        act: |run, _| !run.train.demonstrations.data.is_empty(),
        because: "train.demonstrations.data is empty",
        then: Then::Refuse,
    },
    Rule {
        keys: &["train.target_kl"],
        act: |run, _| run.train.epochs * run.train.mini_batches > 1,
        because: "a step has one update (train.epochs and train.mini_batches are 1), before which \
                  nothing has moved",
        then: Then::Refuse,
    },
    Rule {
        keys: &["train.reference_mix"],
        act: |run, _| run.train.reference_refresh_steps > 0,
        because: "train.reference_refresh_steps is 0, so no reference is ever renewed",
        then: Then::Refuse,
    },
    Rule {
        keys: &["rollout.include_stop_string"],
        act: |run, _| !run.rollout.stop.is_empty(),
        because: "rollout.stop is empty",
        then: Then::Refuse,
    },
    Rule {
        keys: &["eval.include_stop_string"],
        act: |run, _| !run.eval.stop.is_empty(),
        because: "eval.stop is empty, so that rollout.stop and rollout.include_stop_string count",
        then: Then::Refuse,
    },
    Rule {
        keys: &["eval"],
        act: |run, _| !run.eval.data.is_empty(),
        because: "eval.data is empty",
        then: Then::Tell,
    },
    Rule {
        keys: &[
            "rollout.sampling",
            "rollout.samples_per_prompt",
            "rollout.max_batch",
            "rollout.max_tokens",
            "rollout.stop",
        ],
        act: |_, recipe| recipe.source() == CompletionSource::Policy,
        because: "this algorithm samples no completions",
        then: Then::Tell,
    },
];

impl RunConfig {
    /// Refuses a setting that can do nothing.
    pub(super) fn check_idle(&self, recipe: &Recipe) -> Result<(), RlError> {
        let refused = idle(self, recipe).into_iter();
        let mut refused = refused.filter(|(rule, _)| rule.then == Then::Refuse);
        let Some((rule, keys)) = refused.next() else {
            return Ok(());
        };
        let (key, value, default) = &keys[0];
        Err(RlError::Config(format!(
            "{key} is {value}, but {}: it would do nothing, expected {default}, or no such key",
            rule.because
        )))
    }

    /// What is told of settings that do nothing.
    pub(super) fn told_idle(&self, recipe: &Recipe) -> Vec<String> {
        let told = idle(self, recipe).into_iter();
        let told = told.filter(|(rule, _)| rule.then == Then::Tell);
        told.map(|(rule, keys)| {
            let names: Vec<&str> = keys.iter().map(|(key, ..)| key.as_str()).collect();
            let verb = if names.len() == 1 { "does" } else { "do" };
            format!("{} {verb} nothing: {}", names.join(", "), rule.because)
        })
        .collect()
    }
}

/// Key, value, and what it is by default.
type Changed = (String, Value, Value);

/// The rules by which settings that were changed do nothing, with those.
fn idle(run: &RunConfig, recipe: &Recipe) -> Vec<(&'static Rule, Vec<Changed>)> {
    let (now, default) = (leaves(run), leaves(&RunConfig::default()));
    let of = |rule: &'static Rule| {
        let covered = now
            .iter()
            .filter(|(key, _)| rule.keys.iter().any(|own| covers(own, key)));
        let changed = covered.filter_map(|(key, value)| {
            let default = default.iter().find(|(known, _)| known == key);
            let default = default.map_or(Value::String(String::new()), |(_, value)| value.clone());
            (default != *value).then(|| (key.clone(), value.clone(), default))
        });
        (rule, changed.collect::<Vec<_>>())
    };
    let idle = RULES.iter().filter(|rule| !(rule.act)(run, recipe));
    idle.map(of)
        .filter(|(_, changed)| !changed.is_empty())
        .collect()
}

fn covers(own: &str, key: &str) -> bool {
    let rest = key.strip_prefix(own);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Every setting by its dotted key.
fn leaves(run: &RunConfig) -> Vec<(String, Value)> {
    fn walk(prefix: &str, table: Table, into: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let key = match prefix {
                "" => key,
                prefix => format!("{prefix}.{key}"),
            };
            match value {
                Value::Table(inner) => walk(&key, inner, into),
                value => into.push((key, value)),
            }
        }
    }
    let mut found = vec![];
    walk("", Table::try_from(run).unwrap_or_default(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings that act in every run, or whose place is checked where they are read.
    const ALWAYS: &[&str] = &[
        "name",
        "seed",
        "model",
        "data",
        "reward",
        "algo",
        "filter",
        "checkpoint",
        "lora.rank",
        "optim.lr",
        "optim.beta1",
        "optim.beta2",
        "optim.epsilon",
        "optim.weight_decay",
        "optim.max_grad_norm",
        "optim.warmup_steps",
        "optim.warmup_ratio",
        "optim.schedule",
        "rollout.prompts_per_step",
        "train.steps",
        "train.epochs",
        "train.mini_batches",
        "train.micro_batch",
        "train.micro_batch_tokens",
        "train.logprob_temperature",
        "train.activation_recompute",
        "train.freezing_actor_steps",
        "train.average_decay",
        "train.reference",
        "train.reference_refresh_steps",
        "train.max_skipped_updates",
        "train.replica_check_steps",
        "train.demonstrations.data",
    ];

    #[test]
    fn every_setting_has_its_place_in_the_rules() {
        let ruled = RULES.iter().flat_map(|rule| rule.keys);
        let known: Vec<&str> = ruled.chain(ALWAYS).copied().collect();
        for (key, _) in leaves(&RunConfig::default()) {
            let found = known.iter().any(|own| covers(own, &key));
            assert!(found, "{key}: what does it need in order to act?");
        }
        let keys: Vec<String> = leaves(&RunConfig::default())
            .into_iter()
            .map(|(k, _)| k)
            .collect();
        for own in known {
            let empty = ["algo", "reward", "lora.layers"];
            let there = keys.iter().any(|key| covers(own, key)) || empty.contains(&own);
            assert!(there, "{own} is no setting");
        }
    }

    #[test]
    fn what_can_do_nothing_is_refused_or_told() {
        let recipe = crate::algo::Settings::default();
        let recipe = recipe.recipe(crate::loss::Nll).unwrap().build().unwrap();
        let message = |change: &dyn Fn(&mut RunConfig)| {
            let mut run = RunConfig::default();
            run.check_idle(&recipe).unwrap();
            change(&mut run);
            run.check_idle(&recipe).map_err(|e| e.to_string()).err()
        };
        assert_eq!(
            message(&|run| run.optim.min_lr_ratio = 0.1).unwrap(),
            "optim.min_lr_ratio is 0.1, but optim.schedule is constant: it would do nothing, \
             expected 0.0, or no such key"
        );
        let cosine = |run: &mut RunConfig| {
            run.optim.min_lr_ratio = 0.1;
            run.optim.schedule = LrSchedule::Cosine;
        };
        assert_eq!(message(&cosine), None);
        type Change = fn(&mut RunConfig);
        let changes: [(&str, Change); 5] = [
            ("critic.bias", |run| run.critic.bias = true),
            ("critic.optim.lr", |run| run.critic.optim.lr = 0.5),
            ("lora.alpha", |run| run.lora.alpha = 3.0),
            ("train.demonstrations.rows", |run| {
                run.train.demonstrations.rows = 3
            }),
            ("train.target_kl", |run| run.train.target_kl = 0.1),
        ];
        for (key, change) in changes {
            let found = message(&change).unwrap();
            assert!(found.starts_with(&format!("{key} is ")), "{found}");
        }
        assert_eq!(
            message(&|run| (run.train.target_kl, run.train.epochs) = (0.1, 2)),
            None
        );
        let mut run = RunConfig::default();
        (run.eval.every, run.eval.draws) = (5, 2);
        assert_eq!(
            run.told_idle(&recipe),
            ["eval.draws, eval.every do nothing: eval.data is empty"]
        );
        run.eval.data = "rows.jsonl".into();
        assert!(run.told_idle(&recipe).is_empty());
    }
}
