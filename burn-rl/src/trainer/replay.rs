//! Completions of a step that is done, made again.

use super::{StepEnd, Trainer};
use crate::{error::RlError, learner::Policy, observer::Observer, rollout::records};
use run_log::rollout_log::RolloutRecord;

impl<P: Policy> Trainer<P> {
    /// The completions of `step` as this run samples them: it learns the steps before it as ever,
    /// without evaluations, and stops before the update. They are rewarded, and have no advantages.
    /// None if the run was asked to stop.
    ///
    /// With [`from_checkpoint`](super::TrainerBuilder::from_checkpoint) that is a step of a run that
    /// was done at another time:
    ///
    /// ```
    /// # use burn_rl::{NoObserver, RlError, trainer::TrainerBuilder};
    /// # fn of(builder: TrainerBuilder) -> Result<(), RlError> {
    /// let mut trainer = builder.from_checkpoint("runs/mine/checkpoints/step_000040").build()?;
    /// let completions = trainer.replay(42, &mut NoObserver)?.unwrap_or_default();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RlError::Config`] for a step that is behind the run; what sampling and learning say.
    pub fn replay(
        &mut self,
        step: u64,
        watch: &mut dyn Observer,
    ) -> Result<Option<Vec<RolloutRecord>>, RlError> {
        if step <= self.done {
            return Err(RlError::Config(format!(
                "step {step} is to be made again after {} steps, expected a later one",
                self.done
            )));
        }
        self.evaluations.clear();
        for earlier in self.done + 1..step {
            if self.step(earlier, watch)? == StepEnd::Abandoned {
                return Ok(None);
            }
            self.done = earlier;
        }
        let mut collector = self.collector.clone();
        let found = self.sample(&mut collector, step, watch)?;
        Ok(found.map(|found| {
            let groups = found.sampled.iter();
            groups
                .flat_map(|sampled| records(&sampled.group, step, true, &[]))
                .collect()
        }))
    }
}
