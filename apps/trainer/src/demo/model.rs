//! The demo's base model: the files of its Hugging Face directory, in this binary.

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
