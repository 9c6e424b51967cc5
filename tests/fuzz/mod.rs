//! Inputs damaged from small valid ones, by the project's own random numbers: input `n` of a target
//! is the same on every machine.

#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use burn_rl::data::{OnError, RowDataset, RowFormat, RowKind, picture_bytes};
use burn_vlm::{
    Processor, Vlm,
    image::{Alpha, decode, probe},
    rng::{hash_text, mix},
    text::Message,
};
use std::{
    fs,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A kind of input.
pub struct Target {
    pub name: &'static str,
    /// How many are tried at every test run.
    pub in_ci: u64,
    /// Directory of the valid input, copied for use.
    dir: &'static str,
    /// The file that is damaged; made by `seed` where it is not there.
    file: &'static str,
    seed: Option<fn() -> Vec<u8>>,
    /// Bytes at the start that are damaged: a header.
    head: usize,
    read: fn(&Path),
}

const ROWS: &str = r#"{"id": "1", "conversations": [{"role": "user", "content": "<image>How many?"}], "answer": ["2", 3], "image_urls": ["a.png"], "x": NaN}
{"messages": [{"from": "human", "value": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}], "solution": true}
[{"question": "1 + 1?", "label": 2.5, "difficulty": 1e3, "images": null}]
"#;

const TEMPLATE: &str = "{% for m in messages %}{% if m.role == 'user' and loop.first %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>{% endif %}{% endfor %}{% set ns = namespace(x=1) %}{% for i in range(3) %}{% set ns.x = ns.x * 2 %}{% endfor %}{{ '%05d' | format(ns.x) }}{{ messages[0]['content'].split('a')[-1] }}";

/// All kinds.
pub const TARGETS: &[Target] = &[
    Target {
        name: "rows",
        in_ci: 3000,
        dir: "",
        file: "rows.jsonl",
        seed: Some(|| ROWS.into()),
        head: usize::MAX,
        read: |dir| read_rows(&dir.join("rows.jsonl")),
    },
    Target {
        name: "parquet",
        in_ci: 2000,
        dir: "data",
        file: "image.parquet",
        seed: None,
        head: usize::MAX,
        read: |dir| read_rows(&dir.join("image.parquet")),
    },
    Target {
        name: "configuration",
        in_ci: 2000,
        dir: "",
        file: "run.toml",
        seed: Some(|| include_bytes!("../../configs/tiny.toml").into()),
        head: usize::MAX,
        read: |dir| {
            let files = [dir.join("run.toml")];
            let extensions = trainer::Extensions::default();
            if let Ok(found) = trainer::config::for_run(&files, &[], &extensions) {
                let _ = trainer::config::check(&found, &extensions);
            }
        },
    },
    Target {
        name: "picture",
        in_ci: 3000,
        dir: "",
        file: "a.png",
        seed: Some(picture),
        head: usize::MAX,
        read: |dir| {
            let path = dir.join("a.png");
            let _ = probe(&path);
            let _ = decode("a.png", &fs::read(&path).unwrap(), Alpha::Drop);
        },
    },
    Target {
        name: "safetensors",
        in_ci: 500,
        dir: "qwen2_tied",
        file: "model.safetensors",
        seed: None,
        head: 2000,
        read: load,
    },
    Target {
        name: "index",
        in_ci: 500,
        dir: "qwen2_sharded",
        file: "model.safetensors.index.json",
        seed: None,
        head: usize::MAX,
        read: load,
    },
    Target {
        name: "model configuration",
        in_ci: 500,
        dir: "qwen2_tied",
        file: "config.json",
        seed: None,
        head: usize::MAX,
        read: |dir| {
            let _ = burn_vlm::models::ModelConfig::from_dir(dir);
        },
    },
    Target {
        name: "adapter",
        in_ci: 300,
        dir: "adapter/all_linear",
        file: "adapter_config.json",
        seed: None,
        head: usize::MAX,
        read: adapter,
    },
    Target {
        name: "adapter weights",
        in_ci: 300,
        dir: "adapter/all_linear",
        file: "adapter_model.safetensors",
        seed: None,
        head: 1500,
        read: adapter,
    },
    Target {
        name: "tokenizer",
        in_ci: 300,
        dir: "internvl_qwen2_rms/original",
        file: "tokenizer.json",
        seed: None,
        head: usize::MAX,
        read: |dir| {
            if let Ok(processor) = Processor::from_dir(dir) {
                let _ = processor
                    .tokenizer()
                    .encode_text("How many shapes? <img>\u{e9}");
            }
        },
    },
    Target {
        name: "chat template",
        in_ci: 1000,
        dir: "internvl_qwen2_rms/original",
        file: "chat_template.jinja",
        seed: Some(|| TEMPLATE.into()),
        head: usize::MAX,
        read: |dir| {
            if let Ok(processor) = Processor::from_dir(dir) {
                let turns = [Message::text("user", "banana")];
                let _ = processor.encode(&turns, &[], true);
            }
        },
    },
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}

/// A picture of the demo.
fn picture() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(vec![]);
    let picture =
        image::RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 7]));
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn read_rows(path: &Path) {
    let format = RowFormat::default();
    if let Ok(set) = RowDataset::open(path, &format, OnError::Skip, RowKind::Prompt) {
        for image in set.rows().iter().flat_map(|row| &row.images) {
            let _ = picture_bytes(image).map(|bytes| decode("x", &bytes, Alpha::Drop));
        }
    }
}

fn load(dir: &Path) {
    let _ = Vlm::from_dir(dir, &Device::flex());
}

fn adapter(dir: &Path) {
    thread_local! {
        static BASE: Vlm = Vlm::from_dir(&golden("qwen2_5_vl"), &Device::flex()).unwrap();
    }
    let _ = BASE.with(|base| base.clone().with_adapter(dir));
}

/// Tries inputs of a target. Panics where one panicked, with the file that shows it.
pub fn search(target: &Target, numbers: Range<u64>) {
    let dir = workplace(target);
    let path = dir.path().join(target.file);
    let seed = match target.seed {
        Some(seed) => seed(),
        None => fs::read(&path).unwrap(),
    };
    for n in numbers {
        let input = damaged(&seed, target.head, mix(hash_text(target.name), n));
        fs::write(&path, &input).unwrap();
        if catch_unwind(AssertUnwindSafe(|| (target.read)(dir.path()))).is_err() {
            let kept = std::env::temp_dir().join(format!("fuzz-{}-{n}", target.file));
            fs::write(&kept, &input).unwrap();
            panic!("{} {n} panics: {}", target.name, kept.display());
        }
    }
}

/// A copy of a target's valid input.
fn workplace(target: &Target) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    if !target.dir.is_empty() {
        for entry in fs::read_dir(golden(target.dir)).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                fs::copy(&from, dir.path().join(from.file_name().unwrap())).unwrap();
            }
        }
    }
    fs::write(dir.path().join("a.png"), picture()).unwrap();
    dir
}

/// What stands in for parts of an input.
const WORDS: [&[u8]; 20] = [
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551615",
    b"9223372036854775807",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"NaN",
    b"{{",
    b"%}",
    b"../",
    b",",
    b"99999999",
];

/// `seed` with one to four damages in its first `head` bytes.
fn damaged(seed: &[u8], head: usize, key: u64) -> Vec<u8> {
    let mut out = seed.to_vec();
    let count = 1 + mix(key, 0) % 4;
    for k in 0..count {
        let draw = |i: u64| mix(mix(key, k + 1), i);
        let len = out.len().min(head).max(1);
        let at = (draw(0) % len as u64) as usize;
        let span = (1 + draw(1) % 12) as usize;
        let end = (at + span).min(out.len());
        let word = WORDS[(draw(2) % WORDS.len() as u64) as usize];
        match draw(3) % 7 {
            0 if !out.is_empty() => out[at] ^= 1 << (draw(4) % 8),
            1 if !out.is_empty() => out[at] = draw(4) as u8,
            2 => drop(out.drain(at.min(end)..end)),
            3 => drop(out.splice(at.min(out.len())..at.min(out.len()), word.iter().copied())),
            4 => drop(out.splice(at.min(end)..end, word.iter().copied())),
            5 => {
                let copy = out[at.min(end)..end].to_vec();
                drop(out.splice(end..end, copy));
            }
            _ if draw(4) % 8 == 0 => out.truncate(at),
            _ => {}
        }
    }
    out
}
