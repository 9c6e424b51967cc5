//! Prompts and responses that mean nothing, of given sizes.

use crate::input_error::InputError;
use burn_rl::{
    learner::TrainBatch,
    rollout::TrainGroup,
    types::{Prompt, Sample},
};
use burn_vlm::{
    EncodedPrompt, ModelConfig,
    generate::{Completion, Purpose, Request, SampleKey},
    image::ImagePatches,
    rng::{mix, uniform},
};
use std::sync::Arc;

/// Prompts of one size.
pub struct Synthetic {
    tokens: usize,
    vocabulary: u32,
    image_token: u32,
    /// Picture, the tokens it becomes, and its segments of patches.
    picture: Option<(Arc<ImagePatches>, usize, [usize; 2])>,
}

impl Synthetic {
    /// Prompts of so many tokens, of which the picture of each takes about `picture_tokens`.
    ///
    /// # Errors
    /// A picture with more tokens than its prompt.
    pub fn new(
        model: &ModelConfig,
        tokens: usize,
        picture_tokens: usize,
    ) -> Result<Self, InputError> {
        let vision = model.vision.as_ref().filter(|_| picture_tokens > 0);
        let picture = vision.map(|vision| {
            let sizes = vision.sizes();
            let grid = match vision.tile() {
                Some([_, h, w]) => {
                    let tile = vision.image_tokens([1, h, w]);
                    [(picture_tokens / tile.max(1)).max(1), h, w]
                }
                None => {
                    let side = (picture_tokens as f64).sqrt().round().max(1.0) as usize;
                    [1, side * sizes.merge_size, side * sizes.merge_size]
                }
            };
            let n = grid.iter().product::<usize>() * sizes.patch_len;
            let patches = (0..n)
                .map(|i| (uniform(mix(1, i as u64)) - 0.5) as f32)
                .collect();
            let picture = Arc::new(ImagePatches { patches, grid });
            (picture, vision.image_tokens(grid), vision.segments(grid))
        });
        let taken = picture.as_ref().map_or(0, |(_, tokens, _)| *tokens);
        if tokens <= taken {
            return Err(InputError::new(format!(
                "--prompt-tokens is {tokens}, expected more than the {taken} tokens of a picture \
                 (--picture-tokens)"
            )));
        }
        let vocabulary = model.text.vocab_size as u32;
        Ok(Self {
            tokens,
            vocabulary,
            image_token: model.image_token_id.unwrap_or(vocabulary - 1),
            picture,
        })
    }

    /// Tokens of a prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.tokens
    }

    /// Patches of a prompt's picture.
    pub fn patches(&self) -> usize {
        let picture = self.picture.as_ref();
        picture.map_or(0, |(picture, ..)| picture.num_patches())
    }

    /// Segments of patches of a prompt, and the patches of each.
    pub fn segments(&self) -> (usize, usize) {
        let picture = self.picture.as_ref();
        picture.map_or((0, 0), |(_, _, [n, patches])| (*n, *patches))
    }

    /// `draws` requests for each of `prompts` prompts, other ones every round.
    pub fn requests(&self, prompts: usize, draws: usize, seed: u64, round: u64) -> Vec<Request> {
        let prompt = |i: usize| {
            let key = mix(mix(seed, round), i as u64);
            Arc::new(self.prompt(key))
        };
        let request = |i: usize, prompt: &Arc<EncodedPrompt>, draw: usize| Request {
            prompt: prompt.clone(),
            key: SampleKey {
                purpose: Purpose::Benchmark,
                seed,
                step: round,
                prompt: i as u64,
                draw: draw as u64,
            },
        };
        (0..prompts)
            .flat_map(|i| {
                let prompt = prompt(i);
                (0..draws)
                    .map(move |draw| request(i, &prompt, draw))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    fn prompt(&self, key: u64) -> EncodedPrompt {
        let (images, shown) = match &self.picture {
            // A picture of its own: shared ones would be encoded once.
            Some((picture, tokens, _)) => (vec![Arc::new(ImagePatches::clone(picture))], *tokens),
            None => (vec![], 0),
        };
        let word = |i: usize| {
            let id = (mix(key, i as u64) % u64::from(self.vocabulary)) as u32;
            if id == self.image_token { id / 2 } else { id }
        };
        let words = (shown..self.tokens).map(word);
        EncodedPrompt {
            tokens: std::iter::repeat_n(self.image_token, shown)
                .chain(words)
                .collect(),
            images,
        }
    }
}

/// What was drawn as a batch to learn from; every second response of a prompt was right.
pub fn batch(requests: &[Request], drawn: &[Completion], draws: usize) -> TrainBatch {
    let groups = requests.chunks(draws).zip(drawn.chunks(draws)).enumerate();
    let group = |(i, (requests, drawn)): (usize, (&[Request], &[Completion]))| TrainGroup {
        position: i as u64,
        prompt: Arc::new(Prompt {
            encoded: requests[0].prompt.clone(),
            ..Prompt::of_tokens(i.to_string(), vec![], "")
        }),
        responses: drawn.iter().map(|c| c.tokens.clone()).collect(),
        samples: drawn.iter().enumerate().map(sample).collect(),
    };
    let groups: Vec<TrainGroup> = groups.map(group).collect();
    TrainBatch::new(&groups, 1.0)
}

fn sample((i, drawn): (usize, &Completion)) -> Sample {
    Sample {
        reward: (i % 2) as f64,
        mask: vec![true; drawn.tokens.len()],
        sampler_logp: drawn.logprobs.clone(),
        behaviour_logp: drawn.behaviour_logprobs.clone(),
        ..Sample::default()
    }
}
