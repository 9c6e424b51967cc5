//! `trainer inspect`: a model directory, or devices.

use crate::{
    Extensions, device, hub,
    input_error::InputError,
    model_dir::{Description, described_in, has_tokenizer},
    output::Output,
    paths,
};
use anyhow::Result;
use burn_vlm::{
    Families, ModelConfig, Vlm, lora,
    processor::ProcessorOptions,
    weights::{LoadReport, WeightFiles, shapes},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Precisions that can be loaded, as safetensors spells them.
const LOADABLE: [&str; 3] = ["F32", "F16", "BF16"];

/// Arguments of `trainer inspect`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A Hugging Face model directory, as runs/demo/checkpoints/latest.
    #[arg(long, value_name = "DIR", required_unless_present = "devices", value_parser = paths::path())]
    pub model: Option<PathBuf>,
    /// Lists the devices that this binary and this machine have, for --device.
    #[arg(long, conflicts_with = "model")]
    pub devices: bool,
    /// Prints one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Reads names and shapes alone: whether all numbers are finite is not looked at.
    #[arg(long)]
    pub headers: bool,
}

/// Describes a model directory or an adapter's, or lists devices.
///
/// # Errors
/// A directory that cannot be loaded; what is known of it is printed first.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    match &args.model {
        Some(dir) => model(dir, args, &extensions.families),
        None => devices(args.json),
    }
}

/// Every backend with its devices, or with what would compile it in.
fn devices(as_json: bool) -> Result<()> {
    let mut out = Output::stdout();
    let mut rows = vec![];
    for backend in device::BACKENDS {
        let found = backend.devices();
        let names = match (backend.compiled, found.is_empty()) {
            (false, _) => format!("not compiled in (--features {})", backend.feature),
            (true, true) => "none on this machine".into(),
            (true, false) => found.join(", "),
        };
        rows.push((backend.names, backend.about, names));
        if as_json {
            let row = json!({
                "names": backend.names, "about": backend.about, "feature": backend.feature,
                "compiled": backend.compiled, "devices": found,
            });
            out.json(&row)?;
        }
    }
    if !as_json {
        for (names, about, found) in rows {
            out.line(format_args!("{names:<18}{about:<36}{found}"))?;
        }
    }
    out.finish()
}

fn model(dir: &Path, args: &Args, families: &Families) -> Result<()> {
    let dir = &hub::locate(dir);
    let config = families.read_dir(&described_in(dir)?)?;
    let is_adapter = lora::is_adapter(dir);
    let beside = match is_adapter {
        true => lora::base_dir(dir)?,
        false => dir.clone(),
    };
    let weights = Weights::read(&beside, &config, !args.headers);
    let tokenizer = tokenizer(dir, families);
    let mut sections = vec![
        ("architecture", architecture(&config)),
        ("parameters", parameters(&config)),
        ("weights", weights.section()),
        ("tokenizer", tokenizer.section),
    ];
    let mut problem = weights.problem.or(tokenizer.problem);
    if is_adapter {
        let (section, wrong) = adapter(dir, &beside, config);
        sections.push(("adapter", section));
        problem = problem.or(wrong);
    }
    let mut out = Output::stdout();
    if args.json {
        let sections = sections.into_iter();
        out.json(&Map::from_iter(
            sections.map(|(name, section)| (name.to_owned(), section)),
        ))?;
    } else {
        for (name, section) in &sections {
            out.line(name)?;
            for (key, value) in section.as_object().into_iter().flatten() {
                table_rows(key, value, &mut out)?;
            }
        }
    }
    out.finish()?;
    match problem {
        Some(problem) => Err(InputError::new(problem).into()),
        None => Ok(()),
    }
}

/// `key  value`; a list has a row for each of its items.
fn table_rows(key: &str, value: &Value, out: &mut Output) -> std::io::Result<()> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(items) if items.iter().any(Value::is_string) => items
            .iter()
            .try_for_each(|item| out.line(format_args!("  {key:<24} {}", text(item)))),
        Value::Array(items) if items.is_empty() => out.line(format_args!("  {key:<24} none")),
        Value::Object(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|(name, value)| format!("{name} {}", text(value)))
                .collect();
            out.line(format_args!("  {key:<24} {}", items.join(", ")))
        }
        other => out.line(format_args!("  {key:<24} {}", text(other))),
    }
}

fn architecture(config: &ModelConfig) -> Value {
    let text = &config.text;
    let mut section = json!({ "model_type": config.raw["model_type"] });
    if let Some(vision) = config.vision.as_ref().map(|vision| vision.sizes()) {
        section["vision_layers"] = json!(vision.depth);
        section["vision_width"] = json!(vision.width);
        section["vision_heads"] = json!(vision.heads);
        section["patch_pixels"] = json!(vision.patch_size);
    }
    let rest = json!({
        "text_layers": text.num_hidden_layers,
        "text_width": text.hidden_size,
        "text_heads": text.num_attention_heads,
        "key_value_heads": text.num_key_value_heads,
        "vocabulary": text.vocab_size,
        "tied_head": config.tie_word_embeddings,
        "max_positions": config.max_position_embeddings,
        "unknown_keys": config.unlisted_keys,
    });
    for (key, value) in rest.as_object().into_iter().flatten() {
        section[key] = value.clone();
    }
    section
}

/// The adapter of a directory, and why it cannot be loaded if it cannot.
fn adapter(dir: &Path, beside: &Path, config: ModelConfig) -> (Value, Option<String>) {
    let attached = Vlm::new(config, &device::host()).with_adapter(dir);
    let (section, problem) = match &attached {
        Ok(model) => (model.lora().map(|lora| &lora.config), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let section = json!({
        "beside": beside,
        "rank": section.map(|config| config.rank),
        "alpha": section.map(|config| config.alpha),
        "layers": section.map(|config| config.target_modules.len()),
        "loadable": problem.is_none(),
    });
    (section, problem)
}

/// Counts by part; a tied head is counted with the text.
fn parameters(config: &ModelConfig) -> Value {
    let skeleton = Vlm::new(config.clone(), &device::host());
    let count = |prefix: &str| -> usize {
        shapes(&skeleton)
            .iter()
            .filter(|p| p.path.starts_with(prefix))
            .map(|p| p.len())
            .sum()
    };
    json!({
        "vision": count("visual."),
        "text": count("model."),
        "head": count("lm_head."),
        "total": count(""),
    })
}

/// What the files hold, held against what the configuration asks for.
struct Weights {
    /// Number of tensors by precision.
    dtypes: BTreeMap<String, usize>,
    report: LoadReport,
    problem: Option<String>,
}

impl Weights {
    fn read(dir: &Path, config: &ModelConfig, values: bool) -> Self {
        let mut found = Self {
            dtypes: BTreeMap::new(),
            report: LoadReport::default(),
            problem: None,
        };
        let mut files = match WeightFiles::open(dir) {
            Ok(files) => files,
            Err(error) => {
                found.problem = Some(error.to_string());
                return found;
            }
        };
        for (_, dtype, _) in files.tensors() {
            *found.dtypes.entry(dtype).or_default() += 1;
        }
        let mut config = config.clone();
        if let Err(error) = config.settle_head(&mut files) {
            found.problem = Some(error.to_string());
            return found;
        }
        let model = Vlm::new(config, &device::host());
        found.report = LoadReport::compare(&model, &files, &model.keys());
        if !found.report.is_exact() {
            found.problem = Some(format!("{}: {}", dir.display(), found.report.message()));
        } else if let Some((name, dtype, _)) = files
            .tensors()
            .find(|(_, dtype, _)| !LOADABLE.contains(&dtype.as_str()))
        {
            let expected = LOADABLE.join(", ");
            let dir = dir.display();
            found.problem = Some(format!(
                "{dir}: {name} is {dtype}, expected one of: {expected}"
            ));
        } else if values {
            found.problem = files.check_finite().err().map(|error| error.to_string());
        }
        found
    }

    fn section(&self) -> Value {
        let misshapen =
            self.report.misshapen.iter().map(|(name, found, expected)| {
                format!("{name} is {found:?}, expected {expected:?}")
            });
        json!({
            "tensors": self.dtypes,
            "missing": self.report.missing,
            "unused": self.report.unused,
            "misshapen": misshapen.collect::<Vec<_>>(),
            "loadable": self.problem.is_none(),
        })
    }
}

struct TokenizerFit {
    section: Value,
    problem: Option<String>,
}

/// A directory without a tokenizer can be loaded, if not asked anything.
fn tokenizer(dir: &Path, families: &Families) -> TokenizerFit {
    if matches!(has_tokenizer(dir), Ok(false)) {
        return TokenizerFit {
            section: json!({ "fits": "no tokenizer" }),
            problem: None,
        };
    }
    let described = || -> Result<Value> {
        let Description {
            processor, stop, ..
        } = Description::read(dir, &ProcessorOptions::default(), families)?;
        Ok(json!({
            "tokens": processor.tokenizer().vocab_size(),
            "image_token": processor.image_token().map(|(_, id)| id),
            "stop_tokens": stop,
            "fits": true,
        }))
    };
    match described() {
        Ok(section) => TokenizerFit {
            section,
            problem: None,
        },
        Err(error) => TokenizerFit {
            section: json!({ "fits": false }),
            problem: Some(error.to_string()),
        },
    }
}
