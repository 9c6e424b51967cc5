//! How much a row's log-probabilities depend on its batch, over random layouts.
//!
//! `cargo run --release -p burn-vlm --example random_layouts --features flex -- MODEL_DIR [ROWS] [SEED]`
//!
//! The model is one of the tiny checkpoints of `tests/golden`, whose tokens the layouts are made of.
//! Ends with 1 if a log-probability differs by more than 1e-4.

#[path = "../tests/common/layouts.rs"]
mod layouts;

use burn::tensor::Device;
use burn_vlm::Vlm;
use std::{path::Path, process::ExitCode};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("expected a model directory")?;
    let rows = args.next().map_or(Ok(1000), |n| n.parse())?;
    let seed = args.next().map_or(Ok(0), |n| n.parse())?;
    let model = Vlm::from_dir(Path::new(&dir), &Device::flex())?;
    let worst = layouts::largest_difference(&model, seed, rows);
    println!("{dir}: {rows} rows, largest difference {worst:.3e}");
    Ok(ExitCode::from(u8::from(worst > 1e-4)))
}
