//! From parts to a recipe: checked, run once, and asked what they read.

use super::{Recipe, RecipeBuilder, check, dry_run};
use crate::{error::RlError, types::Needs};

impl RecipeBuilder {
    /// Checks the parts, alone and together, and runs loss, regularisers and selectors once on two
    /// made-up responses to learn what they read.
    ///
    /// # Errors
    /// A value or a combination that makes no sense, a part that reads what no recipe like this
    /// provides, or a loss or selection of the wrong shape.
    pub fn build(self) -> Result<Recipe, RlError> {
        check::values(&self)?;
        let asked = dry_run::asked(&self)?;
        check::parts(&self, &asked)?;
        let needs = self.declared().union(asked.loss).union(asked.others);
        Ok(Recipe { parts: self, needs })
    }

    /// What the parts say they read, and what follows from which parts there are.
    fn declared(&self) -> Needs {
        let selectors = [&self.special_tokens, &self.trained_tokens];
        let parts = (self.regularizers.iter().map(|r| r.needs()))
            .chain(self.shapers.iter().map(|s| s.needs()))
            .chain(selectors.into_iter().flatten().map(|s| s.needs()))
            .chain([self.loss.needs(), self.advantage.needs()]);
        let own = Needs {
            step_scores: self.special_tokens.is_some() || self.trained_tokens.is_some(),
            values: self.critic.is_some(),
            ..Needs::default()
        };
        parts.fold(own, Needs::union)
    }
}
