//! Which tokens end a generation.

use serde_json::Value;

use super::{ProcessorFiles, Tokenizer, files::token_text};
use crate::error::VlmError;

/// The ids at which a model stops, without repetition.
///
/// They come from the first of these that names any: `eos_token_id` (a number or a list) of
/// `generation_config.json`, then of `config.json` at the top and in `text_config` or
/// `llm_config`, then `eos_token` of `tokenizer_config.json`. A family whose own code stops at the
/// end of a turn whatever the files say has that token as `turn_end`, which comes before them, and
/// before that the `eos_token` of an adapter's own tokenizer.
///
/// # Errors
/// A file is no JSON, a value is no token id, `eos_token` is unknown to `tokenizer`, or nothing
/// names a stop token.
pub fn stop_token_ids(
    files: &ProcessorFiles,
    tokenizer: &Tokenizer,
    turn_end: Option<&str>,
) -> Result<Vec<u32>, VlmError> {
    const CONFIG: &str = "tokenizer_config.json";
    const KEY: &str = "eos_token";
    let own = files.object(CONFIG)?.unwrap_or_default();
    let wrong = |message| VlmError::config(files.path(CONFIG), message);
    let eos = token_text(&own[KEY], KEY).map_err(wrong)?;
    let newest = eos.filter(|_| files.have_own_tokenizer());
    let mut ids = declared_ids(files)?;
    if let (true, Some(token)) = (ids.is_empty(), eos) {
        let unknown = || {
            wrong(format!(
                "{KEY} is {token:?}, which tokenizer.json does not have"
            ))
        };
        ids.push(tokenizer.token_id(token).ok_or_else(unknown)?);
    }
    for first in [turn_end, newest].into_iter().flatten() {
        if let Some(first) = tokenizer.token_id(first) {
            ids.retain(|id| *id != first);
            ids.insert(0, first);
        }
    }
    match ids.is_empty() {
        false => Ok(ids),
        true => Err(VlmError::config(
            files.dir(),
            "no eos_token_id in generation_config.json or config.json, and no eos_token in \
             tokenizer_config.json",
        )),
    }
}

/// What the first of the files says that names any; none where no file does.
fn declared_ids(files: &ProcessorFiles) -> Result<Vec<u32>, VlmError> {
    for (name, sections) in [
        ("generation_config.json", [""].as_slice()),
        (
            ProcessorFiles::CONFIG,
            ["", "/text_config", "/llm_config"].as_slice(),
        ),
    ] {
        let Some(json) = files.object(name)? else {
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
                VlmError::config(files.path(name), message)
            };
            let ids = ids_of(value).ok_or_else(wrong)?;
            if !ids.is_empty() {
                return Ok(ids);
            }
        }
    }
    Ok(vec![])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokenizer::tiny;

    fn stops(files: &[(&str, &str)]) -> Result<Vec<u32>, String> {
        stops_after(None, files)
    }

    fn stops_after(turn_end: Option<&str>, files: &[(&str, &str)]) -> Result<Vec<u32>, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let tokenizer = Tokenizer::from_bytes(&tiny::bytes()).unwrap();
        let files = ProcessorFiles::read_dir(dir.path()).unwrap();
        stop_token_ids(&files, &tokenizer, turn_end).map_err(|error| error.to_string())
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
        let turn_end = Some("<|im_end|>");
        assert_eq!(stops_after(turn_end, &[llm]).unwrap(), [260, 9]);
        let other = ("tokenizer_config.json", r#"{"eos_token": "hi"}"#);
        assert_eq!(stops_after(turn_end, &[other]).unwrap(), [260, 256]);
        // Some files list the token that begins a turn first.
        assert_eq!(
            stops_after(turn_end, &[llm, generation]).unwrap(),
            [260, 302, 300]
        );
        let object = (
            "tokenizer_config.json",
            r#"{"eos_token": {"content": "<|im_end|>"}}"#,
        );
        assert_eq!(stops(&[object]).unwrap(), [260]);
    }

    #[test]
    fn an_adapters_own_end_comes_first() {
        let files = |name: &str, text: &str| {
            let mut files = ProcessorFiles::new();
            files.insert(name, text);
            files
        };
        let base = files("generation_config.json", r#"{"eos_token_id": [302, 260]}"#);
        let tokenizer = Tokenizer::from_bytes(&tiny::bytes()).unwrap();
        let own = |name, text| {
            let both = base.clone().with_own(files(name, text)).unwrap();
            stop_token_ids(&both, &tokenizer, None).unwrap()
        };
        let eos = r#"{"eos_token": "<|im_end|>"}"#;
        assert_eq!(own("tokenizer_config.json", eos), [260, 302]);
        assert_eq!(own("generation_config.json", r#"{"eos_token_id": 7}"#), [7]);
        assert_eq!(own("tokenizer_config.json", "{}"), [302, 260]);
        // A turn ends as it did, also where the adapter names another end.
        let both = base.with_own(files("tokenizer_config.json", r#"{"eos_token": "hi"}"#));
        let found = stop_token_ids(&both.unwrap(), &tokenizer, Some("<|endoftext|>"));
        assert_eq!(found.unwrap(), [256, 258, 302, 260]);
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
