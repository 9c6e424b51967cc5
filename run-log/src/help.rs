//! One line of help for every number of a run.

/// What a metric says, in one sentence; `None` for one that is not ours.
pub fn metric_help(name: &str) -> Option<&'static str> {
    let known = HELP
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, help)| *help);
    if name.starts_with("eval/") && name.ends_with("/pass@1") {
        return Some("Share of held-out questions answered right.");
    }
    known.or_else(|| {
        let family = |(prefix, suffix, _): &&(&str, &str, &str)| {
            name.len() > prefix.len() + suffix.len()
                && name.starts_with(prefix)
                && name.contains(suffix)
        };
        FAMILIES.iter().find(family).map(|(_, _, help)| *help)
    })
}

const HELP: &[(&str, &str)] = &[
    (
        "reward/mean",
        "Mean reward of the step's completions: what training pushes up.",
    ),
    (
        "reward/std",
        "Spread of the rewards; without it there is nothing to learn from.",
    ),
    (
        "reward/accuracy",
        "Share of completions with the right answer.",
    ),
    (
        "reward/format",
        "Mean reward for an answer in the asked form.",
    ),
    (
        "reward/greedy",
        "Mean reward of the greedy completions that others are compared with.",
    ),
    (
        "reward/restarts",
        "How often a program that gives rewards was started again.",
    ),
    (
        "reward/zero_std_groups",
        "Share of groups whose draws all earned the same: no signal.",
    ),
    (
        "filter/kept",
        "Groups that the update used; 0 in a step without one.",
    ),
    (
        "filter/rounds",
        "Rollouts that it took to fill the batch, where it is refilled.",
    ),
    ("filter/waiting", "Groups that wait for a later update."),
    (
        "filter/accuracy_kept",
        "Mean accuracy of the groups that the update used.",
    ),
    (
        "filter/hard",
        "Groups of the update of which no completion was right.",
    ),
    (
        "filter/mid",
        "Groups of the update of which some completions were right.",
    ),
    (
        "filter/easy",
        "Groups of the update of which all completions were right.",
    ),
    ("response/tokens", "Mean length of a completion."),
    (
        "response/tokens_correct",
        "Mean length of completions with the right answer.",
    ),
    (
        "response/tokens_wrong",
        "Mean length of completions with a wrong answer.",
    ),
    (
        "response/truncated",
        "Share of completions cut off at the length limit.",
    ),
    (
        "policy/loss",
        "The loss that was minimised; its size alone says little.",
    ),
    (
        "policy/entropy",
        "How undecided the policy is per token, in nats; near 0 it explores no more.",
    ),
    (
        "policy/kl_ref",
        "Distance from the reference policy per token, in nats.",
    ),
    (
        "policy/kl_coef",
        "Weight of that distance, where a controller moves it.",
    ),
    (
        "policy/kl_old",
        "How far the step's updates have moved the policy per token, in nats.",
    ),
    (
        "policy/stopped_early",
        "1 where the step's updates ended because the policy had moved too far.",
    ),
    (
        "policy/correction",
        "Mean importance weight of the trainer's policy over the sampler's.",
    ),
    (
        "policy/drift",
        "Mean excess of the ratio over 1 in the drift term, after its cap.",
    ),
    (
        "policy/cov_clipped",
        "Share of tokens left out because entropy hangs on them most.",
    ),
    (
        "policy/cov_penalised",
        "Share of tokens with a KL penalty because entropy hangs on them most.",
    ),
    (
        "policy/demonstration_loss",
        "Mean loss per token of the demonstrations beside rewards, before its weight.",
    ),
    (
        "policy/ratio_mean",
        "Mean ratio of new to old token probability; 1 means unchanged.",
    ),
    (
        "policy/clip_high",
        "Share of tokens whose ratio rose past the upper clip bound.",
    ),
    (
        "policy/clip_low",
        "Share of tokens whose ratio fell past the lower clip bound.",
    ),
    (
        "policy/sampler_gap_max",
        "Largest |log-prob difference| of a token between sampler and trainer; should be rounding.",
    ),
    ("optim/lr", "Learning rate."),
    (
        "optim/grad_norm",
        "Global gradient norm before clipping; spikes warn of instability.",
    ),
    (
        "optim/updates",
        "Optimiser steps of the policy in this step.",
    ),
    (
        "optim/skipped_updates",
        "Optimiser steps left out because gradients were not finite.",
    ),
    ("value/loss", "The critic's loss: half the squared error."),
    (
        "value/mean",
        "What the critic expects on average, before the update.",
    ),
    (
        "value/return",
        "What it should have expected: the mean return.",
    ),
    (
        "value/explained_variance",
        "1 is a critic that foretells every return, 0 one that says the same of all.",
    ),
    (
        "value/grad_norm",
        "Global gradient norm of the critic before clipping.",
    ),
    (
        "value/skipped_updates",
        "The critic's optimiser steps left out because gradients were not finite.",
    ),
    ("value/lr", "Learning rate of the critic."),
    ("time/rollout_s", "Seconds spent sampling completions."),
    ("time/reward_s", "Seconds spent grading them."),
    (
        "time/score_s",
        "Seconds spent on log-probs of the old and the reference policy.",
    ),
    (
        "time/update_s",
        "Seconds spent on forward, backward and optimiser.",
    ),
    ("time/step_s", "Seconds for the whole step."),
    (
        "throughput/rollout_tokens_per_s",
        "Tokens sampled per second of sampling.",
    ),
    (
        "throughput/train_tokens_per_s",
        "Tokens trained on per second of updating.",
    ),
    (
        "memory/peak_bytes",
        "Highest memory use of the process so far.",
    ),
];

/// Names of which a part is free: (what stands before it, what stands in it after, help).
const FAMILIES: &[(&str, &str, &str)] = &[
    (
        "eval/",
        "/pass@",
        "Share of held-out questions answered right in at least one of k draws.",
    ),
    (
        "eval/",
        "/tokens",
        "Mean length of a completion on held-out questions.",
    ),
    (
        "eval/",
        "/reward",
        "Mean reward of a completion on held-out questions.",
    ),
    (
        "eval/",
        "/truncated",
        "Share of completions of held-out questions cut off at the limit.",
    ),
    ("filter/dropped/", "", "Groups dropped for this reason."),
    (
        "filter/masked/",
        "",
        "Completions without a loss for this reason.",
    ),
    ("reward/", "", "Mean of one part of the reward."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_come_before_families() {
        let accuracy = metric_help("reward/accuracy").unwrap();
        assert!(accuracy.contains("right answer"));
        assert_ne!(metric_help("reward/length"), Some(accuracy));
        assert!(
            metric_help("eval/held_out/pass@8")
                .unwrap()
                .contains("k draws")
        );
        assert!(
            metric_help("eval/held_out/tokens")
                .unwrap()
                .contains("length")
        );
        assert_eq!(metric_help("reward/"), None);
        assert_eq!(metric_help("mine/own"), None);
    }
}
