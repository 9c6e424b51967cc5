//! A user's own algorithm: `cargo run -p burn-rl --features flex --example my_algorithm`
use burn::tensor::Device;
use burn_rl::algo::{Algorithm, Registry, Settings};
use burn_rl::learner::StepNumbers;
use burn_rl::types::{Sample, ScoredBatch};
use burn_rl::{RlError, config::AlgoConfig, loss::LossInput, recipe::RecipeBuilder};

/// The policy gradient with bounded advantages, `−clamp(A, ±limit) · log p`.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Bounded {
    limit: f64,
}
impl Algorithm for Bounded {
    const NAME: &'static str = "bounded";
    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        let limit = self.limit;
        settings.recipe(move |x: &LossInput| -(x.advantages().clamp(-limit, limit) * x.logp()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Configurations that are read with this registry have it, with every setting that all share.
    let registry = Registry::builtin().with::<Bounded>()?;
    let config: AlgoConfig = toml::from_str("name = 'bounded'\nlimit = 1.5\nscale = 'none'")?;
    let sample = |reward, tokens| Sample {
        reward,
        mask: vec![true; tokens],
        ..Sample::default()
    };
    let numbers = StepNumbers {
        batch: ScoredBatch::from_groups([vec![sample(4.0, 2), sample(0.0, 1)]]),
        logp: vec![vec![-1.0, -2.0], vec![-3.0]],
        ..StepNumbers::default()
    };
    let found = config.recipe(&registry)?.apply(&numbers, &Device::flex())?;
    println!("advantages {:?}", found.advantages.per_token);
    println!("d_logp     {:?}", found.d_logp);
    Ok(())
}
