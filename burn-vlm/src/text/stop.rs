//! Which tokens end a generation.

use std::path::Path;

use serde_json::Value;

use super::{Tokenizer, files::token_text};
use crate::error::VlmError;

/// The ids at which the model in `dir` stops, without repetition.
///
/// They come from the first of these that names any: `eos_token_id` (a number or a list) of
/// `generation_config.json`, then of `config.json` at the top and in `text_config` or
/// `llm_config`, then `eos_token` of `tokenizer_config.json`. InternVL's own code stops at the end of
/// a turn of its conversation template, whatever the files say: where `config.json` names that of
/// 2.5, `<|im_end|>` comes first.
///
/// # Errors
/// A file is no JSON, a value is no token id, `eos_token` is unknown to `tokenizer`, or nothing
/// names a stop token.
pub fn stop_token_ids(dir: &Path, tokenizer: &Tokenizer) -> Result<Vec<u32>, VlmError> {
    let config = read_json(&dir.join("config.json"))?.unwrap_or_default();
    let turn_end = match config["template"] == "internvl2_5" {
        true => tokenizer.token_id("<|im_end|>"),
        false => None,
    };
    for (name, sections) in [
        ("generation_config.json", [""].as_slice()),
        (
            "config.json",
            ["", "/text_config", "/llm_config"].as_slice(),
        ),
    ] {
        let path = dir.join(name);
        let Some(json) = read_json(&path)? else {
            continue;
        };
        for section in sections {
            let Some(value) = json.pointer(&format!("{section}/eos_token_id")) else {
                continue;
            };
            let wrong = || {
                let message = format!(
                    "{section}/eos_token_id is {value}, expected a token id or a list of them"
                );
                VlmError::config(&path, message)
            };
            let mut ids = ids_of(value).ok_or_else(wrong)?;
            if !ids.is_empty() {
                ids.retain(|id| Some(*id) != turn_end);
                ids.splice(0..0, turn_end);
                return Ok(ids);
            }
        }
    }
    let path = dir.join("tokenizer_config.json");
    let config = read_json(&path)?.unwrap_or_default();
    let token = token_text(&config["eos_token"]).ok_or_else(|| {
        VlmError::config(dir, "no eos_token_id in generation_config.json or config.json, and no eos_token in tokenizer_config.json")
    })?;
    let unknown = || {
        let message = format!("eos_token is {token:?}, which tokenizer.json does not have");
        VlmError::config(&path, message)
    };
    Ok(vec![tokenizer.token_id(token).ok_or_else(unknown)?])
}

fn ids_of(value: &Value) -> Option<Vec<u32>> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let values = match value {
        Value::Null => return Some(Vec::new()),
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut ids = Vec::new();
    for value in values {
        let id = id(value)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Some(ids)
}

fn read_json(path: &Path) -> Result<Option<Value>, VlmError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| VlmError::config(path, format!("not JSON: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(VlmError::io(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokenizer::tiny;

    fn stops(files: &[(&str, &str)]) -> Result<Vec<u32>, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let tokenizer = Tokenizer::from_bytes(&tiny::bytes()).unwrap();
        stop_token_ids(dir.path(), &tokenizer).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_file_that_names_ids_decides() {
        let generation = (
            "generation_config.json",
            r#"{"eos_token_id": [302, 300, 302]}"#,
        );
        let config = (
            "config.json",
            r#"{"eos_token_id": 7, "text_config": {"eos_token_id": 8}}"#,
        );
        let text = (
            "config.json",
            r#"{"eos_token_id": null, "text_config": {"eos_token_id": 8}}"#,
        );
        let llm = ("config.json", r#"{"llm_config": {"eos_token_id": 9}}"#);
        let tokenizer = ("tokenizer_config.json", r#"{"eos_token": "<|im_end|>"}"#);
        assert_eq!(stops(&[generation, config, tokenizer]).unwrap(), [302, 300]);
        assert_eq!(
            stops(&[("generation_config.json", "{}"), config, tokenizer]).unwrap(),
            [7]
        );
        assert_eq!(stops(&[text, tokenizer]).unwrap(), [8]);
        assert_eq!(stops(&[llm, tokenizer]).unwrap(), [9]);
        assert_eq!(stops(&[("config.json", "{}"), tokenizer]).unwrap(), [260]);
        let internvl = (
            "config.json",
            r#"{"template": "internvl2_5", "llm_config": {"eos_token_id": 9}}"#,
        );
        assert_eq!(stops(&[internvl]).unwrap(), [260, 9]);
        // Published ones list the token that begins a turn first.
        assert_eq!(stops(&[internvl, generation]).unwrap(), [260, 302, 300]);
        let object = (
            "tokenizer_config.json",
            r#"{"eos_token": {"content": "<|im_end|>"}}"#,
        );
        assert_eq!(stops(&[object]).unwrap(), [260]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = stops(&[("generation_config.json", r#"{"eos_token_id": "x"}"#)]).unwrap_err();
        assert!(
            message.contains(r#"generation_config.json: /eos_token_id is "x""#),
            "{message}"
        );
        let message = stops(&[("tokenizer_config.json", r#"{"eos_token": "<e>"}"#)]).unwrap_err();
        assert!(
            message.contains(r#"eos_token is "<e>", which tokenizer.json"#),
            "{message}"
        );
        assert!(stops(&[]).unwrap_err().contains("no eos_token_id"));
        assert!(
            stops(&[("config.json", "{")])
                .unwrap_err()
                .contains("not JSON")
        );
    }
}
