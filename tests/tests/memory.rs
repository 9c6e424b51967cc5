//! The planner's prediction against what runs hold, counted by the allocator.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // A part of it is enough here.
mod common;

use burn_rl::{algo::Registry, run_dir::RunDir};
use burn_vlm::{Families, Vlm, weights::ExportDtype};
use common::{Silent, start, tiny};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use std::{fs, path::Path};
use trainer::{
    Extensions, config,
    demo::Split,
    plan::{Lengths, Plan, Target, model_config},
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// A model of 6 million parameters: weights, gradients and activations are alike in size.
fn write_model(dir: &Path) {
    tiny::write_model(dir, 0);
    let mut raw = tiny::config();
    let text = json!({
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 4096,
        "rope_scaling": { "type": "mrope", "mrope_section": [4, 6, 6] },
    });
    tiny::put(&mut raw, text);
    let vision = json!({ "hidden_size": 64, "intermediate_size": 128, "out_hidden_size": 256 });
    tiny::put(&mut raw["vision_config"], vision);
    fs::write(dir.join("config.json"), raw.to_string()).unwrap();
    save(dir);
}

/// Draws weights for a directory's configuration.
fn save(dir: &Path) {
    let model = burn_vlm::ModelConfig::from_dir(dir).unwrap();
    let model = Vlm::random(model, 0, &burn::tensor::Device::flex());
    model.save(dir, ExportDtype::F32).unwrap();
}

/// The same as a Qwen3-VL: norms of heads, two taps of the tower.
fn write_tapped(dir: &Path) {
    write_model(dir);
    let raw: Value = serde_json::from_slice(&fs::read(dir.join("config.json")).unwrap()).unwrap();
    let mut config = json!({
        "model_type": "qwen3_vl",
        "text_config": {
            "model_type": "qwen3_vl_text", "head_dim": 32,
            "rope_scaling": { "rope_type": "default", "mrope_section": [6, 5, 5] },
        },
        "vision_config": {
            "model_type": "qwen3_vl", "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
    });
    let take = |into: &mut Value, from: &Value, keys: &[&str]| {
        keys.iter().for_each(|key| into[*key] = from[*key].clone());
    };
    let ids = ["image_token_id", "video_token_id", "tie_word_embeddings"];
    take(&mut config, &raw, &ids);
    let text = [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "max_position_embeddings",
        "initializer_range",
        "eos_token_id",
    ];
    take(&mut config["text_config"], &raw, &text);
    let vision = [
        "depth",
        "hidden_size",
        "num_heads",
        "intermediate_size",
        "out_hidden_size",
        "patch_size",
        "spatial_merge_size",
        "temporal_patch_size",
    ];
    take(&mut config["vision_config"], &raw["vision_config"], &vision);
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    save(dir);
}

/// Largest and predicted bytes of a run of two steps.
fn measure(dir: &Path, model: &str, name: &str, own: &str) -> (f64, f64) {
    let text = format!(
        r#"
        model.path = "{model}"
        data.train = "{data}"
        rollout.prompts_per_step = 4
        rollout.samples_per_prompt = 4
        rollout.sampling.max_new_tokens = 48
        reward.parts = [{{ rule = "answer_exact" }}]
        checkpoint.every = 0
        train.steps = 2
        {own}
        "#,
        model = dir.join(model).display(),
        data = dir.join("train.jsonl").display(),
    );
    let run = config::resolve(Some(&text), &[], &[], &Extensions::default())
        .unwrap()
        .run;
    let model = model_config(&run, &Families::default()).unwrap();
    let lengths = Lengths::look(&run, &model, &Families::default()).unwrap();
    let plan = Plan::new(
        &run,
        &model,
        lengths,
        Target::named("flex").unwrap(),
        &Registry::builtin(),
    )
    .unwrap();
    let before = ALLOCATED.current_usage() as f64;
    ALLOCATED.reset_peak_usage();
    start(
        &text,
        RunDir::create(dir.join(name)).unwrap(),
        false,
        &mut Silent,
    );
    let held = ALLOCATED.peak_usage() as f64 - before;
    (held, plan.memory.tensors())
}

/// One test, because the allocator counts for the whole process.
#[test]
fn predicted_within_a_tenth_of_what_is_held() {
    // Whether several micro-batches are at their fullest at once depends on who computes besides.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1);
    alone.build_global().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_model(&dir.join("model"));
    write_tapped(&dir.join("deep"));
    let questions = tiny::write_questions(dir, Split::Train, 16);
    fs::rename(questions, dir.join("train.jsonl")).unwrap();
    let runs = [
        ("full", "model", "train.micro_batch = 8"),
        ("tapped", "deep", "train.micro_batch = 8"),
        (
            "tapped_graph",
            "deep",
            "train.micro_batch = 4\ntrain.activation_recompute = \"none\"",
        ),
        (
            "tapped_frozen",
            "deep",
            "model.freeze = [\"visual\"]\ntrain.micro_batch = 8",
        ),
        (
            "graph",
            "model",
            "train.micro_batch = 4\ntrain.activation_recompute = \"none\"",
        ),
        (
            "frozen",
            "model",
            "model.freeze = [\"visual\", \"model.embed_tokens\"]\nalgo.beta = 0.04\ntrain.micro_batch = 8",
        ),
        ("adapter", "model", "lora.rank = 8\ntrain.micro_batch = 8"),
        (
            "critic",
            "model",
            "algo.name = \"ppo\"\ntrain.micro_batch = 4\ntrain.mini_batches = 2",
        ),
    ];
    let mut off = vec![];
    for (name, model, own) in runs {
        let (held, predicted) = measure(dir, model, name, own);
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let error = predicted / held - 1.0;
        println!(
            "{name:<10} held {:7.1} MiB, predicted {:7.1} MiB, {:+.1} %",
            mib(held),
            mib(predicted),
            100.0 * error
        );
        if error.abs() > 0.1 {
            off.push(name);
        }
    }
    assert!(off.is_empty(), "more than a tenth off: {off:?}");
}
