//! Model directories as they lie about: files of two models, broken numbers, files of other tools.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::Device;
use burn_vlm::{
    LoadOptions, Row, Vlm, VlmInput,
    weights::{ExportDtype, WeightFiles},
};
use common::golden;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const EMBEDDING: &str = "model.embed_tokens.weight";

type Raw = (Dtype, Vec<usize>, Vec<u8>);
type Tensors = BTreeMap<String, Raw>;

fn load(dir: &Path) -> Result<Vlm, String> {
    Vlm::load(dir, &LoadOptions::default(), &Device::flex()).map_err(|e| e.to_string())
}

fn read(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let raw = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    file.iter()
        .map(|(name, view)| (name.to_owned(), raw(view)))
        .collect()
}

fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (&'a String, &'a Raw)>) {
    let views = tensors.into_iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// A tiny model of one file whose head is tied, copied to be spoilt.
fn copy() -> (tempfile::TempDir, Tensors) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", SINGLE] {
        fs::copy(golden("qwen2_tied").join(name), dir.path().join(name)).unwrap();
    }
    let tensors = read(&dir.path().join(SINGLE));
    (dir, tensors)
}

/// The same with the signs of all numbers turned.
fn other(tensors: &Tensors) -> Tensors {
    let mut other = tensors.clone();
    for (dtype, _, bytes) in other.values_mut() {
        let size = if *dtype == Dtype::F32 { 4 } else { 2 };
        bytes
            .chunks_exact_mut(size)
            .for_each(|b| b[size - 1] ^= 0x80);
    }
    other
}

/// Two shards and their index; the second has what else is given.
fn shard(dir: &Path, tensors: &Tensors, besides: &[(&String, &Raw)]) {
    let names = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    let (first, second): (Vec<_>, Vec<_>) =
        tensors.iter().partition(|(name, _)| *name == EMBEDDING);
    let map = |list: &[(&String, &Raw)], file: &str| -> Vec<(String, Value)> {
        list.iter()
            .map(|(name, _)| ((*name).clone(), json!(file)))
            .collect()
    };
    let weight_map: serde_json::Map<String, Value> = map(&first, names[0])
        .into_iter()
        .chain(map(&second, names[1]))
        .collect();
    write(&dir.join(names[0]), first);
    write(
        &dir.join(names[1]),
        second.into_iter().chain(besides.iter().copied()),
    );
    let index = json!({ "metadata": {}, "weight_map": weight_map });
    fs::write(dir.join(INDEX), index.to_string()).unwrap();
}

/// Scores of the next token after a few.
fn scores(model: &Vlm) -> Vec<f32> {
    let row = Row {
        tokens: &[1, 5, 9],
        images: &[],
    };
    let input = VlmInput::new(&[row], model.config(), &Device::flex()).unwrap();
    let hidden = model.hidden(&input);
    let [b, t, d] = hidden.dims();
    model
        .logits(hidden.reshape([b * t, d]))
        .into_data()
        .iter()
        .collect()
}

#[test]
fn a_single_file_counts_before_shards() {
    let (dir, tensors) = copy();
    let expected = scores(&load(dir.path()).unwrap());
    shard(dir.path(), &other(&tensors), &[]);
    assert_eq!(scores(&load(dir.path()).unwrap()), expected);
    fs::remove_file(dir.path().join(SINGLE)).unwrap();
    assert_ne!(scores(&load(dir.path()).unwrap()), expected);
}

#[test]
fn a_tensor_of_two_shards_must_be_the_same_in_both() {
    let (dir, tensors) = copy();
    let expected = scores(&load(dir.path()).unwrap());
    fs::remove_file(dir.path().join(SINGLE)).unwrap();
    let name = EMBEDDING.to_owned();
    shard(dir.path(), &tensors, &[(&name, &tensors[EMBEDDING])]);
    assert_eq!(scores(&load(dir.path()).unwrap()), expected);
    let stale = other(&tensors);
    shard(dir.path(), &tensors, &[(&name, &stale[EMBEDDING])]);
    let message = load(dir.path()).unwrap_err();
    let expected = "says model.embed_tokens.weight is in model-00001-of-00002.safetensors, but \
                    model-00002-of-00002.safetensors has it too, with other numbers";
    assert!(message.contains(expected), "{message}");
    fs::write(
        dir.path().join(INDEX),
        r#"{"weight_map": {"a": "../a.safetensors"}}"#,
    )
    .unwrap();
    let message = load(dir.path()).unwrap_err();
    assert!(
        message.contains("../a.safetensors, expected the name of a file"),
        "{message}"
    );
}

#[test]
fn a_tensor_under_two_names_must_be_the_same_under_both() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", SINGLE] {
        fs::copy(golden("qwen2_5_vl").join(name), dir.path().join(name)).unwrap();
    }
    let mut tensors = read(&dir.path().join(SINGLE));
    let hub = "model.norm.weight";
    let newer = "model.language_model.norm.weight";
    let (known, added) = match tensors.contains_key(hub) {
        true => (hub, newer),
        false => (newer, hub),
    };
    tensors.insert(added.into(), tensors[known].clone());
    write(&dir.path().join(SINGLE), &tensors);
    assert!(load(dir.path()).is_ok());
    tensors.insert(added.into(), other(&tensors)[known].clone());
    write(&dir.path().join(SINGLE), &tensors);
    let message = load(dir.path()).unwrap_err();
    let expected = format!("1 there twice, with other numbers ({newer} and {hub})");
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn a_tied_pair_is_found_under_either_name() {
    let (dir, mut tensors) = copy();
    let expected = scores(&load(dir.path()).unwrap());
    let table = tensors.remove(EMBEDDING).unwrap();
    tensors.insert("lm_head.weight".into(), table);
    write(&dir.path().join(SINGLE), &tensors);
    assert_eq!(scores(&load(dir.path()).unwrap()), expected);
}

#[test]
fn numbers_that_are_not_finite_are_neither_read_nor_written() {
    let (dir, mut tensors) = copy();
    let name = "model.layers.0.mlp.up_proj.weight";
    let (dtype, shape, bytes) = tensors.get_mut(name).unwrap();
    assert_eq!(*dtype, Dtype::F16);
    let shape = shape.clone();
    let at = shape[1] + 2;
    // NaN in f16.
    bytes[2 * at..2 * at + 2].copy_from_slice(&0x7e00_u16.to_le_bytes());
    write(&dir.path().join(SINGLE), &tensors);
    let message = load(dir.path()).unwrap_err();
    let expected = format!(
        "{name}: 1 of {} numbers are not finite",
        shape.iter().product::<usize>()
    );
    assert!(
        message.contains(&expected) && message.contains("at [1, 2]"),
        "{message}"
    );
    let files = WeightFiles::open(dir.path()).unwrap();
    assert_eq!(files.check_finite().unwrap_err().to_string(), message);

    let mut model = load(&golden("qwen2_tied")).unwrap();
    let out = tempfile::tempdir().unwrap();
    model.save(out.path(), ExportDtype::F32).unwrap();
    let whole = fs::read(out.path().join(SINGLE)).unwrap();
    let norm = model.model.norm.weight.val();
    model.model.norm.weight = burn::module::Param::from_tensor(norm.mul_scalar(f32::INFINITY));
    for dtype in [ExportDtype::F32, ExportDtype::Bf16] {
        let message = model.save(out.path(), dtype).unwrap_err().to_string();
        assert!(
            message.contains("model.norm.weight has numbers that are not finite"),
            "{message}"
        );
        // What was saved before is still there, and nothing else.
        assert_eq!(fs::read(out.path().join(SINGLE)).unwrap(), whole);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2);
    }
}

#[test]
fn files_of_other_tools_are_called_what_they_are() {
    let (dir, tensors) = copy();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n";
    fs::write(dir.path().join(SINGLE), pointer).unwrap();
    assert!(
        load(dir.path())
            .unwrap_err()
            .contains("is a Git LFS pointer")
    );
    fs::remove_file(dir.path().join(SINGLE)).unwrap();
    for (name, expected) in [
        (
            "model-00001-of-00002.safetensors",
            "is a shard, whose index is missing",
        ),
        (
            "pytorch_model.bin",
            "pytorch_model.bin is PyTorch's own form",
        ),
        (
            "ggml-model.gguf",
            "ggml-model.gguf is the form of llama.cpp",
        ),
        (
            "training_args.bin",
            "expected model.safetensors or model.safetensors.index.json",
        ),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, "").unwrap();
        let message = load(dir.path()).unwrap_err();
        assert!(message.contains(expected), "{message}");
        fs::remove_file(path).unwrap();
    }
    let packed = (
        "model.layers.0.mlp.up_proj.qweight".to_owned(),
        (Dtype::I32, vec![1], vec![0; 4]),
    );
    write(
        &dir.path().join(SINGLE),
        tensors.iter().chain([(&packed.0, &packed.1)]),
    );
    let message = load(dir.path()).unwrap_err();
    assert!(
        message.contains("the weights are quantised (model.layers.0.mlp.up_proj.qweight)"),
        "{message}"
    );
}

#[test]
fn an_adapter_beside_weights_is_theirs() {
    let adapter = tempfile::tempdir().unwrap();
    let model = load(&golden("qwen2_tied")).unwrap();
    let config = burn_vlm::lora::LoraConfig {
        rank: 2,
        target_modules: vec!["q_proj".into()],
        ..Default::default()
    };
    let mut model = model.with_lora(&config, 3).unwrap();
    model.each_linear(&mut |_, layer| {
        if let Some(adapter) = &mut layer.lora {
            let b = adapter.b.val().add_scalar(0.25);
            adapter.b = burn::module::Param::from_tensor(b);
        }
    });
    let expected = scores(&model);
    model.save(adapter.path(), ExportDtype::F32).unwrap();

    let (dir, _) = copy();
    let bare = scores(&load(dir.path()).unwrap());
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(adapter.path().join(name), dir.path().join(name)).unwrap();
    }
    let beside = load(dir.path()).unwrap();
    assert!(beside.lora().is_some());
    let off = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    };
    assert!(off(&scores(&beside), &expected) < 1e-5);
    assert!(off(&bare, &expected) > 1e-2);

    fs::rename(
        dir.path().join("adapter_model.safetensors"),
        dir.path().join("adapter_model.bin"),
    )
    .unwrap();
    let message = load(dir.path()).unwrap_err();
    assert!(
        message.contains("the adapter is in adapter_model.bin"),
        "{message}"
    );
    // Another rank than the configuration says would be another scale.
    fs::rename(
        dir.path().join("adapter_model.bin"),
        dir.path().join("adapter_model.safetensors"),
    )
    .unwrap();
    let path = dir.path().join("adapter_config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["rank_pattern"] = json!({"layers.*q_proj": 3});
    fs::write(&path, config.to_string()).unwrap();
    let message = load(dir.path()).unwrap_err();
    assert!(message.contains("is of rank 2, expected 3"), "{message}");
}
