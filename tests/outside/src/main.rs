//! A trainer with an algorithm and a reward of its own, and everything that `trainer` has.
use burn_rewards::{Reward, RewardError, RewardFn, RewardInput, rules};
use burn_rl::algo::{Algorithm, Settings};
use burn_rl::{RlError, loss::LossInput, recipe::RecipeBuilder};
/// The policy gradient by the sign of the advantage, `−sign(A) · log p`.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Sign {}
impl Algorithm for Sign {
    const NAME: &'static str = "sign";
    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(|x: &LossInput| -(x.advantages().sign() * x.logp()))
    }
}

/// 1 for a response of at most `bytes` bytes.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Brief {
    bytes: usize,
}
impl RewardFn for Brief {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = f64::from(input.response.len() <= self.bytes);
        Ok(Reward::single("brief", value, None))
    }
    fn part_names(&self) -> Vec<String> {
        vec!["brief".into()]
    }
}
impl rules::Options for Brief {
    const NAME: &'static str = "brief";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[("bytes", "longest response")];
    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        Ok(Box::new(self))
    }
}
fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    let mut extensions = trainer::Extensions::default().with_algorithm::<Sign>()?;
    extensions.rewards = extensions.rewards.with::<Brief>()?;
    Ok(trainer::run_with(extensions))
}
