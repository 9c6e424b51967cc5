//! Text to token ids and back, as Hugging Face's fast tokenizers do it.

use std::path::Path;

use super::special::{SpecialToken, SpecialTokens};
use super::{ProcessorFiles, added};
use crate::{dir, error::VlmError};
use tokenizers::AddedToken;

/// A `tokenizer.json`, with a strict border between special tokens and text that spells them.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    /// Special tokens in a text become their ids.
    with_specials: tokenizers::Tokenizer,
    /// Special tokens in a text are text.
    literal: tokenizers::Tokenizer,
    specials: SpecialTokens,
    vocab_size: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read or is no tokenizer.
    pub fn from_file(path: &Path) -> Result<Self, VlmError> {
        let bytes = dir::read(path)?;
        Self::parse(&bytes).map_err(|message| VlmError::config(path, message))
    }

    /// Reads the `tokenizer.json` among a model's files, with the tokens that
    /// `tokenizer_config.json` declares.
    ///
    /// # Errors
    /// A file is missing or wrong; the message names it.
    pub fn from_files(files: &ProcessorFiles) -> Result<Self, VlmError> {
        let bytes = added::reconciled(files)?;
        let path = files.path("tokenizer.json");
        let wrong = |message| VlmError::config(path.clone(), message);
        let tokenizer = Self::parse(&bytes).map_err(wrong)?;
        added::check(files, |token| tokenizer.token_id(token))?;
        let declared = tokenizer.with_specials.get_added_tokens_decoder();
        let declared: Vec<String> = declared.into_values().map(|token| token.content).collect();
        let named = added::named_only(files, |name| declared.iter().any(|known| known == name))?;
        match named.is_empty() {
            true => Ok(tokenizer),
            false => tokenizer.with_special(named).map_err(wrong),
        }
    }

    /// Reads the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    /// They are no tokenizer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VlmError> {
        Self::parse(bytes).map_err(VlmError::Text)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let wrong = |error| format!("not a tokenizer: {error}");
        let mut with_specials = tokenizers::Tokenizer::from_bytes(bytes).map_err(wrong)?;
        // Some files still carry the padding and truncation of their training run; transformers
        // applies neither unless asked.
        with_specials.with_padding(None);
        with_specials.with_truncation(None).map_err(wrong)?;
        let largest = with_specials.get_vocab(true).into_values().max();
        let vocab_size = largest.map_or(0, |id| id as usize + 1);
        Ok(Self::new(with_specials, vocab_size))
    }

    /// The same with more special tokens, for which a model may have no row.
    fn with_special(self, tokens: Vec<AddedToken>) -> Result<Self, String> {
        let mut with_specials = self.with_specials;
        with_specials
            .add_special_tokens(tokens)
            .map_err(|error| format!("a special token cannot be added: {error}"))?;
        Ok(Self::new(with_specials, self.vocab_size))
    }

    fn new(with_specials: tokenizers::Tokenizer, vocab_size: usize) -> Self {
        let mut literal = with_specials.clone();
        literal.set_encode_special_tokens(true);
        let added = with_specials.get_added_tokens_decoder().into_iter();
        let specials = added
            .filter(|(_, token)| token.special)
            .map(|(id, token)| SpecialToken {
                content: token.content,
                id,
                lstrip: token.lstrip,
                rstrip: token.rstrip,
            });
        let specials = SpecialTokens::new(specials.collect());
        Self {
            with_specials,
            literal,
            specials,
            vocab_size,
        }
    }

    /// The ids of `text`, in which nothing has a special meaning: the text of a special token
    /// becomes ordinary tokens. No token is added at either end.
    ///
    /// # Errors
    /// The tokenizer's model fails on the text.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, VlmError> {
        let ids = encode(&self.literal, text)?;
        // A model whose own vocabulary holds the special tokens can still find them.
        let spelled = self
            .specials
            .matches(text)
            .any(|found| ids.contains(&found.token.id));
        if !spelled {
            return Ok(ids);
        }
        let mut ids = Vec::new();
        let mut from = 0;
        for place in self
            .specials
            .interruptions(text)
            .into_iter()
            .chain([text.len()])
        {
            ids.extend(encode(&self.literal, &text[from..place])?);
            from = place;
        }
        Ok(ids)
    }

    /// The ids of a rendered chat template, whose special tokens become their ids except where
    /// `guard` interrupts them. Guards themselves are not encoded.
    ///
    /// Without a guard in it the text goes through the tokenizer whole, exactly as `transformers`
    /// would encode it; otherwise what stands between special tokens is encoded piece by piece.
    ///
    /// # Errors
    /// The tokenizer's model fails on the text.
    pub fn encode_template(&self, text: &str, guard: Option<char>) -> Result<Vec<u32>, VlmError> {
        match guard.filter(|&guard| text.contains(guard)) {
            None => encode(&self.with_specials, text),
            Some(guard) => self.encode_guarded(text, guard),
        }
    }

    fn encode_guarded(&self, text: &str, guard: char) -> Result<Vec<u32>, VlmError> {
        let mut ids = Vec::new();
        let add = |piece: &str, ids: &mut Vec<u32>| {
            let piece = piece.replace(guard, "");
            // An empty piece is no piece: some tokenizers would give it a prefix.
            if !piece.is_empty() {
                ids.extend(self.encode_text(&piece)?);
            }
            Ok::<_, VlmError>(())
        };
        let (mut from, mut strip_start) = (0, false);
        for found in self.specials.matches(text) {
            let mut piece = &text[from..found.range.start];
            if strip_start {
                piece = piece.trim_start();
            }
            if found.token.lstrip {
                piece = piece.trim_end();
            }
            add(piece, &mut ids)?;
            ids.push(found.token.id);
            (from, strip_start) = (found.range.end, found.token.rstrip);
        }
        let rest = &text[from..];
        add(if strip_start { rest.trim_start() } else { rest }, &mut ids)?;
        Ok(ids)
    }

    /// The text of `ids`, without special tokens if `skip_special`. Ids beyond the vocabulary,
    /// which a padded embedding table can produce, have no text.
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, VlmError> {
        let wrong = |error| VlmError::Text(format!("tokens cannot be decoded: {error}"));
        self.with_specials.decode(ids, skip_special).map_err(wrong)
    }

    /// The tokens with which this tokenizer begins a text by itself, as one text: a beginning of
    /// sentence, or nothing. Chat templates write it themselves; code without one relies on it.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn prefix(&self) -> Result<String, VlmError> {
        let wrong = |error| VlmError::Text(format!("text cannot be tokenised: {error}"));
        let framed = self.with_specials.encode_fast("x", true).map_err(wrong)?;
        let plain = encode(&self.with_specials, "x")?;
        let first = plain.first();
        let before = framed.get_ids().iter().take_while(|id| Some(*id) != first);
        Ok(before
            .filter_map(|id| self.with_specials.id_to_token(*id))
            .collect())
    }

    /// The id of a token by its exact text.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.with_specials.token_to_id(token)
    }

    /// The largest id of `tokenizer.json` and of the tokens that its configuration declares by id,
    /// plus one. A model's embedding table has at least as many rows; special tokens that only a
    /// name in the configuration declares may be beyond them.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Whether the text of a special token stands somewhere in `text`.
    pub fn spells_special(&self, text: &str) -> bool {
        self.specials.occur_in(text)
    }

    pub(super) fn specials(&self) -> &SpecialTokens {
        &self.specials
    }
}

fn encode(tokenizer: &tokenizers::Tokenizer, text: &str) -> Result<Vec<u32>, VlmError> {
    let wrong = |error| VlmError::Text(format!("text cannot be tokenised: {error}"));
    Ok(tokenizer
        .encode_fast(text, false)
        .map_err(wrong)?
        .get_ids()
        .to_vec())
}

/// A tokenizer small enough to check by hand.
#[cfg(test)]
pub(crate) mod tiny {
    use serde_json::{Value, json};

    /// Byte-level BPE: ids 0..=255 are the bytes in the alphabet's order of code points, 256 is
    /// "hi", 257 "<|", then special tokens from 258 and the plain added token `<tool>`.
    pub const SPECIALS: [&str; 6] = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|image_pad|>",
        "<|vision_end|>",
    ];
    pub const FIRST_SPECIAL: u32 = 258;

    /// The printable character that stands for each byte, in GPT-2's byte alphabet.
    fn byte_characters() -> Vec<char> {
        let printable = |b: u32| matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let mut next = 256;
        let mut character = |byte: u32| {
            let code = if printable(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            char::from_u32(code).unwrap()
        };
        (0..256).map(&mut character).collect()
    }

    pub fn json() -> Value {
        let mut vocab = serde_json::Map::new();
        for (id, c) in byte_characters().into_iter().enumerate() {
            vocab.insert(c.into(), json!(id));
        }
        vocab.insert("hi".into(), json!(256));
        vocab.insert("<|".into(), json!(257));
        let added = |(i, content): (usize, &str)| {
            json!({"id": FIRST_SPECIAL as usize + i, "content": content, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
                "special": content != "<tool>"})
        };
        let tokens = SPECIALS
            .into_iter()
            .chain(["<tool>"])
            .enumerate()
            .map(added);
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false,
            "trim_offsets": false, "use_regex": false});
        json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": tokens.collect::<Vec<_>>(),
            "normalizer": null, "pre_tokenizer": byte_level, "post_processor": null,
            "decoder": byte_level,
            "model": {"type": "BPE", "vocab": vocab, "merges": ["h i", "< |"]},
        })
    }

    pub fn bytes() -> Vec<u8> {
        json().to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Tokenizer {
        Tokenizer::from_bytes(&tiny::bytes()).unwrap()
    }

    /// Ids of text without merges: its bytes.
    fn bytes(text: &str) -> Vec<u32> {
        text.bytes().map(u32::from).collect()
    }

    #[test]
    fn text_is_encoded_by_hand_and_decoded_back() {
        let tokenizer = tiny();
        assert_eq!(
            tokenizer.encode_text("hi é").unwrap(),
            [256, 32, 0xC3, 0xA9]
        );
        assert_eq!(
            tokenizer.decode(&[256, 32, 0xC3, 0xA9], true).unwrap(),
            "hi é"
        );
        assert!(tokenizer.encode_text("").unwrap().is_empty());
        assert_eq!(tokenizer.vocab_size(), 265);
        assert_eq!(tokenizer.token_id("<|im_end|>"), Some(260));
        assert_eq!(tokenizer.token_id("<|nothing|>"), None);
    }

    #[test]
    fn special_tokens_in_text_stay_text() {
        let tokenizer = tiny();
        let expected = [vec![97, 257], bytes("im_end|>b")].concat();
        assert_eq!(tokenizer.encode_text("a<|im_end|>b").unwrap(), expected);
        assert_eq!(tokenizer.decode(&expected, true).unwrap(), "a<|im_end|>b");
        // A plain added token is one token wherever it stands.
        assert_eq!(tokenizer.encode_text("<tool>").unwrap(), [264]);
    }

    #[test]
    fn decoding_can_keep_or_skip_special_tokens() {
        let tokenizer = tiny();
        assert_eq!(
            tokenizer.decode(&[259, 256, 260, 9999], false).unwrap(),
            "<|im_start|>hi<|im_end|>"
        );
        assert_eq!(tokenizer.decode(&[259, 256, 260], true).unwrap(), "hi");
    }

    #[test]
    fn only_unguarded_special_tokens_of_a_template_are_special() {
        let tokenizer = tiny();
        let plain = tokenizer
            .encode_template("<|im_start|>hi<|im_end|>\n", None)
            .unwrap();
        assert_eq!(plain, [259, 256, 260, 10]);
        let text = "<|im_start|>hi <\u{E000}|im_end|><|im_end|>\n";
        let guarded = tokenizer.encode_template(text, Some('\u{E000}')).unwrap();
        assert_eq!(
            guarded,
            [vec![259, 256, 32, 257], bytes("im_end|>"), vec![260, 10]].concat()
        );
    }

    #[test]
    fn pieces_and_the_whole_give_the_same_ids() {
        let tokenizer = tiny();
        let text = "<|im_start|>user\nhi <tool> there < |<|im_end|>\n<|im_start|>assistant\n";
        let whole = tokenizer.encode_template(text, None).unwrap();
        assert_eq!(tokenizer.encode_guarded(text, '\u{E000}').unwrap(), whole);
    }

    #[test]
    fn tokens_that_swallow_white_space_do_so_between_guards() {
        let mut json = tiny::json();
        json["added_tokens"][2]["lstrip"] = true.into();
        json["added_tokens"][1]["rstrip"] = true.into();
        let tokenizer = Tokenizer::from_bytes(json.to_string().as_bytes()).unwrap();
        let text = "x <|im_start|> \n hi  <|im_end|> y";
        let whole = tokenizer.encode_template(text, None).unwrap();
        assert_eq!(whole, [120, 32, 259, 256, 260, 32, 121]);
        assert_eq!(tokenizer.encode_guarded(text, '\u{E000}').unwrap(), whole);
    }

    /// A model that knows the special token as a word of its own still may not find it in text.
    #[test]
    fn a_special_token_in_the_models_vocabulary_is_not_found_in_text() {
        let token = |id: u32, content: &str| {
            serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        };
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [token(0, "<unk>"), token(1, "</s>")],
            "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab":
                [["<unk>", 0.0], ["</s>", -1.0], ["<", -2.0], ["/", -2.0], ["s", -2.0], [">", -2.0], ["/s>", -3.0]]},
        });
        let tokenizer = Tokenizer::from_bytes(json.to_string().as_bytes()).unwrap();
        assert_eq!(tokenizer.encode_text("s</s>").unwrap(), [4, 2, 6]);
        assert_eq!(tokenizer.encode_template("s</s>", None).unwrap(), [4, 1]);
    }

    #[test]
    fn padding_and_truncation_left_in_the_file_are_not_applied() {
        let mut json = tiny::json();
        json["truncation"] = serde_json::json!({"direction": "Right", "max_length": 2,
            "strategy": "LongestFirst", "stride": 0});
        json["padding"] = serde_json::json!({"strategy": {"Fixed": 9}, "direction": "Right",
            "pad_to_multiple_of": null, "pad_id": 258, "pad_type_id": 0, "pad_token": "<|endoftext|>"});
        let tokenizer = Tokenizer::from_bytes(json.to_string().as_bytes()).unwrap();
        assert_eq!(tokenizer.encode_text("abc").unwrap(), bytes("abc"));
    }

    #[test]
    fn a_file_that_is_no_tokenizer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        assert!(matches!(
            Tokenizer::from_file(&path),
            Err(VlmError::Io { .. })
        ));
        std::fs::write(&path, "{}").unwrap();
        let message = Tokenizer::from_file(&path).unwrap_err().to_string();
        assert!(
            message.contains("tokenizer.json: not a tokenizer: "),
            "{message}"
        );
    }
}
