//! Whatever a batch is made of, a row has the log-probabilities that it has alone. The example
//! `random_layouts` does the same with as many rows as one likes.

#![allow(clippy::unwrap_used)]

#[path = "common/layouts.rs"]
mod layouts;

use burn::tensor::Device;
use burn_vlm::Vlm;
use std::path::Path;

const ROWS: u64 = 24;

fn model(name: &str) -> Vlm {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
    Vlm::from_dir(&Path::new(golden).join(name), &Device::flex()).unwrap()
}

#[track_caller]
fn rows_do_not_depend_on_their_batch(name: &str) {
    let worst = layouts::largest_difference(&model(name), 7, ROWS);
    assert!(worst <= 1e-4, "{name}: off by {worst}");
}

#[test]
fn in_qwen2_5_vl() {
    rows_do_not_depend_on_their_batch("qwen2_5_vl");
}

#[test]
fn in_qwen2_vl() {
    rows_do_not_depend_on_their_batch("qwen2_vl");
}

#[test]
fn in_qwen3_vl() {
    rows_do_not_depend_on_their_batch("qwen3_vl");
}

#[test]
fn in_internvl() {
    rows_do_not_depend_on_their_batch("internvl_internlm2");
    rows_do_not_depend_on_their_batch("internvl3_5");
}

#[test]
fn in_smolvlm() {
    rows_do_not_depend_on_their_batch("smolvlm2");
}

/// The layouts are what they claim to be: all numbers of pictures, long strips, image tokens that
/// no picture stands behind.
#[test]
fn the_layouts_cover_what_they_name() {
    let model = model("qwen2_5_vl");
    let config = model.config();
    let rows: Vec<_> = (0..ROWS).map(|i| layouts::layout(config, 7, i)).collect();
    for pictures in 0..=4 {
        assert!(
            rows.iter().any(|row| row.images.len() == pictures),
            "{pictures}"
        );
    }
    let grids = || {
        rows.iter()
            .flat_map(|row| &row.images)
            .map(|image| image.grid)
    };
    assert!(grids().any(|[_, h, w]| h >= 10 * w) && grids().any(|[_, h, w]| w >= 10 * h));
    let written = rows.iter().filter(|row| {
        let response = &row.tokens[row.tokens.len() - row.response..];
        response
            .iter()
            .any(|token| Some(*token) == config.image_token_id)
    });
    assert!(written.count() > 5);
}
