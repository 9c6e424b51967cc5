//! Checkpoints in and out: names, layouts, precisions, and what does not fit.

#![allow(clippy::unwrap_used)]

mod common;

use burn::{
    module::ParamId,
    tensor::{Device, Tensor},
};
use burn_vlm::{
    LoadOptions, Vlm,
    weights::{ExportDtype, TensorVisitor, WeightFiles, for_each_tensor},
};
use common::{CHECKPOINTS, golden};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn load(dir: &Path) -> Result<Vlm, String> {
    Vlm::from_dir(dir, &Device::flex()).map_err(|e| e.to_string())
}

/// Every parameter by path.
fn parameters(model: &Vlm) -> BTreeMap<String, Vec<f32>> {
    struct All(BTreeMap<String, Vec<f32>>);
    impl TensorVisitor for All {
        fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
            let values = tensor.into_data().iter().collect();
            self.0.insert(path.to_owned(), values);
        }
    }
    let mut all = All(BTreeMap::new());
    for_each_tensor(model, &mut all);
    all.0
}

/// A tensor as it stands in a file.
type Raw = (Dtype, Vec<usize>, Vec<u8>);

fn tensors(dir: &Path) -> BTreeMap<String, Raw> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("model") && name.ends_with(".safetensors") {
            let bytes = fs::read(&path).unwrap();
            for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
                let raw = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
                all.insert(name.to_owned(), raw);
            }
        }
    }
    all
}

/// A copy of a checkpoint with other tensors.
fn with_tensors(dir: &str, tensors: &BTreeMap<String, Raw>) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json"] {
        if golden(dir).join(name).exists() {
            fs::copy(golden(dir).join(name), copy.path().join(name)).unwrap();
        }
    }
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
        (name, view)
    });
    let path = copy.path().join("model.safetensors");
    safetensors::serialize_to_file(views, None, &path).unwrap();
    copy
}

#[test]
fn an_export_holds_the_bytes_that_were_loaded() {
    for checkpoint in CHECKPOINTS {
        let dir = golden(checkpoint.dir);
        let (before, model) = (tensors(&dir), load(&dir).unwrap());
        let dtype = match before.values().next().unwrap().0 {
            Dtype::BF16 => ExportDtype::Bf16,
            _ => ExportDtype::F32,
        };
        let out = tempfile::tempdir().unwrap();
        model.save(out.path(), dtype).unwrap();
        let after = tensors(out.path());
        let at = checkpoint.dir;
        assert!(before.keys().eq(after.keys()), "{at}: names");
        for (name, (dtype, shape, bytes)) in &before {
            assert_eq!(shape, &after[name].1, "{at} {name}: shape");
            if *dtype == after[name].0 {
                assert!(*bytes == after[name].2, "{at} {name}: values");
            }
        }
        for name in ["config.json", "tokenizer.json"] {
            if dir.join(name).exists() && !out.path().join(name).exists() {
                fs::copy(dir.join(name), out.path().join(name)).unwrap();
            }
        }
        let again = load(out.path()).unwrap();
        assert!(parameters(&again) == parameters(&model), "{at}: read again");
    }
}

#[test]
fn both_layouts_hold_the_same_parameters() {
    let dirs = [
        "internlm2",
        "internvl_internlm2",
        "internvl_qwen2_rms",
        "internvl3",
        "internvl3_5",
    ];
    for dir in dirs {
        let native = parameters(&load(&golden(dir)).unwrap());
        let original = parameters(&load(&golden(dir).join("original")).unwrap());
        assert!(native == original, "{dir}");
    }
}

#[test]
fn names_of_newer_files_are_read() {
    let qwen = [
        ("visual.", "model.visual."),
        ("model.", "model.language_model."),
    ];
    let internvl = [
        ("vision_tower.", "model.vision_tower."),
        ("multi_modal_projector.", "model.multi_modal_projector."),
        ("language_model.model.", "model.language_model."),
        ("language_model.lm_head.", "lm_head."),
    ];
    let cases: [(&str, &[(&str, &str)]); 3] = [
        ("qwen2_vl", &qwen),
        ("qwen2_5_vl_tied", &qwen),
        ("internvl_qwen2_rms", &internvl),
    ];
    for (dir, prefixes) in cases {
        let newer = |name: &String| {
            let row = prefixes.iter().find(|(hub, _)| name.starts_with(hub));
            row.map_or(name.clone(), |(hub, newer)| name.replacen(hub, newer, 1))
        };
        let renamed = tensors(&golden(dir));
        let renamed = renamed.iter().map(|(name, raw)| (newer(name), raw.clone()));
        let copy = with_tensors(dir, &renamed.collect());
        let (ours, theirs) = (load(&golden(dir)).unwrap(), load(copy.path()).unwrap());
        assert!(parameters(&ours) == parameters(&theirs), "{dir}");
    }
}

#[test]
fn what_does_not_fit_is_listed() {
    let dir = "internvl_internlm2/original";
    let mut changed = tensors(&golden(dir));
    changed.remove("language_model.model.layers.1.attention.wqkv.weight");
    let norm = changed["mlp1.0.bias"].clone();
    changed.insert("vision_model.extra".into(), norm);
    let (dtype, _, bytes) = changed["mlp1.1.weight"].clone();
    changed.insert("mlp1.1.weight".into(), (dtype, vec![128, 64], bytes));
    let copy = with_tensors(dir, &changed);
    let message = load(copy.path()).unwrap_err();
    for part in [
        "1 missing (language_model.model.layers.1.attention.wqkv.weight)",
        "1 unused (vision_model.extra)",
        "1 misshapen (mlp1.1.weight is [128, 64], expected [64, 128])",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // However many there are.
    let mut few = tensors(&golden(dir));
    let (gone, kept): (Vec<_>, Vec<_>) = few.into_iter().partition(|(n, _)| n.starts_with("vis"));
    few = kept.into_iter().collect();
    let message = load(with_tensors(dir, &few).path()).unwrap_err();
    assert!(gone.len() > 20 && message.contains(&format!("{} missing", gone.len())));
    for (name, _) in gone {
        assert!(message.contains(&name), "{name} in {message}");
    }

    let device = Device::flex();
    let allow = ["language_model.model.layers.1", "vision_model.extra"].map(String::from);
    let message = Vlm::load(
        copy.path(),
        &LoadOptions::default().allowing(&allow),
        &device,
    )
    .unwrap_err();
    let message = message.to_string();
    assert!(!message.contains("missing") && message.contains("1 misshapen"));
    let allow = [&allow[..], &["mlp1".to_owned()]].concat();
    let model = Vlm::load(
        copy.path(),
        &LoadOptions::default().allowing(&allow),
        &device,
    )
    .unwrap();
    let (whole, drawn) = (parameters(&load(&golden(dir)).unwrap()), parameters(&model));
    for (path, values) in &whole {
        let fresh = ["q_proj", "k_proj", "v_proj"].map(|p| format!("model.layers.1.self_attn.{p}"));
        let fresh = fresh.iter().any(|prefix| path.starts_with(prefix));
        let fresh = fresh || path == "visual.projector.fc1.weight";
        assert_eq!(fresh, values != &drawn[path], "{path}");
        assert!(drawn[path].iter().any(|v| *v != 0.0), "{path}");
    }
}

#[test]
fn a_tied_head_may_be_repeated_but_not_differ() {
    let dir = "qwen2_tied";
    let mut repeated = tensors(&golden(dir));
    let table = repeated["model.embed_tokens.weight"].clone();
    repeated.insert("lm_head.weight".into(), table);
    let copy = with_tensors(dir, &repeated);
    assert!(load(copy.path()).unwrap().lm_head.is_none());

    repeated.get_mut("lm_head.weight").unwrap().2[0] ^= 1;
    let copy = with_tensors(dir, &repeated);
    let message = load(copy.path()).unwrap_err();
    assert!(message.contains("lm_head.weight differs"), "{message}");
}

#[test]
fn internvl_without_a_head_ties_it() {
    let dir = "internvl_internlm2/original";
    let mut headless = tensors(&golden(dir));
    headless.remove("language_model.output.weight");
    let copy = with_tensors(dir, &headless);
    let model = load(copy.path()).unwrap();
    assert!(model.lm_head.is_none() && model.config().tie_word_embeddings);
    let out = tempfile::tempdir().unwrap();
    model.save(out.path(), ExportDtype::Bf16).unwrap();
    assert!(tensors(out.path()) == headless);
}

#[test]
fn large_weights_are_written_in_shards() {
    let model = load(&golden("internvl_qwen2_rms")).unwrap();
    let out = tempfile::tempdir().unwrap();
    fs::copy(
        golden("internvl_qwen2_rms/config.json"),
        out.path().join("config.json"),
    )
    .unwrap();
    let keys = model.keys();
    burn_vlm::weights::save(&model, &keys, ExportDtype::Bf16, 100_000, out.path()).unwrap();
    let shards = WeightFiles::open(out.path()).unwrap();
    assert!(out.path().join("model-00002-of-00004.safetensors").exists());
    assert!(tensors(out.path()) == tensors(&golden("internvl_qwen2_rms")));
    assert_eq!(shards.tensors().count(), tensors(out.path()).len());
    assert!(parameters(&load(out.path()).unwrap()) == parameters(&model));
}

/// Names of everything in a directory.
fn listed(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let names = fs::read_dir(dir).unwrap().map(name);
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// The same model with other numbers.
fn other(model: &Vlm) -> Vlm {
    Vlm::random(model.config().clone(), 1, &Device::flex())
}

#[test]
fn a_directory_holds_the_model_that_was_saved_last() {
    let device = Device::flex();
    let sharded = load(&golden("qwen2_5_vl")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let keys = sharded.keys();
    burn_vlm::weights::save(&sharded, &keys, ExportDtype::F32, 100_000, at).unwrap();
    assert!(at.join("model.safetensors.index.json").exists());
    let mine = [
        "model-1-of-6.safetensors",
        "notes.md",
        "optimizer.safetensors",
    ];
    for name in mine {
        fs::write(at.join(name), name).unwrap();
    }
    let holds = |model: &Vlm, files: &[&str]| {
        let mut expected: Vec<_> = mine.iter().chain(files).copied().collect();
        expected.extend(["config.json"]);
        expected.sort_unstable();
        assert_eq!(listed(at), expected);
        assert!(parameters(&load(at).unwrap()) == parameters(model));
    };
    let mut whole = other(&sharded);
    whole.save(at, ExportDtype::F32).unwrap();
    holds(&whole, &["model.safetensors"]);

    whole.value_head = Some(burn_vlm::ValueHead::new(
        64,
        false,
        burn_vlm::ValueInit::Normal,
        0,
        &device,
    ));
    whole.save(at, ExportDtype::F32).unwrap();
    holds(&whole, &["model.safetensors", "value_head.safetensors"]);

    let config = burn_vlm::lora::LoraConfig {
        rank: 2,
        ..Default::default()
    };
    let adapter = sharded.with_lora(&config, 0).unwrap();
    adapter.save(at, ExportDtype::F32).unwrap();
    let files = [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base_model.json",
    ];
    holds(&adapter, &files);

    whole.value_head = None;
    whole.save(at, ExportDtype::F32).unwrap();
    holds(&whole, &["model.safetensors"]);

    // The weights that an adapter is beside are not another layout's.
    let base = load(at).unwrap();
    let adapter = base.with_lora(&config, 0).unwrap();
    let message = adapter.save(at, ExportDtype::F32).unwrap_err().to_string();
    assert!(
        message.contains("the weights that the adapter is beside"),
        "{message}"
    );
    holds(&whole, &["model.safetensors"]);
}

#[test]
fn a_model_that_was_half_replaced_is_none() {
    let old = load(&golden("qwen2_5_vl")).unwrap();
    let new = other(&old);
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    old.save(at, ExportDtype::F32).unwrap();
    // Stopped while the files are written.
    fs::write(at.join(".saving"), "").unwrap();
    assert!(new.save(at, ExportDtype::F32).is_err());
    assert!(parameters(&load(at).unwrap()) == parameters(&old));
    fs::remove_file(at.join(".saving")).unwrap();
    // Stopped after the old weights, at a part that cannot be removed.
    let keys = old.keys();
    burn_vlm::weights::save(&old, &keys, ExportDtype::F32, 100_000, at).unwrap();
    fs::create_dir(at.join("base_model.json")).unwrap();
    assert!(new.save(at, ExportDtype::F32).is_err());
    let message = load(at).unwrap_err();
    assert!(message.contains("no weights here"), "{message}");
    fs::remove_dir(at.join("base_model.json")).unwrap();
    new.save(at, ExportDtype::F32).unwrap();
    assert!(parameters(&load(at).unwrap()) == parameters(&new));
    assert_eq!(listed(at), ["config.json", "model.safetensors"]);
}

#[test]
fn an_unknown_architecture_names_those_that_are_known() {
    let path = PathBuf::from("config.json");
    let refuse = |json: &str| {
        let config = burn_vlm::ModelConfig::from_slice(json.as_bytes(), &path);
        config.unwrap_err().to_string()
    };
    let families = "qwen2, qwen3, llama, internlm2, qwen2_vl, qwen2_5_vl, qwen3_vl, internvl_chat, internvl, \
         smolvlm, idefics3";
    assert_eq!(
        refuse(r#"{"model_type": "mllama"}"#),
        format!("config.json: model_type is `mllama`, supported: {families}")
    );
    assert!(refuse("{}").contains("model_type is `none`"));
    // Those that are near, with what they would need.
    for (json, expected) in [
        (
            r#"{"model_type": "qwen3_moe"}"#,
            "model_type is `qwen3_moe`, which needs what is not supported: mixtures of experts; \
             supported: qwen2,",
        ),
        (
            r#"{"model_type": "qwen3_vl_moe"}"#,
            "model_type is `qwen3_vl_moe`, which needs what is not supported: mixtures of experts",
        ),
        (
            r#"{"model_type": "qwen3_5"}"#,
            "model_type is `qwen3_5`, which needs what is not supported: Gated DeltaNet",
        ),
        (
            r#"{"model_type": "internvl_flash"}"#,
            "which needs what is not supported: tiles of two resolutions",
        ),
        (
            r#"{"model_type": "internvl_chat", "llm_config": {"model_type": "internlm3"}}"#,
            "llm_config.model_type is `internlm3`, which needs what is not supported: InternLM3's",
        ),
        (
            r#"{"model_type": "internvl_chat", "llm_config": {"model_type": "gpt_oss"}}"#,
            "llm_config.model_type is `gpt_oss`, which needs what is not supported: mixtures",
        ),
        (
            r#"{"model_type": "internvl", "text_config": {"model_type": "qwen3_moe"}}"#,
            "text_config.model_type is `qwen3_moe`, which needs what is not supported: mixtures",
        ),
        (
            r#"{"model_type": "internvl_chat", "flash_mode": true}"#,
            "flash_mode is true, which is not supported, expected null or false",
        ),
        (
            r#"{"model_type": "internvl_chat", "flash_relative_threshold": 0.5}"#,
            "flash_relative_threshold is 0.5, which is not supported, expected null",
        ),
    ] {
        let message = refuse(json);
        assert!(message.contains(expected), "{message}");
    }
    let inner = refuse(r#"{"model_type": "internvl", "text_config": {"model_type": "phi3"}}"#);
    assert!(
        inner.contains(
            "text_config.model_type is `phi3`, supported: qwen2, qwen3, llama, internlm2"
        )
    );
    let config = fs::read_to_string(golden("internvl_internlm2/original/config.json")).unwrap();
    let resized = refuse(&config.replace("\"force_image_size\": 56", "\"force_image_size\": 112"));
    assert!(resized.contains("force_image_size is 112, expected 56"));
}
