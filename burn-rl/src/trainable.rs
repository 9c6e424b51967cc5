//! Which parts of a model a run trains.

use crate::error::RlError;
use burn_vlm::{
    Vlm,
    footprint::TrainedSizes,
    freeze::frozen_parameters,
    lora::LoraConfig,
    weights::{NamedShape, shapes},
};
use std::collections::HashSet;

/// The key that names of frozen parts stand under.
pub(crate) const FREEZE: &str = "model.freeze";

/// The output head; models with tied embeddings have none and use the embedding matrix instead.
const HEAD: &str = "lm_head.weight";
const EMBEDDING: &str = "model.embed_tokens.weight";

/// The model as a run trains it: with an adapter where `lora` is on, else with the parts whose names
/// begin with one of `freeze` frozen; trained weights are f32. The fresh adapter is drawn from
/// `seed`. A model that has an adapter already keeps it, and is sampled from as
/// `lora.merge_rollouts` says.
///
/// # Errors
/// Names that fit nothing, with the nearest that would.
pub fn make_trainable(
    model: Vlm,
    lora: &LoraConfig,
    freeze: &[String],
    seed: u64,
) -> Result<Vlm, RlError> {
    check_settings(lora, &model)?;
    let model = model.merging_rollouts(lora.merge_rollouts);
    let model = if lora.is_on() {
        model.with_lora(lora, seed)?
    } else if freeze.is_empty() {
        model
    } else {
        let keys = model.keys();
        burn_vlm::freeze::freeze(model, freeze, &keys, FREEZE)?
    };
    Ok(model.with_masters())
}

/// Refuses settings of `lora` that would change nothing: all of them where there is no adapter, and
/// those that an adapter which is trained on brings with it.
fn check_settings(lora: &LoraConfig, model: &Vlm) -> Result<(), RlError> {
    if lora.is_on() {
        return Ok(());
    }
    let fields = |lora: &LoraConfig| serde_json::to_value(lora).unwrap_or_default();
    let (given, default) = (fields(lora), fields(&LoraConfig::default()));
    let own = model.lora().map(|lora| fields(&lora.config));
    for (key, value) in given.as_object().into_iter().flatten() {
        let is_default = *value == default[key];
        let message = match &own {
            _ if is_default => continue,
            None => format!(
                "lora.{key} is {value}, but lora.rank is 0, so that there is no adapter: set \
                 lora.rank, or leave lora.{key} out"
            ),
            // How it is sampled from is no property of the adapter.
            Some(_) if key == "merge_rollouts" => continue,
            Some(own) if *value == own[key] => continue,
            Some(own) => format!(
                "lora.{key} is {value}, but model.path is an adapter, whose adapter_config.json says \
                 {}: leave lora.{key} out",
                own[key]
            ),
        };
        return Err(RlError::Config(message));
    }
    Ok(())
}

/// How many parameters a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCounts {
    /// All of them, an adapter's included.
    pub total: usize,
    /// Those that are trained.
    pub trained: TrainedSizes,
    /// The largest matrix that is trained.
    pub largest: usize,
    /// Those of the layers that have an adapter.
    pub adapted: usize,
    /// Those of the head, unless it is the embedding table.
    pub head: usize,
}

/// Numbers of parameters of a run. The model may be one whose weights are not loaded: none is
/// looked at.
///
/// # Errors
/// As [`make_trainable`].
pub fn count_parameters(
    skeleton: Vlm,
    lora: &LoraConfig,
    freeze: &[String],
    seed: u64,
) -> Result<ParameterCounts, RlError> {
    const LORA: &str = ".lora.";
    check_settings(lora, &skeleton)?;
    let is_adapter = lora.is_on() || skeleton.lora().is_some();
    let keys = skeleton.keys();
    let model = match lora.is_on() {
        true => skeleton.with_lora(lora, seed)?,
        false => skeleton,
    };
    let all = shapes(&model);
    let frozen = match is_adapter {
        true => vec![],
        false => frozen_parameters(&all, freeze, &keys, FREEZE)?,
    };
    let frozen: HashSet<&str> = frozen.iter().map(|p| p.path.as_str()).collect();
    let is_trained = |p: &&NamedShape| match is_adapter {
        true => p.path.contains(LORA),
        false => !frozen.contains(p.path.as_str()),
    };
    let adapted: HashSet<&str> = all
        .iter()
        .filter_map(|p| p.path.split_once(LORA).map(|(layer, _)| layer))
        .collect();
    let adapted = |p: &&NamedShape| {
        let layer = p.path.strip_suffix(".weight");
        layer.is_some_and(|layer| adapted.contains(layer))
    };
    fn sum<'a>(of: impl Iterator<Item = &'a NamedShape>) -> usize {
        of.map(NamedShape::len).sum()
    }
    let trained = || all.iter().filter(is_trained);
    let head = model.lm_head.as_ref().map_or(EMBEDDING, |_| HEAD);
    Ok(ParameterCounts {
        total: sum(all.iter()),
        trained: TrainedSizes {
            all: sum(trained()),
            head: sum(trained().filter(|p| p.path == head)),
            tower: trained().any(|p| p.path.starts_with("visual.")),
        },
        largest: trained().map(NamedShape::len).max().unwrap_or(0),
        adapted: sum(all.iter().filter(adapted)),
        head: sum(all.iter().filter(|p| p.path == HEAD)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_adapter_that_is_trained_on_is_sampled_from_as_the_run_says() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/adapter");
        let saved = Vlm::from_dir(&golden.join("all_linear"), &burn::tensor::Device::flex());
        let saved = saved.unwrap();
        for (choice, beside) in [(None, false), (Some(true), false), (Some(false), true)] {
            let lora = LoraConfig {
                merge_rollouts: choice,
                ..LoraConfig::default()
            };
            let model = make_trainable(saved.clone(), &lora, &[], 0).unwrap();
            assert!(model.lora().is_some());
            assert_eq!(model.for_sampling().lora().is_some(), beside, "{choice:?}");
        }
    }
}
