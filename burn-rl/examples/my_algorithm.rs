//! A user's own algorithm: `cargo run -p burn-rl --features flex --example my_algorithm`
use burn::tensor::{Device, Tensor};
use burn_rl::algo::{Algorithm, Composition, register};
use burn_rl::learner::tape::{TapeInput, differentiate};
use burn_rl::loss::{LossInput, PolicyLoss, TokenLoss};
use burn_rl::{RlError, config::AlgoConfig, recipe::Recipe, types::Needs};

/// The policy gradient with bounded advantages, `−clamp(A, ±limit) · log p`.
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Bounded {
    limit: f64,
}
impl PolicyLoss for Bounded {
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        let weight = x.advantages.clone().clamp(-self.limit, self.limit);
        TokenLoss::new((weight * x.logp.clone()).neg())
    }
}
impl Algorithm for Bounded {
    const NAME: &'static str = "bounded";
    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(Self { limit: self.limit })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    register::<Bounded>()?;
    // From here on configurations have it, with every axis that all algorithms share.
    let config: AlgoConfig = toml::from_str("name = 'bounded'\nlimit = 1.5\nscale = 'none'")?;
    let row = |values: [f32; 2]| Tensor::<2>::from_floats([values], &Device::flex());
    let input = TapeInput::new(row([-1.0, -2.0]), row([4.0, 1.0]), row([0.5, 0.5]));
    println!("d_logp: {}", differentiate(&config.recipe()?, input).d_logp);
    Ok(())
}
