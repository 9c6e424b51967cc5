//! What a person should know of settings that are legal, but seldom meant.

use super::RunConfig;
use crate::recipe::{CompletionSource, Recipe};
use run_log::diagnostics::Warning;

impl RunConfig {
    /// Told once, before the first step.
    pub(crate) fn warnings(&self, recipe: &Recipe) -> Vec<Warning> {
        let told = self.told_idle(recipe).into_iter();
        let idle = told.map(|finding| Warning {
            step: 0,
            name: "idle_settings",
            finding,
            advice: "Leave them out, or set what they need",
        });
        idle.chain(self.truncated_sampling(recipe)).collect()
    }

    /// Completions that are not drawn from the distribution that they are learned from.
    fn truncated_sampling(&self, recipe: &Recipe) -> Option<Warning> {
        if recipe.source() == CompletionSource::Data || recipe.needs().behaviour_logp {
            return None;
        }
        let sampling = &self.rollout.sampling;
        let mut set = vec![];
        if sampling.top_k > 0 {
            set.push(format!("top_k = {}", sampling.top_k));
        }
        if sampling.top_p < 1.0 {
            set.push(format!("top_p = {}", sampling.top_p));
        }
        if sampling.repetition_penalty != 1.0 {
            set.push(format!(
                "repetition_penalty = {}",
                sampling.repetition_penalty
            ));
        }
        (!set.is_empty()).then(|| Warning {
            step: 0,
            name: "truncated_sampling",
            finding: format!(
                "completions are drawn with {} (rollout.sampling), but learned from as if they \
                 were drawn from the whole distribution, so the gradient is biased: tokens that \
                 are never drawn are never pushed down",
                set.join(", ")
            ),
            advice: "Leave these settings out, or weigh by the distribution that was drawn from \
                     (algo.correction, or algo.ratio_anchor = \"sampler\")",
        })
    }
}
