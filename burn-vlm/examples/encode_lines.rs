//! Tokenises JSON lines with the tokenizer and chat template of a model directory.
//!
//! `cargo run -p burn-vlm --example encode_lines --features flex -- MODEL_DIR < lines.jsonl`
//!
//! `{"text": …}` gives `{"ids", "literal_ids"}`, with special tokens recognised and taken as text;
//! `{"messages": […], "add_generation_prompt": true}` gives `{"text", "ids"}`. A line may bring its
//! own `"template"` and `"chat_template_kwargs"`. `tests/reference/check_text.py` holds the answers to Python's.

use std::{
    error::Error,
    io::{self, BufRead},
    path::Path,
};

use burn_vlm::text::{ChatTemplate, Message, ProcessorFiles, Tokenizer};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args()
        .nth(1)
        .ok_or("expected a model directory")?;
    let files = ProcessorFiles::read_dir(Path::new(&dir))?;
    let tokenizer = Tokenizer::from_files(&files)?;
    for line in io::stdin().lock().lines() {
        let line: Value = serde_json::from_str(&line?)?;
        let answer = answer(&line, &files, &tokenizer);
        println!(
            "{}",
            answer.unwrap_or_else(|error| json!({"error": error.to_string()}))
        );
    }
    Ok(())
}

fn answer(
    line: &Value,
    files: &ProcessorFiles,
    tokenizer: &Tokenizer,
) -> Result<Value, Box<dyn Error>> {
    if let Some(text) = line["text"].as_str() {
        return Ok(json!({
            "ids": tokenizer.encode_template(text, None)?,
            "literal_ids": tokenizer.encode_text(text)?,
        }));
    }
    let template = match line["template"].as_str() {
        Some(source) => ChatTemplate::new(source, Path::new("template"), files)?,
        None => {
            let config = files.object(ProcessorFiles::CONFIG)?;
            let reads_pictures = config.is_some_and(|config| config["vision_config"].is_object());
            ChatTemplate::from_files(files, reads_pictures)?
        }
    };
    let messages: Vec<Message> = serde_json::from_value(line["messages"].clone())?;
    let args = line["chat_template_kwargs"].as_object().cloned();
    let args = args.unwrap_or_default();
    let open = line["add_generation_prompt"] == true;
    Ok(json!({
        "text": template.render(&messages, open, &args)?,
        "ids": template.encode(tokenizer, &messages, open, &args)?,
    }))
}
