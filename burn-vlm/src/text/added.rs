//! The tokens that `tokenizer_config.json` adds to `tokenizer.json`, or knows better.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::ProcessorFiles;
use crate::error::VlmError;

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";

/// `tokenizer.json` in which every token of the configuration's `added_tokens_decoder` stands at
/// its id under its name.
///
/// Some conversions leave the chat tokens out: InternLM2's calls ids 92538 to 92543
/// `[UNUSED_TOKEN_n]` where the model was trained with `<|plugin|>` to `<|im_start|>`. Such an entry
/// is renamed and declared; a token that is missing is added. What agrees is left as it is.
///
/// # Errors
/// There is no `tokenizer.json`, or a file is not of its form.
pub(super) fn reconciled(files: &ProcessorFiles) -> Result<Cow<'_, [u8]>, VlmError> {
    let bytes = files.require(TOKENIZER)?;
    let config = files.json(CONFIG)?.unwrap_or_default();
    let Some(tokens) = config["added_tokens_decoder"].as_object() else {
        return Ok(Cow::Borrowed(bytes));
    };
    let path = files.path(TOKENIZER);
    let mut json: Value = serde_json::from_slice(bytes)
        .map_err(|error| VlmError::config(&path, format!("not JSON: {error}")))?;
    let declared: Vec<(u64, String)> = json["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| Some((token["id"].as_u64()?, token["content"].as_str()?.to_owned())))
        .collect();
    let mut missing = Vec::new();
    for (key, token) in tokens {
        let wrong = || {
            let message = format!(
                "added_tokens_decoder holds {key:?}: {token}, expected an id and an object with content"
            );
            VlmError::config(files.path(CONFIG), message)
        };
        let id: u64 = key.parse().map_err(|_| wrong())?;
        let content = token["content"].as_str().ok_or_else(wrong)?;
        if !declared
            .iter()
            .any(|(known, name)| *known == id && name == content)
        {
            missing.push((id, content.to_owned(), token));
        }
    }
    if missing.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    missing.sort_by_key(|(id, ..)| *id);
    for (id, content, token) in missing {
        rename(&mut json["model"]["vocab"], id, &content);
        let flag = |name: &str| token[name] == true;
        let declaration = json!({
            "id": id, "content": content, "single_word": flag("single_word"),
            "lstrip": flag("lstrip"), "rstrip": flag("rstrip"), "normalized": flag("normalized"),
            "special": flag("special"),
        });
        if !json["added_tokens"].is_array() {
            json["added_tokens"] = json!([]);
        }
        if let Some(added) = json["added_tokens"].as_array_mut() {
            added.retain(|other| other["id"].as_u64() != Some(id));
            added.push(declaration);
            added.sort_by_key(|token| token["id"].as_u64());
        }
    }
    Ok(Cow::Owned(json.to_string().into_bytes()))
}

/// Gives the vocabulary's entry at `id`, if there is one, the name `content`.
fn rename(vocab: &mut Value, id: u64, content: &str) {
    match vocab {
        Value::Object(map) => {
            let old = map.iter().find(|(_, found)| found.as_u64() == Some(id));
            let Some(old) = old
                .map(|(name, _)| name.clone())
                .filter(|old| old != content)
            else {
                return;
            };
            map.remove(&old);
            map.insert(content.into(), id.into());
        }
        // Unigram models list pairs of a piece and its score.
        Value::Array(pieces) => {
            let piece = usize::try_from(id).ok().and_then(|id| pieces.get_mut(id));
            if let Some(name) = piece.and_then(|piece| piece.get_mut(0)) {
                *name = content.into();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Tokenizer, tokenizer::tiny};

    fn files(tokens: Value) -> ProcessorFiles {
        let mut files = ProcessorFiles::new();
        files.insert(TOKENIZER, tiny::bytes());
        files.insert(CONFIG, json!({"added_tokens_decoder": tokens}).to_string());
        files
    }

    fn token(content: &str) -> Value {
        json!({"content": content, "lstrip": false, "normalized": false, "rstrip": false,
            "single_word": false, "special": true})
    }

    #[test]
    fn an_unused_entry_is_renamed_and_declared() {
        let mut json = tiny::json();
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        vocab.insert("[UNUSED_TOKEN_1]".into(), 265.into());
        let mut files = files(json!({"259": token("<|im_start|>"), "265": token("<|plugin|>")}));
        files.insert(TOKENIZER, json.to_string());
        let plain = Tokenizer::from_bytes(files.get(TOKENIZER).unwrap()).unwrap();
        assert_eq!(plain.token_id("<|plugin|>"), None);
        let tokenizer = Tokenizer::from_files(&files).unwrap();
        assert_eq!(tokenizer.token_id("<|plugin|>"), Some(265));
        assert_eq!(tokenizer.token_id("[UNUSED_TOKEN_1]"), None);
        assert_eq!(tokenizer.vocab_size(), 266);
        let ids = tokenizer.encode_template("hi<|plugin|>", None).unwrap();
        assert_eq!(ids, [256, 265]);
        assert!(!tokenizer.encode_text("<|plugin|>").unwrap().contains(&265));
    }

    #[test]
    fn a_token_that_is_missing_is_added() {
        let tokenizer = Tokenizer::from_files(&files(json!({"265": token("<img>")}))).unwrap();
        assert_eq!(
            tokenizer.encode_template("hi<img>", None).unwrap(),
            [256, 265]
        );
        assert_eq!(tokenizer.vocab_size(), 266);
    }

    #[test]
    fn what_agrees_is_left_as_it_is() {
        let files = files(json!({"258": token("<|endoftext|>"), "259": token("<|im_start|>")}));
        assert!(matches!(reconciled(&files).unwrap(), Cow::Borrowed(_)));
        assert!(reconciled(&ProcessorFiles::new()).is_err());
    }

    #[test]
    fn a_malformed_entry_is_named() {
        for tokens in [json!({"x": token("a")}), json!({"3": {}})] {
            let message = Tokenizer::from_files(&files(tokens))
                .unwrap_err()
                .to_string();
            let expected = "tokenizer_config.json: added_tokens_decoder holds ";
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
