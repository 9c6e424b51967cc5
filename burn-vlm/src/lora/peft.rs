//! Adapters as [PEFT](https://github.com/huggingface/peft) writes and reads them.
//!
//! `adapter_config.json` says what they are, `adapter_model.safetensors` holds A and B of each layer
//! under `base_model.model.<layer>.lora_A.weight` and `.lora_B.weight`, where `<layer>` is the
//! layer's name in transformers. A third file, which PEFT does not look at, says which weights the
//! adapters are beside.

use super::{
    Adapter, Lora, LoraConfig,
    attach::{adaptable, ends_in},
};
use crate::{
    Vlm,
    error::VlmError,
    nn::Linear,
    weights::{KeyMap, WeightFiles, nearest},
};
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, tensor::TensorView};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What the adapters are.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// A and B of every layer.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// Which weights they are beside.
pub(crate) const BASE: &str = "base_model.json";

/// What PEFT puts before the name of every layer.
const PREFIX: &str = "base_model.model.";

/// Options of PEFT's adapters that change what they compute, with the value that changes nothing.
/// What is null, false or empty changes nothing either.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("use_dora", "false"),
    ("use_qalora", "false"),
    ("use_bdlora", "null"),
    ("fan_in_fan_out", "false"),
    ("lora_bias", "false"),
    ("bias", "none"),
    ("modules_to_save", "null"),
    ("layer_replication", "null"),
    ("trainable_token_indices", "null"),
    ("target_parameters", "null"),
    ("alora_invocation_tokens", "null"),
    ("arrow_config", "null"),
    ("kasa_config", "null"),
    ("monteclora_config", "null"),
    ("velora_config", "null"),
];

/// Beginnings by name that leave the weights as they are. Others, as `pissa` or `olora`, take the
/// adapter's first value out of them, so that it is beside weights that no file holds.
const KNOWN_INITS: &[&str] = &["gaussian", "orthogonal", "eva", "mica"];

#[derive(Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
}

/// A and B of a layer in transformers, flattened.
struct Factors {
    a: Vec<f32>,
    b: Vec<f32>,
    rank: usize,
    layer: String,
}

impl Vlm {
    /// Writes the adapters into a directory without other weights.
    pub(crate) fn save_adapter(&self, dir: &Path) -> Result<(), VlmError> {
        let Some(lora) = &self.lora else {
            let message = "this model has no adapter to save".to_owned();
            return Err(VlmError::Request(message));
        };
        let keys = self.config().module_keys();
        let mut tensors = vec![];
        let (mut ranks, mut alphas) = (Map::new(), Map::new());
        let mut names = vec![];
        self.clone().each_linear(&mut |path, layer| {
            let Some(adapter) = &layer.lora else { return };
            let [rank, d_in] = adapter.a.val().dims();
            let alpha = adapter.scale() * lora.config.divisor(rank);
            let a = bytes(&adapter.a.val());
            let b = bytes(&adapter.b.val());
            let parts = parts(&keys, path);
            // What is cut in transformers shares A there, and has its rows of B.
            let rows = b.len() / (4 * rank) / parts.len();
            for (name, b) in parts.into_iter().zip(b.chunks(4 * rank * rows)) {
                if rank != lora.config.rank {
                    ranks.insert(name.clone(), json!(rank));
                }
                if (alpha - lora.config.alpha).abs() > 1e-9 * alpha {
                    alphas.insert(name.clone(), json!(alpha));
                }
                let factor = |factor| format!("{PREFIX}{name}.{factor}.weight");
                tensors.push((factor("lora_A"), vec![rank, d_in], a.clone()));
                tensors.push((factor("lora_B"), vec![rows, rank], b.to_vec()));
                names.push(name);
            }
        });
        write_tensors(&dir.join(ADAPTER_WEIGHTS), &tensors)?;
        let config = &lora.config;
        let base = lora.base.as_ref();
        let peft = json!({
            "peft_type": "LORA",
            "task_type": null,
            "base_model_name_or_path": base.map(|base| base.path.to_string_lossy()),
            "r": config.rank,
            "lora_alpha": config.alpha,
            "lora_dropout": config.dropout,
            "use_rslora": config.rslora,
            "target_modules": names,
            "rank_pattern": ranks,
            "alpha_pattern": alphas,
            "bias": "none",
            "fan_in_fan_out": false,
            "init_lora_weights": true,
            "inference_mode": true,
        });
        write_json(&dir.join(ADAPTER_CONFIG), &peft)?;
        match base {
            Some(base) => write_json(
                &dir.join(BASE),
                &json!({ "path": base.path, "fingerprint": base.fingerprint }),
            ),
            None => Ok(()),
        }
    }

    /// Attaches the adapters of a directory to the model they were trained beside, and freezes it.
    ///
    /// # Errors
    /// Files that are not whole; adapters of another kind, for other layers or beside other
    /// weights.
    pub fn with_adapter(self, dir: &Path) -> Result<Self, VlmError> {
        let path = dir.join(ADAPTER_CONFIG);
        let read = read_config(&path)?;
        check_base(dir, &self)?;
        let files = WeightFiles::open_file(&dir.join(ADAPTER_WEIGHTS))?;
        let found = read_parts(&files, &self)?;
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
            let alpha = |name: &str| pattern(&read.alpha_pattern, name).unwrap_or(read.lora_alpha);
            match joined(halves, [d_out, d_in], |part| {
                alpha(&part.layer) / config.divisor(part.rank)
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

/// Whether `dir` holds an adapter rather than a model.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(ADAPTER_CONFIG).is_file() && !WeightFiles::are_in(dir)
}

/// The model directory that the adapters of `dir` are beside.
///
/// # Errors
/// A configuration that is missing or malformed, or names no directory.
pub fn base_dir(dir: &Path) -> Result<PathBuf, VlmError> {
    let path = dir.join(ADAPTER_CONFIG);
    let config = read_config(&path)?;
    let name = config.base_model_name_or_path.unwrap_or_default();
    // As PEFT takes it, and relative to the adapter, so that both can be moved together.
    for base in [PathBuf::from(&name), dir.join(&name)] {
        if !name.is_empty() && base.join("config.json").is_file() {
            return Ok(base);
        }
    }
    Err(VlmError::config(
        path,
        format!(
            "base_model_name_or_path is `{name}`, expected the directory of the model that the \
             adapter was trained beside"
        ),
    ))
}

fn read_config(path: &Path) -> Result<PeftConfig, VlmError> {
    let fail = |message: String| VlmError::config(path, message);
    let bytes = fs::read(path).map_err(|e| VlmError::io(path, e))?;
    let raw: Value = serde_json::from_slice(&bytes).map_err(|e| fail(e.to_string()))?;
    for (key, expected) in UNSUPPORTED {
        let value = &raw[*key];
        let nothing = match value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text == expected,
            Value::Array(items) => items.is_empty(),
            Value::Object(items) => items.is_empty(),
            _ => false,
        };
        if !nothing {
            return Err(fail(format!(
                "{key} is {value}, which is not supported, expected {expected}"
            )));
        }
    }
    if let Some(init) = raw["init_lora_weights"].as_str()
        && !KNOWN_INITS.contains(&init.to_lowercase().as_str())
    {
        return Err(fail(format!(
            "init_lora_weights is `{init}`, which is not supported as it may change the weights \
             that the adapter is beside, expected true, false or one of: {}",
            KNOWN_INITS.join(", ")
        )));
    }
    let config: PeftConfig = serde_json::from_value(raw).map_err(|e| fail(e.to_string()))?;
    match config.peft_type.as_str() {
        "LORA" => Ok(config),
        other => Err(fail(format!("peft_type is `{other}`, expected `LORA`"))),
    }
}

/// Whether the weights beside which the adapters of `dir` were trained are those of `model`.
fn check_base(dir: &Path, model: &Vlm) -> Result<(), VlmError> {
    let path = dir.join(BASE);
    let (true, Some(source)) = (path.exists(), &model.source) else {
        // PEFT's own adapters do not say what they were trained beside.
        return Ok(());
    };
    let bytes = fs::read(&path).map_err(|e| VlmError::io(&path, e))?;
    let base: Value =
        serde_json::from_slice(&bytes).map_err(|e| VlmError::config(&path, e.to_string()))?;
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
    let mut places: BTreeMap<String, (String, usize, usize)> = BTreeMap::new();
    for path in adaptable(model, &keys) {
        let weight = format!("{path}.weight");
        let hub = match keys.is_joined(&weight) {
            true => vec![],
            false => layers(keys.generations(&weight)[1].clone()),
        };
        for names in [parts(&module_keys, &path), hub] {
            let n = names.len();
            for (i, name) in names.into_iter().enumerate() {
                places.entry(name).or_insert((path.clone(), i, n));
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
        if !places.contains_key(&layer) {
            let near = nearest(&layer, places.keys().map(String::as_str));
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
        let Some((path, part, n)) = places.get(&layer).cloned() else {
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
        found.entry(path).or_insert_with(none)[part] = Some(factors);
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

/// The names of a layer's parts in transformers: one, unless it is cut there.
fn parts(module_keys: &KeyMap, path: &str) -> Vec<String> {
    layers(module_keys.newest(&format!("{path}.weight")))
}

/// Names of weights as names of their layers.
fn layers(weights: Vec<String>) -> Vec<String> {
    let layer = |name: String| name.trim_end_matches(".weight").to_owned();
    weights.into_iter().map(layer).collect()
}

/// In f32, little end first.
fn bytes(value: &Tensor<2>) -> Vec<u8> {
    let data = value.to_data();
    data.iter::<f32>().flat_map(f32::to_le_bytes).collect()
}

/// What PEFT finds for a layer in one of its patterns: by the layer's name or the end of it.
fn pattern(patterns: &BTreeMap<String, f64>, layer: &str) -> Option<f64> {
    let found = patterns.iter().find(|(end, _)| ends_in(layer, end));
    found.map(|(_, value)| *value)
}

fn write_tensors(path: &Path, tensors: &[(String, Vec<usize>, Vec<u8>)]) -> Result<(), VlmError> {
    let broken = |e: safetensors::SafeTensorError| match e {
        safetensors::SafeTensorError::IoError(e) => VlmError::io(path, e),
        other => VlmError::weights(path, other.to_string()),
    };
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)?;
            Ok((name, view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(broken)?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), path).map_err(broken)
}

fn write_json(path: &Path, value: &Value) -> Result<(), VlmError> {
    fs::write(path, format!("{value:#}\n")).map_err(|e| VlmError::io(path, e))
}
