//! Which parts of a model a run trains.

use crate::{config::RunConfig, error::RlError};
use burn_vlm::{
    Vlm,
    freeze::{freeze, frozen_parameters},
    weights::shapes,
};

/// The key that names of frozen parts stand under.
const FREEZE: &str = "model.freeze";

/// The model as `config` trains it: with its adapter, or with its parts frozen, or as it is. A model
/// that is an adapter already stays one.
///
/// # Errors
/// Names that fit nothing, with the nearest that would.
pub fn adapt(model: Vlm, config: &RunConfig) -> Result<Vlm, RlError> {
    if config.lora.is_on() {
        return Ok(model.with_lora(&config.lora, config.seed)?);
    }
    if config.model.freeze.is_empty() {
        return Ok(model);
    }
    let keys = model.keys();
    Ok(freeze(model, &config.model.freeze, &keys, FREEZE)?)
}

/// Numbers of parameters that a run has in all, and that it trains. The model may be one whose
/// weights are not loaded: none is looked at.
///
/// # Errors
/// As [`adapt`].
pub fn count_parameters(skeleton: Vlm, config: &RunConfig) -> Result<[usize; 2], RlError> {
    let is_adapter = config.lora.is_on() || skeleton.lora().is_some();
    let keys = skeleton.keys();
    let model = match config.lora.is_on() {
        true => skeleton.with_lora(&config.lora, config.seed)?,
        false => skeleton,
    };
    let all = shapes(&model);
    let total: usize = all.iter().map(|p| p.len()).sum();
    if is_adapter {
        let adapters = all.iter().filter(|p| p.path.contains(".lora."));
        return Ok([total, adapters.map(|p| p.len()).sum()]);
    }
    let frozen = frozen_parameters(&all, &config.model.freeze, &keys, FREEZE)?;
    let frozen: usize = frozen.iter().map(|p| p.len()).sum();
    Ok([total, total - frozen])
}

/// Refuses what does not go together.
pub(crate) fn check(config: &RunConfig) -> Result<(), RlError> {
    config.lora.check()?;
    if config.lora.is_on() && !config.model.freeze.is_empty() {
        let found = config.lora.rank;
        return Err(RlError::Config(format!(
            "lora.rank is {found} and {FREEZE} is set, expected one of them: beside an adapter \
             everything is frozen as it is"
        )));
    }
    if config.lora.is_on()
        && config.train.reference_refresh_steps > 0
        && config.train.reference_mix < 1.0
    {
        return Err(RlError::Config(format!(
            "train.reference_mix is {} and lora.rank is set, expected 1: the weights between a \
             model without an adapter and one with it are no adapter",
            config.train.reference_mix
        )));
    }
    if config.lora.is_on() && config.model.init == crate::config::ModelInit::Random {
        return Err(RlError::Config(
            "lora.rank is set and model.init is `random`, expected `pretrained`: an adapter is \
             kept apart from the weights, which must be on the disk"
                .into(),
        ));
    }
    Ok(())
}
