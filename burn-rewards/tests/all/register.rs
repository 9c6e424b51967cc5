//! A rule from outside is known like any other.

use burn_rewards::{
    PartConfig, RULES, Registry, Reward, RewardConfig, RewardError, RewardFn, RewardInput,
    rules::Options,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

#[derive(Serialize, Deserialize)]
struct Brief {
    words: usize,
}

impl Default for Brief {
    fn default() -> Self {
        Self { words: 3 }
    }
}

impl Options for Brief {
    const NAME: &'static str = "brief_from_outside";
    const PART: &'static str = "brief";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "1 for a response of few words";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[("words", "how many are few")];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        match self.words {
            0 => Err("option `words` is 0, expected 1 or more".into()),
            _ => Ok(Box::new(self)),
        }
    }
}

impl RewardFn for Brief {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let words = input.response.split_whitespace().count();
        let value = f64::from(u8::from(words <= self.words));
        Ok(Reward::single(Self::PART, value, None))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

fn with(options: serde_json::Value) -> RewardConfig {
    let mut config = RewardConfig::named(&["answer_exact", "brief_from_outside"]);
    config.parts[1] = PartConfig {
        weight: 0.5,
        options: options.as_object().cloned().unwrap_or_default(),
        ..config.parts[1].clone()
    };
    config
}

#[test]
fn registered_and_configured() {
    let unknown = with(json!({})).build().err().unwrap().to_string();
    assert!(unknown.contains("`brief_from_outside`"), "not known to all");

    let registry = Registry::builtin().with::<Brief>().unwrap();
    let refused = |config: RewardConfig| config.build_with(&registry).err().unwrap().to_string();
    let reward = with(json!({"words": 2})).build_with(&registry).unwrap();
    let value = |response: &str| {
        let scored = reward.score(&RewardInput::new(response, "red")).unwrap();
        (scored.value, scored.part("brief"))
    };
    assert_eq!(value("<answer>red</answer>"), (1.5, Some(1.0)));
    assert_eq!(value("Well, it is <answer>red</answer>"), (1.0, Some(0.0)));
    let resolved = with(json!({})).resolved(&registry).unwrap();
    assert_eq!(resolved.parts[1].options["words"], 3);

    let message = refused(with(json!({"word": 2})));
    assert!(message.contains("did you mean `words`?"), "{message}");
    let message = refused(with(json!({"words": "two"})));
    assert!(
        message.contains("option `words`: invalid type"),
        "{message}"
    );
    let message = refused(with(json!({"words": 0})));
    assert!(
        message.contains("`brief_from_outside`: option `words` is 0"),
        "{message}"
    );
    let message = refused(RewardConfig::named(&["brief_from_outsid"]));
    assert!(
        message.contains("did you mean `brief_from_outside`?"),
        "{message}"
    );

    assert_eq!(registry.rules().len(), RULES.len() + 1);
    let cosine = json!({"accuracy": "brief_from_outside"});
    let built = registry.reward("cosine_length", cosine.as_object().unwrap());
    assert!(
        built.is_ok(),
        "a rule inside another is looked up there too"
    );
    let again = registry.with::<Brief>().err().unwrap().to_string();
    assert!(again.contains("another rule has that name"), "{again}");
}

/// Defines options of a rule that cannot be registered.
macro_rules! unfit {
    ($name:ident, $rule:literal, $described:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $name {
            limit: f64,
        }

        impl Options for $name {
            const NAME: &'static str = $rule;
            const PART: &'static str = "unfit";
            const RANGE: (f64, f64) = (0.0, 1.0);
            const ABOUT: &'static str = "never built";
            const OPTIONS: &'static [(&'static str, &'static str)] = $described;

            fn build(self) -> Result<Box<dyn RewardFn>, String> {
                Ok(Box::new(Brief::default()))
            }
        }
    };
}

unfit!(Taken, "math", &[("limit", "")]);
unfit!(Undescribed, "undescribed", &[]);
unfit!(Invented, "invented", &[("limit", ""), ("bound", "")]);

#[test]
fn what_cannot_be_listed_is_not_registered() {
    let message = |result: Result<Registry, RewardError>| result.err().unwrap().to_string();
    let taken = message(Registry::builtin().with::<Taken>());
    assert!(
        taken.contains("`math`") && taken.contains("that name"),
        "{taken}"
    );
    let undescribed = message(Registry::builtin().with::<Undescribed>());
    assert!(undescribed.contains("field `limit`"), "{undescribed}");
    let invented = message(Registry::builtin().with::<Invented>());
    assert!(invented.contains("option `bound`"), "{invented}");
    let math = Registry::builtin().reward("math", &Map::new()).unwrap();
    assert_eq!(math.part_names(), ["accuracy"]);
}
