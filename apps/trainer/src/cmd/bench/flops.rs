//! Floating-point operations of a model's passes: two for every weight and token, and those of
//! attention ([arXiv:2001.08361](https://arxiv.org/abs/2001.08361), section 2.1).

use burn_rl::trainable::ParameterCounts;
use burn_vlm::{Vlm, weights::shapes};

/// What a model computes.
pub struct Work {
    /// Weights that every text token meets.
    text: f64,
    /// Weights of the head.
    head: f64,
    /// Weights that every patch meets.
    tower: f64,
    /// Width of the queries times the number of blocks, of the text and of the tower.
    attention: [f64; 2],
    /// Passes of an update, counted in forward passes: one forward, one for the gradients of
    /// activations, and one for those of the weights that are trained.
    pub passes: f64,
}

impl Work {
    /// That of a model as it is trained.
    pub fn of(model: &Vlm, counts: &ParameterCounts) -> Self {
        let config = model.config();
        let all = shapes(model);
        let sum = |of: &dyn Fn(&str) -> bool| -> f64 {
            let chosen = all.iter().filter(|p| of(&p.path));
            chosen.map(|p| p.len() as f64).sum()
        };
        let tower = config.vision.as_ref().map(|vision| vision.sizes());
        let text = &config.text;
        let queries = text.num_attention_heads * text.head_dim * text.num_hidden_layers;
        Self {
            text: sum(&|path| path.starts_with("model.layers.")),
            head: (text.vocab_size * text.hidden_size) as f64,
            tower: sum(&|path| path.starts_with("visual.")),
            attention: [
                queries as f64,
                tower.map_or(0.0, |tower| (tower.depth * tower.width) as f64),
            ],
            passes: 2.0 + counts.trained.all as f64 / counts.total as f64,
        }
    }

    /// Reading a sequence of `tokens`, of which `targets` are predicted, with a picture of `patches`
    /// patches.
    pub fn forward(&self, tokens: usize, targets: usize, patches: usize) -> f64 {
        let (t, p) = (tokens as f64, patches as f64);
        let matrices = t * self.text + targets as f64 * self.head + p * self.tower;
        // Scores and values; a token sees half of its sequence, a patch the whole picture.
        let attention = t * t * self.attention[0] + 2.0 * p * p * self.attention[1];
        2.0 * (matrices + attention)
    }

    /// Drawing all but the first of `new` tokens after a prompt.
    pub fn decode(&self, prompt: usize, new: usize) -> f64 {
        let n = new.saturating_sub(1) as f64;
        let seen = prompt as f64 + new as f64 / 2.0;
        2.0 * n * (self.text + self.head + 2.0 * seen * self.attention[0])
    }
}
