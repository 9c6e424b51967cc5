//! `trainer filter-difficulty`: keeps the rows of a data set that are neither too hard nor too easy
//! for a model, with the share of right answers of each.

mod rates;

use crate::{
    Extensions, config, device, devices, input_error::InputError, model_dir::ModelDir,
    output::Output, paths,
};
use anyhow::{Context, Result};
use burn_rewards::RewardFn;
use burn_rl::{
    config::RunConfig,
    data::{DataRow, Encoder, GoldCheck, Record, RowDataset, RowKind, picture_bytes, read_records},
    dist::{Workers, engine_on},
    rollout::{self, GenerationParams, GenerationRequest, LocalEngine},
    types::Prompt,
};
use burn_vlm::{Families, generate::Purpose};
use rates::{Rate, Rates, Settings};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Arguments of `trainer filter-difficulty`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration files, merged left to right: model, data, reward and sampling are theirs.
    #[arg(required = true, value_parser = paths::path())]
    pub configs: Vec<PathBuf>,
    /// Overrides one value, as `data.train=rows.jsonl`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Where the kept rows go, each with its `pass_rate`. Beside it come `OUT.rates.jsonl`, the
    /// rate of every row, and `OUT.report.json`. None of them is ever overwritten.
    #[arg(long, value_parser = paths::path())]
    pub out: PathBuf,
    /// Completions of each row.
    #[arg(short = 'n', value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub n: u32,
    /// Rows with a lower pass rate are left out.
    #[arg(long, value_name = "RATE", default_value_t = 0.1)]
    pub lower: f64,
    /// Rows with a higher pass rate are left out.
    #[arg(long, value_name = "RATE", default_value_t = 0.9)]
    pub upper: f64,
    /// The part of the reward whose mean over the completions is the pass rate.
    #[arg(long, default_value = "accuracy")]
    pub part: String,
    /// Continues from the rates that an interrupted call has left.
    #[arg(long)]
    pub resume: bool,
    /// Where to compute, as `trainer inspect --devices` lists it; several share the work, as
    /// `cuda:0,1`.
    #[arg(long, default_value = device::DEFAULT)]
    pub device: String,
}

/// What was found, for people and programs.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    settings: Settings,
    lower: f64,
    upper: f64,
    rows: usize,
    /// Rows that could not be used.
    left_out: usize,
    kept: usize,
    too_hard: usize,
    too_easy: usize,
    /// Rows of which no completion could be judged.
    unscored: usize,
    mean_pass_rate: f64,
    /// Rows by their number of right answers, where each answer is right or wrong.
    rows_by_pass_rate: BTreeMap<String, usize>,
}

/// Measures and filters.
///
/// # Errors
/// A configuration, a model or a row that cannot be used; a file that is there already.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let resolved = config::resolve(None, &args.configs, &args.sets, extensions)?;
    resolved.tell();
    let config = resolved.run;
    config.check(&extensions.algorithms, &extensions.rewards)?;
    let reward = config.reward.build_with(&extensions.rewards)?;
    check(args, &reward.part_names())?;
    let (rows, left_out) = read_rows(&config, &reward)?;
    let settings = Settings {
        model: config.model.path.clone(),
        data: config.data.sets().into_iter().map(|s| s.path).collect(),
        n: args.n as usize,
        part: args.part.clone(),
        seed: config.seed,
        sampling: toml::to_string(&config.rollout.sampling)?,
        reward: toml::to_string(&config.reward)?,
    };
    let mut rates = Rates::open(beside(&args.out, "rates.jsonl"), &settings, args.resume)?;
    let missing: Vec<&DataRow> = rows
        .iter()
        .filter(|r| !rates.has(&file_of(r), r.line))
        .collect();
    if !missing.is_empty() {
        measure(
            &missing,
            &config,
            args,
            &reward,
            &extensions.families,
            &mut rates,
        )?;
    }
    let records = records_of(&rows)?;
    let mut files: Vec<&Arc<Path>> = vec![];
    let mut outside: BTreeSet<PathBuf> = BTreeSet::new();
    let mut report = Report {
        settings,
        lower: args.lower,
        upper: args.upper,
        rows: rows.len(),
        left_out,
        kept: 0,
        too_hard: 0,
        too_easy: 0,
        unscored: 0,
        mean_pass_rate: 0.0,
        rows_by_pass_rate: BTreeMap::new(),
    };
    let mut out = Output::create(Some(&args.out))?;
    for row in &rows {
        if !files.contains(&&row.file) {
            files.push(&row.file);
        }
        let rate = rates.get(&file_of(row), row.line);
        let shown = rate.map_or("none".into(), |rate| format!("{rate:.3}"));
        *report.rows_by_pass_rate.entry(shown).or_default() += 1;
        report.mean_pass_rate += rate.unwrap_or(0.0);
        match rate {
            None => report.unscored += 1,
            Some(rate) if rate < args.lower => report.too_hard += 1,
            Some(rate) if rate > args.upper => report.too_easy += 1,
            Some(rate) => {
                report.kept += 1;
                let record = &records[&(row.file.clone(), row.line)];
                let file = files.iter().position(|file| **file == row.file);
                let kept = kept_row(record, row, rate, &args.out, file.unwrap_or_default());
                out.json(&kept?)?;
                outside.extend(
                    row.images
                        .iter()
                        .filter_map(|image| dir_outside(image, &args.out)),
                );
            }
        }
    }
    report.mean_pass_rate /= (report.rows - report.unscored).max(1) as f64;
    out.finish()?;
    let mut file = Output::create(Some(&beside(&args.out, "report.json")))?;
    file.line(serde_json::to_string_pretty(&report)?)?;
    file.finish()?;
    say!(
        "kept {} of {} rows: {} too hard (below {}), {} too easy (above {}), {} without a verdict; \
         mean pass rate {:.3}",
        report.kept,
        report.rows,
        report.too_hard,
        args.lower,
        report.too_easy,
        args.upper,
        report.unscored,
        report.mean_pass_rate
    );
    if !outside.is_empty() {
        say!(
            "its pictures stay where they are: train with data.picture_roots = {}",
            json!(outside)
        );
    }
    Ok(())
}

fn check(args: &Args, parts: &[String]) -> Result<(), InputError> {
    let refuse = |message: String| Err(InputError::new(message));
    for path in [args.out.clone(), beside(&args.out, "report.json")] {
        if path.exists() {
            return refuse(format!(
                "{}: exists already, expected a new file",
                path.display()
            ));
        }
    }
    if args.lower.is_nan() || args.upper.is_nan() || args.lower > args.upper {
        return refuse(format!(
            "--lower is {} and --upper is {}, expected the first not above the second",
            args.lower, args.upper
        ));
    }
    match parts.contains(&args.part) {
        true => Ok(()),
        false => refuse(format!(
            "--part is `{}`, which no rule of reward.parts produces, expected one of: {}",
            args.part,
            parts.join(", ")
        )),
    }
}

/// The file `OUT.<name>`.
fn beside(out: &Path, name: &str) -> PathBuf {
    let file = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{file}.{name}"))
}

fn file_of(row: &DataRow) -> String {
    row.file.to_string_lossy().into_owned()
}

/// All rows of all sets; those that cannot be used are said and counted.
fn read_rows(config: &RunConfig, reward: &dyn RewardFn) -> Result<(Vec<DataRow>, usize)> {
    let golds = GoldCheck {
        reward,
        policy: config.reward.on_unparsable_gold,
        on_error: config.data.on_error,
    };
    let (mut rows, mut left_out) = (vec![], 0);
    for set in config.data.sets() {
        let on_error = config.data.on_error;
        let path = Path::new(&set.path);
        let mut found = RowDataset::open(path, &set.format(), on_error, RowKind::Prompt)?;
        golds.check(&mut found)?;
        left_out += found.skipped.len();
        for error in &found.skipped {
            say!("left out: {error}");
        }
        rows.extend_from_slice(found.rows());
    }
    if left_out > 0 {
        say!("left out {left_out} of {} rows", left_out + rows.len());
    }
    Ok((rows, left_out))
}

/// The rows as they stand in their files.
fn records_of(rows: &[DataRow]) -> Result<HashMap<(Arc<Path>, usize), Record>> {
    let mut records = HashMap::new();
    let mut read: Vec<Arc<Path>> = vec![];
    for row in rows {
        if !read.contains(&row.file) {
            read.push(row.file.clone());
            for record in read_records(&row.file)? {
                records.insert((row.file.clone(), record.line), record);
            }
        }
    }
    Ok(records)
}

/// Samples and grades every row, and notes its rate as soon as it is known.
fn measure(
    rows: &[&DataRow],
    config: &RunConfig,
    args: &Args,
    reward: &dyn RewardFn,
    families: &Families,
    rates: &mut Rates,
) -> Result<()> {
    let devices = devices::parse(&args.device)?;
    let workers = Workers::where_needed(&devices)?;
    let loaded = ModelDir::load(
        Path::new(&config.model.path),
        config.model.init,
        &config.model.processor_options(),
        config.model.dtype.on(&devices[0].device),
        &devices[0].device,
        families,
    )?;
    let encoder = Encoder::new(
        loaded.processor.clone(),
        config.model.system.clone(),
        config.data.max_prompt_tokens,
        loaded.stop[0],
    );
    let engine = engine_on(workers.as_ref(), &[&loaded.model], |model| {
        LocalEngine::new(
            model.clone(),
            loaded.processor.clone(),
            loaded.stop.clone(),
            config.rollout.limits(),
            config.seed,
        )
    })?;
    let n = args.n as usize;
    let total = rates.len() + rows.len();
    for rows in rows.chunks(config.rollout.max_batch.div_ceil(n) * devices.len()) {
        let encode = |row: &&DataRow| {
            let prompt = encoder.encode(row);
            prompt.map(Arc::new).map_err(|e| row.error(e))
        };
        let prompts: Vec<Arc<Prompt>> = rows.par_iter().map(encode).collect::<Result<_, _>>()?;
        let requests = GenerationRequest::first(&prompts, n, Purpose::Filter);
        let params = GenerationParams {
            stop: config.rollout.stop_texts(),
            ..GenerationParams::new(config.rollout.sampling, 0)
        };
        let mut groups = engine.generate(&requests, &params, &mut |_| {})?;
        rollout::reward(&mut groups, reward, None, None)?;
        for (row, group) in rows.iter().zip(&groups) {
            let found = group
                .rollouts
                .iter()
                .filter_map(|r| r.reward.part(&args.part));
            let parts: Vec<f64> = found.collect();
            let mean = parts.iter().sum::<f64>() / parts.len().max(1) as f64;
            rates.add(Rate {
                id: row.id.clone(),
                file: file_of(row),
                line: row.line,
                pass_rate: (!parts.is_empty() && mean.is_finite()).then_some(mean),
            })?;
        }
        say!("{} of {total} rows", rates.len());
    }
    Ok(())
}

/// The row as it stands in its file, with its rate; where it goes into another directory, or comes
/// out of a table, with pictures that are found from there. `file` is the number of its file: rows
/// of two files may stand in the same line.
fn kept_row(record: &Record, row: &DataRow, rate: f64, out: &Path, file: usize) -> Result<Value> {
    let mut fields = record.fields.clone();
    fields.insert("pass_rate".into(), json!(rate));
    let home = |path: &Path| -> Result<PathBuf> {
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        fs::canonicalize(dir).with_context(|| dir.display().to_string())
    };
    let inside = record.pictures.iter().find(|(_, list)| !list.is_empty());
    let own = ["image_urls", "images", "image", "image_bytes"].map(str::to_owned);
    let named = || own.into_iter().find(|name| fields.contains_key(name));
    // Pictures that a conversation names itself are left as it names them.
    let Some(field) = inside.map(|(name, _)| name.clone()).or_else(named) else {
        return Ok(Value::Object(fields));
    };
    if row.images.is_empty() || inside.is_none() && home(&row.file)? == home(out)? {
        return Ok(Value::Object(fields));
    }
    let mut files = vec![];
    for (k, image) in row.images.iter().enumerate() {
        let path = match image.is_file() {
            true => fs::canonicalize(image).with_context(|| image.display().to_string())?,
            false => {
                let dir = beside(out, "images");
                fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
                let path = home(&dir)?.join(dir.file_name().unwrap_or_default());
                let path = path.join(format!("{file}_{}_{k}", row.line));
                write_new(&path, &picture_bytes(image)?)?;
                path
            }
        };
        files.push(path.to_string_lossy().into_owned());
    }
    fields.insert(field, json!(files));
    Ok(Value::Object(fields))
}

/// The directory of a picture file, unless that is where the rows are written or below it.
fn dir_outside(image: &Path, out: &Path) -> Option<PathBuf> {
    let home = out.parent().filter(|dir| !dir.as_os_str().is_empty());
    let home = home.unwrap_or(Path::new(".")).canonicalize().ok()?;
    let dir = image.canonicalize().ok()?.parent()?.to_path_buf();
    (!dir.starts_with(home)).then_some(dir)
}

/// Writes a picture that an interrupted call may have written already, and no other.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    if !path.exists() {
        return fs::write(path, bytes).with_context(|| path.display().to_string());
    }
    match fs::read(path).is_ok_and(|found| found == bytes) {
        true => Ok(()),
        false => Err(InputError::new(format!(
            "{}: exists already and is another picture, expected a directory without it",
            path.display()
        ))
        .into()),
    }
}
