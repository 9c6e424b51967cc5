//! Tokenizers without a `tokenizer.json`, against the libraries that their files are of
//! (`tests/golden/gen/make_tokenizers.py`).

#![allow(clippy::unwrap_used)]

use burn_vlm::text::{ProcessorFiles, Tokenizer};
use serde_json::Value;
use std::path::{Path, PathBuf};

const KINDS: [&str; 2] = ["qwen2", "internlm2"];

fn golden(name: &str) -> PathBuf {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tokenizers");
    Path::new(golden).join(name)
}

fn files(kind: &str) -> ProcessorFiles {
    ProcessorFiles::read_dir(&golden(kind)).unwrap()
}

#[test]
fn ids_are_those_of_transformers_and_sentencepiece() {
    let texts = std::fs::read(golden("texts.json")).unwrap();
    let texts: Vec<Value> = serde_json::from_slice(&texts).unwrap();
    assert_eq!(texts.len(), 120);
    for kind in KINDS {
        let tokenizer = Tokenizer::from_files(&files(kind)).unwrap();
        for row in &texts {
            let text = row["text"].as_str().unwrap();
            let expected: Vec<u32> = serde_json::from_value(row[kind].clone()).unwrap();
            let found = tokenizer.encode_template(text, None).unwrap();
            assert_eq!(found, expected, "{kind}: {text:?}");
        }
    }
}

#[test]
fn special_tokens_are_those_of_the_configuration() {
    for (kind, end, image, prefix) in [("qwen2", 601, 604, ""), ("internlm2", 4, 702, "<s>")] {
        let tokenizer = Tokenizer::from_files(&files(kind)).unwrap();
        assert_eq!(tokenizer.token_id("<|im_end|>"), Some(end), "{kind}");
        assert_eq!(tokenizer.token_id("<IMG_CONTEXT>"), Some(image), "{kind}");
        assert_eq!(tokenizer.vocab_size() as u32, image + 1, "{kind}");
        assert_eq!(tokenizer.prefix().unwrap(), prefix, "{kind}");
        let spelled = tokenizer.encode_text("<IMG_CONTEXT>").unwrap();
        assert!(!spelled.contains(&image), "{kind}");
        assert_eq!(tokenizer.decode(&spelled, false).unwrap(), "<IMG_CONTEXT>");
    }
}

/// Older directories list added tokens in a file of their own.
#[test]
fn added_tokens_may_stand_in_their_own_file() {
    let mut files = files("qwen2");
    files.insert(
        "tokenizer_config.json",
        r#"{"tokenizer_class": "Qwen2Tokenizer"}"#,
    );
    files.insert(
        "added_tokens.json",
        r#"{"<|im_start|>": 600, "<tool>": 601}"#,
    );
    files.insert(
        "special_tokens_map.json",
        r#"{"additional_special_tokens": ["<|im_start|>"]}"#,
    );
    let tokenizer = Tokenizer::from_files(&files).unwrap();
    let ids = tokenizer
        .encode_template("<|im_start|><tool>", None)
        .unwrap();
    assert_eq!(ids, [600, 601]);
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "<tool>");
}

#[test]
fn what_cannot_be_converted_is_named() {
    let refuse = |kind: &str, name: &str, bytes: &[u8]| {
        let mut files = files(kind);
        files.insert(name, bytes);
        Tokenizer::from_files(&files).unwrap_err().to_string()
    };
    let other = br#"{"tokenizer_class": "LlamaTokenizer"}"#;
    let message = refuse("internlm2", "tokenizer_config.json", other);
    assert!(
        message.contains(r#"tokenizer_class is "LlamaTokenizer""#),
        "{message}"
    );
    let message = refuse("qwen2", "merges.txt", b"#version: 0.2\nab\n");
    assert!(
        message.contains(r#"merges.txt: "ab" is no merge"#),
        "{message}"
    );
    let model = std::fs::read(golden("internlm2/tokenizer.model")).unwrap();
    let message = refuse("internlm2", "tokenizer.model", &model[..model.len() - 3]);
    assert!(
        message.contains("tokenizer.model: not a SentencePiece model"),
        "{message}"
    );
    let none = Tokenizer::from_files(&ProcessorFiles::new()).unwrap_err();
    assert!(
        none.to_string()
            .contains("tokenizer.json: the file does not exist")
    );
}
