//! Models and pictures that cannot be used: every command that meets them ends with status 2 and
//! one message that says where, what was found and what was expected.

use crate::common::{World, stderr};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use std::{fs, io::Cursor};

const GENERATE: [&str; 6] = [
    "generate", "--model", "model", "--prompt", "red?", "--greedy",
];
const SCORE: [&str; 5] = ["score", "--model", "model", "--data", "rows.jsonl"];
const INSPECT: [&str; 3] = ["inspect", "--model", "model"];
const TRAIN: [&str; 4] = ["train", "tiny.toml", "--run-dir", "run"];

/// Expects status 2 and one message that holds all of `expected`.
#[track_caller]
fn refused(world: &World, args: &[&str], expected: &[&str]) {
    let output = world.run(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    let errors = message.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{args:?}: {message}");
    assert!(output.stdout.is_empty(), "{args:?}");
    for part in expected {
        assert!(
            message.contains(part),
            "{args:?}: no `{part}` in: {message}"
        );
    }
}

/// The same of every command that loads the model.
#[track_caller]
fn refused_everywhere(world: &World, expected: &[&str]) {
    let row = json!({ "prompt_tokens": [1], "response_tokens": [2] });
    world.write("rows.jsonl", row.to_string());
    for args in [&GENERATE[..], &SCORE, &TRAIN] {
        refused(world, args, expected);
    }
    assert!(!world.path("run").exists());
}

fn edit_config(world: &World, edit: impl FnOnce(&mut Value)) {
    let mut config = serde_json::from_str(&world.read("model/config.json")).unwrap();
    edit(&mut config);
    world.write("model/config.json", config.to_string());
}

fn png(image: RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    DynamicImage::from(image)
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn an_unsupported_model_type_lists_those_that_are() {
    let world = World::new();
    edit_config(&world, |config| config["model_type"] = json!("gpt9"));
    let supported = [
        "model/config.json: model_type is `gpt9`, supported: ",
        "qwen2",
        "qwen2_vl",
        "qwen2_5_vl",
        "internvl_chat",
        "internvl",
        "internlm2",
        "llama",
    ];
    refused_everywhere(&world, &supported);
    refused(&world, &INSPECT, &supported);
}

#[test]
fn a_tokenizer_with_more_tokens_than_the_model() {
    let world = World::new();
    edit_config(&world, |config| {
        let rows = config["vocab_size"].as_u64().unwrap();
        config["vocab_size"] = json!(rows - 60);
        // So that the image token is not what is found first.
        config["image_token_id"] = json!(1);
    });
    refused_everywhere(
        &world,
        &[
            "model: the tokenizer has ",
            " tokens, expected at most vocab_size",
        ],
    );
}

#[test]
fn weights_that_end_early() {
    let world = World::new();
    let bytes = fs::read(world.path("model/model.safetensors")).unwrap();
    for size in [bytes.len() - 4, 100, 0] {
        world.write("model/model.safetensors", &bytes[..size]);
        refused_everywhere(&world, &["model/model.safetensors: "]);
    }
}

#[test]
fn an_index_that_names_a_missing_shard() {
    let world = World::new();
    let index =
        json!({ "weight_map": { "model.norm.weight": "model-00001-of-00002.safetensors" } });
    world.write("model/model.safetensors.index.json", index.to_string());
    // A single file of weights would count before the index.
    fs::remove_file(world.path("model/model.safetensors")).unwrap();
    let expected = "names the shard model-00001-of-00002.safetensors, which is missing";
    refused_everywhere(&world, &["model/model.safetensors.index.json: ", expected]);
}

#[test]
fn marks_and_pictures_that_do_not_agree() {
    let world = World::new();
    world.write("a.png", png(RgbImage::new(60, 60)));
    let ask = |prompt: &'static str| {
        [
            "generate", "--model", "model", "--prompt", prompt, "--image", "a.png",
        ]
    };
    refused(
        &world,
        &ask("<image><image> red?"),
        &["marks 2 images", "1 were given"],
    );
    let row = |content: &str| {
        let turn = json!({ "role": "user", "content": content });
        json!({ "conversations": [turn], "image_urls": ["a.png", "a.png", "a.png"], "response": "x" })
    };
    world.write("rows.jsonl", row("<image> red?").to_string());
    refused(
        &world,
        &SCORE,
        &["rows.jsonl:1: ", "marks 1 images", "3 were given"],
    );
    let data = ["generate", "--model", "model", "--data", "rows.jsonl"];
    refused(
        &world,
        &data,
        &["rows.jsonl:1: ", "marks 1 images", "3 were given"],
    );
}

/// Pictures that no model can see anything in: by every way a picture comes in.
#[track_caller]
fn refused_picture(bytes: &[u8], expected: &[&str]) {
    let world = World::new();
    world.write("a.png", bytes);
    let ask = [
        "generate", "--model", "model", "--prompt", "red?", "--image", "a.png",
    ];
    refused(&world, &ask, expected);
    let turn = json!({ "role": "user", "content": "red?" });
    let row = json!({ "conversations": [turn], "image_urls": ["a.png"], "response": "x" });
    world.write("rows.jsonl", row.to_string());
    let expected: Vec<&str> = [&["rows.jsonl:1: "], expected].concat();
    refused(&world, &SCORE, &expected);
}

#[test]
fn a_picture_ten_thousand_times_as_high_as_wide() {
    let bytes = png(RgbImage::from_pixel(1, 10_000, Rgb([9, 9, 9])));
    let expected = "(of 1x10000): its aspect ratio is 10000.0, at most 200 is allowed";
    refused_picture(&bytes, &["image 1 of 1 ", expected]);
}

#[test]
fn a_decompression_bomb() {
    let mut bytes = png(RgbImage::new(1, 1));
    bytes[16..20].copy_from_slice(&50_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&50_000u32.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    let expected = "50000x50000 is 2500000000 pixels, at most 178956970 are decoded";
    refused_picture(&bytes, &["a.png: ", expected]);
}

#[test]
fn a_picture_that_ends_early() {
    let noise = |x: u32, y: u32| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, y as u8]);
    let bytes = png(RgbImage::from_fn(60, 60, noise));
    refused_picture(
        &bytes[..bytes.len() / 2],
        &["a.png: the file is truncated or damaged"],
    );
}

/// The checksum of a PNG chunk (ISO 3309, reflected polynomial).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| {
            (c >> 1) ^ (0xEDB8_8320 * (c & 1))
        })
    })
}

#[test]
fn options_that_the_model_does_not_have() {
    let world = World::new();
    let with =
        |option: &'static str, value: &'static str| [&GENERATE[..], &[option, value]].concat();
    refused(
        &world,
        &with("--max-tiles", "4"),
        &["max_tiles is set, expected an InternVL model"],
    );
    refused(
        &world,
        &with("--max-pixels", "10"),
        &["min_pixels is", "max_pixels 10"],
    );
    refused(
        &world,
        &with("--chat-template", "no.jinja"),
        &["the chat template \"no.jinja\" does not exist, expected a file or one of internvl2_5"],
    );
    refused(
        &world,
        &with("--template-arg", "enable_thinking=false"),
        &["does not read \"enable_thinking\", expected"],
    );
    refused(
        &world,
        &with("--template-arg", "enable_thinking"),
        &["expected NAME=VALUE"],
    );
    world.write("bad.jinja", "{% for %}");
    refused(
        &world,
        &with("--chat-template", "bad.jinja"),
        &["chat template is invalid"],
    );
    let set = [&TRAIN[..], &["--set", "model.images.max_tiles=4"]].concat();
    refused(
        &world,
        &set,
        &["max_tiles is set, expected an InternVL model"],
    );
}

#[test]
fn without_a_tokenizer_only_what_needs_one_is_refused() {
    let world = World::new();
    let data: Value =
        serde_json::from_str(world.read("data/train.jsonl").lines().next().unwrap()).unwrap();
    let image = world
        .path("data")
        .join(data["image_urls"][0].as_str().unwrap());
    world.write(
        "asked.jsonl",
        json!({ "conversations": data["conversations"], "image_urls": [image],
        "response": "red" })
        .to_string(),
    );
    let asked = world.text(&["score", "--model", "model", "--data", "asked.jsonl"]);
    let mut row: Value = serde_json::from_str(&asked).unwrap();
    row["image_urls"] = json!([image]);
    world.write("rows.jsonl", row.to_string());
    fs::remove_file(world.path("model/tokenizer.json")).unwrap();
    let scored: Value = serde_json::from_str(&world.text(&SCORE)).unwrap();
    assert_eq!(scored["logprobs"], row["logprobs"]);
    let expected = ["model/tokenizer.json: the file does not exist"];
    refused(&world, &GENERATE, &expected);
    refused(
        &world,
        &["score", "--model", "model", "--data", "asked.jsonl"],
        &expected,
    );
    world.text(&["export", "--checkpoint", "model", "--out", "out"]);
    assert!(world.path("out/model.safetensors").exists());
}
