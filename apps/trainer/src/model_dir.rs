//! A model directory ready for use: weights, processor and stop tokens that fit each other.

use crate::{hub, input_error::InputError};
use anyhow::Result;
use burn::tensor::Device;
use burn_rl::config::ModelInit;
use burn_vlm::{
    Compute, Families, LoadOptions, ModelConfig, Processor, Vlm, lora, processor::ProcessorOptions,
    text::ProcessorFiles,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Seed of weights that are drawn for a look at a shape.
const RANDOM_SEED: u64 = 0;

/// What a Hugging Face model directory holds, or that of an adapter and the model it is beside.
pub struct ModelDir {
    /// The model.
    pub model: Vlm,
    /// Tokenizer, chat template and picture processing.
    pub processor: Arc<Processor>,
    /// Tokens that end a response, at least one.
    pub stop: Vec<u32>,
}

impl ModelDir {
    /// Loads a directory for computing in `compute`, whose text and pictures are processed as it
    /// says but for `options`. With random weights it needs none. It is of one of `families`.
    ///
    /// # Errors
    /// A directory or a file in it that is missing, malformed or does not fit the others.
    pub fn load(
        dir: &Path,
        init: ModelInit,
        options: &ProcessorOptions,
        compute: Compute,
        device: &Device,
        families: &Families,
    ) -> Result<Self> {
        let dir = &hub::locate(dir);
        let Description {
            config,
            processor,
            stop,
        } = Description::read(dir, options, families)?;
        let model = match init {
            ModelInit::Pretrained => {
                let options = LoadOptions::computing_in(compute).among(families);
                Vlm::load(dir, &options, device)?
            }
            ModelInit::Random => Vlm::random(config.computing_in(compute), RANDOM_SEED, device),
        };
        let model = model.for_inference();
        Ok(Self {
            model,
            processor: Arc::new(processor),
            stop,
        })
    }
}

/// What a model directory says of a model, without its weights.
pub struct Description {
    /// The architecture.
    pub config: ModelConfig,
    /// Tokenizer, chat template and picture processing.
    pub processor: Processor,
    /// Tokens that end a response, at least one.
    pub stop: Vec<u32>,
}

impl Description {
    /// Reads what `dir` says of a model of one of `families`, whose text and pictures are processed as it says but for `options`.
    ///
    /// # Errors
    /// A file that is missing, malformed or does not fit the others.
    pub fn read(dir: &Path, options: &ProcessorOptions, families: &Families) -> Result<Self> {
        let config = families.read_dir(&described_in(dir)?)?;
        let processor = processor(dir, families)?.with_options(options)?;
        let stop = processor.stop_token_ids()?;
        check_fit(&config, &processor, &stop)
            .map_err(|message| InputError::new(format!("{}: {message}", dir.display())))?;
        Ok(Self {
            config,
            processor,
            stop,
        })
    }
}

/// Tokenizer, chat template and picture processing of a model directory. An adapter's directory has
/// its own files where there are any, and else those of the model it is beside.
///
/// # Errors
/// A file that is missing or wrong.
pub fn processor(dir: &Path, families: &Families) -> Result<Processor> {
    Ok(Processor::of_family(files_of(dir)?, families)?)
}

/// The small files of a model directory; of an adapter's, those of the model it is beside with its
/// own in their places.
///
/// # Errors
/// Neither a model directory nor an adapter, or a file that cannot be read.
pub fn files_of(dir: &Path) -> Result<ProcessorFiles> {
    let dir = &hub::locate(dir);
    let described = described_in(dir)?;
    let files = ProcessorFiles::read_dir(&described)?;
    Ok(match described == *dir {
        true => files,
        false => files.with_own(ProcessorFiles::read_dir(dir)?)?,
    })
}

/// Whether a model directory, or that of the model an adapter is beside, has a tokenizer. Without
/// one, tokens can be scored and weights exported.
///
/// # Errors
/// Neither a model directory nor an adapter, or a file that cannot be read.
pub fn has_tokenizer(dir: &Path) -> Result<bool> {
    Ok(files_of(&hub::locate(dir))?.have_tokenizer())
}

/// Where `config.json`, tokenizer and processor of a model are that is named by its path, or by its
/// name on the hub where it is in the Hugging Face cache: in its directory, but for an adapter that
/// is nothing else, which has the model it names beside it.
///
/// # Errors
/// Neither a model directory nor an adapter.
pub fn described_in(model: &Path) -> Result<PathBuf> {
    let dir = hub::locate(model);
    if lora::is_adapter(&dir) && !dir.join("config.json").exists() {
        return Ok(lora::base_dir(&dir)?);
    }
    Ok(require_config(model)?)
}

/// # Errors
/// There is no such directory, or it has no `config.json`.
fn require_config(model: &Path) -> Result<PathBuf, InputError> {
    const EXPECTED: &str =
        "expected a Hugging Face model directory (config.json, *.safetensors, tokenizer.json)";
    let dir = hub::locate(model);
    let found = match (dir.is_dir(), dir.join("config.json").is_file()) {
        (true, true) => return Ok(dir),
        (true, false) => "no config.json in this directory".to_owned(),
        (false, _) if dir.exists() => "not a directory".to_owned(),
        // A directory's own name before the slash is no organisation's.
        (false, _)
            if model
                .parent()
                .is_some_and(|dir| dir.is_dir() && dir != Path::new("")) =>
        {
            "does not exist".to_owned()
        }
        (false, _) => match model.to_str().filter(|name| hub::is_name(name)) {
            None => "does not exist".to_owned(),
            Some(name) => format!(
                "does not exist, and is not in the Hugging Face cache (to get it: hf download {name})"
            ),
        },
    };
    Err(InputError::new(format!(
        "{}: {found}, {EXPECTED}",
        model.display()
    )))
}

/// Whether processor and model speak of the same tokens and patches.
///
/// # Errors
/// What differs, with both values.
pub fn check_fit(config: &ModelConfig, processor: &Processor, stop: &[u32]) -> Result<(), String> {
    processor.check_fit(config)?;
    let rows = config.text.vocab_size;
    match stop.iter().find(|id| **id as usize >= rows) {
        Some(id) => Err(format!(
            "eos_token_id is {id}, expected less than vocab_size, which is {rows}"
        )),
        None => Ok(()),
    }
}
