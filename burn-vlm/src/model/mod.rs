//! A model as every other part of the workspace sees it.

mod precision;

use crate::{
    input::{VisionInput, VlmInput},
    lora::{BaseModel, Lora},
    models::{ModelConfig, Vision, VisionFeatures},
    nn::{KvCache, Linear, Linears, Rope, RopeTable, TextDecoder, cache::PromptId, int_tensor},
    value_head::ValueHead,
    weights::{self, KeyMap},
};
use burn::{
    module::Module,
    tensor::{DType, Device, Int, Tensor, TensorData},
};
use std::{ops::Range, sync::Arc};

/// Vision tower, text decoder and head: one type for every family.
///
/// Parameters live on a plain device; a tape makes autodiff copies of the part it differentiates,
/// so that generation never records anything.
#[derive(Module, Debug)]
pub struct Vlm {
    /// The vision tower, unless the model only reads text.
    pub visual: Option<Vision>,
    /// The text decoder.
    pub model: TextDecoder,
    /// The head, unless it is the embedding table.
    pub lm_head: Option<Linear>,
    /// The critic's head, where there is one.
    pub value_head: Option<ValueHead>,
    #[module(skip)]
    pub(crate) config: Arc<ModelConfig>,
    /// Of the adapters, where there are any.
    #[module(skip)]
    pub(crate) lora: Option<Arc<Lora>>,
    /// Where the weights were read.
    #[module(skip)]
    pub(crate) source: Option<Arc<BaseModel>>,
}

impl Vlm {
    /// A model whose parameters are neither loaded nor drawn yet.
    pub fn new(config: ModelConfig, device: &Device) -> Self {
        let (d, v) = (config.text.hidden_size, config.text.vocab_size);
        Self {
            visual: config
                .vision
                .as_ref()
                .map(|vision| vision.init(device).with_taps(vision.taps())),
            model: config.text.init(config.compute, device),
            lm_head: (!config.tie_word_embeddings).then(|| Linear::new(d, v, false, device)),
            value_head: None,
            config: Arc::new(config),
            lora: None,
            source: None,
        }
    }

    /// A model with freshly drawn weights: normal, with the configuration's `initializer_range` as
    /// standard deviation.
    pub fn random(config: ModelConfig, seed: u64, device: &Device) -> Self {
        let std = config.initializer_range;
        weights::initialise(Self::new(config, device), std, seed, device)
    }

    /// The configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Names of the checkpoint's tensors.
    pub fn keys(&self) -> KeyMap {
        self.config.keys()
    }

    /// D, the width of a hidden state.
    pub fn width(&self) -> usize {
        self.config.text.hidden_size
    }

    /// Moves the model out and leaves one without weights, so that nothing holds the old ones while
    /// others are made of them.
    pub fn take(&mut self) -> Self {
        let empty = Self::new(self.config().clone(), &self.device());
        std::mem::replace(self, empty)
    }

    /// The device the parameters are on.
    pub fn device(&self) -> Device {
        self.model.norm.weight.val().device()
    }

    /// Weight of the head, tied or not.
    ///
    /// # Shapes
    /// - output: `[V, D]`
    pub fn head_weight(&self) -> Tensor<2> {
        match &self.lm_head {
            Some(head) => head.weight.val(),
            None => self.model.embed_tokens.weight.val(),
        }
    }

    /// Features of a batch's pictures, in their order, as known or else as encoded now; none without
    /// pictures.
    pub fn image_features(&self, input: &VlmInput) -> Option<VisionFeatures> {
        let (tower, vision) = self.visual.as_ref().zip(input.vision.as_ref())?;
        if let Some(known) = &vision.features {
            return Some(known.clone());
        }
        Some(tower.forward(vision.patches.clone(), &vision.plan))
    }

    /// Embedded tokens, image features in their places.
    ///
    /// # Shapes
    /// - features: `[N / merge², D]`
    /// - output: `[B, T, D]`
    pub fn embed(&self, input: &VlmInput, features: Option<Tensor<2>>) -> Tensor<3> {
        let embedded = self.model.embed_tokens.forward(input.tokens.clone());
        match (&input.vision, features) {
            (Some(vision), Some(features)) => place_features(embedded, vision, features),
            _ => embedded,
        }
    }

    /// Hidden states after decoder block `layer`, with what the tower's taps add there.
    ///
    /// # Shapes
    /// - x and output: `[B, T, D]`
    pub(crate) fn add_taps(
        &self,
        layer: usize,
        mut x: Tensor<3>,
        input: &VlmInput,
        features: Option<&VisionFeatures>,
    ) -> Tensor<3> {
        let parts = self.visual.as_ref().zip(input.vision.as_ref());
        if let (Some((tower, vision)), Some(features)) = (parts, features) {
            for (index, _) in tower.taps_at_layer(layer) {
                x = add_features(x, vision, features.taps[index].clone());
            }
        }
        x
    }

    /// Runs a whole batch.
    ///
    /// # Shapes
    /// - output: `[B, T, D]`, after the final norm
    pub fn hidden(&self, input: &VlmInput) -> Tensor<3> {
        let features = self.image_features(input);
        let mut x = self.embed(input, features.as_ref().map(|own| own.tokens.clone()));
        for (i, layer) in self.model.layers.iter().enumerate() {
            x = input.through(layer, x);
            x = self.add_taps(i, x, input, features.as_ref());
        }
        self.model.norm.forward(x)
    }

    /// Scores of the next token, in f32.
    ///
    /// # Shapes
    /// - hidden: `[R, D]`
    /// - output: `[R, V]`
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let weight = self.head_weight().cast(hidden.dtype());
        hidden.matmul(weight.transpose()).cast(DType::F32)
    }

    /// Reads prompts that lie in `input` at the given places, and keeps their keys and values.
    ///
    /// # Shapes
    /// - output: `[P, D]`, the hidden state of each prompt's last token
    pub fn prefill(
        &self,
        input: &VlmInput,
        prompts: &[(PromptId, Range<usize>)],
        cache: &mut dyn KvCache,
    ) -> Tensor<2> {
        let shared = input.shared.as_ref();
        let segments = &shared.expect("prompts one after the other").segments;
        let features = self.image_features(input);
        let mut x = self.embed(input, features.as_ref().map(|own| own.tokens.clone()));
        for (i, layer) in self.model.layers.iter().enumerate() {
            let [q, k, v] = layer.before_attention(x.clone(), &input.ctx.rope);
            cache.write_prompts(i, prompts, k.clone(), v.clone());
            x = layer.after_attention(x, segments.attend(q, k, v));
            x = self.add_taps(i, x, input, features.as_ref());
        }
        let ends = prompts.iter().map(|(_, place)| place.end as i64 - 1);
        let [_, n, d] = x.dims();
        let last = x.reshape([n, d]);
        let last = last.select(0, int_tensor(ends.collect(), &self.device()));
        self.model.norm.forward(last)
    }

    /// Reads one more token of every row of `cache`, which [begun](KvCache::arrange) it.
    ///
    /// # Shapes
    /// - tokens: one a row
    /// - output: `[B, D]`
    pub fn decode(&self, tokens: &[u32], rope: &RopeTable, cache: &mut dyn KvCache) -> Tensor<2> {
        let ids: Vec<i64> = tokens.iter().map(|t| i64::from(*t)).collect();
        let ids = TensorData::new(ids, [tokens.len(), 1]);
        let ids = Tensor::<2, Int>::from_data(ids, &self.device());
        let x = self.model.embed_tokens.forward(ids);
        let x = self.model.decode(x, rope, cache);
        let [b, _, d] = x.dims();
        self.model.norm.forward(x.reshape([b, d]))
    }

    /// The rotary embedding of text positions.
    pub fn rope(&self) -> Rope {
        self.config.text.rope()
    }

    /// Every linear layer of vision tower, projector and decoder, by its path.
    pub fn each_linear(&mut self, visit: &mut dyn FnMut(&str, &mut Linear)) {
        self.visual.each_linear("visual", visit);
        self.model.each_linear("model", visit);
    }
}

/// Replaces the embeddings of image tokens.
///
/// # Shapes
/// - embedded and output: `[B, T, D]`
/// - features: `[N / merge², D]`
pub fn place_features(embedded: Tensor<3>, vision: &VisionInput, features: Tensor<2>) -> Tensor<3> {
    let [b, t, d] = embedded.dims();
    let features = features
        .select(0, vision.feature.clone())
        .reshape([b, t, d]);
    embedded.mask_where(vision.is_image.clone().expand([b, t, d]), features)
}

/// Adds features to the hidden states of image tokens.
///
/// # Shapes
/// - x and output: `[B, T, D]`
/// - features: `[N / merge², D]`
fn add_features(x: Tensor<3>, vision: &VisionInput, features: Tensor<2>) -> Tensor<3> {
    let [b, t, d] = x.dims();
    let features = features
        .select(0, vision.feature.clone())
        .reshape([b, t, d]);
    let elsewhere = vision.is_image.clone().bool_not().expand([b, t, d]);
    x + features.mask_fill(elsewhere, 0.0)
}
