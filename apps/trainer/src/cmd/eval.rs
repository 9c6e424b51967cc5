//! `trainer eval`

mod compare;
mod summary;

use crate::{
    Extensions,
    benchmarks::{self, Bench},
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
    data::{DataRow, Encoder, GoldCheck, OnError, RowDataset, RowFormat, RowKind, SetFingerprint},
    dist::{Workers, engine_on},
    eval::evaluate,
    rollout::LocalEngine,
    types::Prompt,
};
use burn_vlm::{Families, generate::Limits};
use clap::{ArgGroup, value_parser};
use compare::Comparison;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use run_log::RolloutRecord;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};
use summary::Summary;

/// Tokens after which a completion is cut where no benchmark says.
const MAX_NEW_TOKENS: usize = 1024;

/// Arguments of `trainer eval`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["bench", "data", "compare"])))]
#[command(after_help = benchmarks_help())]
pub struct Args {
    /// A benchmark of those listed below.
    #[arg(long, value_name = "NAME", requires = "data")]
    pub bench: Option<String>,
    /// Its data in a form that is published (parquet, JSON, JSONL or VLMEvalKit's TSV), or data rows
    /// of your own: a file, or a directory.
    #[arg(long, value_name = "PATH", value_parser = paths::path())]
    pub data: Option<PathBuf>,
    /// A Hugging Face model directory, or the name of one in the Hugging Face cache.
    #[arg(
        long,
        value_name = "DIR",
        value_parser = paths::path(),
        required_unless_present = "compare"
    )]
    pub model: Option<PathBuf>,
    /// Two directories that --out has written: whether the second is better than the first, on the
    /// same rows.
    #[arg(
        long,
        value_names = ["A", "B"],
        num_args = 2,
        value_parser = paths::path(),
        conflicts_with_all = ["bench", "data", "model", "out"]
    )]
    pub compare: Vec<PathBuf>,
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
    /// Completions of each row; with more than one, pass@k, avg@n and maj@n are there.
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

impl Args {
    /// The model; clap has asked for one.
    fn model(&self) -> &Path {
        self.model.as_deref().unwrap_or(Path::new(""))
    }
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
    if let [a, b] = args.compare.as_slice() {
        return compare(a, b, args.json);
    }
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
    let (rows, data) = rows(args, bench, rule.as_ref())?;
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
    finish(args, bench, &summary, &sampling, &data)
}

/// Says whether the evaluation `b` is better than `a`.
fn compare(a: &Path, b: &Path, json: bool) -> Result<()> {
    let found = Comparison::of(a, b)?;
    let mut out = Output::stdout();
    match json {
        true => out.line(format!("{:#}", found.json()))?,
        false => out.line(found.table(a, b).trim_end())?,
    }
    out.finish()
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
        args.model(),
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
    let mut summary = Summary::by(bench.map_or(&[], |bench| bench.by));
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

fn finish(
    args: &Args,
    bench: Option<&Bench>,
    summary: &Summary,
    sampling: &EvalConfig,
    data: &SetFingerprint,
) -> Result<()> {
    let name = bench.map_or("", |bench| bench.name);
    let score = bench.and_then(|bench| bench.score);
    let mut json = summary.json(name, args.model(), score);
    // With the digest of the prompts, all that decides what was asked and how it was answered.
    json["data"] = serde_json::to_value(data)?;
    json["sampling"] = serde_json::json!({
        "draws": sampling.draws,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_new_tokens": sampling.max_new_tokens,
        "seed": args.seed,
    });
    if let Some(out) = &args.out {
        let mut file = Output::create(Some(&out.join("summary.json")))?;
        file.line(format!("{json:#}"))?;
        file.finish()?;
    }
    let mut out = Output::stdout();
    match args.json {
        true => out.line(format!("{json:#}"))?,
        false => out.line(summary.table(name, score).trim_end())?,
    }
    out.finish()
}

fn find(name: &str) -> Result<&'static Bench, InputError> {
    benchmarks::find(name).ok_or_else(|| {
        let known: Vec<&str> = benchmarks::benches().map(|bench| bench.name).collect();
        let known = known.join(", ");
        InputError::new(format!("--bench is `{name}`, expected one of: {known}"))
    })
}

/// The benchmarks as the help lists them.
fn benchmarks_help() -> String {
    let mut text = String::from("Benchmarks (docs/benchmarks.md says how each is judged):\n");
    for bench in benchmarks::benches() {
        text += &format!("  {:<20} {}\n", bench.name, bench.about);
    }
    text
}

fn rule(args: &Args, bench: Option<&Bench>, rules: &Registry) -> Result<Box<dyn RewardFn>> {
    let policy = OnUnparsableGold::from(args.on_unparsable_gold);
    let config: RewardConfig = match (&args.rule, bench) {
        (None, Some(bench)) => bench.reward(args.direct, policy)?,
        (name, _) => serde_json::from_value(serde_json::json!({
            "on_unparsable_gold": policy,
            "parts": [{ "rule": name.as_deref().unwrap_or("math") }],
        }))?,
    };
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
fn rows(
    args: &Args,
    bench: Option<&Bench>,
    rule: &dyn RewardFn,
) -> Result<(Vec<DataRow>, SetFingerprint)> {
    let path = args.data.as_deref().unwrap_or(Path::new(""));
    let (template, roots) = (args.template.as_deref(), &args.processor.picture_roots);
    let own = RowFormat {
        template: template.unwrap_or_default().into(),
        picture_roots: roots.clone(),
        ..RowFormat::default()
    };
    own.check("--template")?;
    let mut set = match bench {
        Some(bench) => bench.open(path, template, args.direct, roots)?,
        None => RowDataset::open(path, &own, OnError::Error, RowKind::Prompt)?,
    };
    if let Some(told) = bench.and_then(|bench| bench.count_differs(set.total())) {
        say!("note: {told}");
    }
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
    Ok((set.rows().to_vec(), set.fingerprint()))
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
