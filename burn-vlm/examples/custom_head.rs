//! A head of one's own on a loaded model: a linear layer learns to tell questions from statements by
//! the model's last hidden state. The model itself is not changed and no gradient goes through it.
//!
//! `cargo run --release -p burn-vlm --example custom_head --features flex -- MODEL_DIR`

use burn::{
    module::Module,
    nn::{Linear, LinearConfig, loss::CrossEntropyLossConfig},
    optim::{AdamWConfig, GradientsParams},
    tensor::{Device, Int, Tensor},
};
use burn_vlm::{Processor, Row, Vlm, VlmInput, text::Message};
use std::{error::Error, path::Path};

const STEPS: usize = 100;
const LEARNING_RATE: f64 = 1e-2;
const TRAINING: [&str; 6] = [
    "Where is the circle?",
    "The circle is red.",
    "How many squares are there?",
    "There are three squares.",
    "Is the triangle green?",
    "The triangle is green.",
];
const HELD_OUT: [&str; 2] = ["What colour is the square?", "The square is blue."];

/// Two classes from a hidden state.
#[derive(Module, Debug)]
struct Classifier {
    score: Linear,
}

impl Classifier {
    /// # Shapes
    /// - hidden: `[B, D]`
    /// - output: `[B, 2]`
    fn forward(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.score.forward(hidden)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args()
        .nth(1)
        .ok_or("expected a model directory")?;
    let (dir, device) = (Path::new(&dir), Device::default());
    let processor = Processor::from_dir(dir)?;
    let model = Vlm::from_dir(dir, &device)?;

    let hidden = last_hidden(&model, &processor, &TRAINING, &device)?;
    let labels = Tensor::<1, Int>::from_ints([1, 0, 1, 0, 1, 0], &device);
    let mut head = Classifier {
        score: LinearConfig::new(model.width(), 2).init(&device),
    };
    let mut optimizer = AdamWConfig::new().init();
    for step in 1..=STEPS {
        let training = head.train();
        let logits = training.forward(hidden.clone().autodiff());
        let loss = CrossEntropyLossConfig::new()
            .init(&device)
            .forward(logits, labels.clone().autodiff());
        if step % 20 == 0 {
            println!("step {step}: loss {:.4}", loss.clone().into_scalar::<f32>());
        }
        let grads = GradientsParams::from_grads(loss.backward(), &training);
        head = optimizer.step(LEARNING_RATE, training, grads).valid();
    }

    let hidden = last_hidden(&model, &processor, &HELD_OUT, &device)?;
    let classes = head.forward(hidden).argmax(1).into_data();
    for (text, class) in HELD_OUT.iter().zip(classes.iter::<i64>()) {
        println!(
            "{text:?} is a {}",
            ["statement", "question"][class as usize]
        );
    }
    Ok(())
}

/// The hidden state after the last token of each text, of one padded batch.
///
/// # Shapes
/// - output: `[B, D]`
fn last_hidden(
    model: &Vlm,
    processor: &Processor,
    texts: &[&str],
    device: &Device,
) -> Result<Tensor<2>, Box<dyn Error>> {
    let prompts = texts
        .iter()
        .map(|text| processor.encode(&[Message::text("user", *text)], &[], true))
        .collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<Row<'_>> = prompts
        .iter()
        .map(|prompt| Row {
            tokens: &prompt.tokens,
            images: &prompt.images,
        })
        .collect();
    let hidden = model.hidden(&VlmInput::new(&rows, model.config(), device)?);
    let [b, t, d] = hidden.dims();
    // Rows are padded on the left, so all end together.
    Ok(hidden.narrow(1, t - 1, 1).reshape([b, d]))
}
