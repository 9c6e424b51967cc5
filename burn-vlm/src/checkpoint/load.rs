//! Reading a model directory.

use crate::{
    Vlm,
    error::VlmError,
    freeze::set_trainable,
    lora::{self, BaseModel},
    models::{Families, ModelConfig},
    precision::Compute,
    value_head::{VALUE_HEAD_FILE, ValueHead},
    weights::{self, Allow, WeightFiles},
};
use burn::tensor::Device;
use std::{path::Path, sync::Arc};

/// How a model directory is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// What the model computes in.
    pub compute: Compute,
    /// Tensors that may be missing, unused or misshapen: each entry is a name in the files, or the
    /// beginning of names up to a dot. What is not read is drawn as [`Vlm::random`] draws it with
    /// seed 0.
    pub allow_tensors: Vec<String>,
    /// The families that the model may be of.
    pub families: Families,
}

impl LoadOptions {
    /// For computing in `compute`, and all else as by default.
    pub fn computing_in(compute: Compute) -> Self {
        Self {
            compute,
            ..Self::default()
        }
    }

    /// The same with tensors that may be missing, unused or misshapen.
    pub fn allowing(self, tensors: &[String]) -> Self {
        Self {
            allow_tensors: tensors.to_vec(),
            ..self
        }
    }

    /// The same for a model of one of `families`.
    pub fn among(self, families: &Families) -> Self {
        Self {
            families: families.clone(),
            ..self
        }
    }

    fn allow(&self, config: &ModelConfig) -> Allow {
        Allow {
            names: self.allow_tensors.clone(),
            std: config.initializer_range,
        }
    }

    fn open(&self, dir: &Path) -> Result<(ModelConfig, WeightFiles), VlmError> {
        let mut config = self.families.read_dir(dir)?;
        config.compute = self.compute;
        let mut files = WeightFiles::open(dir)?;
        config.settle_head(&mut files)?;
        Ok((config, files))
    }
}

impl Vlm {
    /// Loads a Hugging Face model directory as f32, with an adapter that lies beside its weights, or
    /// the directory of an adapter and the model it names; with the value head that
    /// [`save`](Self::save) left there, if it did.
    ///
    /// # Errors
    /// A configuration that is missing, malformed or not supported; weights that are missing,
    /// truncated or do not fit.
    pub fn from_dir(dir: &Path, device: &Device) -> Result<Self, VlmError> {
        Self::load(dir, &LoadOptions::default(), device)
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir).
    pub fn load(dir: &Path, options: &LoadOptions, device: &Device) -> Result<Self, VlmError> {
        if lora::is_adapter(dir) {
            let base = lora::base_dir(dir)?;
            if lora::is_adapter(&base) && !same_dir(&base, dir) {
                return Err(VlmError::config(
                    dir.join(lora::ADAPTER_CONFIG),
                    format!(
                        "the model it is beside, {}, has an adapter of its own, expected one \
                         without: merge the two first",
                        base.display()
                    ),
                ));
            }
            let base = Self::load_whole(&base, options, device)?;
            return base.with_adapter(dir)?.with_saved_head(dir);
        }
        Self::load_whole(dir, options, device)?.with_saved_head(dir)
    }

    /// The weights of a directory, without a look at an adapter beside them.
    fn load_whole(dir: &Path, options: &LoadOptions, device: &Device) -> Result<Self, VlmError> {
        let (config, files) = options.open(dir)?;
        let keys = config.keys();
        let allow = options.allow(&config);
        let body = Self::new(config, device);
        let mut model = weights::load(body, &files, &keys, &allow, options.compute, device)?;
        model.source = Some(Arc::new(BaseModel::of(&files)));
        Ok(model)
    }

    /// The same with the value head that was saved in `dir`, if one was.
    pub(super) fn with_saved_head(mut self, dir: &Path) -> Result<Self, VlmError> {
        if dir.join(VALUE_HEAD_FILE).exists() {
            self.value_head = ValueHead::from_dir(dir, self.width(), &self.device())?;
        }
        Ok(self)
    }

    /// Loads a critic: the body of a Hugging Face model directory, without the head that predicts
    /// tokens, and the value head found there under any name in use, else `fresh`. Of an adapter
    /// and the model it names, the body is both in one; all of it is trained.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir), and a value head that does not fit.
    pub fn critic_from_dir(
        dir: &Path,
        fresh: impl FnOnce(usize) -> ValueHead,
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Self, VlmError> {
        if lora::is_adapter(dir) {
            let policy = Self::load(dir, options, device)?;
            let mut critic = set_trainable(policy.merged(), |_| Some(true));
            critic.lm_head = None;
            let d = critic.width();
            critic.value_head.get_or_insert_with(|| fresh(d));
            return Ok(critic);
        }
        let (config, files) = options.open(dir)?;
        let mut keys = config.keys();
        keys.ignored.push("lm_head.weight".into());
        keys.ignored.extend(ValueHead::file_names());
        let allow = options.allow(&config);
        let mut body = Self::new(config, device);
        body.lm_head = None;
        let mut critic = weights::load(body, &files, &keys, &allow, options.compute, device)?;
        critic.source = Some(Arc::new(BaseModel::of(&files)));
        let d = critic.width();
        let found = ValueHead::from_dir(dir, d, device)?;
        critic.value_head = Some(found.unwrap_or_else(|| fresh(d)));
        Ok(critic)
    }
}

/// Whether two paths are one directory.
fn same_dir(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(a).is_some_and(|a| Some(a) == real(b))
}
