//! `trainer export`

use crate::{
    Extensions, device, hub,
    input_error::InputError,
    model_dir::{ModelDir, files_of, has_tokenizer},
    paths,
};
use anyhow::{Context, Result};
use burn_rl::config::ModelInit;
use burn_vlm::{
    Compute, Vlm, processor::ProcessorOptions, text::ProcessorFiles, weights::ExportDtype,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Arguments of `trainer export`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A checkpoint of a run, as runs/demo/checkpoints/latest, or any model directory.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub checkpoint: PathBuf,
    /// The directory to make; it must not exist yet, or be empty.
    #[arg(long, value_name = "DIR", value_parser = paths::path())]
    pub out: PathBuf,
    /// Precision of the weights; an adapter stays in f32.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: Dtype,
    /// Adds the adapter of a LoRA run to the weights it is beside, and writes those; else the
    /// adapter is written, as PEFT loads it.
    #[arg(long)]
    pub merge: bool,
    /// Where to compute, as `trainer inspect --devices` lists it.
    #[arg(long, default_value = device::DEFAULT)]
    pub device: String,
}

/// Precision of exported weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// Exactly as trained.
    F32,
    /// Rounded, half the size.
    Bf16,
}

impl Dtype {
    fn export(self) -> ExportDtype {
        match self {
            Self::F32 => ExportDtype::F32,
            Self::Bf16 => ExportDtype::Bf16,
        }
    }
}

/// Writes weights, configuration, tokenizer and processor as a Hugging Face model directory. It is
/// written beside and renamed, so it is there whole or not at all.
///
/// # Errors
/// A checkpoint that cannot be loaded, or a directory that is not empty.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let out = &args.out;
    let empty = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if out.exists() && !empty {
        let message = "exists, expected a new or an empty directory";
        return Err(InputError::new(format!("--out {}: {message}", out.display())).into());
    }
    let device = device::parse(&args.device)?;
    let (mut model, files) = match has_tokenizer(&args.checkpoint)? {
        true => {
            let options = ProcessorOptions::default();
            let init = ModelInit::Pretrained;
            // What is exported is what was trained, to the bit.
            let loaded = ModelDir::load(
                &args.checkpoint,
                init,
                &options,
                Compute::F32,
                &device,
                &extensions.families,
            )?;
            (loaded.model, loaded.processor.files().clone())
        }
        false => {
            let dir = hub::locate(&args.checkpoint);
            (Vlm::from_dir(&dir, &device)?, files_of(&dir)?)
        }
    };
    if args.merge {
        if model.lora().is_none() {
            let dir = args.checkpoint.display();
            let message = format!("--merge: {dir} has no adapter, expected that of a LoRA run");
            return Err(InputError::new(message).into());
        }
        model = model.merged();
    }
    let name = out
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let beside = out.with_file_name(format!(".{name}.tmp"));
    let written = write(&model, &files, args.dtype, &beside)
        .and_then(|()| fs::rename(&beside, out).with_context(|| out.display().to_string()));
    if let Err(error) = written {
        // The first error is the one to report, whether or not the remains can be removed.
        let _ = fs::remove_dir_all(&beside);
        return Err(error);
    }
    say!(
        "exported {} to {}",
        args.checkpoint.display(),
        out.display()
    );
    Ok(())
}

fn write(model: &Vlm, files: &ProcessorFiles, dtype: Dtype, dir: &Path) -> Result<()> {
    if dir.exists() {
        // Left over from an export that was killed.
        fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    model.save(dir, dtype.export())?;
    files.write_dir(dir)?;
    Ok(())
}
