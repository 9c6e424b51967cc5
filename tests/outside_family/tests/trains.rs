//! A family of another crate is loaded, saved, sampled and trained as those of the library are.
#![allow(clippy::unwrap_used)]

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use burn_vlm::{
    EncodedPrompt, Families, ImageFeatures, LoadOptions, ModelConfig, Processor, PromptRow, Row,
    Transfer, Vlm, VlmInput,
    freeze::freeze,
    generate::{Generator, Limits, Request, SampleKey, Sampling},
    image::ImagePatches,
    lora::LoraConfig,
    tape::{ActivationRecompute, Grads, Tape, Targets, Upstream},
    text::{Message, ProcessorFiles},
    weights::{ExportDtype, TensorMapper, map_tensors, shapes},
};
use image::RgbImage;
use outside_family::Toy;
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command, sync::Arc};

const BOTH: [ActivationRecompute; 2] = [ActivationRecompute::Block, ActivationRecompute::None];

fn families() -> Families {
    Families::default().with(Toy)
}

/// Tokenizer and chat template of the demo, and a model of this family.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    trainer::demo::model::write(dir.path()).unwrap();
    for name in ["model.safetensors", "preprocessor_config.json"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let path = dir.path().join("config.json");
    let demo: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let vocabulary = demo["vocab_size"].as_u64();
    let vocabulary = vocabulary.or(demo["text_config"]["vocab_size"].as_u64());
    let config = json!({
        "model_type": "toy_vl", "image_token_id": demo["image_token_id"],
        "text_config": {
            "model_type": "llama", "vocab_size": vocabulary, "hidden_size": 32,
            "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
        },
        "vision_config": {
            "depth": 2, "width": 24, "heads": 3, "out": 32, "taps": [{ "block": 0, "layer": 0 }],
        },
    });
    fs::write(&path, config.to_string()).unwrap();
    let mut config = families().read_dir(dir.path()).unwrap();
    config.initializer_range = 0.15;
    let model = Vlm::random(config, 7, &Device::flex());
    model.save(dir.path(), ExportDtype::F32).unwrap();
    dir
}

fn load(dir: &Path) -> Vlm {
    let options = LoadOptions::default().among(&families());
    Vlm::load(dir, &options, &Device::flex()).unwrap()
}

/// Rows with two pictures, with one of them, and with none.
struct Batch {
    tokens: Vec<Vec<u32>>,
    images: Vec<Vec<Arc<ImagePatches>>>,
    responses: Vec<usize>,
}

impl Batch {
    fn new(config: &ModelConfig) -> Self {
        let picture = |shift: f32| {
            let wave = |i: usize| (0.05 * i as f32 + shift).sin();
            Arc::new(ImagePatches {
                patches: (0..16 * 48).map(wave).collect(),
                grid: [1, 4, 4],
            })
        };
        let (a, b) = (picture(0.0), picture(2.0));
        let image = [config.image_token_id.unwrap(); 4];
        let row = |pictures: usize, words: std::ops::Range<u32>| {
            let shown = (0..pictures).flat_map(|i| [&[20 + i as u32], &image[..]].concat());
            shown.chain(words).collect::<Vec<u32>>()
        };
        Self {
            tokens: vec![row(2, 30..39), row(1, 40..52), row(0, 60..65)],
            images: vec![vec![a.clone(), b], vec![a], vec![]],
            responses: vec![5, 7, 3],
        }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let pairs = self.tokens.iter().zip(&self.images);
        pairs
            .map(|(tokens, images)| Row { tokens, images })
            .collect()
    }

    fn input(&self, model: &Vlm) -> VlmInput {
        VlmInput::new(&self.rows(), model.config(), &model.device()).unwrap()
    }

    fn targets(&self, input: &VlmInput) -> Targets {
        let rows: Vec<&[u32]> = self.tokens.iter().map(Vec::as_slice).collect();
        Targets::new(&rows, &self.responses, input.width, &Device::flex()).unwrap()
    }

    /// Sum of the log-probabilities of all responses.
    fn logp(&self, model: &Vlm) -> f64 {
        let input = self.input(model);
        let targets = self.targets(&input);
        let tape = Tape::record(model, &input, &targets, 1.0, BOTH[0]);
        let scores: Vec<f32> = tape.scores().logp.into_data().iter().collect();
        scores.iter().map(|x| f64::from(*x)).sum()
    }

    fn gradients(&self, model: &Vlm, recompute: ActivationRecompute) -> Grads {
        let input = self.input(model);
        let targets = self.targets(&input);
        let tape = Tape::record(model, &input, &targets, 1.0, recompute);
        tape.backward(Upstream {
            logp: Some(Tensor::ones(targets.shape(), &Device::flex())),
            ..Upstream::default()
        })
    }
}

/// The gradient of a parameter, flattened; none where it has none.
fn gradient(grads: &Grads, id: burn::module::ParamId, rank: usize) -> Option<Vec<f32>> {
    let data = match rank {
        1 => grads.get::<1>(id)?.into_data(),
        _ => grads.get::<2>(id)?.into_data(),
    };
    Some(data.iter().collect())
}

/// A step of parameters: of one value of those whose name contains a text, or of all along their
/// gradients.
enum Move<'a> {
    One(&'a str, usize, f32),
    Along(&'a Grads, f64),
}

impl TensorMapper for Move<'_> {
    fn map<const D: usize>(
        &mut self,
        path: &str,
        param: &burn::module::Param<Tensor<D>>,
    ) -> Option<Tensor<D>> {
        let value = param.val();
        match self {
            Self::Along(grads, rate) => {
                let grad = grads.get::<D>(param.id)?;
                Some(value + grad.mul_scalar(*rate))
            }
            Self::One(name, at, step) => {
                if path != *name {
                    return None;
                }
                let (shape, device) = (value.dims(), value.device());
                let mut values: Vec<f32> = value.into_data().iter().collect();
                values[*at] += *step;
                Some(Tensor::from_data(TensorData::new(values, shape), &device))
            }
        }
    }
}

#[test]
fn it_is_known_only_where_it_was_added() {
    let dir = directory();
    let message = Vlm::from_dir(dir.path(), &Device::flex())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("model_type is `toy_vl`, supported: qwen2, "),
        "{message}"
    );
    let message = families()
        .read(&json!({ "model_type": "none" }))
        .unwrap_err();
    assert!(message.ends_with(", toy_vl"), "{message}");
}

#[test]
fn it_is_saved_under_its_own_names_and_loaded_again() {
    let (dir, copy) = (directory(), tempfile::tempdir().unwrap());
    let model = load(dir.path());
    model.save(copy.path(), ExportDtype::F32).unwrap();
    let batch = Batch::new(model.config());
    assert_eq!(batch.logp(&model), batch.logp(&load(copy.path())));
    // A checkpoint of a training finds its family by itself.
    assert_eq!(
        batch.logp(&model),
        batch.logp(&model.reload(copy.path()).unwrap())
    );
    let files = burn_vlm::weights::WeightFiles::open(copy.path()).unwrap();
    assert_eq!(files.shape("eye.tap.weight"), Some(&[32, 96][..]));
    assert_eq!(files.shape("eye.blocks.1.attn.qkv.bias"), Some(&[72][..]));
}

#[test]
fn both_tapes_find_the_gradients_of_differences() {
    let dir = directory();
    let model = load(dir.path());
    let batch = Batch::new(model.config());
    let [blocks, graph] = BOTH.map(|recompute| batch.gradients(&model, recompute));
    for param in shapes(&model) {
        let [a, b] = [&blocks, &graph].map(|g| gradient(g, param.id, param.shape.len()));
        let (a, b) = (a.expect(&param.path), b.expect(&param.path));
        let scale = a.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        assert!(scale > 0.0, "{}: no gradient", param.path);
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 2e-5 * scale, "{}: {a} {b}", param.path);
        }
    }
    for name in [
        "visual.embed.weight",
        "visual.positions",
        "visual.blocks.0.mlp.fc1.weight",
        "visual.blocks.1.attn.proj.weight",
        "visual.projector.weight",
        "visual.tap.weight",
        "visual.tap.bias",
        "model.layers.0.self_attn.q_proj.weight",
    ] {
        let all = shapes(&model);
        let param = all.iter().find(|p| p.path == name).unwrap();
        let grads = gradient(&blocks, param.id, param.shape.len()).unwrap();
        // The steepest value: of others the difference is mostly rounding.
        let steepest = (0..grads.len()).max_by(|a, b| grads[*a].abs().total_cmp(&grads[*b].abs()));
        let (at, step) = (steepest.unwrap(), 1e-2);
        let moved = |step: f32| {
            let mut mover = Move::One(name, at, step);
            batch.logp(&map_tensors(model.clone(), &mut mover))
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
        let found = f64::from(grads[at]);
        assert!(
            (slope - found).abs() < 0.02 * found.abs() + 1e-3,
            "{name}: {slope} {found}"
        );
    }
}

#[test]
fn a_step_along_the_gradient_makes_the_responses_more_likely() {
    let dir = directory();
    let model = load(dir.path());
    let batch = Batch::new(model.config());
    let (mut model, mut before) = (model.clone(), batch.logp(&model));
    for _ in 0..5 {
        let grads = batch.gradients(&model, ActivationRecompute::Block);
        model = map_tensors(model, &mut Move::Along(&grads, 2e-4));
        let after = batch.logp(&model);
        assert!(after > before, "{after} after {before}");
        before = after;
    }
}

#[test]
fn what_is_frozen_has_no_gradient_and_the_rest_has_the_same() {
    let dir = directory();
    let model = load(dir.path());
    let batch = Batch::new(model.config());
    let whole = batch.gradients(&model, ActivationRecompute::Block);
    let all = [
        "visual.embed",
        "visual.positions",
        "visual.blocks",
        "visual.projector",
        "model",
    ];
    for prefixes in [
        &all[..],
        &all[..4],
        &all[4..],
        &["visual"][..],
        &["eye.tap"][..],
    ] {
        let names: Vec<String> = prefixes.iter().map(|n| (*n).to_owned()).collect();
        // The head alone would be trained beside the tap.
        let names = [names, vec!["lm_head".into()]].concat();
        let frozen = freeze(model.clone(), &names, &model.keys(), "freeze").unwrap();
        for recompute in BOTH {
            let grads = batch.gradients(&frozen, recompute);
            for param in shapes(&frozen) {
                let found = gradient(&grads, param.id, param.shape.len());
                let of = |name: &String| {
                    let name = name.replace("eye.", "visual.");
                    param.path == name || param.path.starts_with(&format!("{name}."))
                };
                if names.iter().any(of) {
                    assert!(found.is_none(), "{prefixes:?} {}", param.path);
                    continue;
                }
                let expected = gradient(&whole, param.id, param.shape.len()).unwrap();
                let found = found.expect(&param.path);
                let scale = expected.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                for (a, b) in found.iter().zip(&expected) {
                    let at = format!("{prefixes:?} {recompute:?} {}", param.path);
                    assert!((a - b).abs() <= 2e-5 * scale, "{at}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn taps_beyond_the_blocks_are_refused() {
    let dir = directory();
    let text = fs::read_to_string(dir.path().join("config.json")).unwrap();
    let raw: Value = serde_json::from_str(&text).unwrap();
    for tap in [
        json!({ "block": 2, "layer": 0 }),
        json!({ "block": 0, "layer": 3 }),
    ] {
        let mut raw = raw.clone();
        raw["vision_config"]["taps"] = json!([tap]);
        let message = families().read(&raw).unwrap_err();
        let expected = "expected one of its 2 blocks and one of the decoder's 3 layers";
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn features_that_are_known_score_as_those_that_are_not() {
    let dir = directory();
    let model = load(dir.path());
    let batch = Batch::new(model.config());
    let frozen = freeze(model.clone(), &["visual".into()], &model.keys(), "freeze").unwrap();
    let known = ImageFeatures::of_frozen(&frozen, batch.images.iter().flatten()).unwrap();
    let mut input = batch.input(&frozen);
    known.give(&frozen, &mut input);
    assert_eq!(
        input
            .vision
            .as_ref()
            .unwrap()
            .features
            .as_ref()
            .unwrap()
            .taps
            .len(),
        1
    );
    let targets = batch.targets(&input);
    for recompute in BOTH {
        let tape = Tape::record(&frozen, &input, &targets, 1.0, recompute);
        let found: Vec<f32> = tape.scores().logp.into_data().iter().collect();
        let found: f64 = found.iter().map(|x| f64::from(*x)).sum();
        assert!((found - batch.logp(&model)).abs() < 1e-3);
    }
}

#[test]
fn what_is_sampled_has_the_log_probability_that_a_tape_finds() {
    let dir = directory();
    let model = load(dir.path());
    let files = ProcessorFiles::read_dir(dir.path()).unwrap();
    let processor = Processor::of_family(files, &families()).unwrap();
    processor.check_fit(model.config()).unwrap();
    let picture = RgbImage::from_fn(30, 20, |x, y| image::Rgb([8 * x as u8, 9 * y as u8, 77]));
    let question = Message::with_image_marks("user", "<image>What is this?");
    let prompt = processor.encode(&[question], &[picture], true).unwrap();
    let image = model.config().image_token_id;
    assert_eq!(
        prompt.tokens.iter().filter(|t| Some(**t) == image).count(),
        4
    );
    let prompt = Arc::new(prompt);
    let request = |draw| Request {
        prompt: prompt.clone(),
        key: SampleKey {
            draw,
            ..SampleKey::default()
        },
    };
    let generator = Generator {
        model: &model,
        sampling: Sampling {
            max_new_tokens: 8,
            ..Sampling::default()
        },
        stop: &processor.stop_token_ids().unwrap(),
        limits: Limits::rows(4),
        logprob_temperature: 1.0,
    };
    let drawn = generator
        .generate(&[0, 1, 2].map(request), &mut |_| {})
        .unwrap();
    for completion in drawn {
        let EncodedPrompt { tokens, images } = &*prompt;
        let tokens = [&tokens[..], &completion.tokens].concat();
        let batch = Batch {
            tokens: vec![tokens],
            images: vec![images.clone()],
            responses: vec![completion.tokens.len()],
        };
        let sampled: f64 = completion.logprobs.iter().map(|x| f64::from(*x)).sum();
        assert!((sampled - batch.logp(&model)).abs() < 1e-3);
    }
}

#[test]
fn adapters_and_copies_reach_into_the_tower() {
    let dir = directory();
    let model = load(dir.path());
    let batch = Batch::new(model.config());
    let copy = Transfer::to(&Device::flex()).copy(&model);
    assert_eq!(batch.logp(&copy), batch.logp(&model));
    assert_eq!(copy.num_params(), model.num_params());
    let config = LoraConfig {
        rank: 2,
        layers: vec!["visual".into()],
        ..LoraConfig::default()
    };
    let adapted = model.with_lora(&config, 3).unwrap();
    let trained = burn_vlm::freeze::trainable(&adapted);
    // A and B of four layers a block, and of embedding, projector and tap.
    assert_eq!(trained.len(), 2 * (2 * 4 + 3));
    for recompute in BOTH {
        let grads = batch.gradients(&adapted, recompute);
        let found = shapes(&adapted)
            .into_iter()
            .filter(|p| trained.contains(&p.id));
        for param in found.filter(|p| p.path.ends_with(".b")) {
            let found = gradient(&grads, param.id, 2).expect(&param.path);
            assert!(found.iter().any(|x| *x != 0.0), "{}", param.path);
        }
    }
}

#[test]
fn the_command_line_inspects_and_samples_it() {
    let dir = directory();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outside_family"));
        let done = command
            .args(args)
            .arg("--model")
            .arg(dir.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{args:?}: {told}");
        serde_json::from_slice::<Value>(&done.stdout).unwrap()
    };
    let found = run(&["inspect", "--json"]);
    assert_eq!(found["architecture"]["model_type"], "toy_vl");
    assert_eq!(found["architecture"]["vision_layers"], 2);
    assert_eq!(found["weights"]["missing"], json!([]));
    assert_eq!(found["tokenizer"]["fits"], true);
    let drawn = run(&[
        "generate",
        "--json",
        "--prompt",
        "Hello",
        "--max-new-tokens",
        "4",
    ]);
    assert_eq!(
        drawn["logprobs"].as_array().unwrap().len(),
        drawn["tokens"].as_array().unwrap().len()
    );
    assert_eq!(
        drawn["behaviour_logprobs"].as_array().unwrap().len(),
        drawn["tokens"].as_array().unwrap().len()
    );
}

#[test]
fn prompts_that_are_run_once_have_the_gradients_of_plain_rows() {
    let dir = directory();
    let model = load(dir.path());
    let batch = Batch::new(model.config());
    let parts = batch.tokens.iter().zip(&batch.images).zip(&batch.responses);
    let parts: Vec<(Arc<EncodedPrompt>, &[u32])> = parts
        .map(|((tokens, images), count)| {
            let (prompt, response) = tokens.split_at(tokens.len() - count);
            let prompt = EncodedPrompt {
                tokens: prompt.to_vec(),
                images: images.clone(),
            };
            (Arc::new(prompt), response)
        })
        .collect();
    // Every row twice: a prompt, its pictures and taps collect the gradients of both.
    let row = |(prompt, response)| [PromptRow { prompt, response }; 2];
    let rows: Vec<PromptRow<'_>> = parts.iter().flat_map(|(p, r)| row((p, *r))).collect();
    let device = Device::flex();
    let input = VlmInput::of_prompts(&rows, model.config(), &device).unwrap();
    let targets = Targets::of_prompts(&rows, &input, &device).unwrap();
    let plain = batch.gradients(&model, BOTH[0]);
    for recompute in BOTH {
        let tape = Tape::record(&model, &input, &targets, 1.0, recompute);
        let found = tape.backward(Upstream {
            logp: Some(Tensor::full(targets.shape(), 0.5, &device)),
            ..Upstream::default()
        });
        for param in shapes(&model) {
            let [a, b] = [&plain, &found].map(|g| gradient(g, param.id, param.shape.len()));
            let (a, b) = (a.expect(&param.path), b.expect(&param.path));
            let scale = a.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() <= 2e-5 * scale, "{}: {a} {b}", param.path);
            }
        }
    }
}
