//! How the layers that can have an adapter are called.

use crate::{Vlm, weights::KeyMap};

/// Paths of all layers that are linear layers in transformers too: a convolution over patches is
/// not.
pub(super) fn adaptable(model: &Vlm, keys: &KeyMap) -> Vec<String> {
    let mut paths = vec![];
    model.clone().each_linear(&mut |path, layer| {
        let shape = layer.weight.lazy_shape().to_vec();
        if keys.file_shape(&format!("{path}.weight"), &shape).len() == 2 {
            paths.push(path.to_owned());
        }
    });
    paths
}

/// The names of a layer's parts in transformers: one, unless it is cut there.
pub(super) fn parts(module_keys: &KeyMap, path: &str) -> Vec<String> {
    layers(module_keys.newest(&format!("{path}.weight")))
}

/// Names of weights as names of their layers.
pub(super) fn layers(weights: Vec<String>) -> Vec<String> {
    let layer = |name: String| name.trim_end_matches(".weight").to_owned();
    weights.into_iter().map(layer).collect()
}
