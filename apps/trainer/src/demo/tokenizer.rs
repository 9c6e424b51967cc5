//! The demo model's tokenizer and the other small files of its model directory.
//!
//! A byte-level BPE (Sennrich et al., 2016; bytes as in GPT-2) with the control tokens of the Qwen
//! family. It is trained until every word of the demo is one token, on every sentence the demo can
//! say, so it needs no random draw. The chat template is in `tokenizer_config.json`.

use super::question::{Kind, all_texts};
use super::scene::{Colour, Place, Shape};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

/// Tokens that structure a conversation; decoding can leave them out.
pub const SPECIAL_TOKENS: [&str; 7] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
];

/// Tags that structure a completion: one token each, and part of the decoded text.
pub const TAG_TOKENS: [&str; 4] = ["<think>", "</think>", "<answer>", "</answer>"];

/// The most tokens before the added ones; training ends earlier, when no pair is left to merge.
const MAX_VOCABULARY: usize = 448 - SPECIAL_TOKENS.len() - TAG_TOKENS.len();

/// Builds the content of the shipped `tokenizer.json` anew.
///
/// # Errors
/// The tokenizer library reports a failure of training or of serialisation.
pub fn build_tokenizer_json() -> tokenizers::Result<String> {
    let byte_level = ByteLevel::new(false, false, true);
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(byte_level));
    tokenizer.with_decoder(Some(byte_level));
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(MAX_VOCABULARY)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build()
        .into();
    tokenizer.train(&mut trainer, corpus().into_iter())?;
    let added =
        |special: bool| move |content: &str| AddedToken::from(content, special).normalized(false);
    tokenizer.add_special_tokens(SPECIAL_TOKENS.map(added(true)))?;
    tokenizer.add_tokens(TAG_TOKENS.map(added(false)))?;
    tokenizer.to_string(true)
}

/// Every question, every phrase of a description, alone and as a continuation, every answer, and the
/// words of the chat frame.
fn corpus() -> Vec<String> {
    let mut texts = all_texts();
    for colour in Colour::ALL.map(Colour::name) {
        for shape in Shape::ALL.map(Shape::name) {
            for place in Place::ALL.map(Place::name) {
                texts.push(format!("{colour} {shape} {place}"));
                texts.push(format!(", {colour} {shape} {place}"));
            }
        }
    }
    for kind in Kind::ALL {
        texts.extend(kind.answers().iter().map(|&answer| answer.to_owned()));
    }
    texts.extend(
        [
            "system\n",
            "user\n",
            "assistant\n",
            "You are a helpful assistant.",
        ]
        .map(str::to_owned),
    );
    texts
}

#[cfg(test)]
mod tests {
    use super::super::Split;
    use super::super::question::{Habit, Question};
    use super::super::scene::Scene;
    use super::*;
    use serde_json::Value;

    /// Image tokens of a demo picture: 6 × 6 patches of 14 pixels, merged 2 × 2.
    const IMAGE_TOKENS: usize = 9;

    fn asset(name: &str) -> &'static [u8] {
        let found = crate::demo::model::assets()
            .iter()
            .find(|(file, _)| *file == name);
        found.unwrap_or_else(|| panic!("no asset {name}")).1
    }

    fn json(name: &str) -> Value {
        serde_json::from_slice(asset(name)).unwrap()
    }

    fn tokenizer() -> Tokenizer {
        Tokenizer::from_bytes(asset("tokenizer.json")).unwrap()
    }

    fn count(tokenizer: &Tokenizer, text: &str) -> usize {
        tokenizer.encode(text, false).unwrap().len()
    }

    /// Compares with the file, or rewrites the file when `UPDATE_ASSETS` is set.
    #[test]
    fn the_shipped_tokenizer_is_the_one_that_is_built() {
        let built = build_tokenizer_json().unwrap();
        if std::env::var_os("UPDATE_ASSETS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/tokenizer.json");
            std::fs::write(path, &built).unwrap();
        }
        assert!(
            built.as_bytes() == asset("tokenizer.json"),
            "assets/demo/tokenizer.json is out of date; \
             UPDATE_ASSETS=1 cargo test writes it, and the next build embeds it"
        );
    }

    #[test]
    fn the_vocabulary_is_small_and_holds_every_byte_and_added_token() {
        let tokenizer = tokenizer();
        let size = tokenizer.get_vocab_size(true);
        assert!(size <= 448, "{size}");
        for symbol in ByteLevel::alphabet() {
            assert!(tokenizer.token_to_id(&symbol.to_string()).is_some());
        }
        let base = tokenizer.get_vocab_size(false) as u32;
        for (id, token) in (base..).zip(SPECIAL_TOKENS.iter().chain(&TAG_TOKENS)) {
            assert_eq!(tokenizer.token_to_id(token), Some(id));
        }
    }

    #[test]
    fn any_text_survives_encoding() {
        let tokenizer = tokenizer();
        for text in [
            "What colour is the shape at the top left?",
            " leading  spaces\tand\r\nlines",
            "naïve 日本語 🙂",
            "<think>red circle top left</think><answer>red</answer>",
        ] {
            let encoding = tokenizer.encode(text, false).unwrap();
            assert_eq!(tokenizer.decode(encoding.get_ids(), true).unwrap(), text);
        }
    }

    #[test]
    fn every_word_of_the_demo_is_one_token() {
        let tokenizer = tokenizer();
        for name in Colour::ALL
            .map(Colour::name)
            .iter()
            .chain(&Shape::ALL.map(Shape::name))
        {
            assert_eq!(count(&tokenizer, name), 1, "{name}");
            assert_eq!(count(&tokenizer, &format!(" {name}")), 1, "{name}");
        }
        for place in Place::ALL.map(Place::name) {
            assert_eq!(count(&tokenizer, &format!(" {place}")), 2, "{place}");
        }
        for text in all_texts() {
            // One token a word, and one for the question mark.
            assert_eq!(
                count(&tokenizer, &text),
                text.split(' ').count() + 1,
                "{text}"
            );
        }
    }

    #[test]
    fn completions_are_short() {
        let tokenizer = tokenizer();
        for index in 0..2000 {
            let scene = Scene::draw(0, Split::Sft, index);
            let question = Question::draw(&scene, 0, Split::Sft, index);
            let tokens = |habit: Habit| {
                let text = habit.complete(&scene, &question, 0, Split::Sft, index);
                count(&tokenizer, &format!("{text}<|im_end|>"))
            };
            // A place as the answer is two words, all other answers are one.
            let words = question.answer.split(' ').count();
            assert_eq!(tokens(Habit::Quick), 3 + words);
            // Four words an item and a comma between two.
            let description = 5 * scene.items().len() - 1;
            assert_eq!(tokens(Habit::Looking), 2 + description + 3 + words);
            assert!(tokens(Habit::Looking) <= 19 + words);
        }
    }

    #[test]
    fn prompts_are_short() {
        let tokenizer = tokenizer();
        let image = "<|image_pad|>".repeat(IMAGE_TOKENS);
        for text in all_texts() {
            let prompt = format!(
                "<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{text}<|im_end|>\n\
                 <|im_start|>assistant\n"
            );
            let tokens = count(&tokenizer, &prompt);
            let words = text.split(' ').count();
            // Frame 10, image 9, one a word, one for the question mark.
            assert_eq!(tokens, 10 + IMAGE_TOKENS + words + 1, "{text}");
        }
    }

    #[test]
    fn the_other_files_agree_with_the_tokenizer() {
        let tokenizer = tokenizer();
        let id = |token: &str| tokenizer.token_to_id(token).unwrap();
        let config = json("tokenizer_config.json");
        assert_eq!(config["eos_token"], "<|im_end|>");
        assert_eq!(config["pad_token"], "<|endoftext|>");
        let generation = json("generation_config.json");
        assert_eq!(
            generation["eos_token_id"],
            serde_json::json!([id("<|im_end|>"), id("<|endoftext|>")])
        );
        assert_eq!(generation["pad_token_id"], id("<|endoftext|>"));
        let template = config["chat_template"].as_str().unwrap();
        for token in [
            "<|im_start|>",
            "<|im_end|>",
            "<|vision_start|><|image_pad|><|vision_end|>",
        ] {
            assert!(template.contains(token), "{token}");
        }
    }

    #[test]
    fn a_picture_keeps_its_size_in_preprocessing() {
        let config = json("preprocessor_config.json");
        let number = |key: &str| config[key].as_u64().unwrap();
        let side = u64::from(super::super::picture::SIDE);
        assert_eq!(side % (number("patch_size") * number("merge_size")), 0);
        assert!((number("min_pixels")..=number("max_pixels")).contains(&(side * side)));
        let tokens = (side / number("patch_size") / number("merge_size")).pow(2);
        assert_eq!(tokens, IMAGE_TOKENS as u64);
    }
}
