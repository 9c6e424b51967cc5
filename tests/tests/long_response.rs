//! A response of 8,192 tokens in an update: scores of all its tokens by all its tokens never exist.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // A part of it is enough here.
mod common;

use burn::tensor::{Device, Tensor};
use burn_vlm::{
    EncodedPrompt, ModelConfig, PromptRow, Vlm, VlmInput,
    footprint::{BatchSizes, Footprint, TrainedSizes},
    tape::{ActivationRecompute, Tape, Targets, Upstream},
    weights::shapes,
};
use common::tiny;
use peak_alloc::PeakAlloc;
use serde_json::json;
use std::{fs, sync::Arc};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

#[test]
fn is_differentiated_in_the_memory_that_is_planned() {
    const RESPONSE: usize = 8192;
    let dir = tempfile::tempdir().unwrap();
    let mut raw = tiny::config();
    let text = json!({
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    });
    tiny::put(&mut raw, text);
    tiny::put(&mut raw["vision_config"], json!({ "out_hidden_size": 64 }));
    tiny::write_model(dir.path(), 0);
    fs::write(dir.path().join("config.json"), raw.to_string()).unwrap();
    let config = ModelConfig::from_dir(dir.path()).unwrap();
    let device = Device::flex();
    let model = Vlm::random(config, 0, &device);
    let prompt = Arc::new(EncodedPrompt {
        tokens: (0..16).collect(),
        images: vec![],
    });
    let response: Vec<u32> = (0..RESPONSE as u32).map(|i| i * 31 % 251).collect();
    let rows = [PromptRow {
        prompt: &prompt,
        response: &response,
    }];

    let trained = shapes(&model);
    let trained = trained.iter().filter(|p| !p.path.starts_with("visual"));
    let sizes = TrainedSizes {
        all: trained.map(|p| p.len()).sum(),
        head: model.config().text.vocab_size * 64,
        tower: false,
    };
    let batch = BatchSizes {
        rows: 1,
        width: RESPONSE + 16,
        tokens: RESPONSE + 16,
        targets: RESPONSE,
        ..BatchSizes::default()
    };
    let recompute = ActivationRecompute::Block;
    let planned = Footprint::new(model.config()).gradients(&batch, &sizes, recompute);
    let all_scores = 4.0 * 4.0 * (RESPONSE as f64).powi(2);
    assert!(planned < 0.1 * all_scores, "{planned} of {all_scores}");

    let before = ALLOCATED.current_usage() as f64;
    ALLOCATED.reset_peak_usage();
    let input = VlmInput::of_prompts(&rows, model.config(), &device).unwrap();
    let targets = Targets::of_prompts(&rows, &input, &device).unwrap();
    let tape = Tape::record(&model, &input, &targets, 1.0, recompute);
    let logp = tape.scores().logp;
    let upstream = Upstream {
        logp: Some(Tensor::ones(logp.dims(), &device)),
        ..Upstream::default()
    };
    let grads = tape.backward(upstream);
    let held = ALLOCATED.peak_usage() as f64 - before;
    println!("held {held:.3e}, planned {planned:.3e}, all scores {all_scores:.3e}");
    assert!(
        held < 1.1 * planned,
        "held {held:.3e}, planned {planned:.3e}"
    );
    let norm = &model.model.norm.weight;
    let found: f32 = grads.get::<1>(norm.id).unwrap().abs().max().into_scalar();
    assert!(found.is_finite() && found > 0.0);
}
