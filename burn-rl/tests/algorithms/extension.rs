//! An algorithm from outside is known like any other.

use burn_rl::{
    algo::{Algorithm, Registry, Settings},
    config::AlgoConfig,
    error::RlError,
    loss::Nll,
    recipe::RecipeBuilder,
    reduce::LossReduction,
};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Mine {
    own: f64,
}

impl Algorithm for Mine {
    const NAME: &'static str = "mine_from_outside";

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        match self.own >= 0.0 {
            true => settings.recipe(Nll),
            false => Err(RlError::Config(format!("algo.own is {}", self.own))),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Taken {}

impl Algorithm for Taken {
    const NAME: &'static str = "Dr-GRPO";

    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
        settings.recipe(Nll)
    }
}

#[test]
fn registered_and_configured() {
    let config = |options: &str| -> AlgoConfig {
        toml::from_str(&format!("name = \"mine-from-outside\"\n{options}")).unwrap()
    };
    let builtin = Registry::builtin();
    assert!(config("").recipe(&builtin).is_err(), "not known there");
    let registry = builtin.clone().with::<Mine>().unwrap();
    let recipe = config("own = 2.0\nreduction = \"token_mean\"")
        .recipe(&registry)
        .unwrap();
    assert_eq!(recipe.reduction(), LossReduction::TokenMean);
    assert_eq!(
        config("").resolved(&registry).unwrap().name,
        "mine_from_outside"
    );
    let refused = |options: &str| {
        config(options)
            .recipe(&registry)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(refused("own = -1.0").contains("algo.own is -1"));
    assert!(refused("owm = 1.0").contains("`own`"));
    assert!(registry.iter().any(|e| e.name == "mine_from_outside"));
    // A registry is a value: another one does not know of it.
    assert!(builtin.find("mine_from_outside").is_err());
    let twice = registry.clone().with::<Mine>();
    assert!(twice.is_err(), "a name is taken once");
    let taken = registry.with::<Taken>().unwrap_err().to_string();
    assert!(taken.contains("dr_grpo"), "{taken}");
}

#[test]
fn the_examples_are_short() {
    for name in ["my_algorithm.rs", "my_reward.rs"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name);
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        assert!(lines <= 40, "{name} has {lines} lines");
    }
}
