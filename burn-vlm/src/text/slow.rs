//! Tokenizers of model directories that have no `tokenizer.json`: the files of transformers' "slow"
//! classes, from which its "fast" one is made.
//!
//! Some vision-language models are published so: with `tokenizer.model` where their decoder is
//! InternLM2, with `vocab.json` and `merges.txt` where it is Qwen2.5.

use serde_json::{Map, Value, json};

use super::{ProcessorFiles, files::token_text, sentencepiece};
use crate::{dir, error::VlmError};

const CONFIG: &str = "tokenizer_config.json";
const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const PIECES: &str = "tokenizer.model";

/// How Qwen2 cuts text into words: `Qwen2Converter` of transformers.
const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The `tokenizer.json` that transformers would make of the other files, without the tokens that
/// only `tokenizer_config.json` declares.
///
/// # Errors
/// There are no such files, they are of a class whose rules are not known here, or one is malformed.
pub(super) fn converted(files: &ProcessorFiles) -> Result<Value, VlmError> {
    let config = files.object(CONFIG)?.unwrap_or_default();
    let class = config["tokenizer_class"].as_str().unwrap_or_default();
    let has = |name: &str| files.get(name).is_some();
    match class.trim_end_matches("Fast") {
        "Qwen2Tokenizer" if has(VOCAB) && has(MERGES) => qwen2(files),
        "InternLM2Tokenizer" if has(PIECES) => {
            let wrong = |message| VlmError::config(files.path(PIECES), message);
            let begins = dir::flag(&config, "add_bos_token")
                .map_err(|message| VlmError::config(files.path(CONFIG), message))?
                .unwrap_or(true);
            sentencepiece::internlm2(files.require(PIECES)?, begins).map_err(wrong)
        }
        _ if has(VOCAB) || has(PIECES) => {
            let message = format!(
                "the file does not exist, and tokenizer_class is {class:?}, expected one of \
                 Qwen2Tokenizer and InternLM2Tokenizer, or the fast tokenizer's file, which \
                 AutoTokenizer.from_pretrained(…).save_pretrained(…) writes"
            );
            Err(VlmError::config(files.path("tokenizer.json"), message))
        }
        _ => Err(files.missing("tokenizer.json")),
    }
}

fn qwen2(files: &ProcessorFiles) -> Result<Value, VlmError> {
    let vocab = files.object(VOCAB)?.unwrap_or_default();
    let merges = files.text(MERGES)?.unwrap_or_default();
    let merges = merges
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("#version"));
    let merges = merges.map(|line| match line.split_once(' ') {
        Some((left, right)) => Ok(json!([left, right])),
        None => {
            let message = format!("{line:?} is no merge, expected two tokens");
            Err(VlmError::config(files.path(MERGES), message))
        }
    });
    let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
        "use_regex": false });
    let words = json!({ "type": "Split", "pattern": { "Regex": QWEN2_WORDS },
        "behavior": "Isolated", "invert": false });
    Ok(json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": { "type": "NFC" },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [words, bytes] },
        "post_processor": bytes,
        "decoder": bytes,
        "model": { "type": "BPE", "vocab": vocab, "merges": merges.collect::<Result<Value, _>>()? },
    }))
}

/// The tokens of `added_tokens.json`, by id, special where `special_tokens_map.json` names them: what
/// older configurations have instead of `added_tokens_decoder`.
///
/// # Errors
/// A file is not of its form.
pub(super) fn added(files: &ProcessorFiles) -> Result<Map<String, Value>, VlmError> {
    const ADDED: &str = "added_tokens.json";
    const SPECIAL: &str = "special_tokens_map.json";
    let special = files.object(SPECIAL)?.unwrap_or_default();
    let special = special.as_object().into_iter().flat_map(Map::values);
    let special = special.flat_map(|value| match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    });
    let special: Vec<&str> = special
        .filter_map(|value| token_text(value, SPECIAL).transpose())
        .collect::<Result<_, _>>()
        .map_err(|message| VlmError::config(files.path(SPECIAL), message))?;
    let added = files.object(ADDED)?.unwrap_or_default();
    let added = added.as_object().into_iter().flatten();
    added
        .map(|(content, id)| match id.as_u64() {
            Some(id) => Ok((
                id.to_string(),
                json!({ "content": content, "special": special.contains(&content.as_str()) }),
            )),
            None => {
                let message = format!("the id of {content:?} is {id}, expected a number");
                Err(VlmError::config(files.path(ADDED), message))
            }
        })
        .collect()
}
