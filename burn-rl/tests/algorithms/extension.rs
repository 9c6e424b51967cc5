//! An algorithm from outside is known like any other.

use burn_rl::{
    algo::{Algorithm, Composition, all, register},
    config::AlgoConfig,
    error::RlError,
    loss::Nll,
    recipe::Recipe,
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

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        match self.own >= 0.0 {
            true => axes.recipe(Nll),
            false => Err(RlError::Config(format!("algo.own is {}", self.own))),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Taken {}

impl Algorithm for Taken {
    const NAME: &'static str = "Dr-GRPO";

    fn recipe(&self, axes: &Composition) -> Result<Recipe, RlError> {
        axes.recipe(Nll)
    }
}

#[test]
fn registered_and_configured() {
    let config = |options: &str| -> AlgoConfig {
        toml::from_str(&format!("name = \"mine-from-outside\"\n{options}")).unwrap()
    };
    assert!(config("").recipe().is_err(), "not known yet");
    register::<Mine>().unwrap();
    let recipe = config("own = 2.0\nreduction = \"token_mean\"")
        .recipe()
        .unwrap();
    assert_eq!(recipe.reduction, LossReduction::TokenMean);
    assert_eq!(config("").resolved().unwrap().name, "mine_from_outside");
    let refused = |options: &str| {
        config(options)
            .recipe()
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(refused("own = -1.0").contains("algo.own is -1"));
    assert!(refused("owm = 1.0").contains("`own`"));
    assert!(all().iter().any(|e| e.name == "mine_from_outside"));
    assert!(register::<Mine>().is_err(), "a name is taken once");
    let taken = register::<Taken>().unwrap_err().to_string();
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
