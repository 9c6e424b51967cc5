//! A policy-gradient algorithm as data: a list of parts.

use crate::{
    advantage::AdvantageEstimator, filter::Filter, loss::PolicyLoss, reduce::LossReduction,
    regularize::Regularizer, types::Needs,
};

/// Where completions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Sampled from the policy and rewarded.
    Policy,
    /// Demonstrated by the data.
    Data,
}

/// The parts of an algorithm.
pub struct Recipe {
    /// Where completions come from.
    pub source: Source,
    /// Which groups are learned from.
    pub filters: Vec<Box<dyn Filter>>,
    /// What each token is worth.
    pub advantage: Box<dyn AdvantageEstimator>,
    /// What is minimised.
    pub loss: Box<dyn PolicyLoss>,
    /// What is added to it.
    pub regularizers: Vec<Box<dyn Regularizer>>,
    /// How tokens become one number.
    pub reduction: LossReduction,
}

impl Recipe {
    /// A recipe of the three parts that every algorithm has.
    pub fn new(
        advantage: impl AdvantageEstimator + 'static,
        loss: impl PolicyLoss + 'static,
        reduction: LossReduction,
    ) -> Self {
        Self {
            source: Source::Policy,
            filters: vec![],
            advantage: Box::new(advantage),
            loss: Box::new(loss),
            regularizers: vec![],
            reduction,
        }
    }

    /// Learns from the data's own completions.
    pub fn demonstrated(mut self) -> Self {
        self.source = Source::Data;
        self
    }

    /// Adds a filter.
    pub fn filter(mut self, filter: impl Filter + 'static) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Adds a regulariser.
    pub fn regularize(mut self, regularizer: impl Regularizer + 'static) -> Self {
        self.regularizers.push(Box::new(regularizer));
        self
    }

    /// What all parts need together.
    pub fn needs(&self) -> Needs {
        let parts = self.regularizers.iter().map(|r| r.needs());
        parts.fold(
            self.advantage.needs().union(self.loss.needs()),
            Needs::union,
        )
    }
}
