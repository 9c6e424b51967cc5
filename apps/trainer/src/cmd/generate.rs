//! `trainer generate`

use crate::{
    Extensions,
    device::DeviceArgs,
    input_error::InputError,
    model_dir::ModelDir,
    output::Output,
    paths,
    processor_args::{ConversationArgs, StopArgs},
};
use anyhow::{Context, Result};
use burn_rl::{
    data::{DataRow, Encoder, OnError, RowDataset, RowKind},
    error::RlError,
    types::Prompt,
};
use burn_vlm::{
    generate::{
        Completion, FinishReason, Generator, Limits, Purpose, Request, SampleKey, Sampling,
        StopStrings,
    },
    text::{Message, place_images},
};
use clap::{ArgGroup, value_parser};
use rayon::prelude::*;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

/// New tokens where `--max-new-tokens` says nothing and the model has room for as many.
const MAX_NEW_TOKENS: usize = 512;

/// Arguments of `trainer generate`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("input").required(true).args(["prompt", "data"])))]
pub struct Args {
    /// A Hugging Face model directory, as runs/demo/checkpoints/latest.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub model: PathBuf,
    /// A picture; may be repeated. Pictures replace the <image> marks of the prompt in order, or
    /// stand before it where it has none.
    #[arg(long = "image", value_name = "FILE", num_args = 1.., conflicts_with = "data", value_parser = paths::path())]
    pub images: Vec<PathBuf>,
    /// What to ask.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Prompts as data rows; answers are not needed.
    #[arg(long, value_name = "FILE.jsonl", value_parser = paths::path())]
    pub data: Option<PathBuf>,
    /// How a conversation becomes what the model reads.
    #[command(flatten)]
    pub conversation: ConversationArgs,
    /// Takes the most likely token every time.
    #[arg(long, conflicts_with = "temperature")]
    pub greedy: bool,
    /// Divides the logits; 0 is greedy.
    #[arg(
        long,
        value_name = "T",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub temperature: f64,
    /// Keeps the most likely tokens that hold this mass.
    #[arg(
        long,
        value_name = "P",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub top_p: f64,
    /// Keeps this many of the most likely tokens; 0 keeps all.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub top_k: usize,
    /// Cuts a completion after this many tokens [default: 512, or what the model has room for].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub max_new_tokens: Option<u32>,
    /// What ends a completion beside stop tokens.
    #[command(flatten)]
    pub stop: StopArgs,
    /// Completions of each prompt.
    #[arg(short = 'n', value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub n: u32,
    /// Seed of everything random. A completion depends on seed, row id, prompt and draw alone.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Prints one JSON object a completion, with token ids and their log-probabilities: under the
    /// policy at temperature 1, and under the distribution they were drawn from.
    #[arg(long)]
    pub json: bool,
    /// Most sequences that are decoded together.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    pub max_batch: u32,
    /// Where to compute, and in what.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// One completion as it is printed.
#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    prompt_tokens: &'a [u32],
    tokens: &'a [u32],
    logprobs: &'a [f32],
    behaviour_logprobs: &'a [f32],
    text: &'a str,
    finish_reason: FinishReason,
}

/// Samples completions and prints them: texts, or JSON objects in the order of rows and draws.
///
/// # Errors
/// A model, a row or a picture that cannot be used, or a prompt the model has no room for.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let rows = rows(args)?;
    let mut sampling = Sampling {
        temperature: if args.greedy { 0.0 } else { args.temperature },
        top_p: args.top_p,
        top_k: args.top_k,
        ..Sampling::default()
    };
    sampling.check()?;
    let (device, compute) = args.device.open()?;
    let loaded = ModelDir::load(
        &args.model,
        args.conversation.processor.init,
        &args.conversation.processor.options(),
        compute,
        &device,
        &extensions.families,
    )?;
    let encoder = Encoder::new(
        loaded.processor.clone(),
        args.conversation.system.clone(),
        usize::MAX,
        loaded.stop[0],
    );
    let positions = loaded.model.config().max_positions();
    let encode = |row: &DataRow| -> Result<(Prompt, usize)> {
        let prompt = encoder.encode(row).map_err(|error| at(row, error))?;
        let len = prompt.encoded.tokens.len();
        let room = positions.saturating_sub(len);
        let asked = args.max_new_tokens.map(|n| n as usize);
        let limit = asked.unwrap_or(MAX_NEW_TOKENS.min(room));
        if limit == 0 || limit > room {
            let message = format!(
                "the prompt is {len} tokens long, pictures included, which with {} new ones \
                 exceeds the model's {positions} positions",
                limit.max(1)
            );
            return Err(at(row, RlError::Config(message)).into());
        }
        Ok((prompt, limit))
    };
    let mut out = Output::stdout();
    let (n, max_batch) = (args.n as usize, args.max_batch as usize);
    for rows in rows.chunks(max_batch.div_ceil(n)) {
        let prompts: Vec<(Prompt, usize)> = rows.par_iter().map(encode).collect::<Result<_>>()?;
        for same in prompts.chunk_by(|a, b| a.1 == b.1) {
            sampling.max_new_tokens = same[0].1;
            let generator = Generator {
                model: &loaded.model,
                sampling,
                stop: &loaded.stop,
                limits: Limits::rows(max_batch),
                logprob_temperature: 1.0,
            };
            let stop = stop_strings(args, &loaded)?;
            let ends = |tokens: &[u32]| stop.end(tokens);
            let requests = requests(same, n, args.seed);
            let never = AtomicBool::new(false);
            let completions = generator.generate_ending(&never, &requests, &ends, &mut |_| {})?;
            for ((prompt, _), drawn) in same.iter().zip(completions.chunks(n)) {
                print(args, &loaded, prompt, drawn, rows.len() > 1, &mut out)?;
            }
        }
    }
    out.finish()
}

/// The prompts of a file, or the one of `--prompt`.
fn rows(args: &Args) -> Result<Vec<DataRow>> {
    if let Some(path) = &args.data {
        let set = RowDataset::open(
            path,
            &args.conversation.processor.row_format(),
            OnError::Error,
            RowKind::Prompt,
        )?;
        return Ok(set.rows().to_vec());
    }
    let prompt = args.prompt.as_deref().unwrap_or_default();
    let mut messages = vec![Message::with_image_marks("user", prompt)];
    place_images(&mut messages, args.images.len()).context("--prompt and --image")?;
    if let Some(missing) = args.images.iter().find(|path| !path.is_file()) {
        let message = format!(
            "--image {}: no such file, expected a picture",
            missing.display()
        );
        return Err(InputError::new(message).into());
    }
    let id = "prompt".to_owned();
    let images = args.images.clone();
    Ok(vec![DataRow {
        id,
        messages,
        target: None,
        answer: None,
        answers: vec![],
        images,
        difficulty: None,
        template_args: Default::default(),
        kept: Default::default(),
        set: "".into(),
        fields: Default::default(),
        file: Path::new("").into(),
        line: 0,
    }])
}

/// Adds file and line, where the row has them.
fn at(row: &DataRow, error: RlError) -> RlError {
    match row.line {
        0 => error,
        _ => row.error(error),
    }
}

fn requests(prompts: &[(Prompt, usize)], n: usize, seed: u64) -> Vec<Request> {
    let request = |prompt: &Prompt, draw| Request {
        prompt: prompt.encoded.clone(),
        key: SampleKey {
            purpose: Purpose::Generate,
            seed,
            step: 0,
            prompt: prompt.key,
            draw,
        },
    };
    let draws = |(prompt, _): &(Prompt, usize)| {
        (0..n as u64)
            .map(|draw| request(prompt, draw))
            .collect::<Vec<_>>()
    };
    prompts.iter().flat_map(draws).collect()
}

fn stop_strings<'a>(args: &'a Args, loaded: &'a ModelDir) -> Result<StopStrings<'a>> {
    let StopArgs {
        stop,
        include_stop_string,
    } = &args.stop;
    let tokenizer = loaded.processor.tokenizer();
    Ok(StopStrings::new(stop, *include_stop_string, tokenizer)?)
}

fn print(
    args: &Args,
    loaded: &ModelDir,
    prompt: &Prompt,
    drawn: &[Completion],
    several: bool,
    out: &mut Output,
) -> Result<()> {
    for (draw, completion) in drawn.iter().enumerate() {
        let text = loaded.processor.decode(&completion.tokens, true)?;
        let text = stop_strings(args, loaded)?.cut(&text);
        if args.json {
            out.json(&Record {
                id: &prompt.id,
                prompt_tokens: &prompt.encoded.tokens,
                tokens: &completion.tokens,
                logprobs: &completion.logprobs,
                behaviour_logprobs: &completion.behaviour_logprobs,
                text,
                finish_reason: completion.finish,
            })?;
            continue;
        }
        if several || drawn.len() > 1 {
            say!("— {} ({}/{})", prompt.id, draw + 1, drawn.len());
        }
        out.line(text)?;
    }
    Ok(())
}
