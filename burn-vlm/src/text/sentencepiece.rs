//! `tokenizer.model`, the file of [SentencePiece](https://github.com/google/sentencepiece), as a
//! `tokenizer.json`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// A token of the file.
struct Piece {
    text: String,
    score: f32,
    kind: u64,
}

/// Kinds of pieces, and of models, by their numbers in `sentencepiece_model.proto`.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
const BPE: u64 = 2;

/// What InternLM2's own fast tokenizer makes of the file; `begins` says whether a text begins with
/// the second control token, `<s>`.
///
/// # Errors
/// The bytes are no such file, or hold a model or a normalisation of another kind.
pub(super) fn internlm2(bytes: &[u8], begins: bool) -> Result<Value, String> {
    let file = File::read(bytes).ok_or("not a SentencePiece model")?;
    file.check()?;
    let pieces = &file.pieces;
    let vocab: Map<String, Value> = pieces
        .iter()
        .enumerate()
        .map(|(id, piece)| (piece.text.clone(), id.into()))
        .collect();
    let atoms = pieces.iter().enumerate();
    let atoms = atoms.filter(|(_, p)| [UNKNOWN, CONTROL, USER_DEFINED].contains(&p.kind));
    let added = atoms.map(|(id, piece)| {
        json!({ "id": id, "content": piece.text, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": piece.kind != USER_DEFINED })
    });
    let unknown = pieces.iter().find(|piece| piece.kind == UNKNOWN);
    let start = pieces.iter().position(|piece| piece.kind == CONTROL);
    let before = start.filter(|_| begins).map(|id| &pieces[id].text);
    let single = before.map(|text| json!({ "SpecialToken": { "id": text, "type_id": 0 } }));
    let single = single
        .into_iter()
        .chain([json!({ "Sequence": { "id": "A", "type_id": 0 } })]);
    let special = before.map(|text| {
        (
            text.clone(),
            json!({ "id": text, "ids": [start], "tokens": [text] }),
        )
    });
    let mut normalizers = vec![];
    if file.dummy_prefix {
        normalizers.push(json!({ "type": "Prepend", "prepend": "▁" }));
    }
    normalizers.push(json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" }));
    Ok(json!({
        "version": "1.0",
        "added_tokens": added.collect::<Value>(),
        "normalizer": { "type": "Sequence", "normalizers": normalizers },
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single.collect::<Value>(),
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": special.into_iter().collect::<Map<_, _>>(),
        },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" },
            { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": {
            "type": "BPE", "unk_token": unknown.map(|piece| &piece.text), "fuse_unk": true,
            "byte_fallback": true, "vocab": vocab, "merges": merges(pieces),
        },
    }))
}

/// The pairs of pieces that make a piece, the best pieces first, as SentencePiece merges by the score
/// of the result; of equal ones the longer first, as transformers orders them.
fn merges(pieces: &[Piece]) -> Vec<[&str; 2]> {
    let ids = pieces.iter().enumerate();
    let ids: HashMap<&str, usize> = ids.map(|(id, piece)| (piece.text.as_str(), id)).collect();
    let mut found = vec![];
    for piece in pieces {
        let cuts = piece.text.char_indices().skip(1);
        let pairs = cuts.filter_map(|(at, _)| {
            let (left, right) = piece.text.split_at(at);
            Some((*ids.get(left)?, *ids.get(right)?, piece.score))
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|(left, right, _)| (*left, *right));
        found.extend(pairs);
    }
    let text = |id: usize| pieces[id].text.as_str();
    let len = |id: usize| text(id).chars().count();
    found.sort_by(|a, b| {
        let lens = |pair: &(usize, usize, f32)| (len(pair.0), len(pair.1));
        b.2.total_cmp(&a.2).then_with(|| lens(b).cmp(&lens(a)))
    });
    found
        .into_iter()
        .map(|(left, right, _)| [text(left), text(right)])
        .collect()
}

/// The parts of `ModelProto` that decide how text is cut.
struct File {
    pieces: Vec<Piece>,
    model_type: u64,
    byte_fallback: bool,
    dummy_prefix: bool,
    squeezes_spaces: bool,
    has_rules: bool,
}

impl File {
    fn read(bytes: &[u8]) -> Option<Self> {
        // The defaults of the format.
        let mut file = Self {
            pieces: vec![],
            model_type: 1,
            byte_fallback: false,
            dummy_prefix: true,
            squeezes_spaces: true,
            has_rules: false,
        };
        for field in fields(bytes)? {
            match field {
                (1, Wire::Bytes(piece)) => file.pieces.push(Piece::read(piece)?),
                (2, Wire::Bytes(trainer)) => {
                    for field in fields(trainer)? {
                        match field {
                            (3, Wire::Number(kind)) => file.model_type = kind,
                            (35, Wire::Number(on)) => file.byte_fallback = on != 0,
                            _ => {}
                        }
                    }
                }
                (3, Wire::Bytes(normalizer)) => {
                    for field in fields(normalizer)? {
                        match field {
                            (2, Wire::Bytes(rules)) => file.has_rules = !rules.is_empty(),
                            (3, Wire::Number(on)) => file.dummy_prefix = on != 0,
                            (4, Wire::Number(on)) => file.squeezes_spaces = on != 0,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        (!file.pieces.is_empty()).then_some(file)
    }

    fn check(&self) -> Result<(), String> {
        let expected = [
            ("model_type BPE", self.model_type == BPE),
            ("byte_fallback", self.byte_fallback),
            ("no normalisation rules", !self.has_rules),
            ("remove_extra_whitespaces false", !self.squeezes_spaces),
        ];
        match expected.iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((what, _)) => Err(format!(
                "a SentencePiece model of another kind, expected {what}"
            )),
        }
    }
}

impl Piece {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut text, mut score, mut kind) = (None, 0.0, 1);
        for field in fields(bytes)? {
            match field {
                (1, Wire::Bytes(bytes)) => text = Some(std::str::from_utf8(bytes).ok()?.to_owned()),
                (2, Wire::Float(value)) => score = value,
                (3, Wire::Number(value)) => kind = value,
                _ => {}
            }
        }
        Some(Self {
            text: text?,
            score,
            kind,
        })
    }
}

/// A value of a protocol-buffer message.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Float(f32),
    Other,
}

/// The fields of a message with their numbers; none where the bytes are no message.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut found = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => {
                bytes.split_off(..8)?;
                Wire::Other
            }
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                Wire::Bytes(bytes.split_off(..len)?)
            }
            5 => Wire::Float(f32::from_le_bytes(bytes.split_off(..4)?.try_into().ok()?)),
            _ => return None,
        };
        found.push((key >> 3, value));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
