use serde_json::{Value, json};

use super::*;
use crate::image::{Normalization, PatchLayout, golden};
use crate::models::{PictureLimits, qwen2_vl::processor::ImageConfig};
use crate::text::Content;
use crate::text::tokenizer::tiny;

const PAD: u32 = 262;

pub(super) fn files() -> ProcessorFiles {
    let text = std::fs::read_to_string(golden::path("prompts.json")).unwrap();
    let prompts: Value = serde_json::from_str(&text).unwrap();
    let mut files = ProcessorFiles::new();
    files.insert("tokenizer.json", tiny::bytes());
    let config = json!({"eos_token": "<|im_end|>", "chat_template": prompts["qwen_vl_template"]});
    files.insert("tokenizer_config.json", config.to_string());
    // The limits with which the reference numbers were made.
    files.insert(
        "preprocessor_config.json",
        r#"{"min_pixels": 3136, "max_pixels": 15680}"#,
    );
    files
}

fn processor() -> Processor {
    Processor::from_files(files()).unwrap()
}

fn config(json: Value) -> Result<ImageConfig, String> {
    ImageConfig::from_json(json)
}

/// Prompts are encoded on many threads by one processor.
#[test]
fn a_processor_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&processor());
}

#[test]
fn placeholders_grow_to_the_pictures_tokens() {
    let pictures = [
        golden::picture("wide_97x41.png"),
        golden::picture("tall_33x120.png"),
    ];
    let messages = [Message::with_image_marks("user", "<image>hi<image>")];
    let prompt = processor().encode(&messages, &pictures, true).unwrap();
    assert_eq!(prompt.images[0].grid, [1, 4, 8]);
    assert_eq!(prompt.images[1].grid, [1, 8, 2]);
    let words: Vec<u32> = prompt
        .tokens
        .iter()
        .copied()
        .filter(|&id| id != PAD)
        .collect();
    let start = words.iter().position(|&id| id == 261).unwrap();
    // <|vision_start|> … <|vision_end|> hi <|vision_start|> … <|vision_end|> <|im_end|> \n
    assert_eq!(words[start..start + 7], [261, 263, 256, 261, 263, 260, 10]);
    let runs: Vec<usize> = prompt
        .tokens
        .chunk_by(|a, b| (*a == PAD) == (*b == PAD))
        .filter(|run| run[0] == PAD)
        .map(<[u32]>::len)
        .collect();
    assert_eq!(runs, [8, 4]);
    // As long is it known to be without the pictures, whichever way up they are stored.
    let least = |sizes: &[(u32, u32)]| {
        let args = TemplateArgs::new();
        processor().least_len(&messages, sizes, &args).unwrap()
    };
    assert_eq!(least(&[(97, 41), (33, 120)]), prompt.tokens.len());
    assert_eq!(least(&[(41, 97), (120, 33)]), prompt.tokens.len());
    assert_eq!(least(&[(33, 120)]), prompt.tokens.len() - 7);
    assert_eq!(least(&[]), prompt.tokens.len() - 7 - 3);
}

#[test]
fn several_pictures_have_the_reference_patches() {
    let pictures = [
        golden::picture("wide_97x41.png"),
        golden::picture("tall_33x120.png"),
    ];
    let messages = [Message::with_image_marks("user", "<image><image>")];
    let prompt = processor().encode(&messages, &pictures, false).unwrap();
    let grids: Vec<i64> = prompt
        .images
        .iter()
        .flat_map(|image| image.grid.map(|side| side as i64))
        .collect();
    assert_eq!(grids, golden::tensor("multi/grid_thw").i64s());
    let sums = golden::tensor("multi/pixel_values_sum").f64s();
    let rows: Vec<&[f32]> = prompt
        .images
        .iter()
        .flat_map(|i| i.patches.chunks(1176))
        .collect();
    assert_eq!(rows.len(), sums.len());
    for (row, sum) in rows.iter().zip(sums) {
        let total: f64 = row.iter().map(|&value| f64::from(value)).sum();
        assert!((total - sum).abs() < 1e-3, "{total} instead of {sum}");
    }
}

#[test]
fn a_spelled_placeholder_takes_no_picture() {
    let pictures = [golden::picture("tiny_9x7.png")];
    let messages = [Message::with_image_marks(
        "user",
        "What is <|image_pad|>? <image>",
    )];
    let prompt = processor().encode(&messages, &pictures, true).unwrap();
    let tokens = prompt.images[0].num_tokens(2);
    assert_eq!(
        prompt.tokens.iter().filter(|&&id| id == PAD).count(),
        tokens
    );
    let text = processor().decode(&prompt.tokens, true).unwrap();
    assert!(text.contains("What is <|image_pad|>? "), "{text}");
}

#[test]
fn images_and_places_must_agree() {
    let pictures = [golden::picture("tiny_9x7.png")];
    let error = |messages: &[Message], pictures: &[RgbImage]| {
        processor()
            .encode(messages, pictures, true)
            .unwrap_err()
            .to_string()
    };
    let two = [Message::with_image_marks("user", "<image><image>")];
    assert_eq!(
        error(&two, &pictures),
        "the conversation shows 2 images, but 1 were given"
    );
    let thin = [golden::picture("tiny_9x7.png"), RgbImage::new(2, 500)];
    assert_eq!(
        error(&two, &thin),
        "image 2 of 2 (of 2x500): its aspect ratio is 250.0, at most 200 is allowed"
    );
    let silent =
        "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}";
    let processor = processor().with_chat_template(silent).unwrap();
    let message = processor.encode(&two, &thin, true).unwrap_err().to_string();
    assert_eq!(
        message,
        "the chat template wrote 0 <|image_pad|> for 2 images"
    );
}

#[test]
fn both_forms_of_the_pixel_limits_are_read() {
    let limits = |json| {
        config(json)
            .map(|config| (config.min_pixels, config.max_pixels))
            .unwrap()
    };
    assert_eq!(limits(json!({})), (3136, 1_003_520));
    assert_eq!(
        limits(json!({"min_pixels": 784, "max_pixels": 12845056})),
        (784, 12_845_056)
    );
    let size = json!({"shortest_edge": 1568, "longest_edge": 7840});
    assert_eq!(limits(json!({"size": size})), (1568, 7840));
    assert_eq!(
        limits(json!({"size": size, "min_pixels": null, "max_pixels": 8000})),
        (1568, 8000)
    );
}

#[test]
fn settings_come_from_the_file() {
    let read = config(json!({
        "patch_size": 16, "merge_size": 1, "temporal_patch_size": 4, "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.5, 1.0], "rescale_factor": 0.5, "resample": 3, "do_resize": true,
        "image_processor_type": "Qwen2VLImageProcessor",
    }))
    .unwrap();
    let layout = PatchLayout {
        patch_size: 16,
        merge_size: 1,
        temporal_patch_size: 4,
    };
    assert_eq!(read.layout, layout);
    let normalization = Normalization {
        rescale: 0.5,
        mean: [0.5; 3],
        std: [0.25, 0.5, 1.0],
    };
    assert_eq!(read.normalization, normalization);

    let mut nested = files();
    nested.insert(
        "processor_config.json",
        r#"{"image_processor": {"min_pixels": 784}}"#,
    );
    assert_eq!(ImageConfig::from_files(&nested).unwrap().min_pixels, 784);
    nested.insert(
        "processor_config.json",
        r#"{"processor_class": "Qwen2VLProcessor"}"#,
    );
    assert_eq!(ImageConfig::from_files(&nested).unwrap().min_pixels, 3136);
}

#[test]
fn unsupported_settings_are_refused_by_name() {
    for (json, expected) in [
        (
            json!({"do_resize": false}),
            "do_resize is false, only true is supported",
        ),
        (
            json!({"resample": 2}),
            "resample is 2, only 3 (bicubic) is supported",
        ),
        (
            json!({"patch_size": 0}),
            "patch_size is 0, expected 1 to 1024",
        ),
        (
            json!({"merge_size": 1e15 as u64}),
            "merge_size is 1000000000000000",
        ),
        (
            json!({"min_pixels": 1e15 as u64, "max_pixels": 1e15 as u64}),
            "min_pixels <= 178956970",
        ),
        (json!({"rescale_factor": 0}), "rescale_factor is 0"),
        (
            json!({"image_mean": [0.5, 1e300, 0.5]}),
            "image_mean is [0.5, 1e300, 0.5]",
        ),
        (
            json!({"image_std": [1.0, 1e-60, 1.0]}),
            "image_std is [1.0, 1e-60, 1.0]",
        ),
        (
            json!({"size": [3136, 12845056]}),
            "size: found a list, expected an object",
        ),
        (
            json!({"image_std": [1.0, 0.0, 1.0]}),
            "image_std is [1.0, 0.0, 1.0]",
        ),
        (
            json!({"min_pixels": 9000, "max_pixels": 8000}),
            "min_pixels is 9000 and max_pixels 8000",
        ),
        (
            json!({"min_pixels": 1, "max_pixels": 783}),
            "and max_pixels >= 784",
        ),
        (json!({"image_mean": [1.0]}), "invalid length 1"),
    ] {
        let message = config(json).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_directory_is_saved_as_it_was_read() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files().write_dir(from.path()).unwrap();
    let processor = Processor::from_dir(from.path()).unwrap();
    processor.save_to_dir(to.path()).unwrap();
    for name in [
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
    ] {
        let read = |dir: &Path| std::fs::read(dir.join(name)).unwrap();
        assert_eq!(read(from.path()), read(to.path()), "{name}");
    }
    assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 3);

    let other = processor
        .with_chat_template("{{ messages[0].content }}")
        .unwrap();
    other.save_to_dir(to.path()).unwrap();
    let again = Processor::from_dir(to.path()).unwrap();
    assert_eq!(
        again
            .encode(&[Message::text("user", "hi")], &[], true)
            .unwrap()
            .tokens,
        [256]
    );
}

#[test]
fn a_missing_file_or_token_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let message = Processor::from_dir(dir.path()).unwrap_err().to_string();
    assert!(
        message.ends_with("tokenizer.json: the file does not exist"),
        "{message}"
    );
    let mut files = files();
    let mut without = tiny::json();
    without["added_tokens"]
        .as_array_mut()
        .unwrap()
        .retain(|token| token["id"] != PAD);
    files.insert("tokenizer.json", without.to_string());
    let message = Processor::from_files(files).unwrap_err().to_string();
    assert_eq!(
        message,
        "tokenizer.json: the token <|image_pad|> is missing"
    );
}

fn with_options(processor: Processor, options: ProcessorOptions) -> Result<Processor, String> {
    processor
        .with_options(&options)
        .map_err(|error| error.to_string())
}

#[test]
fn limits_can_be_set_over_the_models_own() {
    let limits = |min, max| ProcessorOptions {
        limits: PictureLimits {
            min_pixels: Some(min),
            max_pixels: Some(max),
            ..PictureLimits::default()
        },
        ..ProcessorOptions::default()
    };
    let picture = RgbImage::new(300, 300);
    let limited = with_options(processor(), limits(784, 1568)).unwrap();
    assert!(limited.patches(&picture).unwrap().num_patches() <= 8);
    let message = with_options(processor(), limits(10, 5)).unwrap_err();
    assert!(
        message.contains("min_pixels is 10 and max_pixels 5"),
        "{message}"
    );

    let tiles = |max| ProcessorOptions {
        limits: PictureLimits {
            max_tiles: Some(max),
            ..PictureLimits::default()
        },
        ..ProcessorOptions::default()
    };
    let one = with_options(internvl(), tiles(1)).unwrap();
    assert_eq!(one.patches(&picture).unwrap().grid, [1, 4, 4]);
    let message = with_options(processor(), tiles(2)).unwrap_err();
    assert_eq!(
        message,
        "max_tiles is set, expected an InternVL model for it"
    );
    let message = with_options(internvl(), limits(1, 2)).unwrap_err();
    assert_eq!(
        message,
        "min_pixels is set, expected a Qwen-VL model for it"
    );
}

/// The tiny tokenizer with InternVL's tokens, begun by `<s>` if `prefix`.
fn internvl_files(prefix: bool) -> ProcessorFiles {
    let mut tokenizer = tiny::json();
    let names = ["<img>", "</img>", "<IMG_CONTEXT>", "<s>"];
    for (i, name) in names.iter().enumerate() {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        let mut token = added[0].clone();
        token["id"] = json!(265 + i);
        token["content"] = json!(name);
        added.push(token);
    }
    if prefix {
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [268], "tokens": ["<s>"]}},
        });
    }
    let mut files = ProcessorFiles::new();
    files.insert("tokenizer.json", tokenizer.to_string());
    // The tokenizer's own template, which knows nothing of pictures.
    let own = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let config = json!({"chat_template": own, "bos_token": "<s>"});
    files.insert("tokenizer_config.json", config.to_string());
    let model = json!({
        "model_type": "internvl_chat", "template": "internvl2_5", "force_image_size": 56,
        "dynamic_image_size": true, "max_dynamic_patch": 12, "use_thumbnail": false,
        "vision_config": {"image_size": 56, "patch_size": 14},
    });
    files.insert("config.json", model.to_string());
    files
}

fn internvl() -> Processor {
    Processor::from_files(internvl_files(false)).unwrap()
}

/// Texts of InternVL 2.5's own conversation code, with pictures of the given numbers of tiles.
#[test]
fn internvl_conversations_are_those_of_its_own_code() {
    let text = std::fs::read_to_string(golden::path("prompts.json")).unwrap();
    let prompts: Value = serde_json::from_str(&text).unwrap();
    let mut count = 0;
    for row in prompts["prompts"].as_array().unwrap() {
        if row["kind"] != "internvl2_5" {
            continue;
        }
        let turns: Vec<(String, Option<String>)> =
            serde_json::from_value(row["turns"].clone()).unwrap();
        let said = turns
            .iter()
            .filter_map(|(role, text)| Some((role, text.as_ref()?)));
        let messages: Vec<Message> = said
            .map(|(role, text)| Message::with_image_marks(role, text))
            .collect();
        let tiles: Vec<u32> = serde_json::from_value(row["tiles"].clone()).unwrap();
        let images: Vec<RgbImage> = tiles.iter().map(|n| RgbImage::new(56 * n, 56)).collect();
        for prefix in [false, true] {
            let processor = Processor::from_files(internvl_files(prefix)).unwrap();
            let prompt = processor.encode(&messages, &images, true).unwrap();
            let start = if prefix { "<s>" } else { "" };
            let expected = format!("{start}{}", row["text"].as_str().unwrap());
            assert_eq!(processor.decode(&prompt.tokens, false).unwrap(), expected);
            // Not one of the tokens is spelled.
            let context = prompt.tokens.iter().filter(|id| **id == 267).count();
            assert_eq!(context, 4 * tiles.iter().sum::<u32>() as usize);
            let grids: Vec<usize> = prompt.images.iter().map(|image| image.grid[0]).collect();
            assert_eq!(grids, tiles.iter().map(|n| *n as usize).collect::<Vec<_>>());
        }
        count += 1;
    }
    assert_eq!(count, 3);
}

/// transformers' template writes a bare `<IMG_CONTEXT>` and leaves the frame to the processor.
#[test]
fn a_bare_placeholder_is_framed() {
    let source = "{% for m in messages %}{% for p in m.content %}{{ '<IMG_CONTEXT>\n' if p.type == 'image' else p.text }}{% endfor %}{% endfor %}";
    let processor = internvl().with_chat_template(source).unwrap();
    let messages = [Message::with_image_marks("user", "<image><image>hi")];
    let images = [RgbImage::new(56, 56), RgbImage::new(56, 56)];
    let tokens = processor.encode(&messages, &images, true).unwrap().tokens;
    let one = [265, 267, 267, 267, 267, 266, 10];
    assert_eq!(tokens, [&one[..], &one[..], &[256]].concat());
}

#[test]
fn a_row_without_pictures_can_be_shown_a_white_one() {
    let options = ProcessorOptions {
        blank_image: true,
        ..ProcessorOptions::default()
    };
    let processor = with_options(internvl(), options.clone()).unwrap();
    let asked = [Message::text("system", "S"), Message::text("user", "hi")];
    let prompt = processor.encode(&asked, &[], true).unwrap();
    // Of the square grids of at most 12 tiles of 56 pixels the picture fills 3 x 3 by half.
    assert_eq!(prompt.images[0].grid, [9, 4, 4]);
    let white = Normalization::IMAGENET.table().map(|channel| channel[255]);
    assert_eq!(prompt.images[0].patches[0], white[0]);
    let text = processor.decode(&prompt.tokens, true).unwrap();
    assert_eq!(text, "system\nS\nuser\n\nhi\nassistant\n");
    let shown = [Message::with_image_marks("user", "<image>")];
    let prompt = processor
        .encode(&shown, &[RgbImage::new(112, 56)], true)
        .unwrap();
    assert_eq!(prompt.images.len(), 1, "a row with a picture keeps its own");
    assert_eq!(prompt.images[0].grid, [2, 4, 4]);

    let message = processor
        .encode(&asked[..1], &[], true)
        .unwrap_err()
        .to_string();
    assert!(message.contains("expected a user turn"), "{message}");
    let message = with_options(text_only(), options).unwrap_err();
    assert!(message.contains("a model that reads pictures"), "{message}");
}

fn text_only() -> Processor {
    let mut files = ProcessorFiles::new();
    files.insert("tokenizer.json", tiny::bytes());
    files.insert("config.json", r#"{"model_type": "qwen2"}"#);
    let template = "{% for m in messages %}{{ m.content }}{% endfor %}";
    files.insert("chat_template.jinja", template);
    Processor::from_files(files).unwrap()
}

#[test]
fn a_text_model_needs_no_image_settings_and_takes_no_pictures() {
    let processor = text_only();
    let prompt = processor
        .encode(&[Message::text("user", "hi")], &[], true)
        .unwrap();
    assert_eq!((prompt.tokens, prompt.images.len()), (vec![256], 0));
    assert_eq!(processor.image_token(), None);
    let shown = [Message::with_image_marks("user", "<image>hi")];
    let message = processor
        .encode(&shown, &[RgbImage::new(9, 9)], true)
        .unwrap_err();
    assert!(message.to_string().contains("takes text only"), "{message}");
    assert!(processor.patches(&RgbImage::new(9, 9)).is_err());
}

/// The two prompts of VisualThinker-R1-Zero for a base model, byte for byte, and its question's
/// leading space.
#[test]
fn base_prompts_have_no_markup() {
    let words = "A conversation between User and Assistant. The user asks a question about the image, and the Assistant solves it. The assistant first thinks about the reasoning process in the mind and then provides the user with the answer.\nUser:  How many? \nAssistant: Let me solve this step by step.\n<think>";
    let messages = [Message::with_image_marks("user", "<image> How many?")];
    let picture = [golden::picture("tiny_9x7.png")];
    for (name, literal) in [("visualthinker_base", "<image>"), ("r1_zero", "")] {
        let options = ProcessorOptions {
            chat_template: Some(name.into()),
            ..ProcessorOptions::default()
        };
        let processor = with_options(processor(), options).unwrap();
        let text = processor
            .chat_template()
            .unwrap()
            .render(&messages, true, &TemplateArgs::new())
            .unwrap();
        let vision = "<|vision_start|><|image_pad|><|vision_end|>";
        assert_eq!(text, format!("{vision}{literal}{words}"));
        let tokens = processor.encode(&messages, &picture, true).unwrap().tokens;
        assert_eq!(tokens[..2], [261, PAD]);
        let plain = [Message::text("user", " How many?")];
        assert_eq!(
            processor
                .chat_template()
                .unwrap()
                .render(&plain, true, &TemplateArgs::new())
                .unwrap(),
            words
        );
        let two = [plain[0].clone(), Message::text("assistant", "2")];
        let message = processor.encode(&two, &[], true).unwrap_err().to_string();
        assert!(message.contains("takes one turn"), "{message}");
    }
}

#[test]
fn a_template_is_chosen_by_name_or_by_file_and_saved() {
    let choose = |name: &str| {
        let options = ProcessorOptions {
            chat_template: Some(name.into()),
            ..ProcessorOptions::default()
        };
        with_options(processor(), options)
    };
    let message = choose("r1zero").unwrap_err();
    assert_eq!(
        message,
        "the chat template \"r1zero\" does not exist, expected a file or one of internvl2_5, r1_zero, visualthinker_base, raw"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.jinja");
    std::fs::write(&file, "{{ messages[0].content }}!").unwrap();
    let chosen = choose(file.to_str().unwrap()).unwrap();
    chosen.save_to_dir(dir.path()).unwrap();
    let again = Processor::from_dir(dir.path()).unwrap();
    let asked = [Message::text("user", "hi")];
    assert_eq!(again.encode(&asked, &[], true).unwrap().tokens, [256, 33]);
}

#[test]
fn an_unknown_conversation_template_is_named() {
    let mut files = internvl_files(false);
    let model = String::from_utf8(files.get("config.json").unwrap().to_vec()).unwrap();
    files.insert("config.json", model.replace("internvl2_5", "Hermes-2"));
    let message = Processor::from_files(files.clone())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains(r#"template is "Hermes-2", expected "internvl2_5""#),
        "{message}"
    );
    files.insert("chat_template.jinja", "x");
    assert!(Processor::from_files(files).is_ok());
}

/// Words that spell every special token stay words, in every family.
#[test]
fn no_family_takes_special_tokens_from_words() {
    let hostile = "<img><IMG_CONTEXT></img><s><|im_end|><|image_pad|> <IMG_CON";
    let said = |words: &str| {
        let text = Content::Text(words.into());
        let content = vec![Content::Image, text];
        [Message {
            role: "user".into(),
            content,
        }]
    };
    for processor in [processor(), internvl()] {
        let picture = [RgbImage::new(56, 56)];
        let tokens = |words| {
            processor
                .encode(&said(words), &picture, true)
                .unwrap()
                .tokens
        };
        let specials = |words| -> Vec<u32> {
            let known = |id: &u32| (258..264).contains(id) || *id >= 265;
            tokens(words).into_iter().filter(known).collect()
        };
        assert_eq!(specials(hostile), specials("x"));
        let text = processor.decode(&tokens(hostile), false).unwrap();
        assert!(text.contains(hostile), "{text}");
    }
}

#[test]
fn families_count_boxes_in_units_of_their_own() {
    let families = Families::default();
    let units = |model_type: &str| {
        let mut all = families.iter();
        let family = all.find(|family| family.model_types().contains(&model_type));
        family.unwrap().box_units()
    };
    assert_eq!(units("qwen2_5_vl"), Some(BoxUnits::ResizedPixels));
    for thousandths in ["qwen2_vl", "internvl", "internvl_chat"] {
        assert_eq!(units(thousandths), Some(BoxUnits::Thousandths));
    }
    assert_eq!(units("llama"), None);
}
