//! A run without configuration files: a model directory, and a closure that rewards short answers.
//! `cargo run --release -p burn-rl --features flex --example train_in_code -- MODEL_DIR`
use burn::tensor::Device;
use burn_rl::{NoObserver, Trainer, trainer::History};
use burn_vlm::{Processor, Vlm, generate::Sampling};
use std::{error::Error, path::Path};

const LIMIT: usize = 32;

pub fn train(dir: &Path, steps: u64) -> Result<History, Box<dyn Error>> {
    let model = Vlm::from_dir(dir, &Device::default())?;
    let mut trainer = Trainer::builder(model, Processor::from_dir(dir)?)
        .prompts(vec![
            ("What colour is grass?", "green"),
            ("What colour is blood?", "red"),
        ])
        .reward_fn(|x| 1.0 - x.response_tokens.unwrap_or(LIMIT) as f64 / LIMIT as f64)
        .algorithm("grpo")
        .sampling(Sampling {
            max_new_tokens: LIMIT,
            ..Sampling::default()
        })
        .prompts_per_step(2)
        .learning_rate(1e-4)
        .steps(steps)
        .build()?;
    Ok(trainer.run(&mut NoObserver)?.history)
}

#[allow(dead_code)] // A test uses the rest of this file.
fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args()
        .nth(1)
        .ok_or("expected a model directory")?;
    for (step, reward) in train(Path::new(&dir), 20)?.get("reward/mean") {
        println!("step {step:>2}: reward {reward:.3}");
    }
    Ok(())
}
