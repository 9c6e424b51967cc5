//! Adapters written as PEFT reads them.

use super::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE, PREFIX, parts};
use crate::{Vlm, error::VlmError};
use burn::tensor::Tensor;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, fs, path::Path};

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
}

/// In f32, little end first.
fn bytes(value: &Tensor<2>) -> Vec<u8> {
    let data = value.to_data();
    data.iter::<f32>().flat_map(f32::to_le_bytes).collect()
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
