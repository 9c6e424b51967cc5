//! A policy that is no language model: a table of logits over arms for each state of a bandit.
//! `cargo run -p burn-rl --features flex --example train_tabular`
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use burn_rl::learner::{MicroBatch, PassOptions};
use burn_rl::rollout::{GenerationParams, GenerationRequest, Sampler};
use burn_rl::types::{Group, Prompt, Rollout};
use burn_rl::{NoObserver, Policy, RlError, RolloutEngine, Trainer};
use burn_vlm::rng::{mix, uniform};
use burn_vlm::tape::TokenScores;

const STATES: u32 = 4;
const ARMS: usize = 5;

/// The prompt is one token, the state; the response is one token, the arm.
#[derive(Module, Debug)]
pub struct Table {
    pub logits: Param<Tensor<2>>,
}

impl Policy for Table {
    fn scores(
        &self,
        batch: &MicroBatch<'_>,
        options: &PassOptions,
    ) -> Result<TokenScores, RlError> {
        let logits = self.logits.val();
        let n = batch.rows.len();
        let column = |of: fn(&burn_rl::learner::TrainRow) -> u32| {
            let ids: Vec<i64> = batch.rows.iter().map(|row| of(row).into()).collect();
            Tensor::<1, Int>::from_data(TensorData::new(ids, [n]), &logits.device())
        };
        let (states, arms) = (column(|r| r.prompt.tokens[0]), column(|r| r.response[0]));
        let all = log_softmax(logits.clone().select(0, states) / options.temperature, 1);
        Ok(TokenScores {
            entropy: -(all.clone().exp() * all.clone()).sum_dim(1),
            logp: all.gather(1, arms.unsqueeze_dim(1)),
        })
    }
}

/// Draws arms on the host: it could as well be another process.
#[derive(Default)]
pub struct Host {
    logp: Vec<f32>,
}

impl Sampler for Host {
    fn generate(
        &self,
        requests: &[GenerationRequest],
        params: &GenerationParams,
        _: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError> {
        let draw = |prompt: &Prompt, draw: u64| {
            let state = prompt.encoded.tokens[0] as usize;
            let logp = &self.logp[state * ARMS..][..ARMS];
            let mut left = uniform(mix(mix(prompt.key, params.step), draw));
            let arm = logp.iter().position(|x| {
                left -= f64::from(x.exp());
                left < 0.0
            });
            let arm = arm.unwrap_or(ARMS - 1);
            Rollout::new(vec![arm as u32], vec![logp[arm]], arm.to_string())
        };
        let group = |request: &GenerationRequest| Group {
            prompt: request.prompt.clone(),
            first_draw: request.draws.start,
            rollouts: (request.draws.clone().map(|i| draw(&request.prompt, i))).collect(),
        };
        Ok(requests.iter().map(group).collect())
    }
}

impl RolloutEngine<Table> for Host {
    fn sync(&mut self, tables: &[&Table]) -> Result<(), RlError> {
        self.logp = log_softmax(tables[0].logits.val(), 1)
            .into_data()
            .iter()
            .collect();
        Ok(())
    }
}

/// The share of right arms, step after step.
pub fn train(steps: u64) -> Result<Vec<f64>, RlError> {
    let logits = Tensor::zeros([STATES as usize, ARMS], &Device::flex());
    let table = Table {
        logits: Param::from_tensor(logits),
    };
    let state = |s: u32| Prompt::of_tokens(s.to_string(), vec![s], ((2 * s + 1) % 5).to_string());
    let mut trainer = Trainer::of_policy(table, Host::default())
        .prompts((0..STATES).map(state).collect::<Vec<_>>())
        .reward_fn(|x| f64::from(u8::from(x.response == x.answer)))
        .algorithm("dr_grpo")
        .prompts_per_step(STATES as usize)
        .samples_per_prompt(16)
        .learning_rate(0.1)
        .steps(steps)
        .build()?;
    let history = trainer.run(&mut NoObserver)?.history;
    Ok(history
        .get("reward/mean")
        .iter()
        .map(|(_, value)| *value)
        .collect())
}

#[allow(dead_code)] // A test uses the rest of this file.
fn main() -> Result<(), RlError> {
    for (step, share) in train(40)?.iter().enumerate().step_by(5) {
        println!(
            "step {:>2}: {:.0} % of the arms are right",
            step + 1,
            100.0 * share
        );
    }
    Ok(())
}
