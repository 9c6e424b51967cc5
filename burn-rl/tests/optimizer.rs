//! AdamW, clipping and the schedule together against torch.

#![allow(clippy::unwrap_used)]

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use burn_rl::{
    config::OptimConfig,
    learner::{AdamW, global_norm, learning_rate},
};
use burn_vlm::tape::Grads;
use serde_json::Value;
use std::{fs, path::Path};

#[derive(Module, Debug)]
struct Pair {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

fn list(x: &Value) -> Vec<f32> {
    let numbers = x.as_array().unwrap().iter();
    numbers.map(|x| x.as_f64().unwrap() as f32).collect()
}

fn matrix(x: &Value) -> Tensor<2> {
    Tensor::from_data(TensorData::new(list(x), [5, 3]), &Device::flex())
}

fn vector(x: &Value) -> Tensor<1> {
    Tensor::from_data(TensorData::new(list(x), [7]), &Device::flex())
}

#[test]
fn four_steps_are_those_of_torch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/adamw.json");
    let golden: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let config: OptimConfig = serde_json::from_value(golden["settings"].clone()).unwrap();
    let mut optimizer = AdamW::new(&config);
    let mut model = Pair {
        matrix: Param::from_tensor(matrix(&golden["matrix"])),
        vector: Param::from_tensor(vector(&golden["vector"])),
    };
    let steps = golden["steps"].as_array().unwrap();
    for (i, expected) in steps.iter().enumerate() {
        let mut grads = Grads::new();
        grads.add(model.matrix.id, matrix(&expected["matrix_grad"]));
        grads.add(model.vector.id, vector(&expected["vector_grad"]));
        let lr = learning_rate(&config, i as u64 + 1, steps.len() as u64);
        assert!((lr - expected["lr"].as_f64().unwrap()).abs() < 1e-12);
        let norm = global_norm(&model, &mut grads);
        assert!((norm / expected["norm"].as_f64().unwrap() - 1.0).abs() < 1e-6);
        model = optimizer.step(model, grads, lr, norm);
        let found = [
            (model.matrix.val().into_data(), &expected["matrix"]),
            (model.vector.val().into_data(), &expected["vector"]),
        ];
        for (found, expected) in found {
            for (a, b) in found.iter::<f32>().zip(list(expected)) {
                assert!((a - b).abs() < 3e-7, "step {i}: {a}, torch {b}");
            }
        }
    }
}

#[test]
fn gradients_that_are_not_finite_move_nothing() {
    let mut model = Pair {
        matrix: Param::from_tensor(Tensor::ones([5, 3], &Device::flex())),
        vector: Param::from_tensor(Tensor::ones([7], &Device::flex())),
    };
    let mut optimizer = AdamW::new(&OptimConfig::default());
    let mut grads = Grads::new();
    grads.add(
        model.vector.id,
        Tensor::<1>::full([7], f32::NAN, &Device::flex()),
    );
    let norm = global_norm(&model, &mut grads);
    assert!(norm.is_nan());
    model = optimizer.step(model, grads, 1.0, norm);
    assert_eq!(model.vector.val().sum().into_scalar::<f32>(), 7.0);
}
