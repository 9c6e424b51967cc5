//! Adapters: what they compute, their gradients, and PEFT's own files of them
//! (`tests/golden/gen/make_adapter.py`).

#![allow(clippy::unwrap_used)]

mod common;

use burn::{
    module::{Module, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use burn_vlm::{
    Compute, EncodedPrompt, PromptRow, RowKey, Vlm, VlmInput,
    freeze::trainable,
    generate::{Completion, Generator, Limits, Sampling},
    lora::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, LoraConfig},
    tape::{ActivationRecompute, Grads, Reach, Tape, Targets, Upstream},
    weights::{
        NamedShape, TensorMapper, TensorVisitor, WeightFiles, for_each_tensor, map_tensors, shapes,
    },
};
use common::{Case, assert_close, golden};
use std::fs;

const BOTH: [ActivationRecompute; 2] = [ActivationRecompute::Block, ActivationRecompute::None];

/// Responses, in tokens.
const R: usize = 6;

struct Setup {
    base: Vlm,
    case: Case,
    input: VlmInput,
    targets: Targets,
}

fn setup(dir: &str) -> Setup {
    let device = Device::flex();
    let base = Vlm::from_dir(&golden(dir), &device).unwrap();
    let case = Case::load(dir.trim_end_matches("/original"), "batch", base.config());
    let input = VlmInput::new(&case.rows(), base.config(), &device).unwrap();
    let targets = case.targets(&[R; 3], input.width);
    Setup {
        base,
        case,
        input,
        targets,
    }
}

fn config(dropout: f64) -> LoraConfig {
    LoraConfig {
        rank: 4,
        alpha: 8.0,
        dropout,
        ..LoraConfig::default()
    }
}

/// Adapters that have learned something: B is not zero.
fn adapted(base: &Vlm, config: &LoraConfig) -> Vlm {
    struct Learn;
    impl TensorMapper for Learn {
        fn map<const D: usize>(&mut self, path: &str, p: &Param<Tensor<D>>) -> Option<Tensor<D>> {
            let n: usize = p.dims().iter().product();
            path.ends_with(".lora.b").then(|| {
                let value = |i: usize| ((i * 2654435761) % 1000) as f32 / 5e3 - 0.1;
                let values: Vec<f32> = (0..n).map(value).collect();
                Tensor::from_data(TensorData::new(values, p.dims()), &p.device())
            })
        }
    }
    map_tensors(base.clone().with_lora(config, 5).unwrap(), &mut Learn)
}

fn logp(model: &Vlm, s: &Setup) -> Vec<f32> {
    let tape = Tape::record(model, &s.input, &s.targets, 1.0, ActivationRecompute::Block);
    tape.scores().logp.into_data().iter().collect()
}

fn gradients(model: &Vlm, s: &Setup, recompute: ActivationRecompute) -> Grads {
    let tape = Tape::record(model, &s.input, &s.targets, 1.0, recompute);
    let d_logp = Tensor::full(s.targets.shape(), -1.0 / (3.0 * R as f64), &Device::flex());
    tape.backward(Upstream {
        logp: Some(d_logp),
        ..Upstream::default()
    })
}

fn values(grads: &Grads, param: &NamedShape) -> Option<Vec<f32>> {
    let data = match param.shape.len() {
        1 => grads.get::<1>(param.id).map(Tensor::into_data),
        _ => grads.get::<2>(param.id).map(Tensor::into_data),
    };
    data.map(|data| data.iter().collect())
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.fold(0.0, |worst, (x, y)| worst.max((x - y).abs()))
}

fn generate(model: &Vlm, s: &Setup) -> Vec<Completion> {
    let generator = Generator {
        model,
        sampling: Sampling::greedy(12),
        stop: &[],
        limits: Limits::rows(8),
        logprob_temperature: 1.0,
    };
    generator.generate(&s.case.requests(), &mut |_| ()).unwrap()
}

#[test]
fn a_fresh_adapter_changes_nothing_and_alone_is_trained() {
    let s = setup("qwen2_5_vl");
    let model = s.base.clone().with_lora(&config(0.0), 1).unwrap();
    assert_eq!(logp(&model, &s), logp(&s.base, &s));
    let trained = trainable(&model);
    for param in shapes(&model) {
        assert_eq!(
            trained.contains(&param.id),
            param.path.contains(".lora."),
            "{}",
            param.path
        );
    }
    // Seven layers of two decoder blocks, five of four vision blocks, two of the projector.
    assert_eq!(trained.len(), 2 * (7 * 2 + 5 * 4 + 2));
    // A as PEFT draws it: uniform within 1 / √in.
    let a = model.model.layers[0].mlp.down_proj.lora.as_ref().unwrap();
    let a: Vec<f32> = a.a.val().into_data().iter().collect();
    let bound = 1.0 / 112.0_f32.sqrt();
    let mean_square = a.iter().map(|x| x * x).sum::<f32>() / a.len() as f32;
    assert!(a.iter().all(|x| x.abs() <= bound));
    assert!((mean_square / (bound * bound / 3.0) - 1.0).abs() < 0.15);
}

#[test]
fn gradients_equal_one_autodiff_graph() {
    for dir in ["qwen2_5_vl", "qwen2_5_vl_tied", "qwen3_vl", "smolvlm2"] {
        let s = setup(dir);
        let model = adapted(&s.base, &config(0.0));
        let device = Device::flex();
        let tracked = model.clone().train();
        let hidden = tracked.hidden(&s.input);
        let [b, t, d] = hidden.dims();
        let int = |values: Vec<i64>| {
            let n = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [n]), &device).autodiff()
        };
        let places = (0..b).flat_map(|row| (0..R).map(move |i| (row * t + t - R + i - 1) as i64));
        let ids = s.case.tokens.iter().flat_map(|t| &t[t.len() - R..]);
        let ids = int(ids.map(|id| i64::from(*id)).collect()).reshape([b * R, 1]);
        let hidden = hidden.reshape([b * t, d]).select(0, int(places.collect()));
        let logp = log_softmax(tracked.logits(hidden), 1).gather(1, ids);
        let plain = GradientsParams::from_module(&mut logp.mean().neg().backward(), &tracked);
        for recompute in BOTH {
            let taped = gradients(&model, &s, recompute);
            for param in shapes(&model) {
                let found = values(&taped, &param);
                if !param.path.contains(".lora.") {
                    assert!(found.is_none(), "{} is frozen", param.path);
                    continue;
                }
                let expected = plain.get::<2>(param.id).unwrap().into_data();
                let expected: Vec<f32> = expected.iter().collect();
                let scale = expected.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                assert!(scale > 0.0, "{}", param.path);
                let worst = furthest(&found.unwrap(), &expected);
                assert!(worst <= 2e-5 * scale, "{}: {worst} of {scale}", param.path);
            }
        }
    }
}

#[test]
fn merged_or_not_the_numbers_are_the_same() {
    for dir in ["qwen2_5_vl", "qwen2_5_vl_tied", "qwen3_vl", "smolvlm2"] {
        let s = setup(dir);
        let model = adapted(&s.base, &config(0.3));
        let merged = model.merged();
        assert!(shapes(&merged).len() == shapes(&s.base).len() && merged.lora().is_none());
        assert!(
            furthest(&logp(&model, &s), &logp(&s.base, &s)) > 0.1,
            "it matters"
        );
        assert!(furthest(&logp(&model, &s), &logp(&merged, &s)) <= 1e-5);
        let (a, b) = (generate(&model, &s), generate(&merged, &s));
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.tokens, b.tokens);
            assert!(furthest(&a.logprobs, &b.logprobs) <= 1e-5);
        }
        assert_eq!(logp(&model.without_lora(), &s), logp(&s.base, &s));
    }
}

#[test]
fn in_bf16_a_young_adapter_is_sampled_beside_its_weights() {
    let s = setup("qwen2_5_vl");
    // A part in a thousand of what `adapted` gives: less than half a step of bf16 at most weights.
    let model = map_tensors(adapted(&s.base, &config(0.0)), &mut Shrink);
    let hidden = |model: &Vlm| -> Vec<f32> {
        let input = VlmInput::new(&s.case.rows(), model.config(), &Device::flex()).unwrap();
        model.hidden(&input).into_data().iter().collect()
    };
    let in_f32 = model.for_sampling();
    assert!(in_f32.lora().is_none());
    assert_eq!(hidden(&in_f32), hidden(&model.merged()));

    let low = model.computing_in(Compute::Bf16).with_masters();
    let beside = low.for_sampling();
    assert!(beside.lora().is_some());
    assert_eq!(hidden(&beside), hidden(&low));
    let merged = low.clone().merging_rollouts(Some(true)).for_sampling();
    assert!(merged.lora().is_none());
    assert_eq!(
        hidden(&merged),
        hidden(&low.merged().for_inference()),
        "rounded layer by layer or at last"
    );
    let still = low.merging_rollouts(Some(false)).for_sampling();
    assert_eq!(hidden(&still), hidden(&beside));
}

/// Brings an adapter near the start of its training.
struct Shrink;
impl TensorMapper for Shrink {
    fn map<const D: usize>(&mut self, path: &str, p: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        path.ends_with(".lora.b").then(|| p.val().mul_scalar(1e-3))
    }
}

#[test]
fn how_completions_are_sampled_outlives_a_reload() {
    let s = setup("qwen2_5_vl");
    for choice in [None, Some(true), Some(false)] {
        let model = adapted(&s.base, &config(0.1)).merging_rollouts(choice);
        let dir = tempfile::tempdir().unwrap();
        model.save(dir.path(), Default::default()).unwrap();
        let again = model.reload(dir.path()).unwrap();
        assert_eq!(again.lora(), model.lora());
        assert_eq!(again.for_sampling().lora(), model.for_sampling().lora());
    }
}

fn row_key(sample: usize) -> RowKey {
    RowKey { prompt: 0, sample }
}

#[test]
fn dropout_is_the_same_in_both_passes_and_in_any_batch() {
    let s = setup("qwen2_5_vl");
    let model = adapted(&s.base, &config(0.2));
    let noisy = |key| model.with_dropout(&s.input, key, &[10, 11, 12].map(row_key));
    let once = logp(&noisy(1), &s);
    assert_eq!(once, logp(&noisy(1), &s));
    assert!(furthest(&once, &logp(&noisy(2), &s)) > 1e-3);
    assert!(furthest(&once, &logp(&model, &s)) > 1e-3);

    let [block, graph] = BOTH.map(|recompute| gradients(&noisy(1), &s, recompute));
    for param in shapes(&model) {
        let (Some(a), Some(b)) = (values(&block, &param), values(&graph, &param)) else {
            continue;
        };
        let scale = b.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        assert!(furthest(&a, &b) <= 2e-5 * scale, "{}", param.path);
    }

    for row in 0..3 {
        let input =
            VlmInput::new(&s.case.rows()[row..=row], model.config(), &Device::flex()).unwrap();
        let targets =
            Targets::new(&[&s.case.tokens[row]], &[R], input.width, &Device::flex()).unwrap();
        let alone = model.with_dropout(&input, 1, &[row_key(10 + row)]);
        let tape = Tape::record(&alone, &input, &targets, 1.0, ActivationRecompute::Block);
        let alone: Vec<f32> = tape.scores().logp.into_data().iter().collect();
        assert!(
            furthest(&alone, &once[row * R..(row + 1) * R]) < 1e-4,
            "row {row}"
        );
    }
}

/// The scores after each of the last tokens, and the log-probabilities, against a golden file.
fn assert_scores(model: &Vlm, s: &Setup, file: &WeightFiles, at: &str) {
    const LAST: usize = 4;
    let hidden = model.hidden(&s.input);
    let [b, t, d] = hidden.dims();
    let last = hidden.narrow(1, t - LAST, LAST).reshape([b * LAST, d]);
    let expected = file.read_f32("logits").unwrap();
    assert_close(&model.logits(last).into_data(), &expected, 1e-4, at);
    let expected = file.read_f32("logprobs").unwrap();
    let expected = expected.chunks(t - 1).flat_map(|row| &row[t - 1 - R..]);
    let expected: Vec<f32> = expected.copied().collect();
    assert!(furthest(&logp(model, s), &expected) < 1e-4, "{at}");
}

#[test]
fn adapters_of_peft_give_its_numbers() {
    for (name, dir) in [
        ("all_linear", "qwen2_5_vl"),
        ("patterns", "qwen2_5_vl_tied"),
        ("internvl", "internvl_internlm2"),
    ] {
        let s = setup(dir);
        let model = Vlm::from_dir(&golden("adapter").join(name), &Device::flex()).unwrap();
        let file = golden("adapter").join(format!("{name}.safetensors"));
        let file = WeightFiles::open_file(&file).unwrap();
        for model in [&model, &model.merged()] {
            assert_scores(model, &s, &file, name);
        }
        let grads = gradients(&model, &s, ActivationRecompute::Block);
        let keys = model.config().module_keys();
        let (mut compared, mut parts) = (0, 0);
        for param in shapes(&model) {
            let Some(found) = values(&grads, &param) else {
                continue;
            };
            let (layer, factor) = param.path.split_once(".lora.").unwrap();
            let names = keys.newest(&format!("{layer}.weight"));
            if names.len() > 1 {
                // Cut there: other matrices, with other gradients.
                parts += names.len();
                continue;
            }
            let layer = names[0].trim_end_matches(".weight");
            let factor = factor.to_uppercase();
            let key = format!("norm/base_model.model.{layer}.lora_{factor}.weight");
            let expected = file.read_f32(&key).unwrap()[0];
            let norm = found.iter().map(|x| x * x).sum::<f32>().sqrt();
            let error = (norm - expected).abs() / expected;
            assert!(error < 1e-3, "{name} {key}: {norm} vs {expected}");
            compared += 1;
        }
        let references = file.tensors().filter(|(n, ..)| n.starts_with("norm/"));
        assert_eq!(compared + parts, references.count(), "{name}");
    }
}

#[test]
fn one_adapter_fits_both_layouts_of_a_model() {
    let s = setup("internvl_internlm2/original");
    let model = s
        .base
        .clone()
        .with_adapter(&golden("adapter").join("internvl"));
    let file = WeightFiles::open_file(&golden("adapter").join("internvl.safetensors")).unwrap();
    assert_scores(&model.unwrap(), &s, &file, "original");
}

#[test]
fn a_layer_that_is_cut_in_transformers_is_saved_in_parts_and_joined_again() {
    for dir in ["internvl_internlm2", "internvl_internlm2/original"] {
        let s = setup(dir);
        let model = adapted(&s.base, &config(0.0));
        let to = tempfile::tempdir().unwrap();
        model.save(to.path(), Default::default()).unwrap();
        let file = WeightFiles::open_file(&to.path().join(ADAPTER_WEIGHTS)).unwrap();
        let layer = "base_model.model.model.vision_tower.encoder.layer.0.attention";
        for part in ["q_proj", "k_proj", "v_proj"] {
            let shape = |factor| file.shape(&format!("{layer}.{part}.lora_{factor}.weight"));
            assert_eq!(shape("A"), Some(&[4, 32][..]));
            assert_eq!(shape("B"), Some(&[32, 4][..]));
        }
        let again = model.reload(to.path()).unwrap();
        let bits = |model: &Vlm| -> Vec<(String, Vec<f32>)> {
            struct All(Vec<(String, Vec<f32>)>);
            impl TensorVisitor for All {
                fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
                    let values = tensor.into_data().iter().collect();
                    self.0.push((path.to_owned(), values));
                }
            }
            let mut all = All(vec![]);
            for_each_tensor(model, &mut all);
            all.0
        };
        assert_eq!(bits(&again), bits(&model));
        assert_eq!(logp(&again, &s), logp(&model, &s));
    }
    // A part alone cannot be adapted.
    let some = LoraConfig {
        target_modules: vec!["q_proj".into(), "v_proj".into()],
        ..config(0.0)
    };
    let base = setup("internvl_internlm2").base;
    let message = base.clone().with_lora(&some, 0).unwrap_err().to_string();
    assert!(message.contains("visual.blocks.0.attn.qkv"), "{message}");
    let text = LoraConfig {
        layers: vec!["language_model".into()],
        ..some
    };
    assert_eq!(trainable(&base.with_lora(&text, 0).unwrap()).len(), 8);
}

#[test]
fn what_is_saved_is_what_peft_saved() {
    for name in ["all_linear", "patterns"] {
        let original = golden("adapter").join(name);
        let model = Vlm::from_dir(&original, &Device::flex()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        model.save(dir.path(), Default::default()).unwrap();
        assert!(!WeightFiles::are_in(dir.path()));
        let read = |dir: &std::path::Path| WeightFiles::open_file(&dir.join(ADAPTER_WEIGHTS));
        let (a, b) = (read(&original).unwrap(), read(dir.path()).unwrap());
        let list = |f: &WeightFiles| -> Vec<(String, Vec<f32>)> {
            let tensors = f.tensors();
            tensors
                .map(|(n, ..)| (n.to_owned(), f.read_f32(n).unwrap()))
                .collect()
        };
        assert_eq!(list(&a), list(&b));
        // And again from there, to the same bits.
        let s = setup(if name == "patterns" {
            "qwen2_5_vl_tied"
        } else {
            "qwen2_5_vl"
        });
        let again = Vlm::from_dir(dir.path(), &Device::flex()).unwrap();
        assert_eq!(logp(&again, &s), logp(&model, &s));
        assert_eq!(again.lora().unwrap().config, model.lora().unwrap().config);
        let beside = model.reload(dir.path()).unwrap();
        assert_eq!(logp(&beside, &s), logp(&model, &s));
        assert_eq!(trainable(&beside).len(), trainable(&model).len());
    }
}

#[test]
fn an_adapter_stays_with_its_weights() {
    let dir = tempfile::tempdir().unwrap();
    let model = adapted(&setup("qwen2_5_vl").base, &config(0.0));
    model.save(dir.path(), Default::default()).unwrap();
    // The same architecture, other weights.
    let moved = tempfile::tempdir().unwrap();
    let other = map_tensors(setup("qwen2_5_vl").base, &mut Nudge);
    other.save(moved.path(), Default::default()).unwrap();
    let other = Vlm::from_dir(moved.path(), &Device::flex()).unwrap();
    let message = other.with_adapter(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("was trained beside the weights"),
        "{message}"
    );
    // The same weights somewhere else.
    let moved = tempfile::tempdir().unwrap();
    let same = setup("qwen2_5_vl").base;
    for file in ["config.json", "model.safetensors"] {
        fs::copy(golden("qwen2_5_vl").join(file), moved.path().join(file)).unwrap();
    }
    assert!(same.with_adapter(dir.path()).is_ok());
    let same = Vlm::from_dir(moved.path(), &Device::flex()).unwrap();
    assert!(same.with_adapter(dir.path()).is_ok());
}

/// Changes one value of one tensor.
struct Nudge;
impl TensorMapper for Nudge {
    fn map<const D: usize>(&mut self, path: &str, p: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        (path == "model.norm.weight").then(|| p.val().add_scalar(1e-3))
    }
}

#[test]
fn layers_are_chosen_by_name_and_place() {
    let base = setup("qwen2_5_vl").base;
    let chosen = |targets: &[&str], layers: &[&str]| -> Result<usize, String> {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let config = LoraConfig {
            target_modules: list(targets),
            layers: list(layers),
            ..config(0.0)
        };
        let model = base.clone().with_lora(&config, 0);
        model
            .map(|model| trainable(&model).len() / 2)
            .map_err(|e| e.to_string())
    };
    assert_eq!(chosen(&["q_proj", "v_proj"], &[]), Ok(4));
    assert_eq!(chosen(&["all-linear"], &["model"]), Ok(14));
    assert_eq!(
        chosen(&["all-linear"], &["model.layers.1", "visual.merger"]),
        Ok(9)
    );
    assert_eq!(chosen(&["qkv"], &["visual.blocks.0..2"]), Ok(2));
    // The checkpoint's name of the projector's layers.
    assert_eq!(chosen(&["mlp.0", "mlp.2"], &[]), Ok(2));
    assert_eq!(chosen(&["self_attn.q_proj"], &[]), Ok(2));
    let message = chosen(&["q_prj"], &[]).unwrap_err();
    assert!(
        message.contains("`q_prj`") && message.contains("`q_proj`"),
        "{message}"
    );
    let message = chosen(&["lm_head"], &[]).unwrap_err();
    assert!(message.contains("lora.target_modules"), "{message}");
    let message = chosen(&["all-linear"], &["vision"]).unwrap_err();
    assert!(
        message.contains("lora.layers") && message.contains("`visual`"),
        "{message}"
    );
    // Only the tower: nothing of the decoder is differentiated by, but gradients pass through it.
    let config = LoraConfig {
        layers: vec!["visual.blocks.2..4".into()],
        ..config(0.0)
    };
    let s = setup("qwen2_5_vl");
    let reach = Reach::new(&base.with_lora(&config, 0).unwrap(), &s.input);
    let live: Vec<bool> = reach.blocks.iter().map(|stage| stage.live()).collect();
    assert_eq!(live, [false, false, true, true]);
    assert!(reach.layers.iter().all(|stage| stage.below && !stage.own));
}

#[test]
fn what_changes_the_numbers_and_is_not_supported_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let original = golden("adapter").join("all_linear");
    let text = fs::read_to_string(original.join(ADAPTER_CONFIG)).unwrap();
    let text = text.replace("../../qwen2_5_vl", &golden("qwen2_5_vl").to_string_lossy());
    let weights = original.join(ADAPTER_WEIGHTS);
    let read = |config: &str| {
        fs::write(dir.path().join(ADAPTER_CONFIG), config).unwrap();
        Vlm::from_dir(dir.path(), &Device::flex()).map_err(|e| e.to_string())
    };
    fs::copy(&weights, dir.path().join(ADAPTER_WEIGHTS)).unwrap();
    assert!(read(&text).is_ok());
    for (old, new, expected) in [
        (
            "\"use_dora\": false",
            "\"use_dora\": true",
            "use_dora is true",
        ),
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias is \"all\""),
        (
            "\"modules_to_save\": null",
            "\"modules_to_save\": [\"lm_head\"]",
            "modules_to_save",
        ),
        ("\"LORA\"", "\"IA3\"", "peft_type is `IA3`"),
        ("\"r\": 4", "\"s\": 4", "missing field `r`"),
    ] {
        assert!(text.contains(old), "{old}");
        let message = read(&text.replace(old, new)).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    let init = |name: &str| {
        let old = "\"init_lora_weights\": true";
        assert!(text.contains(old));
        read(&text.replace(old, &format!("\"init_lora_weights\": {name}")))
    };
    for name in [
        "false",
        "\"gaussian\"",
        "\"orthogonal\"",
        "\"eva\"",
        "\"mica\"",
    ] {
        assert!(init(name).is_ok(), "{name}");
    }
    for name in [
        "pissa",
        "pissa_niter_16",
        "olora",
        "corda",
        "loftq",
        "lora_ga",
    ] {
        let message = init(&format!("\"{name}\"")).unwrap_err();
        let expected = format!("init_lora_weights is {name:?}");
        assert!(message.contains(&expected), "{message}");
    }
    let gone = text.replace(&*golden("qwen2_5_vl").to_string_lossy(), "/nowhere");
    let message = read(&gone).unwrap_err();
    assert!(
        message.contains("base_model_name_or_path is `/nowhere`"),
        "{message}"
    );
    // Cut off in the middle.
    let bytes = fs::read(&weights).unwrap();
    fs::write(dir.path().join(ADAPTER_WEIGHTS), &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        read(&text)
            .unwrap_err()
            .contains("not a whole safetensors file")
    );
}

#[test]
fn dropout_of_a_shared_prompt_is_that_of_each_row_alone() {
    let s = setup("qwen2_5_vl");
    let model = adapted(&s.base, &config(0.2));
    let prompt = |n: u32| {
        let tokens = (0..9).map(|i| 11 * i + n).collect();
        let images = vec![];
        std::sync::Arc::new(EncodedPrompt { tokens, images })
    };
    let (a, b) = (prompt(1), prompt(2));
    let responses: [&[u32]; 3] = [&[5, 6, 7, 8], &[9, 3], &[40, 41, 42]];
    let rows = [(&a, 0, 0), (&a, 0, 1), (&b, 2, 2)];
    let logp = |picked: &[usize]| -> Vec<Vec<f32>> {
        let of = |i: &usize| PromptRow {
            prompt: rows[*i].0,
            response: responses[*i],
        };
        let key = |i: &usize| RowKey {
            prompt: rows[*i].1,
            sample: rows[*i].2,
        };
        let (own, keys): (Vec<_>, Vec<_>) = picked.iter().map(|i| (of(i), key(i))).unzip();
        let input = VlmInput::of_prompts(&own, model.config(), &Device::flex()).unwrap();
        let targets = Targets::of_prompts(&own, &input, &Device::flex()).unwrap();
        let noisy = model.with_dropout(&input, 1, &keys);
        let tape = Tape::record(&noisy, &input, &targets, 1.0, ActivationRecompute::Block);
        let r = targets.shape()[1];
        let all: Vec<f32> = tape.scores().logp.into_data().iter().collect();
        let rows = all.chunks(r).zip(&own);
        rows.map(|(x, row)| x[..row.response.len()].to_vec())
            .collect()
    };
    let together = logp(&[0, 1, 2]);
    for (i, together) in together.iter().enumerate() {
        assert!(furthest(&logp(&[i])[0], together) < 1e-5, "row {i}");
    }
}
