//! Adapters written as PEFT reads them.

use super::names::parts;
use crate::{
    Vlm,
    error::VlmError,
    lora::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE, PREFIX},
    weights::{F32View, write_f32},
};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

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
            let rank = adapter.a.val().dims()[0];
            let alpha = adapter.scale() * lora.config.divisor(rank);
            let (a, b) = (adapter.a.val(), adapter.b.val());
            let parts = parts(&keys, path);
            // What is cut in transformers shares A there, and has its rows of B.
            let rows = b.dims()[0] / parts.len();
            for (name, b) in parts.into_iter().zip(b.split(rows, 0)) {
                if rank != lora.config.rank {
                    ranks.insert(name.clone(), json!(rank));
                }
                if (alpha - lora.config.alpha).abs() > 1e-9 * alpha {
                    alphas.insert(name.clone(), json!(alpha));
                }
                let factor = |factor| format!("{PREFIX}{name}.{factor}.weight");
                tensors.push((factor("lora_A"), a.clone()));
                tensors.push((factor("lora_B"), b));
                names.push(name);
            }
        });
        let views = tensors
            .iter()
            .map(|(name, x)| (name.as_str(), F32View::of(x)));
        write_f32(&dir.join(ADAPTER_WEIGHTS), views, ("format", "pt".into()))?;
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

fn write_json(path: &Path, value: &Value) -> Result<(), VlmError> {
    fs::write(path, format!("{value:#}\n")).map_err(|e| VlmError::io(path, e))
}
