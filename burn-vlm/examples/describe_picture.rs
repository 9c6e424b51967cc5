//! `cargo run --release -p burn-vlm --example describe_picture --features flex -- MODEL_DIR PICTURE`

use burn::tensor::Device;
use burn_vlm::generate::{Generator, Limits, Request, SampleKey, Sampling};
use burn_vlm::{Processor, Vlm, image::load, text::Message};
use std::{error::Error, path::Path, sync::Arc};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, picture] = args.as_slice() else {
        return Err("expected a model directory and a picture".into());
    };
    let dir = Path::new(dir);
    let processor = Processor::from_dir(dir)?;
    let model = Vlm::from_dir(dir, &Device::default())?;

    let picture = load(Path::new(picture), processor.decoding())?;
    let question = Message::with_image_marks("user", "<image>\nDescribe this picture.");
    let prompt = processor.encode(&[question], &[picture], true)?;

    let stop = processor.stop_token_ids()?;
    let generator = Generator {
        model: &model,
        sampling: Sampling::greedy(256),
        stop: &stop,
        limits: Limits::rows(1),
        logprob_temperature: 1.0,
    };
    let (prompt, key) = (Arc::new(prompt), SampleKey::default());
    let said = generator.generate(&[Request { prompt, key }], &mut |_| {})?;
    println!("{}", processor.decode(&said[0].tokens, true)?);
    Ok(())
}
