//! What is computed and kept in which precision, on the CPU.

#![allow(clippy::unwrap_used)]

mod common;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{DType, Device, Tensor, TensorData, activation::log_softmax},
};
use burn_vlm::{
    Compute, LoadOptions, Precision, Vlm, VlmInput,
    freeze::{freeze, trainable},
    nn::{RmsNorm, attention::grouped_attention, norm::LayerNorm},
    tape::{ActivationRecompute, Grads, Tape, Upstream},
    weights::{ExportDtype, TensorVisitor, for_each_tensor},
};
use common::{CHECKPOINTS, Case, each_case, golden};
use std::collections::BTreeMap;

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

/// Numbers from -2 to 2 that bf16 holds exactly.
fn halves<const D: usize>(shape: [usize; D], key: usize) -> Tensor<D> {
    let n = shape.iter().product();
    let value = |i: usize| ((i * 7919 + key * 104_729) % 257) as f32 / 64.0 - 2.0;
    let values: Vec<f32> = (0..n).map(value).collect();
    let x = Tensor::<D>::from_data(TensorData::new(values, shape), &Device::flex());
    x.cast(DType::BF16)
}

/// The precision of every parameter by its name.
fn kept(model: &Vlm) -> BTreeMap<String, DType> {
    struct Kept(BTreeMap<String, DType>);
    impl TensorVisitor for Kept {
        fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
            self.0.insert(path.to_owned(), tensor.dtype());
        }
    }
    let mut found = Kept(BTreeMap::new());
    for_each_tensor(model, &mut found);
    found.0
}

/// The model of tests/golden/qwen2_5_vl, saved in a directory as bf16.
fn saved_in_bf16() -> (tempfile::TempDir, Vlm) {
    let dir = tempfile::tempdir().unwrap();
    let model = Vlm::from_dir(&golden("qwen2_5_vl"), &Device::flex()).unwrap();
    model.save(dir.path(), ExportDtype::Bf16).unwrap();
    let loaded = Vlm::load(
        dir.path(),
        &LoadOptions::computing_in(Compute::Bf16),
        &Device::flex(),
    )
    .unwrap();
    (dir, loaded)
}

#[test]
fn the_cpu_computes_in_f32_unless_it_is_asked() {
    let device = Device::flex();
    assert_eq!(Precision::Auto.on(&device), Compute::F32);
    assert_eq!(Precision::Bf16.on(&device), Compute::Bf16);
    assert_eq!(Precision::F32.on(&device), Compute::F32);
}

#[test]
fn what_is_trained_has_masters_and_the_rest_stays_as_the_file_has_it() {
    let (dir, loaded) = saved_in_bf16();
    assert!(kept(&loaded).values().all(|dtype| *dtype == DType::BF16));
    // The values are those of the file, not a second rounding of something else.
    let wide = Vlm::from_dir(dir.path(), &Device::flex()).unwrap();
    assert!(kept(&wide).values().all(|dtype| *dtype == DType::F32));
    let table = |model: &Vlm| numbers(model.model.embed_tokens.weight.val().cast(DType::F32));
    assert_eq!(table(&loaded), table(&wide));

    let keys = loaded.keys();
    let model = freeze(loaded, &["visual".into()], &keys, "freeze").unwrap();
    let before = trainable(&model);
    let model = model.with_masters();
    assert_eq!(trainable(&model), before, "casting changes nothing else");
    for (path, dtype) in kept(&model) {
        let frozen = path.starts_with("visual.");
        let expected = if frozen { DType::BF16 } else { DType::F32 };
        assert_eq!(dtype, expected, "{path}");
    }
    // What is sampled from holds no second set of masters, but its norms.
    for (path, dtype) in kept(&model.for_inference()) {
        let master = path.contains("norm") && !path.starts_with("visual.");
        let expected = if master { DType::F32 } else { DType::BF16 };
        assert_eq!(dtype, expected, "{path}");
    }
}

#[test]
fn rounding_masters_once_is_rounding_them_in_every_pass() {
    let device = Device::flex();
    each_case(|model, case, at| {
        let model = model.clone().computing_in(Compute::Bf16);
        let input = VlmInput::new(&case.rows(), model.config(), &device).unwrap();
        let hidden = model.hidden(&input);
        assert_eq!(hidden.dtype(), DType::BF16, "{at}");
        let lean = model.for_inference().hidden(&input);
        assert_eq!(numbers(hidden), numbers(lean), "{at}");
    });
}

#[test]
fn norms_are_f32_inside() {
    let device = Device::flex();
    let x = halves([5, 96], 1);
    let weight = halves([96], 2).cast(DType::F32).mul_scalar(1.0 + 1e-3);
    let bias = halves([96], 3).cast(DType::F32).mul_scalar(1.0 + 1e-3);
    let mut rms = RmsNorm::new(96, 1e-6, &device);
    rms.weight = Param::from_tensor(weight.clone());
    let mut layer = LayerNorm::new(96, 1e-6, &device);
    layer.weight = Param::from_tensor(weight);
    layer.bias = Param::from_tensor(bias);
    let wide = x.clone().cast(DType::F32);
    for (low, high) in [
        (rms.forward(x.clone()), rms.forward(wide.clone())),
        (layer.forward(x.clone()), layer.forward(wide)),
    ] {
        assert_eq!(low.dtype(), DType::BF16);
        // One rounding, at the end.
        assert_eq!(numbers(low), numbers(high.cast(DType::BF16)));
    }
}

#[test]
fn the_softmax_of_attention_is_f32() {
    // 4,096 equal keys: in bf16 their sum would stop growing at 256.
    let device = Device::flex();
    let (keys, width) = (4096, 16);
    let q = halves([1, 2, 3, width], 4);
    let k = Tensor::<4>::zeros([1, 1, keys, width], (&device, DType::BF16));
    let v = halves([1, 1, keys, width], 5);
    let found = grouped_attention(q, k, v.clone(), None);
    assert_eq!(found.dtype(), DType::BF16);
    let mean = numbers(v.cast(DType::F32).mean_dim(2));
    for (i, found) in numbers(found).into_iter().enumerate() {
        let expected = mean[i % width];
        assert!(
            (found - expected).abs() <= 4e-3 * expected.abs().max(1.0),
            "{found} {expected}"
        );
    }
}

/// Gradients by name, and their precisions.
fn gradients(model: &Vlm, grads: &Grads) -> BTreeMap<ParamId, (DType, Vec<f32>)> {
    struct Visit<'a>(&'a Grads, BTreeMap<ParamId, (DType, Vec<f32>)>);
    impl ModuleVisitor for Visit<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.0.get::<D>(param.id) {
                self.1.insert(param.id, (grad.dtype(), numbers(grad)));
            }
        }
    }
    let mut visit = Visit(grads, BTreeMap::new());
    model.visit(&mut visit);
    visit.1
}

#[test]
fn scores_and_gradients_are_f32_and_near_those_of_f32() {
    let device = Device::flex();
    for checkpoint in CHECKPOINTS {
        let wide = Vlm::from_dir(&golden(checkpoint.dir), &device).unwrap();
        let case = Case::load(checkpoint.cases_in, "batch", wide.config());
        let low = wide.clone().computing_in(Compute::Bf16);
        let counts: Vec<usize> = case.tokens.iter().map(|t| 6.min(t.len() - 1)).collect();
        let mut found = vec![];
        for model in [&wide, &low] {
            let input = VlmInput::new(&case.rows(), model.config(), &device).unwrap();
            let targets = case.targets(&counts, input.width);
            let tape = Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block);
            let scores = tape.scores();
            assert_eq!(scores.logp.dtype(), DType::F32);
            assert_eq!(scores.entropy.dtype(), DType::F32);
            let d_logp = Tensor::full(targets.shape(), -0.1, &device);
            let grads = tape.backward(Upstream {
                logp: Some(d_logp),
                ..Upstream::default()
            });
            found.push((numbers(scores.logp), gradients(model, &grads)));
        }
        let at = checkpoint.dir;
        let (wide, low) = (&found[0], &found[1]);
        let gap = |a: &[f32], b: &[f32]| -> f32 {
            a.iter()
                .zip(b)
                .fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
        };
        let worst = gap(&wide.0, &low.0);
        // In PyTorch 2.15 with transformers 5.23, bf16 is 0.057, 0.088 and 0.068 from f32 on the
        // checkpoints that only read text, whose logits are up to 12.
        assert!(
            worst <= 0.15 && worst > 0.0,
            "{at}: log-probabilities off by {worst}"
        );
        assert_eq!(wide.1.len(), low.1.len(), "{at}");
        let (mut difference, mut length) = (0.0, 0.0);
        for (id, (_, expected)) in &wide.1 {
            let (dtype, grad) = &low.1[id];
            assert_eq!(*dtype, DType::F32, "{at}");
            for (a, b) in grad.iter().zip(expected) {
                difference += f64::from(a - b).powi(2);
                length += f64::from(*b).powi(2);
            }
        }
        let relative = (difference / length).sqrt();
        assert!(relative <= 5e-2, "{at}: gradients off by {relative}");
    }
}

#[test]
fn log_sum_exp_is_f32_over_logits_of_the_compute_precision() {
    let device = Device::flex();
    let model = Vlm::from_dir(&golden("qwen2_5_vl"), &device).unwrap();
    let model = model.computing_in(Compute::Bf16);
    let case = Case::load("qwen2_5_vl", "single", model.config());
    let input = VlmInput::new(&case.rows(), model.config(), &device).unwrap();
    let n = case.tokens[0].len() - 1;
    let targets = case.targets(&[n], input.width);
    let tape = Tape::record(&model, &input, &targets, 1.0, ActivationRecompute::Block);
    let hidden = model.hidden(&input);
    let [_, t, d] = hidden.dims();
    let logits = model.logits(hidden.reshape([t, d]));
    assert_eq!(logits.dtype(), DType::F32);
    let all = numbers(log_softmax(logits, 1));
    let vocab = all.len() / t;
    let expected = (0..n).map(|i| all[i * vocab + case.tokens[0][i + 1] as usize]);
    for (found, expected) in numbers(tape.scores().logp).into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn a_frozen_half_is_the_same_after_a_reload() {
    let (_dir, loaded) = saved_in_bf16();
    let keys = loaded.keys();
    let model = freeze(loaded, &["visual".into()], &keys, "freeze").unwrap();
    let model = model.with_masters();
    let checkpoint = tempfile::tempdir().unwrap();
    model.save(checkpoint.path(), ExportDtype::F32).unwrap();
    let again = model.reload(checkpoint.path()).unwrap();
    assert_eq!(again.compute(), Compute::Bf16);
    assert_eq!(kept(&again), kept(&model));
    assert_eq!(trainable(&again).len(), trainable(&model).len());
}
