//! A model and data small enough to be trained inside a test.

use burn::tensor::Device;
use burn_rl::metrics::is_measured;
use burn_vlm::{ModelConfig, Vlm, weights::ExportDtype};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use trainer::demo::{
    Split,
    dataset::{Rows, write_dataset},
    model::assets,
};

/// The demo's architecture and vocabulary, everything else as small as it goes: 60 thousand
/// parameters.
pub fn config() -> Value {
    let (_, bytes) = assets()
        .iter()
        .find(|(name, _)| *name == "config.json")
        .unwrap();
    let mut config: Value = serde_json::from_slice(bytes).unwrap();
    let text = json!({
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "max_window_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_scaling": { "type": "mrope", "mrope_section": [2, 3, 3] },
        "max_position_embeddings": 512,
    });
    let vision = json!({
        "depth": 2,
        "hidden_size": 16,
        "num_heads": 2,
        "intermediate_size": 32,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [1],
    });
    put(&mut config, text);
    put(&mut config["vision_config"], vision);
    config
}

/// Sets keys of an object.
pub fn put(into: &mut Value, from: Value) {
    let Value::Object(from) = from else {
        panic!("{from} is no object")
    };
    into.as_object_mut().unwrap().extend(from);
}

/// Writes a whole Hugging Face model directory with weights drawn from `seed`.
pub fn write_model(dir: &Path, seed: u64) {
    fs::create_dir_all(dir).unwrap();
    for (name, bytes) in assets() {
        fs::write(dir.join(name), bytes).unwrap();
    }
    let path = dir.join("config.json");
    let config = serde_json::to_vec_pretty(&config()).unwrap();
    fs::write(&path, &config).unwrap();
    let config = ModelConfig::from_slice(&config, &path).unwrap();
    Vlm::random(config, seed, &Device::flex())
        .save(dir, ExportDtype::F32)
        .unwrap();
}

/// Writes `n` pictures with questions and answers; returns the JSONL file.
pub fn write_questions(dir: &Path, split: Split, n: u64) -> PathBuf {
    write_dataset(dir, split, 0, 0..n, Rows::Questions).unwrap()
}

/// The rows of a JSONL file.
pub fn read_rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Writes rows as a JSONL file.
pub fn write_rows(path: &Path, rows: &[Value]) {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(path, lines).unwrap();
}

/// The lines of a run's `metrics.jsonl` without what a clock or the machine decides.
pub fn reproducible_metrics(run: &Path) -> Vec<Value> {
    let mut lines = read_rows(&run.join("metrics.jsonl"));
    for line in &mut lines {
        let line = line.as_object_mut().unwrap();
        line.retain(|key, _| !is_measured(key));
    }
    lines
}
