//! How likely a model finds given answers: one padded batch of rows with and without a picture.
//!
//! `cargo run --release -p burn-vlm --example batch_logprobs --features flex -- MODEL_DIR PICTURE`

use burn::tensor::Device;
use burn_vlm::{
    Processor, Row, Vlm, VlmInput,
    image::load,
    tape::{ActivationRecompute, Tape, Targets},
    text::Message,
};
use std::{error::Error, path::Path};

const ROWS: [(&str, &str); 3] = [
    ("<image>\nIs there a circle?", "yes"),
    ("<image>\nIs there a circle?", "no"),
    (
        "What is the capital of France?",
        "The capital of France is Paris.",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, picture] = args.as_slice() else {
        return Err("expected a model directory and a picture".into());
    };
    let (dir, device) = (Path::new(dir), Device::default());
    let processor = Processor::from_dir(dir)?;
    let model = Vlm::from_dir(dir, &device)?;
    let picture = load(Path::new(picture), processor.decoding())?;

    // Prompt and answer in one sequence; how many of its last tokens are the answer's.
    let (mut sequences, mut counts) = (vec![], vec![]);
    for (question, answer) in ROWS {
        let question = Message::with_image_marks("user", question);
        let shown = vec![picture.clone(); question.image_count()];
        let mut prompt = processor.encode(&[question], &shown, true)?;
        let answer = processor.tokenizer().encode_text(answer)?;
        prompt.tokens.extend(&answer);
        counts.push(answer.len());
        sequences.push(prompt);
    }

    let rows: Vec<Row<'_>> = sequences
        .iter()
        .map(|sequence| Row {
            tokens: &sequence.tokens,
            images: &sequence.images,
        })
        .collect();
    let tokens: Vec<&[u32]> = rows.iter().map(|row| row.tokens).collect();
    let input = VlmInput::new(&rows, model.config(), &device)?;
    let targets = Targets::new(&tokens, &counts, input.width, &device)?;
    let tape = Tape::record(&model, &input, &targets, 1.0, ActivationRecompute::Block);

    // [B, R]: zero where a row has no token, so a sum over a row is the whole answer's.
    let logp = tape.scores().logp.sum_dim(1).into_data();
    for ((question, answer), logp) in ROWS.iter().zip(logp.iter::<f32>()) {
        println!("{logp:9.3}  {answer:?} after {question:?}");
    }
    Ok(())
}
