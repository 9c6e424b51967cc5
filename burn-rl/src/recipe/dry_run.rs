//! What the parts of a recipe read, found by running them on made-up numbers.

use super::RecipeBuilder;
use crate::{
    error::RlError,
    loss::{LossInput, LossTensors},
    select::StepScores,
    types::{Advantages, Needs, Sample, ScoredBatch},
};
use burn::tensor::{Device, Tensor};

/// What was asked of a [`LossInput`].
pub(super) struct Asked {
    /// By the policy loss alone.
    pub loss: Needs,
    /// By everything together.
    pub others: Needs,
}

/// A device of this machine that computes without any set-up.
fn device() -> Device {
    #[cfg(feature = "flex")]
    return Device::flex();
    #[cfg(not(feature = "flex"))]
    Device::default()
}

const ROWS: usize = 2;
const TOKENS: usize = 3;
const MASK: [[bool; TOKENS]; ROWS] = [[true, true, true], [true, true, false]];
const LOGP: [[f32; TOKENS]; ROWS] = [[-1.0, -0.25, -2.0], [-0.5, -1.5, -0.75]];
const OLD_LOGP: [[f32; TOKENS]; ROWS] = [[-1.1, -0.5, -1.5], [-0.5, -1.25, -0.75]];
const BEHAVIOUR_LOGP: [[f32; TOKENS]; ROWS] = [[-1.0, -0.5, -1.75], [-0.75, -1.25, -0.5]];
const REF_LOGP: [[f32; TOKENS]; ROWS] = [[-1.25, -0.5, -1.0], [-0.25, -1.0, -0.5]];
const ENTROPY: [[f32; TOKENS]; ROWS] = [[1.0, 0.5, 1.5], [0.75, 1.25, 0.25]];
const ADVANTAGES: [[f32; TOKENS]; ROWS] = [[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]];

/// Runs selectors, loss, correction and regularisers with everything there.
pub(super) fn asked(parts: &RecipeBuilder) -> Result<Asked, RlError> {
    let device = device();
    let floats = |rows: [[f32; TOKENS]; ROWS]| Tensor::<2>::from_floats(rows, &device).autodiff();
    let selected = select(parts)?;
    let flags = |lists: Vec<Vec<bool>>| {
        let numbers = |row: Vec<bool>| row.into_iter().map(|f| f32::from(u8::from(f)));
        let numbers: Vec<f32> = lists.into_iter().flat_map(numbers).collect();
        let flags = Tensor::<1>::from_floats(numbers.as_slice(), &device);
        flags.reshape([ROWS, TOKENS]).greater_elem(0.5).autodiff()
    };
    let input = LossInput::new(LossTensors {
        logp: floats(LOGP).require_grad(),
        entropy: floats(ENTROPY).require_grad(),
        advantages: floats(ADVANTAGES),
        mask: flags(MASK.map(Vec::from).to_vec()),
        old_logp: Some(floats(OLD_LOGP)),
        behaviour_logp: Some(floats(BEHAVIOUR_LOGP)),
        ref_logp: Some(floats(REF_LOGP)),
        special_tokens: selected.special_tokens.map(flags),
        ratio_level: parts.ratio_level,
        ratio_reference: parts.ratio_reference,
        kl_coef: None,
    });
    parts.loss.token_loss(&input)?;
    let loss = input.asked().union(parts.loss.needs());
    parts.token_loss(&input, selected.trained_tokens.map(flags))?;
    Ok(Asked {
        loss,
        others: input.asked(),
    })
}

fn select(parts: &RecipeBuilder) -> Result<super::Selected, RlError> {
    let sample = |row: usize| Sample {
        reward: row as f64,
        greedy_reward: Some(0.5),
        mask: MASK[row].to_vec(),
        old_logp: OLD_LOGP[row].to_vec(),
        behaviour_logp: BEHAVIOUR_LOGP[row].to_vec(),
        ref_logp: REF_LOGP[row].to_vec(),
        values: vec![0.0; TOKENS],
        ..Sample::default()
    };
    let batch = ScoredBatch::from_groups([(0..ROWS).map(sample).collect()]);
    let advantages = Advantages {
        per_token: ADVANTAGES.map(Vec::from).to_vec(),
        ..Advantages::default()
    };
    let scores = StepScores {
        samples: (0..ROWS).collect(),
        logp: LOGP.map(Vec::from).to_vec(),
        entropy: ENTROPY.map(Vec::from).to_vec(),
    };
    let selected = parts.select(&batch, &advantages, &scores)?;
    let lists = [&selected.special_tokens, &selected.trained_tokens];
    for lists in lists.into_iter().flatten() {
        let lengths: Vec<usize> = lists.iter().map(Vec::len).collect();
        if lengths != [TOKENS; ROWS] {
            return Err(RlError::Config(format!(
                "a selector has lists of {lengths:?} flags for {ROWS} responses of {TOKENS} \
                 tokens, expected one list a response and one flag a token"
            )));
        }
    }
    Ok(selected)
}
