//! How many bytes passes hold beyond the weights.
//!
//! The coefficients are what `nn`, `tape` and `generate` hold at their fullest moment, measured with
//! a counting allocator and held by `tests/tests/memory.rs`. With D, I, Q, K the widths of the
//! residual stream, the feed-forward layer, queries and keys, and S = heads · keys, the scores of a
//! token:
//!
//! | moment | numbers a token |
//! |---|---|
//! | a block of the tower forward | max(2 D + 2 I, Q + 2 K + 2 S), of S no more than 2²⁴ in all |
//! | a block of the tower forward and backward | max(4 D + 6 I + 4 Q + 2 K + 2 S, 4 D + Q + 2 K + 5 S) |
//! | a block of the decoder forward, prompts once | max(2 D + 2 I, 3 Q + 2 K), and a tile's scores |
//! | the same forward and backward | max(7 D + 6 I + 3 Q + 4 K, 6 D + 6 Q + 8 K and two tiles' scores) |
//! | what autodiff keeps of a block | 8 D + 5 I + 2 Q + 2 K + 3 S |
//! | the same where heads are normalised | 2 Q + 2 K more |
//! | a tile of the head: min(N, 1024) targets by min(V, 8192) entries | 1 a logit |
//!
//! Scores, logits and gradients of parameters are f32; the rest is in the compute precision.

use crate::{
    Compute,
    features::PATCHES,
    generate::PREFILL_TOKENS,
    models::{ModelConfig, VisionConfig},
    nn::{
        attention::SCORES,
        cache::{PAGE, SlotCache},
        segments::{TILE_QUERIES, TILE_SCORES},
    },
    tape::{ActivationRecompute, TILE_COLUMNS, TILE_ROWS},
};

/// Sizes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BatchSizes {
    /// Sequences.
    pub rows: usize,
    /// Tokens of the longest one.
    pub width: usize,
    /// Tokens that are run, padding included: a shared prompt's once.
    pub tokens: usize,
    /// Tokens that are predicted, in all rows.
    pub targets: usize,
    /// Different pictures.
    pub pictures: usize,
    /// Patches of a picture, the largest.
    pub patches: usize,
}

/// What of a model is trained, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrainedSizes {
    /// All parameters that are trained.
    pub all: usize,
    /// Those of the matrix that predicts tokens.
    pub head: usize,
    /// Whether any of the vision tower's are.
    pub tower: bool,
}

/// What a cache of keys and values has room for at its fullest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLoad {
    /// Different prompts.
    pub prompts: usize,
    /// Tokens of the longest.
    pub prompt_len: usize,
    /// Sequences.
    pub rows: usize,
    /// Tokens that each may have beyond its prompt.
    pub new_tokens: usize,
    /// Whether the cache is [paged](crate::nn::cache::PagedCache); else it has
    /// [places](crate::nn::cache::SlotCache).
    pub is_paged: bool,
}

impl CacheLoad {
    /// Positions in all, as [`Limits::max_tokens`](crate::generate::Limits::max_tokens) counts them.
    pub fn positions(&self) -> usize {
        let (unit, places) = match self.is_paged {
            true => (PAGE, [self.prompts, self.rows]),
            false => {
                let places = [self.prompts, self.rows].map(usize::next_power_of_two);
                (SlotCache::BUCKET, places)
            }
        };
        let whole = |len: usize| len.next_multiple_of(unit);
        places[0] * whole(self.prompt_len) + places[1] * whole(self.new_tokens)
    }
}

/// Bytes of an f32.
const F32: f64 = 4.0;

/// The widths of a block.
#[derive(Debug, Clone, Copy)]
struct Block {
    depth: usize,
    d: f64,
    inner: f64,
    q: f64,
    k: f64,
    heads: f64,
    /// Widths of what is normalised head by head.
    normed: f64,
    /// Bytes of a number in the compute precision.
    size: f64,
}

/// Bytes of a number in a precision.
fn size(compute: Compute) -> f64 {
    match compute {
        Compute::F32 => F32,
        Compute::Bf16 => 2.0,
    }
}

impl Block {
    fn text(config: &ModelConfig) -> Self {
        let text = &config.text;
        let q = (text.num_attention_heads * text.head_dim) as f64;
        let k = (text.num_key_value_heads * text.head_dim) as f64;
        Self {
            depth: text.num_hidden_layers,
            d: text.hidden_size as f64,
            inner: text.intermediate_size as f64,
            q,
            k,
            heads: text.num_attention_heads as f64,
            normed: if text.qk_norm { q + k } else { 0.0 },
            size: size(config.compute),
        }
    }

    fn tower(config: &dyn VisionConfig, compute: Compute) -> Self {
        let sizes = config.sizes();
        let e = sizes.width as f64;
        Self {
            depth: sizes.depth,
            d: e,
            inner: sizes.inner as f64,
            q: e,
            k: e,
            heads: sizes.heads as f64,
            normed: 0.0,
            size: size(compute),
        }
    }

    /// One block, nothing kept.
    fn forward(&self, n: f64, keys: f64) -> f64 {
        let scores = F32 * self.heads * (n * keys).min(SCORES as f64);
        let attention = n * self.size * (self.q + 2.0 * self.k) + 2.0 * scores;
        attention.max(n * self.size * (2.0 * self.d + 2.0 * self.inner))
    }

    /// One block forward and backward, without the gradients of its parameters but for one that is
    /// under way.
    fn backward(&self, n: f64, keys: f64) -> f64 {
        let s = F32 * self.heads * keys;
        let kept = 4.0 * self.d + self.q + 2.0 * self.k;
        let feed_forward = self.size * (kept + 6.0 * self.inner + 3.0 * self.q) + 2.0 * s;
        n * feed_forward.max(self.size * kept + 5.0 * s) + F32 * self.d * self.inner
    }

    /// Scores of a tile of queries of which the longest row has so many keys, in bytes.
    fn tile(&self, n: f64, keys: f64) -> f64 {
        let queries = n.min(TILE_QUERIES as f64);
        F32 * (self.heads * queries * keys).min(TILE_SCORES as f64)
    }

    /// One block of segments, nothing kept.
    fn segments_forward(&self, n: f64, keys: f64) -> f64 {
        let attention = n * self.size * (3.0 * self.q + 2.0 * self.k) + self.tile(n, keys);
        attention.max(n * self.size * (2.0 * self.d + 2.0 * self.inner))
    }

    /// One block of segments forward and backward, without the gradients of its parameters but for
    /// one that is under way.
    fn segments_backward(&self, n: f64, keys: f64) -> f64 {
        let heads = 2.0 * (self.q + 2.0 * self.k) + self.q;
        let feed_forward = 7.0 * self.d + heads + 6.0 * self.inner;
        let attention = 6.0 * self.d + 2.0 * heads;
        let attention = n * self.size * attention + 2.0 * self.tile(n, keys);
        (n * self.size * feed_forward).max(attention) + F32 * self.d * self.inner
    }

    /// What autodiff keeps of one block.
    fn graph(&self, n: f64, keys: f64) -> f64 {
        let s = F32 * self.heads * keys;
        let rest = 8.0 * self.d + 5.0 * self.inner + 2.0 * self.q + 2.0 * self.k;
        n * (self.size * rest + 2.0 * F32 * self.normed + 3.0 * s)
    }

    /// What all blocks keep for the backward pass.
    fn kept(&self, n: f64, keys: f64, recompute: ActivationRecompute) -> f64 {
        let depth = self.depth as f64;
        match recompute {
            ActivationRecompute::Block => depth * n * self.size * self.d,
            ActivationRecompute::None => depth * self.graph(n, keys),
        }
    }
}

/// The passes of a model, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Footprint<'a> {
    config: &'a ModelConfig,
}

impl<'a> Footprint<'a> {
    /// The passes of a model of this size.
    pub fn new(config: &'a ModelConfig) -> Self {
        Self { config }
    }

    /// Keys and values of so many positions.
    pub fn cache(&self, positions: usize) -> f64 {
        let text = Block::text(self.config);
        2.0 * text.size * text.depth as f64 * text.k * positions as f64
    }

    /// Pictures as they are read: patches, in f32.
    pub fn pixels(&self, batch: &BatchSizes) -> f64 {
        let len = self
            .config
            .vision
            .as_ref()
            .map_or(0, |v| v.sizes().patch_len);
        F32 * (batch.pictures * batch.patches * len) as f64
    }

    /// Reading prompts, nothing kept but their keys and values: as many at a time as an engine
    /// takes.
    pub fn prefill(&self, prompts: &BatchSizes) -> f64 {
        let together = (PREFILL_TOKENS / prompts.width.max(1)).max(1);
        let rows = prompts.rows.min(together);
        let batch = BatchSizes {
            rows,
            tokens: rows * prompts.width,
            pictures: prompts.pictures * rows / prompts.rows.max(1),
            ..*prompts
        };
        let (n, width) = (batch.tokens as f64, batch.width as f64);
        let text = Block::text(self.config);
        self.vision_in_turn(&batch) + n * text.size * text.d + text.segments_forward(n, width)
    }

    /// One more token of `rows` sequences: logits on the device and on the host.
    pub fn decode(&self, rows: usize) -> f64 {
        2.0 * F32 * (rows * self.config.text.vocab_size) as f64
    }

    /// Log-probabilities of a batch.
    pub fn score(&self, batch: &BatchSizes) -> f64 {
        let n = batch.tokens as f64;
        let text = Block::text(self.config);
        let kept = text.kept(n, batch.width as f64, ActivationRecompute::Block);
        kept + self.vision_forward(batch)
            + text
                .segments_forward(n, batch.width as f64)
                .max(self.logits(batch))
    }

    /// Gradients of a batch, themselves included.
    pub fn gradients(
        &self,
        batch: &BatchSizes,
        trained: &TrainedSizes,
        recompute: ActivationRecompute,
    ) -> f64 {
        let (n, keys) = (batch.tokens as f64, batch.width as f64);
        let text = Block::text(self.config);
        let mut kept = text.kept(n, keys, recompute) + 2.0 * n * text.size * text.d;
        let mut block = text.segments_backward(n, keys);
        if let (Some(vision), true) = (&self.config.vision, trained.tower && batch.patches > 0) {
            let tower = Block::tower(&**vision, self.config.compute);
            let patches = (batch.pictures * batch.patches) as f64;
            kept += self.pixels(batch) + tower.kept(patches, batch.patches as f64, recompute);
            // What each tap read is kept beside the blocks' inputs.
            kept += self.tapped(batch.pictures * batch.patches);
            kept += vision.taps().len() as f64 * patches * tower.size * tower.d;
            block = block.max(tower.backward(patches, batch.patches as f64));
        }
        if recompute == ActivationRecompute::None {
            // The graph holds what a block's backward needs; what it makes is small beside it.
            block = n * text.size * (2.0 * text.inner + text.d);
        }
        let own_head = F32 * trained.head as f64;
        let head = kept + self.logits(batch) + own_head;
        let first_block = kept + block + own_head;
        // By then the gradients are all there, and of what was kept the first input.
        let last_block = 2.0 * n * text.size * text.d + block + F32 * trained.all as f64;
        head.max(first_block).max(last_block)
    }

    /// Logits that exist at a time: a tile's.
    fn logits(&self, batch: &BatchSizes) -> f64 {
        let columns = self.config.text.vocab_size.min(TILE_COLUMNS);
        F32 * (batch.targets.min(TILE_ROWS) * columns) as f64
    }

    /// All pictures of a batch through the tower together.
    fn vision_forward(&self, batch: &BatchSizes) -> f64 {
        self.pixels(batch) + self.tower_forward(batch, batch.pictures * batch.patches)
    }

    /// As many pictures at a time as [`ImageFeatures`](crate::ImageFeatures) takes.
    fn vision_in_turn(&self, batch: &BatchSizes) -> f64 {
        let at_a_time = PATCHES.max(batch.patches);
        let patches = (batch.pictures * batch.patches).min(at_a_time);
        self.pixels(batch) + self.tower_forward(batch, patches)
    }

    fn tower_forward(&self, batch: &BatchSizes, patches: usize) -> f64 {
        let Some(vision) = self.config.vision.as_ref().filter(|_| patches > 0) else {
            return 0.0;
        };
        let tower = Block::tower(&**vision, self.config.compute);
        let n = patches as f64;
        n * tower.size * tower.d + tower.forward(n, batch.patches as f64) + self.tapped(patches)
    }

    /// Features of the tower's taps, which are there until the decoder's block they are added after.
    fn tapped(&self, patches: usize) -> f64 {
        let Some(vision) = &self.config.vision else {
            return 0.0;
        };
        let group = vision.sizes().merge_size.pow(2).max(1);
        let features = vision.taps().len() * patches / group;
        size(self.config.compute) * (features * self.config.text.hidden_size) as f64
    }
}
