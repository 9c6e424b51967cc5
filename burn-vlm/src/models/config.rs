//! `config.json` of every family, in the flat form of the hub and the nested one of transformers 5.

use super::{Families, ModelConfig, check::check_size, known::unlisted};
use crate::{
    dir,
    error::VlmError,
    nn::Position,
    precision::Compute,
    weights::{KeyMap, WeightFiles},
};
use serde_json::Value;
use std::path::Path;

impl ModelConfig {
    /// Reads `config.json` of a model directory, of a family of this crate, and from its tokenizer the
    /// id of the image token where only that says it.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file), and a tokenizer that is malformed.
    pub fn from_dir(dir: &Path) -> Result<Self, VlmError> {
        Families::default().read_dir(dir)
    }

    /// Reads `config.json` of a family of this crate.
    ///
    /// # Errors
    /// A missing or mistyped key, sizes that do not fit each other, or a variant that is not
    /// supported; the message names the key.
    pub fn from_file(path: &Path) -> Result<Self, VlmError> {
        Self::from_slice(&dir::read(path)?, path)
    }

    /// Parses the bytes of a `config.json`; `path` is where messages say they are from.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_slice(bytes: &[u8], path: &Path) -> Result<Self, VlmError> {
        Families::default().read_slice(bytes, path)
    }

    /// Reads a parsed `config.json`.
    ///
    /// # Errors
    /// What [`from_file`](Self::from_file) refuses, without the path.
    pub fn from_json(raw: &Value) -> Result<Self, String> {
        Families::default().read(raw)
    }

    /// The same for computing in another precision.
    pub fn computing_in(self, compute: Compute) -> Self {
        Self { compute, ..self }
    }

    fn check(&self) -> Result<(), String> {
        self.text.check()?;
        check_size(
            "max_position_embeddings",
            self.max_position_embeddings,
            usize::MAX,
        )?;
        if !(self.initializer_range.is_finite() && self.initializer_range >= 0.0) {
            let found = self.initializer_range;
            return Err(format!("initializer_range is {found}, expected 0 or more"));
        }
        if let Some(vision) = &self.vision {
            vision.check(self.text.hidden_size)?;
            let (blocks, layers) = (vision.sizes().depth, self.text.num_hidden_layers);
            for tap in vision.taps() {
                if tap.block >= blocks || tap.layer >= layers {
                    return Err(format!(
                        "the vision tower has {tap:?}, expected one of its {blocks} blocks and one \
                         of the decoder's {layers} layers"
                    ));
                }
            }
        }
        match self.image_token_id {
            Some(id) if id as usize >= self.text.vocab_size => Err(format!(
                "image_token_id is {id}, expected less than vocab_size {}",
                self.text.vocab_size
            )),
            _ => Ok(()),
        }
    }

    /// Decides by the files whether the head is the embedding table, where they know better.
    ///
    /// Where configurations of a family leave it open, the head is tied exactly if there is none in
    /// the files. Elsewhere a head that is there although it is tied must repeat the table, or be
    /// there in its place.
    ///
    /// # Errors
    /// It does not.
    pub fn settle_head(&mut self, files: &mut WeightFiles) -> Result<(), VlmError> {
        let keys = self.keys();
        let find = |path: &str| {
            let names = keys.generations(path).into_iter().flatten();
            names.skip(1).find(|name| files.shape(name).is_some())
        };
        let Some(head) = find("lm_head.weight") else {
            self.tie_word_embeddings |= self.family.head_is_tied_by_files();
            return Ok(());
        };
        let table = find("model.embed_tokens.weight");
        if self.tie_word_embeddings && table.is_none() {
            // Some exports keep the pair under the head's name.
            let table = keys.to_hub("model.embed_tokens.weight");
            files.rename(&head, &table);
        } else if self.tie_word_embeddings {
            let repeats = table.is_some_and(|table| {
                let same = files.bytes(&table) == files.bytes(&head);
                files.release(&table);
                files.release(&head);
                same
            });
            if self.family.head_is_tied_by_files() {
                self.tie_word_embeddings = repeats;
            } else if !repeats {
                return Err(VlmError::weights(
                    files.dir(),
                    format!(
                        "{head} differs from the embedding table, expected the same numbers or \
                         tie_word_embeddings false in config.json"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Names of the modules in transformers: those of the newest generation.
    pub fn module_keys(&self) -> KeyMap {
        self.module_keys.clone()
    }

    /// Names of the checkpoint's tensors.
    pub fn keys(&self) -> KeyMap {
        let mut keys = self.keys.clone();
        if self.tie_word_embeddings {
            // Some exports repeat the tied head.
            keys.ignored.push("lm_head.weight".into());
        }
        keys
    }

    /// Image features that a picture of `grid` patches becomes; none without a vision tower.
    pub fn image_tokens(&self, grid: [usize; 3]) -> usize {
        self.vision.as_ref().map_or(0, |v| v.image_tokens(grid))
    }

    /// Longest sequence, in tokens: what the model was trained on, times the factor by which its
    /// rotary positions are stretched.
    pub fn max_positions(&self) -> usize {
        self.text.rope_scaling.reach(self.max_position_embeddings)
    }

    /// Positions of a row, and the position of the token after its end.
    ///
    /// `grids` are `[t, h, w]` in patches, in the order of the row's pictures.
    pub fn positions(
        &self,
        tokens: &[u32],
        grids: impl IntoIterator<Item = [usize; 3]>,
    ) -> (Vec<Position>, u32) {
        let grids: Vec<[usize; 3]> = grids.into_iter().collect();
        self.family.positions(self, tokens, &grids)
    }
}

impl Families {
    /// Reads `config.json` of a model directory, and from its tokenizer the id of the image token
    /// where only that says it.
    ///
    /// # Errors
    /// As [`ModelConfig::from_dir`].
    pub fn read_dir(&self, dir: &Path) -> Result<ModelConfig, VlmError> {
        let path = dir.join("config.json");
        let mut config = self.read_slice(&dir::read(&path)?, &path)?;
        if config.image_token_id.is_none() && config.vision.is_some() {
            config.image_token_id = config.family.image_token_id(dir)?;
            config.check().map_err(|m| VlmError::config(&path, m))?;
        }
        Ok(config)
    }

    /// Parses the bytes of a `config.json`; `path` is where messages say they are from.
    ///
    /// # Errors
    /// As [`ModelConfig::from_file`].
    pub fn read_slice(&self, bytes: &[u8], path: &Path) -> Result<ModelConfig, VlmError> {
        let fail = |message: String| VlmError::config(path, message);
        let raw = dir::parse(bytes, path)?;
        self.read(&raw).map_err(fail)
    }

    /// Reads a parsed `config.json`.
    ///
    /// # Errors
    /// As [`ModelConfig::from_json`].
    pub fn read(&self, raw: &Value) -> Result<ModelConfig, String> {
        let family = self.of(raw)?.clone();
        let unlisted_keys = unlisted(raw, &family.known_keys(raw, self))?;
        let found = family.read(raw, self)?;
        let module_keys = found.module_keys.unwrap_or_else(|| found.keys.clone());
        let mut keys = found.keys;
        keys.turns = found.text.num_key_value_heads;
        let mut config = ModelConfig {
            family,
            families: self.clone(),
            text: found.text,
            vision: found.vision,
            tie_word_embeddings: found.tie_word_embeddings,
            image_token_id: found.image_token_id,
            max_position_embeddings: found.max_position_embeddings,
            initializer_range: found.initializer_range,
            unlisted_keys,
            compute: Compute::default(),
            raw: raw.clone(),
            keys,
            module_keys,
        };
        config.check()?;
        // Products of sizes, which have to be some first.
        if let Some(vision) = &config.vision {
            config.keys.file_shapes.extend(vision.file_shapes());
        }
        Ok(config)
    }
}
