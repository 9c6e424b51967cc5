//! Adapters read as PEFT wrote them, part by part.

use super::names::{adaptable, layers, parts};
use crate::{
    Vlm, dir,
    error::VlmError,
    lora::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE, Lora, LoraConfig, PREFIX, read_config},
    nn::{Adapter, Linear},
    weights::{WeightFiles, nearest},
};
use burn::tensor::{Tensor, TensorData};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A and B of a layer in transformers, flattened.
struct Factors {
    a: Vec<f32>,
    b: Vec<f32>,
    rank: usize,
    layer: String,
}

impl Vlm {
    /// Attaches the adapters of a directory to the model they were trained beside, and freezes it.
    ///
    /// # Errors
    /// Files that are not whole; adapters of another kind, for other layers or beside other
    /// weights.
    pub fn with_adapter(self, dir: &Path) -> Result<Self, VlmError> {
        let path = dir.join(ADAPTER_CONFIG);
        let read = read_config(&path)?;
        check_base(dir, &self)?;
        let files = open_weights(dir)?;
        let found = read_parts(&files, &self)?;
        for part in found.values().flatten().flatten() {
            let expected = read.rank_of(&part.layer);
            if part.rank != expected {
                return Err(VlmError::weights(
                    files.path(),
                    format!(
                        "{} is of rank {}, expected {expected} as {ADAPTER_CONFIG} says (r, \
                         rank_pattern)",
                        part.layer, part.rank
                    ),
                ));
            }
        }
        let module_keys = self.config().module_keys();
        let targets = found.iter().flat_map(|(path, halves)| {
            let names = parts(&module_keys, path).into_iter().zip(halves);
            names.filter_map(|(name, half)| half.is_some().then_some(name))
        });
        let config = LoraConfig {
            rank: read.r,
            alpha: read.lora_alpha,
            dropout: read.lora_dropout,
            rslora: read.use_rslora,
            merge_rollouts: LoraConfig::default().merge_rollouts,
            target_modules: targets.collect(),
            layers: vec![],
        };
        config.check()?;
        let device = self.device();
        let mut model = self.frozen_base();
        let mut problem = None;
        model.each_linear(&mut |path, layer: &mut Linear| {
            let Some(halves) = found.get(path) else {
                return;
            };
            let [d_out, d_in] = layer.weight.lazy_shape().dims();
            match joined(halves, [d_out, d_in], |part| {
                read.alpha_of(&part.layer) / config.divisor(part.rank)
            }) {
                Ok((a, b, scale)) => {
                    let rank = a.len() / d_in;
                    let tensor = |values, shape: [usize; 2]| {
                        Tensor::<2>::from_data(TensorData::new(values, shape), &device)
                    };
                    let (a, b) = (tensor(a, [rank, d_in]), tensor(b, [d_out, rank]));
                    layer.lora = Some(Adapter::from_tensors(a, b, scale));
                }
                Err(message) => {
                    problem.get_or_insert(message);
                }
            }
        });
        if let Some(message) = problem {
            return Err(VlmError::weights(dir.join(ADAPTER_WEIGHTS), message));
        }
        let base = model.source.as_deref().cloned();
        model.lora = Some(Arc::new(Lora { config, base }));
        Ok(model)
    }
}

/// The weights of the adapters in `dir`.
fn open_weights(dir: &Path) -> Result<WeightFiles, VlmError> {
    const PICKLED: &str = "adapter_model.bin";
    let path = dir.join(ADAPTER_WEIGHTS);
    match (path.exists(), dir.join(PICKLED).exists()) {
        (true, _) => WeightFiles::open_file(&path),
        (false, true) => Err(VlmError::weights(
            dir,
            format!(
                "the adapter is in {PICKLED}, PyTorch's own form, expected {ADAPTER_WEIGHTS}: \
                 PeftModel.from_pretrained(…).save_pretrained(…) writes it"
            ),
        )),
        (false, false) => Err(VlmError::weights(
            dir,
            format!("{ADAPTER_CONFIG} is here, but {ADAPTER_WEIGHTS} is missing"),
        )),
    }
}

/// Whether the weights beside which the adapters of `dir` were trained are those of `model`.
fn check_base(dir: &Path, model: &Vlm) -> Result<(), VlmError> {
    let path = dir.join(BASE);
    let (true, Some(source)) = (path.exists(), &model.source) else {
        // PEFT's own adapters do not say what they were trained beside.
        return Ok(());
    };
    let base = dir::json(&path)?;
    match base["fingerprint"].as_str() == Some(&source.fingerprint) {
        true => Ok(()),
        false => Err(VlmError::config(
            &path,
            format!(
                "the adapter was trained beside the weights {} of {}, but {} has the weights {}",
                base["fingerprint"],
                base["path"],
                source.path.display(),
                source.fingerprint
            ),
        )),
    }
}

/// A and B of every layer in the file, by our path of the layer: one for each of its parts, none for
/// a part that has none.
fn read_parts(
    files: &WeightFiles,
    model: &Vlm,
) -> Result<BTreeMap<String, Vec<Option<Factors>>>, VlmError> {
    let keys = model.keys();
    let module_keys = model.config().module_keys();
    let mut layers_by_name: BTreeMap<String, (String, usize, usize)> = BTreeMap::new();
    for path in adaptable(model, &keys) {
        let weight = format!("{path}.weight");
        let hub = match keys.is_joined(&weight) {
            true => vec![],
            false => layers(keys.generations(&weight)[1].clone()),
        };
        for names in [parts(&module_keys, &path), hub] {
            let n = names.len();
            for (i, name) in names.into_iter().enumerate() {
                layers_by_name.entry(name).or_insert((path.clone(), i, n));
            }
        }
    }
    let mut halves: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for (tensor, ..) in files.tensors() {
        let fail = |message: String| VlmError::weights(files.path(), format!("{tensor} {message}"));
        let name = tensor.strip_prefix(PREFIX);
        let parts = name.and_then(|name| {
            let name = name.replace(".default.weight", ".weight");
            let a = name
                .strip_suffix(".lora_A.weight")
                .map(|n| (0, n.to_owned()));
            a.or_else(|| {
                name.strip_suffix(".lora_B.weight")
                    .map(|n| (1, n.to_owned()))
            })
        });
        let Some((half, layer)) = parts else {
            let expected = format!("`{PREFIX}<layer>.lora_A.weight` or `.lora_B.weight`");
            return Err(fail(format!(
                "is not part of an adapter, expected {expected}"
            )));
        };
        if !layers_by_name.contains_key(&layer) {
            let near = nearest(&layer, layers_by_name.keys().map(String::as_str));
            return Err(fail(format!(
                "belongs to no layer of the model; nearest: {near}"
            )));
        }
        halves.entry(layer).or_default()[half] = Some(tensor.to_owned());
    }
    let mut found: BTreeMap<String, Vec<Option<Factors>>> = BTreeMap::new();
    for (layer, halves) in halves {
        let [Some(a), Some(b)] = halves else {
            let message = format!("{layer}: A or B is missing, expected both");
            return Err(VlmError::weights(files.path(), message));
        };
        let Some((path, part, n)) = layers_by_name.get(&layer).cloned() else {
            continue;
        };
        let rank = files.shape(&a).and_then(|shape| shape.first().copied());
        let factors = Factors {
            a: files.read_f32(&a)?,
            b: files.read_f32(&b)?,
            rank: rank.unwrap_or_default(),
            layer,
        };
        let none = || (0..n).map(|_| None).collect();
        let half = &mut found.entry(path).or_insert_with(none)[part];
        if let Some(other) = half {
            let message = format!(
                "{} and {} are one layer under names of two generations, expected one of them",
                other.layer, factors.layer
            );
            return Err(VlmError::weights(files.path(), message));
        }
        *half = Some(factors);
    }
    Ok(found)
}

/// A `[r, in]`, B `[out, r]` and scale of a layer, from those of its parts. Parts that share A share
/// it here; else every part has its own rows of A and its block of B.
fn joined(
    parts: &[Option<Factors>],
    [d_out, d_in]: [usize; 2],
    scale: impl Fn(&Factors) -> f64,
) -> Result<(Vec<f32>, Vec<f32>, f64), String> {
    let rows = d_out / parts.len();
    for part in parts.iter().flatten() {
        if part.rank == 0 || part.a.len() != part.rank * d_in || part.b.len() != rows * part.rank {
            return Err(format!(
                "{}: the adapter does not fit a layer of shape [{rows}, {d_in}]",
                part.layer
            ));
        }
    }
    let known: Vec<&Factors> = parts.iter().flatten().collect();
    let Some(first) = known.first() else {
        return Err("a layer without an adapter".into());
    };
    let all = known.len() == parts.len();
    let alike = |part: &&Factors| part.a == first.a && scale(part) == scale(first);
    if all && known.iter().all(alike) {
        let b = known.iter().flat_map(|part| part.b.iter().copied());
        return Ok((first.a.clone(), b.collect(), scale(first)));
    }
    let total: usize = known.iter().map(|part| part.rank).sum();
    let a = known.iter().flat_map(|part| part.a.iter().copied());
    let mut b = vec![0.0; d_out * total];
    let mut column = 0;
    for (i, part) in parts.iter().enumerate() {
        let Some(part) = part else { continue };
        // One scale for all parts: what is left of a part's own goes into its B.
        let own = (scale(part) / scale(first)) as f32;
        for (row, values) in part.b.chunks(part.rank).enumerate() {
            let start = (i * rows + row) * total + column;
            for (j, value) in values.iter().enumerate() {
                b[start + j] = value * own;
            }
        }
        column += part.rank;
    }
    Ok((a.collect(), b, scale(first)))
}
