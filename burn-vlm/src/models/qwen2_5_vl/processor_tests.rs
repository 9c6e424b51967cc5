use serde_json::json;

use super::*;
use crate::image::golden;
use crate::text::tokenizer::tiny;

const PAD: u32 = 262;

fn files() -> ProcessorFiles {
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
        (json!({"patch_size": 0}), "a size is zero"),
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
            "expected min_pixels <= max_pixels and max_pixels >= 784",
        ),
        (json!({"image_mean": [1.0]}), "invalid length 1"),
    ] {
        let message = config(json).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    assert!(processor().with_pixel_limits(10, 5).is_err());
    let limited = processor().with_pixel_limits(784, 1568).unwrap();
    assert!(
        limited
            .image_config()
            .patches(&RgbImage::new(300, 300))
            .unwrap()
            .num_patches()
            <= 8
    );
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
