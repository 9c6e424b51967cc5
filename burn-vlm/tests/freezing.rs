//! What is frozen has no gradient, costs no backward pass, and changes nothing for the rest.

#![allow(clippy::unwrap_used)]

mod common;

use burn::{
    module::{Param, ParamId},
    tensor::{Device, Tensor, TensorData},
};
use burn_vlm::{
    ImageFeatures, Transfer, Vlm, VlmInput,
    freeze::{freeze, trainable},
    tape::{ActivationRecompute, Grads, Reach, Stage, Tape, Targets, Upstream},
    weights::{NamedShape, TensorMapper, TensorVisitor, for_each_tensor, map_tensors, shapes},
};
use common::{Case, assert_close, golden};

const BOTH: [ActivationRecompute; 2] = [ActivationRecompute::Block, ActivationRecompute::None];
const DIRS: [&str; 3] = ["qwen2_5_vl", "qwen2_5_vl_tied", "qwen3_vl"];

struct Setup {
    model: Vlm,
    input: VlmInput,
    targets: Targets,
}

fn setup(dir: &str) -> Setup {
    let device = Device::flex();
    let model = Vlm::from_dir(&golden(dir), &device).unwrap();
    let case = Case::load(dir, "batch", model.config());
    let counts: Vec<usize> = case.tokens.iter().map(|t| t.len() / 2).collect();
    let input = VlmInput::new(&case.rows(), model.config(), &device).unwrap();
    let targets = case.targets(&counts, input.width);
    Setup {
        model,
        input,
        targets,
    }
}

fn frozen(model: &Vlm, names: &[&str]) -> Vlm {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    freeze(model.clone(), &names, &model.keys(), "train.freeze").unwrap()
}

fn gradients(model: &Vlm, s: &Setup, recompute: ActivationRecompute) -> Grads {
    let tape = Tape::record(model, &s.input, &s.targets, 1.0, recompute);
    let [b, r] = s.targets.shape();
    let weights = |from: usize| {
        let values: Vec<f32> = (0..b * r)
            .map(|i| ((i + from) * 7919 % 13) as f32 / 6.0 - 1.0)
            .collect();
        Some(Tensor::from_data(
            TensorData::new(values, [b, r]),
            &Device::flex(),
        ))
    };
    tape.backward(Upstream {
        logp: weights(0),
        entropy: weights(5),
        values: None,
    })
}

fn values(grads: &Grads, param: &NamedShape) -> Option<TensorData> {
    match param.shape.len() {
        1 => grads.get::<1>(param.id).map(Tensor::into_data),
        _ => grads.get::<2>(param.id).map(Tensor::into_data),
    }
}

#[test]
fn the_rest_has_the_gradients_it_has_unfrozen() {
    let cases: [&[&str]; 7] = [
        &["visual"],
        &["visual.blocks", "visual.patch_embed"],
        &["visual", "model.embed_tokens", "model.layers.0"],
        &["model.layers", "model.norm"],
        &[
            "model.layers.0..2.mlp",
            "visual.blocks.1.attn.qkv",
            "lm_head",
        ],
        &["visual", "model.embed_tokens", "model.layers.*"],
        &["model.language_model.layers.1", "model.visual.merger.mlp.2"],
    ];
    // Taps, and a table of positions.
    let tapped: [&[&str]; 3] = [
        &["visual.deepstack_merger_list", "visual.pos_embed"],
        &["visual.patch_embed", "visual.blocks", "visual.merger"],
        &[
            "model.visual.merger.linear_fc2",
            "visual.deepstack_merger_list.1",
            "visual.blocks.3",
            "model.language_model.layers.0.self_attn.q_norm",
        ],
    ];
    for dir in DIRS {
        let s = setup(dir);
        let cases = match dir {
            "qwen3_vl" => [&cases[..6], &tapped].concat(),
            _ => cases.to_vec(),
        };
        for recompute in BOTH {
            let all = gradients(&s.model, &s, recompute);
            for &names in &cases {
                let tied = dir.ends_with("tied");
                let names: Vec<&str> = names
                    .iter()
                    .filter(|n| !(tied && **n == "lm_head"))
                    .copied()
                    .collect();
                let model = frozen(&s.model, &names);
                let trained = trainable(&model);
                assert!(trained.len() < shapes(&model).len(), "{names:?} freezes");
                let some = gradients(&model, &s, recompute);
                for param in shapes(&s.model) {
                    let at = format!("{dir} {recompute:?} {names:?} {}", param.path);
                    let found = values(&some, &param);
                    assert_eq!(found.is_some(), trained.contains(&param.id), "{at}");
                    let Some(found) = found else { continue };
                    let expected: Vec<f32> = values(&all, &param).unwrap().iter().collect();
                    let scale = expected.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                    assert!(scale > 0.0, "{at}");
                    assert_close(&found, &expected, 2e-5 * scale, &at);
                }
            }
        }
    }
}

#[test]
fn a_backward_pass_ends_where_nothing_is_trained_any_more() {
    let s = setup("qwen2_5_vl");
    let reach = |names: &[&str]| Reach::new(&frozen(&s.model, names), &s.input);
    let stage = |own, below| Stage { own, below };
    let dead = stage(false, false);

    let whole = Reach::new(&s.model, &s.input);
    assert_eq!(whole.stem, stage(true, false));
    assert!(
        whole
            .blocks
            .iter()
            .chain(&whole.layers)
            .all(|s| s.own && s.below)
    );

    // No vision backward at all: the walk ends in the embedding table.
    let vision = reach(&["visual"]);
    assert_eq!((vision.stem, vision.finish), (dead, dead));
    assert!(vision.blocks.iter().all(|s| *s == dead));
    assert_eq!(vision.embed, stage(true, false));

    // The projector alone: no block of the tower is run again.
    let projector = reach(&["visual.patch_embed", "visual.blocks"]);
    assert!(projector.blocks.iter().all(|s| !s.live()));
    assert_eq!(projector.finish, stage(true, false));
    assert_eq!(projector.embed, stage(true, true));

    // Embeddings and the first block: the walk ends in the second.
    let first = reach(&["visual", "model.embed_tokens", "model.layers.0"]);
    assert_eq!(first.embed, dead);
    assert_eq!(first.layers, [dead, stage(true, false)]);

    // A frozen decoder under which the tower is trained only passes gradients on.
    let through = reach(&["model"]);
    assert_eq!(through.layers, [stage(false, true); 2]);
    assert_eq!(through.norm, stage(false, true));

    // A batch without pictures never reaches the tower.
    let text: Vec<_> = {
        let case = Case::load("qwen2_5_vl", "batch", s.model.config());
        vec![case.tokens[1].clone()]
    };
    let row = burn_vlm::Row {
        tokens: &text[0],
        images: &[],
    };
    let input = VlmInput::new(&[row], s.model.config(), &Device::flex()).unwrap();
    assert_eq!(Reach::new(&s.model, &input).embed, stage(true, false));
}

#[test]
fn a_name_that_fits_nothing_is_refused_with_the_nearest() {
    let model = setup("qwen2_5_vl").model;
    let refused = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let found = freeze(model.clone(), &names, &model.keys(), "train.freeze");
        found.unwrap_err().to_string()
    };
    let message = refused(&["visual", "model.layer.0"]);
    assert!(
        message.contains("train.freeze has `model.layer.0`")
            && message.contains("`model.layers.0`"),
        "{message}"
    );
    assert!(refused(&["vision"]).contains("`visual`"));
    assert!(refused(&["model.layers.5"]).contains("no parameter"));
    assert!(refused(&["visual", "model", "lm_head"]).contains("every parameter"));
}

/// Changes one parameter.
struct Move(ParamId);
impl TensorMapper for Move {
    fn map<const D: usize>(&mut self, _: &str, p: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        (p.id == self.0).then(|| p.val().add_scalar(1e-3))
    }
}

#[test]
fn a_model_is_reloaded_with_what_is_frozen() {
    let s = setup("qwen2_5_vl");
    let model = frozen(&s.model, &["visual"]);
    let dir = tempfile::tempdir().unwrap();
    model.save(dir.path(), Default::default()).unwrap();
    let again = model.reload(dir.path()).unwrap();
    let names = |model: &Vlm| -> Vec<String> {
        let trained = trainable(model);
        let all = shapes(model).into_iter();
        all.filter(|p| trained.contains(&p.id))
            .map(|p| p.path)
            .collect()
    };
    assert_eq!(names(&again), names(&model));
    let shared = again.visual.iter().chain(&model.visual).flat_map(shapes);
    let ids: Vec<_> = shared.map(|p| p.id).collect();
    assert_eq!(
        ids[..ids.len() / 2],
        ids[ids.len() / 2..],
        "the tower is one"
    );
    let tower = model.visual.as_ref().unwrap().blocks()[0]
        .attn
        .proj
        .weight
        .id;
    let names = ["visual".to_owned()];
    let moved = map_tensors(model.clone(), &mut Move(tower));
    let moved = freeze(moved, &names, &model.keys(), "model.freeze").unwrap();
    let message = moved.reload(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("visual.blocks.0.attn.proj.weight is frozen, but differs"),
        "{message}"
    );
    let other = setup("qwen2_5_vl_tied").model;
    let message = other.reload(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("differs from that of the model in training"),
        "{message}"
    );
}

/// The values of every parameter, by its path.
fn contents(model: &Vlm) -> Vec<(String, TensorData)> {
    struct All(Vec<(String, TensorData)>);
    impl TensorVisitor for All {
        fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
            self.0.push((path.into(), tensor.into_data()));
        }
    }
    let mut all = All(vec![]);
    for_each_tensor(model, &mut all);
    all.0
}

#[test]
fn copies_on_a_device_are_the_same_and_share_what_is_frozen() {
    struct MoveAll;
    impl TensorMapper for MoveAll {
        fn map<const D: usize>(&mut self, _: &str, p: &Param<Tensor<D>>) -> Option<Tensor<D>> {
            Some(p.val().add_scalar(1e-3))
        }
    }
    let names = ["visual", "model.layers.0"];
    let model = frozen(&setup("qwen2_5_vl").model, &names);
    let mut transfer = Transfer::to(&Device::flex());
    let copy = transfer.copy(&model);
    assert_eq!(shapes(&copy), shapes(&model));
    assert_eq!(trainable(&copy), trainable(&model));
    assert_eq!(contents(&copy), contents(&model));
    // A model that says of frozen parameters of the same ids that they are others is not asked:
    // they are there.
    let moved = frozen(&map_tensors(model.clone(), &mut MoveAll), &names);
    let second = contents(&transfer.copy(&moved));
    for (((path, found), (_, was)), (_, is)) in
        second.iter().zip(contents(&model)).zip(contents(&moved))
    {
        let is_frozen = names.iter().any(|name| path.starts_with(name));
        assert_eq!(*found, if is_frozen { was } else { is }, "{path}");
    }
}

#[test]
fn pictures_of_a_frozen_tower_are_encoded_once() {
    let s = setup("qwen2_5_vl");
    let case = Case::load("qwen2_5_vl", "batch", s.model.config());
    let images = || case.images.iter().flatten();
    let rows = case.rows();
    let input = || VlmInput::new(&rows, s.model.config(), &Device::flex()).unwrap();
    assert!(
        ImageFeatures::of_frozen(&s.model, images()).is_none(),
        "they will change"
    );

    let model = frozen(&s.model, &["visual"]);
    let twice = images().chain(images());
    let known = ImageFeatures::of_frozen(&model, twice).unwrap();
    let mut given = input();
    known.give(&model, &mut given);
    let expected = model.image_features(&input()).unwrap();
    let expected: Vec<f32> = expected.tokens.into_data().iter().collect();
    let found = given.vision.as_ref().unwrap().features.clone().unwrap();
    assert_close(&found.tokens.into_data(), &expected, 1e-5, "features");

    // Nothing but what was given is looked at any more: other features, other numbers.
    for recompute in BOTH {
        let targets = case.targets(&[4; 3], given.width);
        let score = |input: &VlmInput| -> Vec<f32> {
            let tape = Tape::record(&model, input, &targets, 1.0, recompute);
            let logp: Vec<f32> = tape.scores().logp.into_data().iter().collect();
            let upstream = Some(Tensor::ones([3, 4], &Device::flex()));
            let grads = tape.backward(Upstream {
                logp: upstream,
                ..Upstream::default()
            });
            assert!(grads.get::<2>(model.model.embed_tokens.weight.id).is_some());
            logp
        };
        let (plain, cached) = (score(&input()), score(&given));
        assert_close(
            &TensorData::new(cached, [12]),
            &plain,
            1e-5,
            "log-probabilities",
        );
        let mut other = given.clone();
        let vision = other.vision.as_mut().unwrap();
        let features = vision.features.as_mut().unwrap();
        features.tokens = features.tokens.clone().add_scalar(1.0);
        let worst = plain.iter().zip(score(&other)).map(|(a, b)| (a - b).abs());
        assert!(worst.fold(0.0, f32::max) > 1e-3);
    }

    // A tower of other weights gets no such features, and one that is trained ignores them.
    let stranger = frozen(&setup("qwen2_5_vl").model, &["visual"]);
    let mut unknown = input();
    known.give(&stranger, &mut unknown);
    assert!(unknown.vision.unwrap().features.is_none());
    let mut wrong = given.clone();
    let vision = wrong.vision.as_mut().unwrap();
    let features = vision.features.as_mut().unwrap();
    features.tokens = features.tokens.clone().add_scalar(1.0);
    let targets = case.targets(&[4; 3], given.width);
    for recompute in BOTH {
        let [a, b] = [&input(), &wrong].map(|input| {
            let tape = Tape::record(&s.model, input, &targets, 1.0, recompute);
            tape.scores().logp.into_data().iter().collect::<Vec<f32>>()
        });
        assert_eq!(a, b);
    }
}

#[test]
fn names_of_every_layout_freeze_the_same() {
    // What the InternVL recipes train: projector and decoder.
    for (dir, tower) in [
        ("internvl_internlm2", "vision_tower"),
        ("internvl_internlm2/original", "vision_model"),
    ] {
        let model = Vlm::from_dir(&golden(dir), &Device::flex()).unwrap();
        let trained = |name: &str| {
            let model = frozen(&model, &[name]);
            let ids = trainable(&model);
            let all = shapes(&model).into_iter();
            let names = all.filter(|p| ids.contains(&p.id)).map(|p| p.path);
            names.collect::<Vec<_>>()
        };
        let names = trained(tower);
        assert!(names.iter().any(|n| n.starts_with("visual.projector.")));
        assert!(names.iter().any(|n| n.starts_with("model.layers.")));
        let inside = ["visual.blocks.", "visual.embeddings."];
        assert!(
            !names
                .iter()
                .any(|n| inside.iter().any(|p| n.starts_with(p)))
        );
    }
    // A part of what is one parameter here.
    let model = Vlm::from_dir(&golden("internvl_internlm2"), &Device::flex()).unwrap();
    let names = |part: &str| [format!("vision_tower.encoder.layer.0.attention{part}")];
    let refused = |part| {
        let found = freeze(model.clone(), &names(part), &model.keys(), "model.freeze");
        found.err().map(|e| e.to_string())
    };
    let message = refused(".q_proj").unwrap();
    assert!(
        message.contains("a part of visual.blocks.0.attn.qkv"),
        "{message}"
    );
    assert_eq!(refused(""), None);
}
