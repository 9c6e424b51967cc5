//! Parts of a model that are not trained.
//!
//! What is frozen is kept by the parameters themselves: a tape neither differentiates by them nor
//! keeps what that would need, so they have no gradient, and an optimiser that moves what has a
//! gradient has no state for them.

use crate::{
    error::VlmError,
    weights::{KeyMap, NamedShape, select, shapes},
};
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};
use std::collections::HashSet;

/// The parameters of `all` whose names, ours or the checkpoint's, begin with one of `prefixes`.
///
/// # Errors
/// A prefix that no name begins with, and prefixes that leave nothing to train. `key` is what the
/// user wrote them under.
pub fn frozen_parameters<'a>(
    all: &'a [NamedShape],
    prefixes: &[String],
    keys: &KeyMap,
    key: &str,
) -> Result<Vec<&'a NamedShape>, VlmError> {
    let paths: Vec<&str> = all.iter().map(|p| p.path.as_str()).collect();
    let selected = select(&paths, prefixes, keys, key)?;
    if !all.is_empty() && selected.len() == all.len() {
        return Err(VlmError::Request(format!(
            "{key} names every parameter, expected at least one that is left to train"
        )));
    }
    let chosen = |p: &&NamedShape| selected.contains(p.path.as_str());
    Ok(all.iter().filter(chosen).collect())
}

/// Freezes every parameter whose name, ours or the checkpoint's, begins with one of `prefixes`;
/// what was frozen before stays so.
///
/// # Errors
/// As [`frozen_parameters`].
pub fn freeze<M: Module>(
    module: M,
    prefixes: &[String],
    keys: &KeyMap,
    key: &str,
) -> Result<M, VlmError> {
    let all = shapes(&module);
    let frozen = frozen_parameters(&all, prefixes, keys, key)?;
    let frozen: HashSet<ParamId> = frozen.iter().map(|p| p.id).collect();
    Ok(set_trainable(module, |id| {
        (frozen.contains(&id)).then_some(false)
    }))
}

/// Marks parameters as trained or frozen; none leaves one as it is.
pub(crate) fn set_trainable<M: Module>(module: M, choose: impl Fn(ParamId) -> Option<bool>) -> M {
    struct Set<F>(F);
    impl<F: Fn(ParamId) -> Option<bool>> ModuleMapper for Set<F> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match (self.0)(param.id) {
                Some(trained) => param.set_require_grad(trained),
                None => param,
            }
        }
    }
    module.map(&mut Set(choose))
}

/// Whether any parameter of a loaded module is trained.
pub fn is_trainable<M: Module>(module: &M) -> bool {
    let mut found = false;
    for_each_flag(module, &mut |_, trained| found |= trained);
    found
}

/// Whether a loaded parameter is trained.
pub fn is_trained<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    // The flag of a plain parameter shows once it meets autodiff, and only then.
    param.clone().train().is_require_grad()
}

/// Ids of the parameters of a loaded module that are trained.
pub fn trainable<M: Module>(module: &M) -> HashSet<ParamId> {
    let mut ids = HashSet::new();
    for_each_flag(module, &mut |id, trained| {
        if trained {
            ids.insert(id);
        }
    });
    ids
}

fn for_each_flag<M: Module>(module: &M, found: &mut dyn FnMut(ParamId, bool)) {
    struct Flags<'a>(&'a mut dyn FnMut(ParamId, bool));
    impl ModuleVisitor for Flags<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            (self.0)(param.id, is_trained(param));
        }
    }
    module.visit(&mut Flags(found));
}
