//! The demo's base model: the files of its Hugging Face directory, in this binary.

use anyhow::{Context, Result};
use std::{fs, path::Path};

/// Writes the model into `dir`, which is made if it is not there.
///
/// # Errors
/// Anything the file system refuses.
pub fn write(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for (name, bytes) in assets() {
        let path = dir.join(name);
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// File names and contents. The weights are what `configs/demo_base.toml` makes, as bf16.
pub fn assets() -> &'static [(&'static str, &'static [u8])] {
    macro_rules! files {
        ($($name:literal),* $(,)?) => {
            &[$(($name, include_bytes!(concat!("../../assets/demo/", $name)))),*]
        };
    }
    files![
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
}
