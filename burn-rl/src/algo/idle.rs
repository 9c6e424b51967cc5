//! Shared options of an algorithm that can do nothing beside others: what each needs to act.

use super::Settings;
use crate::{
    advantage::{Baseline, Scale, Whiten},
    correction::Correction,
    reduce::LossReduction,
};

/// What options need in order to act.
struct Rule {
    keys: &'static [&'static str],
    act: fn(&Settings) -> bool,
    because: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        keys: &["overlong_horizon", "overlong_buffer"],
        act: |s| s.reward.overlong_penalty != 0.0,
        because: "algo.overlong_penalty is 0",
    },
    Rule {
        keys: &["baseline_decay"],
        act: |s| s.advantage.baseline == Baseline::MovingAverage,
        because: "algo.baseline is not `moving_average`",
    },
    Rule {
        keys: &["std_ddof"],
        act: |s| matches!(s.advantage.scale, Scale::GroupStd | Scale::BatchStd),
        because: "algo.scale is no standard deviation",
    },
    Rule {
        keys: &["std_epsilon"],
        act: |s| s.advantage.scale != Scale::None,
        because: "algo.scale is `none`",
    },
    Rule {
        keys: &[
            "adora_success_above",
            "adora_max_tokens",
            "adora_without_success",
            "adora_without_failure",
        ],
        act: |s| s.advantage.adora_lambda != 1.0,
        because: "algo.adora_lambda is 1",
    },
    Rule {
        keys: &["lambda"],
        act: |s| s.advantage.baseline == Baseline::Critic,
        because: "algo.baseline is not `critic`",
    },
    Rule {
        keys: &["value_clip"],
        act: |s| s.advantage.critic,
        because: "algo.critic is false",
    },
    Rule {
        keys: &["whiten_ddof"],
        act: |s| s.advantage.whiten == Whiten::Full,
        because: "algo.whiten is not `full`",
    },
    Rule {
        keys: &["correction_level", "correction_low", "correction_high"],
        act: |s| s.ratio.correction.mode != Correction::None,
        because: "algo.correction is `none`",
    },
    Rule {
        keys: &["kl_horizon"],
        act: |s| s.kl.kl_target > 0.0,
        because: "algo.kl_target is 0",
    },
    Rule {
        keys: &["drift_cap"],
        act: |s| s.kl.drift != 0.0,
        because: "algo.drift is 0",
    },
    Rule {
        keys: &["horizon"],
        act: |s| s.loss.reduction == LossReduction::SequenceSum,
        because: "algo.reduction is not `sequence_sum`",
    },
    Rule {
        keys: &["accuracy_part"],
        act: |s| s.filter.accuracy_low > 0.0 || s.filter.accuracy_high < 1.0,
        because: "algo.accuracy_low is 0 and algo.accuracy_high 1, so no group is left out by it",
    },
    Rule {
        keys: &["refill_leftovers"],
        act: |s| s.filter.refill_rounds > 0,
        because: "algo.refill_rounds is 0",
    },
];

/// Why the option `name` does nothing under `settings`; none where it acts.
pub(super) fn why_idle(name: &str, settings: &Settings) -> Option<&'static str> {
    let rule = RULES.iter().find(|rule| rule.keys.contains(&name))?;
    (!(rule.act)(settings)).then_some(rule.because)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options that act in every algorithm that reads them: a weight of 0 is how a part is turned
    /// off, and what it is a weight of may stay.
    const ALWAYS: &[&str] = &[
        "outcome_weight",
        "length_reward",
        "reward_clip",
        "overlong_penalty",
        "kl_in",
        "baseline",
        "scale",
        "adora_lambda",
        "clip_filter_cap",
        "score_clip",
        "gamma",
        "whiten",
        "critic",
        "ratio_level",
        "ratio_anchor",
        "correction",
        "beta",
        "kl",
        "kl_target",
        "drift",
        "entropy_bonus",
        "entropy_top_share",
        "reduction",
        "drop_zero_variance",
        "truncated",
        "accuracy_low",
        "accuracy_high",
        "filter_after",
        "refill_rounds",
    ];

    #[test]
    fn every_shared_option_has_its_place_in_the_rules() {
        let ruled = RULES.iter().flat_map(|rule| rule.keys);
        let mut known: Vec<&str> = ruled.chain(ALWAYS).copied().collect();
        known.sort_unstable();
        let mut keys = Settings::keys();
        keys.sort_unstable();
        assert_eq!(known, keys, "what does an option need in order to act?");
    }
}
