//! The tokens that `tokenizer_config.json` adds to `tokenizer.json`, or knows better.

use std::borrow::Cow;

use serde_json::{Value, json};
use tokenizers::AddedToken;

use super::{
    ProcessorFiles,
    files::{NAMED_TOKENS, token_text},
    slow,
};
use crate::{dir, error::VlmError};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const MAP: &str = "special_tokens_map.json";

/// What a declaration of a token says beside its content.
const FLAGS: [&str; 5] = ["single_word", "lstrip", "rstrip", "normalized", "special"];

/// `tokenizer.json` in which every token of the configuration's `added_tokens_decoder` stands at
/// its id under its name.
///
/// Some conversions leave the chat tokens out: InternLM2's calls ids 92538 to 92543
/// `[UNUSED_TOKEN_n]` where the model was trained with `<|plugin|>` to `<|im_start|>`. Such an entry
/// is renamed and declared; a token that is missing is added. What agrees is left as it is. Where
/// there is no `tokenizer.json`, it is made of the files of a slow tokenizer.
///
/// # Errors
/// There is no tokenizer, or a file is not of its form.
pub(super) fn reconciled(files: &ProcessorFiles) -> Result<Cow<'_, [u8]>, VlmError> {
    let tokens = declared_in_config(files)?;
    let mut json = match files.get(TOKENIZER) {
        None => slow::converted(files)?,
        Some(bytes) if tokens.is_empty() => return Ok(Cow::Borrowed(bytes)),
        Some(_) => files.object(TOKENIZER)?.unwrap_or_default(),
    };
    let declared: Vec<(u64, String)> = json["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| Some((token["id"].as_u64()?, token["content"].as_str()?.to_owned())))
        .collect();
    let agrees = |(id, token): &(u64, Value)| {
        let content = token["content"].as_str();
        declared
            .iter()
            .any(|(known, name)| known == id && Some(name.as_str()) == content)
    };
    let missing: Vec<_> = tokens.into_iter().filter(|token| !agrees(token)).collect();
    if let (true, Some(bytes)) = (missing.is_empty(), files.get(TOKENIZER)) {
        return Ok(Cow::Borrowed(bytes));
    }
    for (id, token) in missing {
        let content = token["content"].as_str().unwrap_or_default();
        rename(&mut json["model"]["vocab"], id, content);
        let mut declaration = json!({ "id": id, "content": content });
        for flag in FLAGS {
            declaration[flag] = (token[flag] == true).into();
        }
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

/// The tokens of the configuration by rising id.
fn declared_in_config(files: &ProcessorFiles) -> Result<Vec<(u64, Value)>, VlmError> {
    let config = files.object(CONFIG)?.unwrap_or_default();
    let declared = match &config["added_tokens_decoder"] {
        Value::Object(declared) => declared.clone(),
        Value::Null if files.get(TOKENIZER).is_none() => slow::added(files)?,
        Value::Null => return Ok(vec![]),
        other => {
            let message = format!(
                "added_tokens_decoder is {}, expected an object of ids and tokens",
                dir::kind(other)
            );
            return Err(VlmError::config(files.path(CONFIG), message));
        }
    };
    let mut tokens = Vec::new();
    for (key, token) in &declared {
        let flags_are_flags = FLAGS
            .iter()
            .all(|flag| token[*flag].is_null() || token[*flag].is_boolean());
        let (Ok(id), Some(_), true) = (key.parse(), token["content"].as_str(), flags_are_flags)
        else {
            let message = format!(
                "added_tokens_decoder holds {key:?}: {token}, expected an id and an object with \
                 content, and {} true or false",
                FLAGS.join(", ")
            );
            return Err(VlmError::config(files.path(CONFIG), message));
        };
        tokens.push((id, token.clone()));
    }
    tokens.sort_by_key(|(id, _)| *id);
    Ok(tokens)
}

/// Special tokens that the configuration names and `tokenizer.json` does not declare, in the order in
/// which transformers adds them: those that have a key of their own, then the others. One that is in
/// the vocabulary keeps its id, another is given the next.
///
/// # Errors
/// A file is not of its form.
pub(super) fn named_only(
    files: &ProcessorFiles,
    is_declared: impl Fn(&str) -> bool,
) -> Result<Vec<AddedToken>, VlmError> {
    const OTHERS: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];
    let mut config = files.object(CONFIG)?.unwrap_or_default();
    // What older versions wrote counts where the newer key is missing.
    let map = match config["added_tokens_decoder"].is_null() {
        true => files.object(MAP)?.unwrap_or_default(),
        false => Value::Null,
    };
    for (key, value) in map.as_object().into_iter().flatten() {
        config[key.as_str()] = value.clone();
    }
    let wrong = |key: &str, message| {
        let file = if map.get(key).is_some() { MAP } else { CONFIG };
        VlmError::config(files.path(file), message)
    };
    let mut values: Vec<(&str, &Value)> = vec![];
    values.extend(NAMED_TOKENS.iter().map(|key| (*key, &config[*key])));
    // Models have keys of their own, as `image_token`.
    let own = config.as_object().into_iter().flatten();
    let own = own.map(|(key, value)| (key.as_str(), value));
    values.extend(own.filter(|(key, value)| {
        key.ends_with("_token") && !NAMED_TOKENS.contains(key) && value.is_string()
    }));
    for key in OTHERS {
        match &config[key] {
            Value::Null => {}
            Value::Array(list) => values.extend(list.iter().map(|value| (key, value))),
            Value::Object(map) => values.extend(map.values().map(|value| (key, value))),
            other => {
                let message = format!("{key} is {other}, expected a list of tokens");
                return Err(wrong(key, message));
            }
        }
    }
    let mut tokens: Vec<AddedToken> = vec![];
    for (key, value) in values {
        let token = token_text(value, key).map_err(|message| wrong(key, message))?;
        let token = token.unwrap_or_default();
        let flag = |name| match dir::flag(value, name) {
            Ok(flag) => Ok(flag == Some(true)),
            Err(message) => Err(wrong(key, format!("{key}.{message}"))),
        };
        let declaration = AddedToken::from(token, true)
            .single_word(flag("single_word")?)
            .lstrip(flag("lstrip")?)
            .rstrip(flag("rstrip")?)
            .normalized(flag("normalized")?);
        let is_known = tokens.iter().any(|known| known.content == token);
        if !token.is_empty() && !is_declared(token) && !is_known {
            tokens.push(declaration);
        }
    }
    Ok(tokens)
}

/// Whether every token of the configuration has the id that `token_id` gives: a tokenizer numbers tokens
/// beyond its vocabulary itself.
///
/// # Errors
/// The first token that has another.
pub(super) fn check(
    files: &ProcessorFiles,
    token_id: impl Fn(&str) -> Option<u32>,
) -> Result<(), VlmError> {
    for (id, token) in declared_in_config(files)? {
        let content = token["content"].as_str().unwrap_or_default();
        let found = token_id(content).map(u64::from);
        if found != Some(id) {
            let found = found.map_or("none".to_owned(), |id| id.to_string());
            let message = format!(
                "added_tokens_decoder says that {content:?} is token {id}, in tokenizer.json it is {found}"
            );
            return Err(VlmError::config(files.path(CONFIG), message));
        }
    }
    Ok(())
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
        // A control byte gives up its entry.
        rename(&mut json["model"]["vocab"], 7, "[UNUSED_TOKEN_1]");
        let mut files = files(json!({"259": token("<|im_start|>"), "7": token("<|plugin|>")}));
        files.insert(TOKENIZER, json.to_string());
        let plain = Tokenizer::from_bytes(files.get(TOKENIZER).unwrap()).unwrap();
        assert_eq!(plain.token_id("<|plugin|>"), None);
        let tokenizer = Tokenizer::from_files(&files).unwrap();
        assert_eq!(tokenizer.token_id("<|plugin|>"), Some(7));
        assert_eq!(tokenizer.token_id("[UNUSED_TOKEN_1]"), None);
        assert_eq!(tokenizer.vocab_size(), plain.vocab_size());
        let ids = tokenizer.encode_template("hi<|plugin|>", None).unwrap();
        assert_eq!(ids, [256, 7]);
        assert!(!tokenizer.encode_text("<|plugin|>").unwrap().contains(&7));
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

    /// As transformers 5.23 loads the same files (`AutoTokenizer`, `PreTrainedTokenizerFast`).
    #[test]
    fn a_token_that_only_the_configuration_names_is_special() {
        let mut files = ProcessorFiles::new();
        files.insert(TOKENIZER, tiny::bytes());
        let config = json!({
            "eos_token": "hi", "pad_token": {"content": "<pad>"}, "unk_token": null,
            "image_token": "<|image_pad|>", "additional_special_tokens": ["<box>", "<pad>"],
        });
        files.insert(CONFIG, config.to_string());
        let tokenizer = Tokenizer::from_files(&files).unwrap();
        let found = ["hi", "<pad>", "<box>"].map(|token| tokenizer.token_id(token));
        // `hi` is in the vocabulary; 264 is the last that the file declares.
        assert_eq!(found, [Some(256), Some(265), Some(266)]);
        let ids = tokenizer.encode_template("<box>hi", None).unwrap();
        assert_eq!(ids, [266, 256]);
        assert!(!tokenizer.encode_text("<box>").unwrap().contains(&266));
        assert_eq!(tokenizer.decode(&[256, 65], true).unwrap().len(), 1);
        // A model may have no row for them.
        assert_eq!(tokenizer.vocab_size(), 265);
    }

    /// As transformers 5.23 loads the same files.
    #[test]
    fn a_named_token_swallows_the_space_that_it_says() {
        let mut files = ProcessorFiles::new();
        files.insert(TOKENIZER, tiny::bytes());
        let token = json!({"content": "<mask>", "lstrip": true});
        files.insert(MAP, json!({"mask_token": token}).to_string());
        let tokenizer = Tokenizer::from_files(&files).unwrap();
        let ids = tokenizer.encode_template("hi <mask> hi", None).unwrap();
        assert_eq!(ids, [256, 265, 32, 256]);
    }

    #[test]
    fn what_agrees_is_left_as_it_is() {
        let files = files(json!({"258": token("<|endoftext|>"), "259": token("<|im_start|>")}));
        assert!(matches!(reconciled(&files).unwrap(), Cow::Borrowed(_)));
        assert!(reconciled(&ProcessorFiles::new()).is_err());
    }

    #[test]
    fn an_id_that_cannot_be_given_is_named() {
        let message = Tokenizer::from_files(&files(json!({"400": token("<img>")}))).unwrap_err();
        let expected = "\"<img>\" is token 400, in tokenizer.json it is 265";
        assert!(message.to_string().contains(expected), "{message}");
    }

    #[test]
    fn files_that_are_no_objects_are_named() {
        for (name, text) in [
            (CONFIG, "[]"),
            (MAP, "[]"),
            (CONFIG, "null"),
            (TOKENIZER, "7"),
        ] {
            let mut files = files(json!({"400": token("<img>")}));
            files.insert(CONFIG, "{}");
            files.insert(MAP, r#"{"eos_token": "<pad>"}"#);
            files.insert(name, text);
            let message = Tokenizer::from_files(&files).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
        }
    }

    #[test]
    fn a_value_that_is_no_token_is_named() {
        for (key, value) in [
            ("eos_token", json!(7)),
            ("pad_token", json!({"content": 7})),
            ("sep_token", json!({"content": "<sep>", "lstrip": "yes"})),
            ("additional_special_tokens", json!("<box>")),
            ("extra_special_tokens", json!([["<box>"]])),
            ("added_tokens_decoder", json!([token("<box>")])),
        ] {
            let mut files = files(json!({}));
            files.insert(CONFIG, json!({ key: value }).to_string());
            let message = Tokenizer::from_files(&files).unwrap_err().to_string();
            let expected = format!("tokenizer_config.json: {key}");
            assert!(message.starts_with(&expected), "{message}");
        }
        let mut files = files(json!({}));
        files.insert(CONFIG, "{}");
        files.insert(MAP, r#"{"eos_token": true}"#);
        let message = Tokenizer::from_files(&files).unwrap_err().to_string();
        let expected = "special_tokens_map.json: eos_token is true, expected a token";
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn a_malformed_entry_is_named() {
        let mut flag = token("a");
        flag["special"] = json!("yes");
        for tokens in [
            json!({"x": token("a")}),
            json!({"3": {}}),
            json!({"3": flag}),
        ] {
            let message = Tokenizer::from_files(&files(tokens))
                .unwrap_err()
                .to_string();
            let expected = "tokenizer_config.json: added_tokens_decoder holds ";
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
