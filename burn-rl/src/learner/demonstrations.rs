//! Demonstrations beside rewards: a term of likelihood in every update.

use super::TrainBatch;
use crate::{
    advantage::Constant,
    data::{PromptSet, PromptSource},
    error::RlError,
    loss::Nll,
    recipe::Recipe,
    reduce::LossReduction,
    rollout::{TrainGroup, demonstrations},
    types::Group,
};
use std::sync::Arc;

/// `c · −1/N Σ log p(token)` over the `N` response tokens of some rows: InstructGPT's
/// ([arXiv:2203.02155](https://arxiv.org/abs/2203.02155), equation 2) and OpenRLHF's mixed
/// objective.
pub struct Demonstrations {
    set: PromptSet,
    rows: usize,
    coefficient: f64,
    temperature: f64,
    recipe: Arc<Recipe>,
    /// The rows that were drawn last, from which position and up to which: several replicas ask for
    /// them.
    last: Option<(u64, TrainBatch, u64)>,
}

impl Demonstrations {
    /// A term of weight `coefficient` over `rows` rows an update.
    ///
    /// # Errors
    /// A row that demonstrates nothing, with its line.
    pub fn new(set: PromptSet, rows: usize, coefficient: f64) -> Result<Self, RlError> {
        set.check_demonstrations()?;
        let recipe = Recipe::builder(Constant(1.0), Nll, LossReduction::TokenMean);
        let recipe = recipe.demonstrated().build()?;
        Ok(Self {
            set,
            rows,
            coefficient,
            temperature: 1.0,
            recipe: Arc::new(recipe),
            last: None,
        })
    }

    /// The same with the likelihood at another temperature than 1.
    pub fn at_temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }

    /// The rows from the position `drawn` on, and the position after them.
    pub(super) fn draw(&mut self, drawn: u64) -> Result<(TrainBatch, u64), RlError> {
        if let Some((_, batch, next)) = self.last.as_ref().filter(|(at, ..)| *at == drawn) {
            return Ok((batch.clone(), *next));
        }
        let found = self.set.draw(drawn, self.rows)?;
        let next = found.last().map_or(drawn, |last| last.position + 1);
        let prompts: Vec<_> = found.into_iter().map(|d| d.prompt).collect();
        let group = |group: Group| TrainGroup::new(0, &group, group.samples());
        let groups = demonstrations(&prompts)?.into_iter().map(group);
        let mut batch = TrainBatch::new(&groups.collect::<Vec<_>>(), self.temperature);
        batch.advantages = self.recipe.advantages(&batch.scored)?;
        self.last = Some((drawn, batch.clone(), next));
        Ok((batch, next))
    }

    /// The parts of the term.
    pub(super) fn recipe(&self) -> Arc<Recipe> {
        self.recipe.clone()
    }

    /// Its weight.
    pub(super) fn coefficient(&self) -> f64 {
        self.coefficient
    }
}
