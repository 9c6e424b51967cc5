//! `trainer score`

mod rows;

use crate::{
    Extensions,
    device::DeviceArgs,
    hub,
    input_error::InputError,
    model_dir::{ModelDir, described_in, has_tokenizer},
    output::{Output, check_apart},
    paths,
    processor_args::ConversationArgs,
};
use anyhow::{Result, bail};
use burn::tensor::Device;
use burn_rl::{RlError, config::ModelInit, data::Encoder, learner::each_part};
use burn_vlm::{
    Compute, EncodedPrompt, Families, LoadOptions, Row, Vlm, VlmError, VlmInput,
    processor::{Pictures, ProcessorOptions},
    tape::{ActivationRecompute, Tape, Targets},
};
use clap::value_parser;
use rayon::prelude::*;
use rows::{Reading, ScoreRow, read_rows};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};

/// Micro-batches whose pictures and tokens are held on the host at a time.
const BATCHES_HELD: usize = 8;

/// Arguments of `trainer score`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A Hugging Face model directory, as runs/demo/checkpoints/latest.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub model: PathBuf,
    /// Prompts and responses.
    ///
    /// A row is a conversation with "response":"text", or "prompt_tokens" and "response_tokens" as
    /// ids with "image_urls". Exactly the tokens of a text are scored: no stop token is added, and
    /// a special token spelled in a text is ordinary text. Log-probabilities are in nats, at
    /// temperature 1.
    #[arg(long, value_name = "FILE.jsonl", value_parser = paths::path())]
    pub data: PathBuf,
    /// Where the results go [default: standard output].
    #[arg(long, value_name = "FILE.jsonl", value_parser = paths::path())]
    pub out: Option<PathBuf>,
    /// How a conversation becomes what the model reads.
    #[command(flatten)]
    pub conversation: ConversationArgs,
    /// Sequences that are scored together; the numbers do not depend on it.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..))]
    pub micro_batch: u32,
    /// Where to compute, and in what.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// One response as it is printed.
#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    prompt_tokens: &'a [u32],
    response_tokens: &'a [u32],
    logprobs: &'a [f32],
}

/// A row as the model takes it.
struct Scorable {
    prompt: Arc<EncodedPrompt>,
    response: Vec<u32>,
}

impl Scorable {
    fn tokens(&self) -> Vec<u32> {
        self.prompt
            .tokens
            .iter()
            .chain(&self.response)
            .copied()
            .collect()
    }
}

/// Prints log-probabilities of given responses, in input order.
///
/// # Errors
/// A model that cannot be used, or a row, with its line; results that would replace the rows.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    check_apart(args.out.as_deref(), &args.data)?;
    let rows = read_rows(&args.data, &args.conversation.processor.picture_roots)?;
    let (device, compute) = args.device.open()?;
    let (model, reading) = load(args, &rows, compute, &device, &extensions.families)?;
    let mut out = Output::create(args.out.as_deref())?;
    let micro_batch = args.micro_batch as usize;
    for rows in rows.chunks(micro_batch * BATCHES_HELD) {
        let encode = |row: &ScoreRow| row.encode(&args.data, &reading, model.config());
        let scorables: Vec<Scorable> = rows.par_iter().map(encode).collect::<Result<_, _>>()?;
        let found = logprobs(&model, &scorables, micro_batch, &device)?;
        for ((row, scorable), logprobs) in rows.iter().zip(&scorables).zip(&found) {
            if let Some(token) = logprobs.iter().position(|logprob| !logprob.is_finite()) {
                bail!(
                    "row {}: the log-probability of response token {token} is {}: the model is \
                     broken, or a number overflowed in the precision that it computes in",
                    row.id,
                    logprobs[token]
                );
            }
            out.json(&Record {
                id: &row.id,
                prompt_tokens: &scorable.prompt.tokens,
                response_tokens: &scorable.response,
                logprobs,
            })?;
        }
    }
    out.finish()
}

/// The model, and how its rows are read: without a tokenizer only what is tokens already.
fn load(
    args: &Args,
    rows: &[ScoreRow],
    compute: Compute,
    device: &Device,
    families: &Families,
) -> Result<(Vlm, Reading)> {
    let options = args.conversation.processor.options();
    let drawn = args.conversation.processor.init == ModelInit::Random;
    let plain = !drawn && options == ProcessorOptions::default();
    if !plain || rows.iter().any(ScoreRow::is_text) || has_tokenizer(&args.model)? {
        let loaded = ModelDir::load(
            &args.model,
            args.conversation.processor.init,
            &options,
            compute,
            device,
            families,
        )?;
        let encoder = Encoder::new(
            loaded.processor,
            args.conversation.system.clone(),
            usize::MAX,
            loaded.stop[0],
        );
        return Ok((loaded.model, Reading::Text(encoder)));
    }
    let dir = hub::locate(&args.model);
    let pictures = match rows.iter().any(ScoreRow::has_images) {
        true => Pictures::from_dir(&described_in(&dir)?, families)?,
        false => Pictures::NONE,
    };
    let options = LoadOptions::computing_in(compute).among(families);
    let model = Vlm::load(&dir, &options, device)?;
    if pictures.processor().is_some() {
        let fits = pictures.check_fit(model.config().vision.as_deref());
        fits.map_err(|message| InputError::new(format!("{}: {message}", dir.display())))?;
    }
    Ok((model, Reading::Tokens(pictures)))
}

/// Log-probabilities of every response token, by row. Rows alike in length go together, and as many
/// micro-batches are at work as a learner would have.
fn logprobs(
    model: &Vlm,
    rows: &[Scorable],
    size: usize,
    device: &Device,
) -> Result<Vec<Vec<f32>>, RlError> {
    let mut order: Vec<usize> = (0..rows.len())
        .filter(|i| !rows[*i].response.is_empty())
        .collect();
    order.sort_by_key(|i| rows[*i].prompt.tokens.len() + rows[*i].response.len());
    let batch = |indices: &[usize]| {
        let batch: Vec<&Scorable> = indices.iter().map(|i| &rows[*i]).collect();
        let scored = batch_logprobs(model, &batch, device)?;
        Ok(indices.iter().copied().zip(scored).collect())
    };
    let mut found = vec![vec![]; rows.len()];
    let parts: Vec<&[usize]> = order.chunks(size).collect();
    let keep = |part: Vec<(usize, Vec<f32>)>| {
        for (i, logprobs) in part {
            found[i] = logprobs;
        }
    };
    each_part(device, &parts, |part| batch(part), keep)?;
    Ok(found)
}

fn batch_logprobs(
    model: &Vlm,
    rows: &[&Scorable],
    device: &Device,
) -> Result<Vec<Vec<f32>>, VlmError> {
    let tokens: Vec<Vec<u32>> = rows.iter().map(|row| row.tokens()).collect();
    let inputs: Vec<Row<'_>> = tokens
        .iter()
        .zip(rows)
        .map(|(tokens, row)| Row {
            tokens,
            images: &row.prompt.images,
        })
        .collect();
    let input = VlmInput::new(&inputs, model.config(), device)?;
    let counts: Vec<usize> = rows.iter().map(|row| row.response.len()).collect();
    let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    let targets = Targets::new(&tokens, &counts, input.width, device)?;
    let tape = Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block);
    let width = targets.shape()[1];
    let logp: Vec<f32> = tape.scores().logp.into_data().iter().collect();
    let rows = logp.chunks(width).zip(&counts);
    Ok(rows.map(|(row, count)| row[..*count].to_vec()).collect())
}
