//! Adapters onto a model and off again.

use super::names::adaptable;
use crate::{
    Vlm, VlmInput,
    error::VlmError,
    freeze::set_trainable,
    input::RowKey,
    lora::{ALL_LINEAR, Lora, LoraConfig, ends_in},
    nn::{Adapter, Dropout, Linear, PositionKeys, linear::Linears},
    rng::{hash_text, mix},
    weights::{nearest, select, shapes},
};
use burn::{module::Param, tensor::DType};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

impl Vlm {
    /// Freezes the model and attaches fresh adapters, which change nothing yet. A value head stays
    /// trained. The weights count as those of the directory they were read from: save and load
    /// them first if they were changed since.
    ///
    /// # Errors
    /// A configuration that makes no sense, a name in it that fits no layer (the message names the
    /// nearest), or a model that has adapters.
    pub fn with_lora(self, config: &LoraConfig, seed: u64) -> Result<Self, VlmError> {
        config.check()?;
        if self.lora.is_some() || !config.is_on() {
            let found = config.rank;
            return Err(VlmError::Request(match self.lora {
                Some(_) => format!(
                    "lora.rank is {found}, expected 0: the model is an adapter already, which is \
                     trained on as it is"
                ),
                None => format!("lora.rank is {found}, expected at least 1"),
            }));
        }
        let chosen = choose(&self, config)?;
        let device = self.device();
        let mut model = self.frozen_base();
        model.each_linear(&mut |path, layer| {
            if chosen.contains(path) {
                let [d_out, d_in] = layer.weight.lazy_shape().dims();
                let key = mix(mix(0x10fa, seed), hash_text(path));
                let adapter = Adapter::new(d_in, d_out, config.rank, config.scale(), key, &device);
                layer.lora = Some(adapter);
            }
        });
        model.lora = Some(Arc::new(Lora {
            config: config.clone(),
            base: model.source.as_deref().cloned(),
        }));
        Ok(model)
    }

    /// The LoRA configuration and the base model's fingerprint; none without adapters.
    pub fn lora(&self) -> Option<&Lora> {
        self.lora.as_deref()
    }

    /// Whether the model has adapters that change nothing yet, as fresh ones do: B is 0 in all.
    pub fn has_fresh_lora(&self) -> bool {
        let mut fresh = self.lora.is_some();
        self.clone().each_linear(&mut |_, layer| {
            let Some(adapter) = layer.lora.as_ref().filter(|_| fresh) else {
                return;
            };
            let largest = adapter.b.val().abs().max().cast(DType::F32);
            fresh = largest.into_scalar::<f32>() == 0.0;
        });
        fresh
    }

    /// The model that the adapters are beside, sharing its weights: a policy's own reference.
    pub fn without_lora(&self) -> Self {
        let mut model = self.clone();
        model.each_linear(&mut |_, layer| layer.lora = None);
        model.lora = None;
        model
    }

    /// The same function without adapters: each is added to its weight, in f32, and only those weights
    /// are copied.
    pub fn merged(&self) -> Self {
        self.merged_in(DType::F32)
    }

    /// The same with each sum rounded before the next is made, so that the sums never lie side by
    /// side in f32.
    fn merged_in(&self, dtype: DType) -> Self {
        let mut model = self.clone();
        model.each_linear(&mut |_, layer| {
            if let Some(adapter) = layer.lora.take() {
                let sum = layer.weight.val().cast(DType::F32) + adapter.delta();
                layer.weight = Param::initialized(layer.weight.id, sum.cast(dtype));
            }
        });
        model.lora = None;
        model.source = None;
        model
    }

    /// The model as completions are sampled from it, without dropout: merged, if its adapters are
    /// to be, and [for inference](Self::for_inference).
    pub fn for_sampling(&self) -> Self {
        let compute = self.compute();
        match &self.lora {
            Some(lora) if lora.config.merges_rollouts(compute) => {
                self.merged_in(compute.dtype()).for_inference()
            }
            _ => self.for_inference(),
        }
    }

    /// Whether [`with_dropout`](Self::with_dropout) changes anything.
    pub fn has_dropout(&self) -> bool {
        self.lora
            .as_ref()
            .is_some_and(|lora| lora.config.dropout > 0.0)
    }

    /// The same with another choice of how completions are sampled, as
    /// [`LoraConfig::merge_rollouts`] says; without adapters there is none.
    pub fn merging_rollouts(mut self, choice: Option<bool>) -> Self {
        if let Some(lora) = &mut self.lora {
            Arc::make_mut(lora).config.merge_rollouts = choice;
        }
        self
    }

    /// The model as it is to be trained on `input`, whose row `i` is `rows[i]` of the update `key`:
    /// with the dropout of its adapters, if they have any. Weights are shared.
    ///
    /// The mask of a token depends on `key`, its place in its row, the layer, and its row's sample;
    /// that of a token of a prompt that [rows may share](VlmInput::of_prompts) on the prompt's number
    /// in place of the sample's, whether it is shared or not; that of a patch on `key`, its picture,
    /// its place in it and the layer.
    pub fn with_dropout(&self, input: &VlmInput, key: u64, rows: &[RowKey]) -> Self {
        let mut model = self.clone();
        if !self.has_dropout() {
            return model;
        }
        let p = self.lora.as_ref().map_or(0.0, |lora| lora.config.dropout);
        let tokens = Arc::new(PositionKeys::Tokens(token_keys(input, key, rows)));
        let pictures = input.vision.iter().flat_map(|vision| &vision.images);
        let pictures = pictures.map(|image| {
            let values = image.patches.iter();
            let picture = values.fold(key, |key, value| mix(key, u64::from(value.to_bits())));
            (picture, image.patches.len())
        });
        let pictures = Arc::new(PositionKeys::Pictures(pictures.collect()));
        let set = |path: &str, layer: &mut Linear, keys: &Arc<PositionKeys>| {
            if let Some(adapter) = &mut layer.lora {
                let dropout = Dropout::new(p, hash_text(path), keys.clone());
                adapter.set_dropout(Some(dropout));
            }
        };
        model
            .visual
            .each_linear("visual", &mut |path, layer| set(path, layer, &pictures));
        model
            .model
            .each_linear("model", &mut |path, layer| set(path, layer, &tokens));
        model
    }

    /// The same with everything frozen but a value head.
    pub(crate) fn frozen_base(self) -> Self {
        let head: HashSet<_> = self
            .value_head
            .iter()
            .flat_map(shapes)
            .map(|p| p.id)
            .collect();
        set_trainable(self, |id| (!head.contains(&id)).then_some(false))
    }
}

/// A key for each of the `B · T` tokens.
fn token_keys(input: &VlmInput, key: u64, rows: &[RowKey]) -> Vec<u64> {
    let Some(shared) = &input.shared else {
        let rows = input.lens.iter().zip(rows).flat_map(|(len, row)| {
            let (pad, row) = (input.width - len, mix(key, row.sample as u64));
            (0..input.width).map(move |t| mix(row, t.wrapping_sub(pad) as u64))
        });
        return rows.collect();
    };
    let mut keys = vec![0; input.width];
    for (place, row) in shared.rows.iter().zip(rows) {
        let prompt = mix(mix(key, 1), row.prompt as u64);
        for (t, at) in place.prompt.clone().enumerate() {
            keys[at] = mix(prompt, t as u64);
        }
        let sample = mix(key, row.sample as u64);
        for (t, at) in place.response.clone().enumerate() {
            keys[at] = mix(sample, (place.prompt.len() + t) as u64);
        }
    }
    keys
}

/// Paths of the layers that `config` asks for.
fn choose(model: &Vlm, config: &LoraConfig) -> Result<BTreeSet<String>, VlmError> {
    let keys = model.keys();
    let all = adaptable(model, &keys);
    let paths: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut within: BTreeSet<&str> = paths.iter().copied().collect();
    if !config.layers.is_empty() {
        within = select(&paths, &config.layers, &keys, "lora.layers")?;
    }
    let targets = &config.target_modules;
    let is_target = |name: &String| {
        let hit = |target: &String| target == ALL_LINEAR || ends_in(name, target);
        targets.iter().any(hit)
    };
    let (mut chosen, mut partial) = (BTreeSet::new(), None);
    let mut names = BTreeSet::new();
    for path in within {
        let generations = layer_names(model, path);
        let hits = |names: &Vec<String>| names.iter().filter(|name| is_target(name)).count();
        let whole = |names: &Vec<String>| !names.is_empty() && hits(names) == names.len();
        if generations.iter().any(whole) {
            chosen.insert(path.to_owned());
        } else if let Some(parts) = generations.iter().find(|names| hits(names) > 0) {
            partial.get_or_insert((path, parts.join(", ")));
        }
        names.extend(generations.into_iter().flatten());
    }
    let missed =
        |target: &&String| *target != ALL_LINEAR && !names.iter().any(|name| ends_in(name, target));
    if let Some(target) = targets.iter().find(missed) {
        let last = names.iter().filter_map(|name| name.rsplit('.').next());
        let near = nearest(target, last.chain([ALL_LINEAR]));
        return Err(VlmError::Request(format!(
            "lora.target_modules has `{target}`, which is the end of no layer's name; nearest: \
             {near}"
        )));
    }
    match partial {
        Some((path, parts)) => Err(VlmError::Request(format!(
            "lora.target_modules names some of {parts}, which are one layer here, {path}: name \
             all of them, or none within lora.layers"
        ))),
        None => Ok(chosen),
    }
}

/// Every name of a layer: ours, the hub's and transformers'. Several of a generation are parts.
fn layer_names(model: &Vlm, path: &str) -> Vec<Vec<String>> {
    let weight = format!("{path}.weight");
    let generations = model.keys().generations(&weight).into_iter();
    let layer = |name: &String| name.trim_end_matches(".weight").to_owned();
    generations
        .chain([model.config().module_keys().newest(&weight)])
        .map(|names| names.iter().map(layer).collect())
        .collect()
}
