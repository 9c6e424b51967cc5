//! A user's own reward: `cargo run -p burn-rl --features flex --example my_reward`
use burn_rewards::{Reward, RewardConfig, RewardError, RewardFn, RewardInput};
use burn_rl::algo::find;
use burn_rl::types::{Sample, ScoredBatch};

/// Other rules, and 1 for a response of at most `words` words that names the gold answer.
struct Terse {
    words: usize,
    rules: Box<dyn RewardFn>,
}
impl RewardFn for Terse {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let mut reward = self.rules.score(input)?;
        let terse = input.response.split_whitespace().count() <= self.words;
        let value = f64::from(terse && input.response.contains(input.answer));
        reward.value += value;
        reward.parts.push(("terse".into(), value));
        Ok(reward)
    }
    fn part_names(&self) -> Vec<String> {
        [self.rules.part_names(), vec!["terse".into()]].concat()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rules = Box::new(RewardConfig::named(&["answer_exact"]).build()?);
    // A `Trainer` takes it as its `reward`; its parts are logged and can be filtered by.
    let reward = Terse { words: 3, rules };
    let mut group = vec![Sample::default(); 3];
    for (sample, text) in group.iter_mut().zip(["red", "It may be red", "blue"]) {
        sample.reward = reward.score(&RewardInput::new(text, "red"))?.value;
        sample.mask = vec![true];
    }
    let recipe = (find("rloo")?.build)(&toml::from_str("beta = 0")?)?;
    let advantages = recipe.advantages(&ScoredBatch::from_groups([group]))?;
    println!("advantages {:?}", advantages.per_token);
    Ok(())
}
