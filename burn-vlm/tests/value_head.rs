//! The critic: values and gradients against PyTorch (`tests/golden/gen/make_value_head.py`), and
//! what a file of it holds.

#![allow(clippy::unwrap_used)]

mod common;

use burn::{
    module::Module,
    optim::GradientsParams,
    tensor::{Device, Int, Tensor, TensorData},
};
use burn_vlm::{
    Compute, LoadOptions, ValueHead, ValueInit, Vlm, VlmInput,
    freeze::trainable,
    tape::{ActivationRecompute, Tape, Targets, Upstream},
    weights::{WeightFiles, shapes},
};
use common::{Case, assert_close, golden};

const DIRS: [&str; 2] = ["qwen2_5_vl", "qwen2_5_vl_tied"];
const BOTH: [ActivationRecompute; 2] = [ActivationRecompute::Block, ActivationRecompute::None];

/// Responses of the golden case, in tokens.
const R: usize = 6;

struct Setup {
    model: Vlm,
    input: VlmInput,
    targets: Targets,
    case: Case,
}

fn setup(dir: &str) -> Setup {
    let device = Device::flex();
    let mut model = Vlm::from_dir(&golden(dir), &device).unwrap();
    model.value_head = ValueHead::from_dir(&golden("value_head"), model.width(), &device).unwrap();
    let case = Case::load(dir, "batch", model.config());
    let input = VlmInput::new(&case.rows(), model.config(), &device).unwrap();
    let targets = case.targets(&[R; 3], input.width);
    Setup {
        model,
        input,
        targets,
        case,
    }
}

fn record<'a>(s: &'a Setup, recompute: ActivationRecompute) -> Tape<'a> {
    Tape::record(&s.model, &s.input, &s.targets, 1.0, recompute)
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    for dir in DIRS {
        let s = setup(dir);
        let file = WeightFiles::open_file(&golden("value_head").join(format!("{dir}.safetensors")));
        let file = file.unwrap();
        for recompute in BOTH {
            let tape = record(&s, recompute);
            let values = tape.values().unwrap();
            assert_close(
                &values.to_data(),
                &file.read_f32("values").unwrap(),
                1e-4,
                dir,
            );
            let n = 3.0 * R as f64;
            let goal = TensorData::new(file.read_f32("targets").unwrap(), [3, R]);
            let goal = Tensor::<2>::from_data(goal, &Device::flex());
            let grads = tape.backward(Upstream {
                logp: Some(Tensor::full([3, R], -0.3 / n, &Device::flex())),
                values: Some((values - goal).div_scalar(n)),
                ..Upstream::default()
            });
            let keys = s.model.keys();
            for param in shapes(&s.model) {
                let hub = match param.path.strip_prefix("value_head.") {
                    Some(own) => own.to_owned(),
                    None => keys.to_hub(&param.path),
                };
                let got = match param.shape.len() {
                    1 => grads.get::<1>(param.id).unwrap().into_data(),
                    _ => grads.get::<2>(param.id).unwrap().into_data(),
                };
                let norm = got.iter::<f32>().map(|x| x * x).sum::<f32>().sqrt();
                let expected = file.read_f32(&format!("norm/{hub}")).unwrap()[0];
                let error = (norm - expected).abs() / expected.max(1e-6);
                assert!(error < 1e-3, "{dir} {hub}: {norm} vs {expected}");
                if let Ok(full) = file.read_f32(&format!("grad/{hub}")) {
                    assert_close(&got, &full, 1e-4, &format!("{dir} {hub}"));
                }
            }
        }
    }
}

#[test]
fn value_gradients_equal_one_autodiff_graph() {
    let s = setup("qwen2_5_vl");
    let device = Device::flex();
    let weights: Vec<f32> = (0..3 * R)
        .map(|i| (i * 7 % 11) as f32 / 5.0 - 1.0)
        .collect();

    let tracked = s.model.clone().train();
    let hidden = tracked.hidden(&s.input);
    let [b, t, d] = hidden.dims();
    let places: Vec<i64> = (0..b)
        .flat_map(|row| (0..R).map(move |i| (row * t + t - R + i - 1) as i64))
        .collect();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [3 * R]), &device).autodiff();
    let head = tracked.value_head.as_ref().unwrap();
    let values = head.forward(hidden.reshape([b * t, d]).select(0, places));
    let upstream = Tensor::<1>::from_data(TensorData::new(weights.clone(), [3 * R]), &device);
    let mut found = (values * upstream.autodiff()).sum().backward();
    let plain = GradientsParams::from_module(&mut found, &tracked);

    for recompute in BOTH {
        let upstream = Tensor::from_data(TensorData::new(weights.clone(), [3, R]), &device);
        let taped = record(&s, recompute).backward(Upstream {
            values: Some(upstream),
            ..Upstream::default()
        });
        let mut compared = 0;
        for param in shapes(&s.model) {
            let [a, b] = match param.shape.len() {
                1 => [plain.get::<1>(param.id), taped.get::<1>(param.id)]
                    .map(|g| g.map(Tensor::into_data)),
                _ => [plain.get::<2>(param.id), taped.get::<2>(param.id)]
                    .map(|g| g.map(Tensor::into_data)),
            };
            if param.path.starts_with("lm_head") {
                assert!(
                    a.is_none() && b.is_none(),
                    "values do not pass the token head"
                );
                continue;
            }
            let a: Vec<f32> = a.unwrap().iter().collect();
            let scale = a.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
            assert!(scale > 0.0, "{}: no gradient", param.path);
            assert_close(&b.unwrap(), &a, 2e-5 * scale, &param.path);
            compared += 1;
        }
        assert_eq!(compared, shapes(&s.model).len() - 1);
    }
}

#[test]
fn a_critic_keeps_its_head_beside_its_weights() {
    let device = Device::flex();
    let dir = tempfile::tempdir().unwrap();
    let s = setup("qwen2_5_vl");
    s.model.save(dir.path(), Default::default()).unwrap();
    let fresh = |_: usize| -> ValueHead { panic!("the directory has a head") };
    let read = [
        Vlm::from_dir(dir.path(), &device).unwrap(),
        Vlm::critic_from_dir(dir.path(), fresh, &LoadOptions::default(), &device).unwrap(),
    ];
    assert!(read[0].lm_head.is_some() && read[1].lm_head.is_none());
    for model in &read {
        let tape = Tape::record(model, &s.input, &s.targets, 1.0, ActivationRecompute::Block);
        let expected: Vec<f32> = record(&s, ActivationRecompute::Block)
            .values()
            .unwrap()
            .into_data()
            .iter()
            .collect();
        assert_close(&tape.values().unwrap().into_data(), &expected, 0.0, "read");
    }
    // Only the head file differs from the directory of a model without a critic.
    let files = WeightFiles::open(dir.path()).unwrap();
    assert!(files.tensors().all(|(name, ..)| !name.contains("score")));
}

#[test]
fn a_critic_of_an_adapter_is_both_in_one_and_trained_as_a_whole() {
    let device = Device::flex();
    let (dir, base) = (tempfile::tempdir().unwrap(), setup("qwen2_5_vl"));
    let mut policy = Vlm::from_dir(&golden("qwen2_5_vl"), &device)
        .unwrap()
        .with_adapter(&golden("adapter/all_linear"))
        .unwrap();
    policy.value_head = base.model.value_head.clone();
    policy.save(dir.path(), Default::default()).unwrap();
    let fresh = |_: usize| -> ValueHead { panic!("the directory has a head") };
    let critic = Vlm::critic_from_dir(dir.path(), fresh, &LoadOptions::default(), &device).unwrap();
    assert!(critic.lora().is_none() && critic.lm_head.is_none());
    assert_eq!(trainable(&critic).len(), shapes(&critic).len());
    let values = |model: &Vlm| -> Vec<f32> {
        let (s, recompute) = (&base, ActivationRecompute::Block);
        let tape = Tape::record(model, &s.input, &s.targets, 1.0, recompute);
        tape.values().unwrap().into_data().iter().collect()
    };
    let expected = values(&policy);
    let n = expected.len();
    let got = TensorData::new(values(&critic), [n]);
    assert_close(&got, &expected, 1e-5, "both in one");
    assert_ne!(expected, values(&base.model), "the adapter does something");
    let critic = Vlm::critic_from_dir(
        dir.path(),
        fresh,
        &LoadOptions::computing_in(Compute::Bf16),
        &device,
    )
    .unwrap();
    assert_eq!(critic.compute(), Compute::Bf16);
}

/// What a policy of the same files may lack, a critic may.
#[test]
fn tensors_that_may_be_missing_may_be_of_a_critic_too() {
    let device = Device::flex();
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(golden("qwen2_tied").join(name), dir.path().join(name)).unwrap();
    }
    let path = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let norm = "model.norm.weight";
    let rest = file.iter().filter(|(name, _)| *name != norm);
    safetensors::serialize_to_file(rest, None, &path).unwrap();
    let load = |options: &LoadOptions| {
        let fresh = |d| ValueHead::new(d, false, ValueInit::Zero, 3, &Device::flex());
        Vlm::critic_from_dir(dir.path(), fresh, options, &device).map_err(|e| e.to_string())
    };
    let message = load(&LoadOptions::default()).unwrap_err();
    assert!(
        message.contains("1 missing (model.norm.weight)"),
        "{message}"
    );
    load(&LoadOptions::default().allowing(&[norm.to_owned()])).unwrap();
}

#[test]
fn a_fresh_head_is_zero_or_small() {
    let device = Device::flex();
    let (dir, s) = (golden("qwen2_5_vl"), setup("qwen2_5_vl"));
    assert!(ValueHead::from_dir(&dir, 64, &device).unwrap().is_none());
    let fresh = |init| move |d| ValueHead::new(d, false, init, 3, &Device::flex());
    let values = |init| -> Vec<f32> {
        let critic =
            Vlm::critic_from_dir(&dir, fresh(init), &LoadOptions::default(), &device).unwrap();
        let tape = Tape::record(
            &critic,
            &s.input,
            &s.targets,
            1.0,
            ActivationRecompute::Block,
        );
        tape.values().unwrap().into_data().iter().collect()
    };
    assert!(values(ValueInit::Zero).iter().all(|v| *v == 0.0));
    let head = ValueHead::new(4000, true, ValueInit::Normal, 3, &device);
    let square = head.score.weight.val().square().mean();
    let std = f64::from(square.into_scalar::<f32>()).sqrt() * 4001.0;
    assert!((std - 1.0).abs() < 0.05, "{std}");
    assert!(values(ValueInit::Normal).iter().any(|v| *v != 0.0));
    assert!(s.case.tokens.len() == 3 && head.score.bias.is_some());
}

#[test]
fn names_in_use_elsewhere_are_read_and_other_shapes_refused() {
    let device = Device::flex();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, shape: Vec<usize>| {
        let bytes: Vec<u8> = (0..shape.iter().product::<usize>())
            .flat_map(|i| (i as f32).to_le_bytes())
            .collect();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &bytes);
        let path = dir.path().join("model.safetensors");
        safetensors::serialize_to_file([(name, view.unwrap())], None, &path).unwrap();
    };
    for name in ["score.weight", "value_head.weight", "v_head.summary.weight"] {
        write(name, vec![1, 3]);
        let head = ValueHead::from_dir(dir.path(), 3, &device)
            .unwrap()
            .unwrap();
        assert_close(
            &head.score.weight.val().into_data(),
            &[0.0, 1.0, 2.0],
            0.0,
            name,
        );
    }
    write("score.weight", vec![2, 3]);
    let message = ValueHead::from_dir(dir.path(), 3, &device)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("score.weight is [2, 3], expected [1, 3]"),
        "{message}"
    );
}
