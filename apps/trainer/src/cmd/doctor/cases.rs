//! The small models that a device is tried with, and what they read.

use crate::{demo, demo::model::assets, model_dir::families};
use anyhow::{Context, Result};
use burn::tensor::Device;
use burn_vlm::{
    Compute, LoadOptions, ModelConfig, Row, ValueHead, ValueInit, Vlm,
    image::ImagePatches,
    rng::{hash_text, mix, uniform},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A model and the rows it reads. Everything about it is a function of its name.
pub struct Case {
    /// What the table calls it.
    pub name: String,
    weights: Weights,
    /// Tokens of each row.
    pub tokens: Vec<Vec<u32>>,
    /// Pictures of each row.
    pub images: Vec<Vec<Arc<ImagePatches>>>,
}

enum Weights {
    /// Drawn for this configuration.
    Drawn(Box<ModelConfig>),
    /// Of the model in this binary.
    Demo,
}

/// Query heads, key-value heads, width of a head, and the length of the longest row: one, some and
/// all heads of their own, widths of published models, and lengths beside the multiples of tiles.
const HEADS: [[usize; 4]; 7] = [
    [4, 1, 16, 37],
    [4, 2, 16, 65],
    [4, 4, 16, 100],
    [6, 2, 64, 129],
    [4, 1, 80, 128],
    [4, 2, 128, 127],
    [2, 2, 128, 31],
];

/// Every case.
///
/// # Errors
/// None that does not mean a broken binary.
pub fn all() -> Result<Vec<Case>> {
    let mut cases = vec![Case::demo()?];
    for (name, config) in families().iter().flat_map(|family| family.samples()) {
        let config = serde_json::from_str(config)?;
        cases.push(Case::drawn((*name).into(), &config, 41)?);
    }
    for [heads, kv_heads, width, len] in HEADS {
        let name = format!("{heads} heads, {kv_heads} kv, {width} wide, {len} tokens");
        cases.push(Case::drawn(name, &decoder(heads, kv_heads, width), len)?);
    }
    Ok(cases)
}

/// The configuration of a decoder with such heads, and with a vocabulary that is no multiple of
/// anything.
fn decoder(heads: usize, kv_heads: usize, width: usize) -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2",
        "hidden_size": heads * width, "intermediate_size": 2 * heads * width + 8,
        "num_hidden_layers": 2, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "vocab_size": 1031, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
        "rope_theta": 1e6, "tie_word_embeddings": false, "hidden_act": "silu",
    })
}

impl Case {
    fn demo() -> Result<Self> {
        let file = assets().iter().find(|(name, _)| *name == "config.json");
        let (name, bytes) = file.context("the demo's model has no configuration")?;
        let config = ModelConfig::from_slice(bytes, Path::new(name))?;
        Ok(Self::reading(
            demo::BUILTIN_MODEL.into(),
            &config,
            Weights::Demo,
            61,
        ))
    }

    fn drawn(name: String, json: &Value, len: usize) -> Result<Self> {
        let mut config = families().read_slice(json.to_string().as_bytes(), Path::new(&name))?;
        // Activations and logits of about one, as after training.
        config.initializer_range = 1.0 / (config.text.hidden_size as f64).sqrt();
        let weights = Weights::Drawn(Box::new(config.clone()));
        Ok(Self::reading(name, &config, weights, len))
    }

    /// Two rows: one of about `len` tokens that begins with the picture, if the model sees any, and
    /// one without a picture that is shorter by a third.
    fn reading(name: String, config: &ModelConfig, weights: Weights, len: usize) -> Self {
        let mut key = hash_text(&name);
        let mut draw = |limit: usize| {
            key = mix(key, 1);
            (uniform(key) * limit as f64) as usize
        };
        let words = config.text.vocab_size.min(256);
        let mut row = |len: usize| -> Vec<u32> { (0..len).map(|_| draw(words) as u32).collect() };
        let mut tokens = vec![row(len), row(len * 2 / 3)];
        let mut images = vec![vec![], vec![]];
        if let Some(image) = picture(config) {
            let placeholder = config.image_token_id.unwrap_or_default();
            let placeholders = vec![placeholder; config.image_tokens(image.grid)];
            tokens[0].splice(1..1, placeholders);
            images[0].push(Arc::new(image));
        }
        Self {
            name,
            weights,
            tokens,
            images,
        }
    }

    /// The model on a device, with a value head, everything trained.
    ///
    /// # Errors
    /// Anything the file system refuses: the model in this binary is loaded from files.
    pub fn model(&self, compute: Compute, device: &Device) -> Result<Vlm> {
        let mut model = match &self.weights {
            Weights::Drawn(config) => {
                let config = ModelConfig::clone(config).computing_in(compute);
                Vlm::random(config, hash_text(&self.name), device)
            }
            Weights::Demo => {
                let dir = Scratch::new()?;
                demo::model::write(&dir.0)?;
                Vlm::load(&dir.0, &LoadOptions::computing_in(compute), device)?
            }
        };
        let (width, seed) = (model.width(), hash_text(&self.name));
        let head = ValueHead::new(width, true, ValueInit::Normal, seed, device);
        model.value_head = Some(head);
        Ok(model.with_masters())
    }

    /// The rows of the batch.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let pairs = self.tokens.iter().zip(&self.images);
        pairs
            .map(|(tokens, images)| Row { tokens, images })
            .collect()
    }
}

/// A picture of waves, in the range of normalised pixels.
fn picture(config: &ModelConfig) -> Option<ImagePatches> {
    let vision = config.vision.as_ref()?;
    let sizes = vision.sizes();
    let grid = match vision.tile() {
        Some([_, h, w]) => [2, h, w],
        None => [1, 6 * sizes.merge_size, 5 * sizes.merge_size],
    };
    let len = sizes.patch_len;
    let values = grid.iter().product::<usize>() * len;
    let wave = |i: usize| (1.5 * (0.037 * i as f64).sin()) as f32;
    Some(ImagePatches {
        patches: (0..values).map(wave).collect(),
        grid,
    })
}

/// A directory that goes away again.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("trainer-doctor-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is a few megabytes in the directory for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}
