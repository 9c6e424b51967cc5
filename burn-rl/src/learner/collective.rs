//! Learners that work on one batch together: who does what, and what the others found.

use crate::error::RlError;
use burn::{
    module::{Module, ParamId},
    tensor::Tensor,
};
use burn_vlm::{
    tape::Grads,
    weights::{TensorVisitor, for_each_tensor},
};
use std::{any::Any, sync::Arc};

/// A value that is handed from one replica to all.
pub type Shared = Arc<dyn Any + Send + Sync>;

/// The communication between the replicas of a learner: an all-gather and an all-reduce.
///
/// [`DataParallel`](crate::dist::DataParallel) implements it for the devices of one machine. A
/// learner does not call it but goes through its [`Replica`], which has the typed forms.
pub trait Collective: Send + Sync {
    /// Number of this replica, from 0.
    fn rank(&self) -> usize;

    /// Number of replicas.
    fn count(&self) -> usize;

    /// The value of every replica, by rank; all of them have to call it. `what` names the values
    /// in error messages and must be the same on all.
    ///
    /// # Errors
    /// [`RlError::Training`] where another replica has failed or brings something else.
    fn gather(&self, what: &'static str, own: Shared) -> Result<Vec<Shared>, RlError>;

    /// The sum over all replicas of their gradients, the same to the bit on each; all of them have
    /// to call it. A parameter has a gradient if it has one on any.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    fn sum(&self, own: FlatGrads) -> Result<Vec<Option<Tensor<1>>>, RlError>;
}

/// The gradients of a model without its shapes.
pub struct FlatGrads {
    /// The gradient of each parameter in module order, flattened; none where it has none.
    pub gradients: Vec<Option<Tensor<1>>>,
    /// Number of values of each parameter.
    pub lengths: Vec<usize>,
}

/// A learner's place among its replicas: which samples are its own, and what the others found.
///
/// Alone, every sample is its own and there is nobody to ask.
#[derive(Clone, Default)]
pub struct Replica(Option<Arc<dyn Collective>>);

impl Replica {
    /// A learner that has no others.
    pub fn alone() -> Self {
        Self::default()
    }

    /// One of several.
    pub fn of(collective: Arc<dyn Collective>) -> Self {
        Self((collective.count() > 1).then_some(collective))
    }

    /// Its number, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.rank())
    }

    /// How many replicas there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |all| all.count())
    }

    /// Those of `samples` that are its own, in their order: a run of neighbours, which share their
    /// prompt, with about as many tokens as that of each other replica. Together the replicas have
    /// every sample once. `tokens` is the length of a sample.
    pub fn share(&self, samples: &[usize], tokens: impl Fn(usize) -> usize) -> Vec<usize> {
        let (count, total) = (self.count(), samples.iter().map(|i| tokens(*i)).sum());
        let (rank, total) = (self.rank(), usize::max(total, 1));
        let mut before = 0;
        let own = samples.iter().copied().filter(|i| {
            let len = tokens(*i);
            // Where its middle lies, in halves of tokens.
            let middle = 2 * before + len;
            before += len;
            (middle * count / (2 * total)).min(count - 1) == rank
        });
        own.collect()
    }

    /// What every replica found, by rank; all of them have to ask. `what` says what it is.
    ///
    /// # Errors
    /// As [`Collective::gather`].
    pub fn gather<T: Clone + Send + Sync + 'static>(
        &self,
        what: &'static str,
        own: T,
    ) -> Result<Vec<T>, RlError> {
        match &self.0 {
            Some(all) => gather(all.as_ref(), what, own),
            None => Ok(vec![own]),
        }
    }

    /// The sum of every replica's gradients of its `model`; all of them have to ask.
    ///
    /// # Errors
    /// As [`Collective::sum`].
    pub fn sum<M: Module>(&self, own: Grads, model: &M) -> Result<Grads, RlError> {
        match &self.0 {
            Some(all) => Ok(unflatten(all.sum(flatten(own, model))?, model)),
            None => Ok(own),
        }
    }
}

/// [`Collective::gather`] of values of one type.
///
/// # Errors
/// As there; a replica that brings a value of another type.
pub fn gather<T: Clone + Send + Sync + 'static>(
    all: &dyn Collective,
    what: &'static str,
    own: T,
) -> Result<Vec<T>, RlError> {
    let found = all.gather(what, Arc::new(own))?;
    let typed = found.into_iter().map(|value| {
        let value = value.downcast::<T>().map_err(|_| {
            RlError::Training(format!(
                "replicas have lost step: {what} of different types"
            ))
        })?;
        Ok(Arc::unwrap_or_clone(value))
    });
    typed.collect()
}

fn flatten<M: Module>(grads: Grads, model: &M) -> FlatGrads {
    struct Take {
        grads: Grads,
        flat: FlatGrads,
    }
    impl TensorVisitor for Take {
        fn visit<const D: usize>(&mut self, _: &str, id: ParamId, tensor: Tensor<D>) {
            let n: usize = tensor.dims().iter().product();
            let grad = self.grads.remove::<D>(id);
            self.flat.gradients.push(grad.map(|grad| grad.reshape([n])));
            self.flat.lengths.push(n);
        }
    }
    let (gradients, lengths) = (vec![], vec![]);
    let flat = FlatGrads { gradients, lengths };
    let mut take = Take { grads, flat };
    for_each_tensor(model, &mut take);
    take.flat
}

fn unflatten<M: Module>(flat: Vec<Option<Tensor<1>>>, model: &M) -> Grads {
    struct Give {
        flat: std::vec::IntoIter<Option<Tensor<1>>>,
        grads: Grads,
    }
    impl TensorVisitor for Give {
        fn visit<const D: usize>(&mut self, _: &str, id: ParamId, tensor: Tensor<D>) {
            if let Some(grad) = self.flat.next().flatten() {
                self.grads.add(id, grad.reshape(tensor.dims()));
            }
        }
    }
    let mut give = Give {
        flat: flat.into_iter(),
        grads: Grads::new(),
    };
    for_each_tensor(model, &mut give);
    give.grads
}
