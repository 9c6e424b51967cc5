//! `trainer eval`

mod summary;

use crate::{
    Extensions,
    benchmarks::{BENCHES, Bench},
    cmd::reward::Policy,
    device::DeviceArgs,
    devices,
    input_error::InputError,
    model_dir::ModelDir,
    output::Output,
    paths,
    processor_args::{ProcessorArgs, StopArgs},
};
use anyhow::{Context, Result};
use burn_rewards::{OnUnparsableGold, Registry, RewardConfig, RewardFn};
use burn_rl::{
    config::EvalConfig,
    data::{DataRow, Encoder, GoldCheck, OnError, RowDataset, RowFormat, RowKind},
    dist::{Workers, engine_on},
    eval::evaluate,
    rollout::LocalEngine,
    types::Prompt,
};
use burn_vlm::{Families, generate::Limits};
use clap::{ArgGroup, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use run_log::RolloutRecord;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{fs, io::IsTerminal, path::PathBuf, sync::Arc};
use summary::Summary;

/// Tokens after which a completion is cut where no benchmark says.
const MAX_NEW_TOKENS: usize = 1024;

/// Arguments of `trainer eval`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["bench", "data"])))]
pub struct Args {
    /// A benchmark: cv_bench, superclevr, geoqa or math.
    #[arg(long, value_name = "NAME", requires = "data")]
    pub bench: Option<String>,
    /// Its data, or data rows of your own: a file, or a directory of parquet files.
    #[arg(long, value_name = "PATH", value_parser = paths::path())]
    pub data: Option<PathBuf>,
    /// A Hugging Face model directory, or the name of one in the Hugging Face cache.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub model: PathBuf,
    /// A new directory for samples.jsonl and summary.json.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub out: Option<PathBuf>,
    /// The rule that judges, as `trainer rewards` lists them [default: the benchmark's, or math].
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// What a gold answer that the rule cannot use does: `error` ends with file and line before
    /// anything is sampled, `skip` leaves the row out, `zero` counts its completions as wrong.
    #[arg(long, value_name = "POLICY", default_value = "error")]
    pub on_unparsable_gold: Policy,
    /// Asks for the answer alone, without reasoning, where the benchmark knows both ways.
    #[arg(long)]
    pub direct: bool,
    /// What a question is put into, at {question}, in place of the benchmark's own.
    #[arg(long, value_name = "TEXT", conflicts_with = "direct")]
    pub template: Option<String>,
    /// A system message for conversations that have none.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// How text and pictures are processed.
    #[command(flatten)]
    pub processor: ProcessorArgs,
    /// Rows used, from the first; all by default.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub samples: Option<u32>,
    /// Completions of each row; with more than one, pass@k is estimated.
    #[arg(short = 'n', value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub n: u32,
    /// Divides the logits; 0 is greedy.
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.0,
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
    /// Cuts a completion after this many tokens [default: the benchmark's, or 1024].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub max_new_tokens: Option<u32>,
    /// What ends a completion beside stop tokens.
    #[command(flatten)]
    pub stop: StopArgs,
    /// Most sequences that are decoded together.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    pub max_batch: u32,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Prints the summary as JSON.
    #[arg(long)]
    pub json: bool,
    /// Where to compute, and in what; several devices share the work.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// A completion as it is written to samples.jsonl.
#[derive(Serialize)]
struct Sample<'a> {
    #[serde(flatten)]
    record: &'a RolloutRecord,
    #[serde(flatten)]
    kept: &'a Map<String, Value>,
}

/// Completes every row, judges the completions, and sums up.
///
/// # Errors
/// An unknown benchmark or rule; a model, a row, a gold answer or a picture that cannot be used; an
/// output directory that exists.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let bench = args.bench.as_deref().map(find).transpose()?;
    let rule = rule(args, bench, &extensions.rewards)?;
    let sampling = sampling(args, bench);
    sampling.sampling().check()?;
    if args.n > 1 && args.temperature == 0.0 {
        let message =
            "-n: all greedy completions of a row are alike, expected a --temperature above 0";
        return Err(InputError::new(message).into());
    }
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        let out = out.display();
        return Err(
            InputError::new(format!("--out {out}: exists, expected a new directory")).into(),
        );
    }
    let rows = rows(args, bench, rule.as_ref())?;
    let summary = measure(
        args,
        bench,
        &rows,
        &sampling,
        rule.as_ref(),
        &extensions.families,
    )
    .inspect_err(|_| {
        if let Some(out) = &args.out {
            // Nothing is in it: it must not stand in the way of a second try. That the first one
            // failed is what is reported, not whether this works.
            let _ = fs::remove_dir(out);
        }
    })?;
    finish(args, bench, &summary)
}

/// Completes and judges the rows; samples.jsonl is written on the way.
fn measure(
    args: &Args,
    bench: Option<&Bench>,
    rows: &[DataRow],
    sampling: &EvalConfig,
    rule: &dyn RewardFn,
    families: &Families,
) -> Result<Summary> {
    let devices = devices::parse(&args.device.device)?;
    let workers = Workers::where_needed(&devices)?;
    let loaded = ModelDir::load(
        &args.model,
        args.processor.init,
        &args.processor.options(),
        args.device.dtype.on(&devices[0].device),
        &devices[0].device,
        families,
    )?;
    let encoder = Encoder::new(
        loaded.processor.clone(),
        system(args, bench),
        loaded.model.config().max_positions(),
        loaded.stop[0],
    );
    let max_batch = args.max_batch as usize;
    let engine = engine_on(workers.as_ref(), &[&loaded.model], |model| {
        let (processor, stop) = (loaded.processor.clone(), loaded.stop.clone());
        let limits = Limits::rows(max_batch);
        LocalEngine::new(model.clone(), processor, stop, limits, args.seed)
    })?;

    let mut samples = match &args.out {
        Some(out) => {
            fs::create_dir_all(out).with_context(|| out.display().to_string())?;
            Some(Output::create(Some(&out.join("samples.jsonl")))?)
        }
        None => None,
    };
    let bar = progress_bar(rows.len() * sampling.draws);
    let mut summary = Summary::default();
    // Pictures of a few batches are in memory at a time.
    for rows in rows.chunks(max_batch.div_ceil(sampling.draws) * 4 * devices.len()) {
        let encode = |row: &DataRow| encoder.encode(row).map_err(|e| row.error(e)).map(Arc::new);
        let prompts: Vec<Arc<Prompt>> = rows.par_iter().map(encode).collect::<Result<_, _>>()?;
        let start = bar.position();
        let found = evaluate(
            sampling,
            engine.as_ref(),
            &prompts,
            rule,
            0,
            None,
            &mut |done| {
                bar.set_position(start + done as u64);
            },
        )?;
        for (row, records) in rows.iter().zip(found.records.chunks(sampling.draws)) {
            summary.add(records, &row.kept);
            for record in records {
                if let Some(out) = &mut samples {
                    let kept = &row.kept;
                    out.json(&Sample { record, kept })?;
                }
            }
        }
        bar.set_position(start + prompts.len() as u64 * sampling.draws as u64);
        bar.set_message(summary.so_far());
    }
    bar.finish_and_clear();
    if let Some(samples) = samples {
        samples.finish()?;
    }
    Ok(summary)
}

fn finish(args: &Args, bench: Option<&Bench>, summary: &Summary) -> Result<()> {
    let name = bench.map_or("", |bench| bench.name);
    let json = summary.json(name, &args.model);
    if let Some(out) = &args.out {
        let mut file = Output::create(Some(&out.join("summary.json")))?;
        file.line(format!("{json:#}"))?;
        file.finish()?;
    }
    let mut out = Output::stdout();
    match args.json {
        true => out.line(format!("{json:#}"))?,
        false => out.line(summary.table(name).trim_end())?,
    }
    out.finish()
}

fn find(name: &str) -> Result<&'static Bench, InputError> {
    BENCHES
        .iter()
        .find(|bench| bench.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
            let known = known.join(", ");
            InputError::new(format!("--bench is `{name}`, expected one of: {known}"))
        })
}

fn rule(args: &Args, bench: Option<&Bench>, rules: &Registry) -> Result<Box<dyn RewardFn>> {
    let (name, options) = match (&args.rule, bench) {
        (Some(name), _) => (name.as_str(), Map::new()),
        (None, Some(bench)) => (bench.rule, bench.options(args.direct)),
        (None, None) => ("math", Map::new()),
    };
    let config: RewardConfig = serde_json::from_value(serde_json::json!({
        "on_unparsable_gold": OnUnparsableGold::from(args.on_unparsable_gold),
        "parts": [{ "rule": name, "options": options }],
    }))?;
    let rule = config
        .build_with(rules)
        .map_err(|e| InputError::new(format!("--rule: {e}")))?;
    Ok(Box::new(rule))
}

fn sampling(args: &Args, bench: Option<&Bench>) -> EvalConfig {
    let limit = bench.map_or(MAX_NEW_TOKENS, |bench| bench.max_new_tokens);
    EvalConfig {
        name: bench.map_or("eval", |bench| bench.name).into(),
        draws: args.n as usize,
        temperature: args.temperature,
        top_p: args.top_p,
        max_new_tokens: args.max_new_tokens.map_or(limit, |n| n as usize),
        stop: args.stop.stop.clone(),
        include_stop_string: args.stop.include_stop_string,
        ..EvalConfig::default()
    }
}

fn system(args: &Args, bench: Option<&Bench>) -> String {
    let own = bench.map_or("", |bench| bench.system);
    args.system.clone().unwrap_or_else(|| own.into())
}

/// The rows that are asked; those whose gold answers the rule cannot use are said.
fn rows(args: &Args, bench: Option<&Bench>, rule: &dyn RewardFn) -> Result<Vec<DataRow>> {
    let mut format = bench.map_or_else(RowFormat::default, |bench| bench.format(args.direct));
    if let Some(template) = &args.template {
        format.template.clone_from(template);
    }
    format.check("--template")?;
    format
        .picture_roots
        .clone_from(&args.processor.picture_roots);
    let path = args.data.as_deref().unwrap_or(std::path::Path::new(""));
    let mut set = RowDataset::open(path, &format, OnError::Error, RowKind::Prompt)?;
    set.truncate(args.samples.map_or(usize::MAX, |n| n as usize));
    let golds = GoldCheck {
        reward: rule,
        policy: args.on_unparsable_gold.into(),
        on_error: OnError::Error,
    };
    golds.check(&mut set)?;
    for error in &set.skipped {
        say!("left out: {error}");
    }
    let left_out = set.skipped.len();
    if left_out > 0 {
        say!(
            "left out {left_out} of {} rows",
            left_out + set.rows().len()
        );
    }
    Ok(set.rows().to_vec())
}

fn progress_bar(completions: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(completions as u64);
    let style = "{bar:30.cyan/dim} {pos}/{len} · {msg} · {elapsed} < {eta}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar()));
    bar
}
