//! Batches of sequences from prompt to last token.

use super::{
    SampleKey,
    sampler::{Sampled, Sampling, sample},
};
use crate::{
    device::runs_on_host,
    error::VlmError,
    features::ImageFeatures,
    input::{Row, VlmInput, padding_mask},
    model::Vlm,
    nn::{DecoderContext, KvCache},
    text::EncodedPrompt,
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A completion to be drawn.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the model reads. Requests that share it are read once.
    pub prompt: Arc<EncodedPrompt>,
    /// What decides the random numbers.
    pub key: SampleKey,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model said a stop token, which is the last token, or the end of a stop string.
    Stop,
    /// `max_new_tokens` were reached first.
    Length,
}

/// Whether tokens end a completion with the last of them.
pub(crate) type Ends<'a> = &'a dyn Fn(&[u32]) -> bool;

/// A drawn completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The tokens, a final stop token included.
    pub tokens: Vec<u32>,
    /// Log-probability of each under the policy at
    /// [`logprob_temperature`](Generator::logprob_temperature), in nats: without truncation and
    /// without the repetition penalty.
    pub logprobs: Vec<f32>,
    /// Log-probability of each under the behaviour policy, the distribution it was drawn from, in
    /// nats: after penalty, temperature, top-k and top-p. Zero for greedy draws.
    pub behaviour_logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: FinishReason,
}

/// Draws completions from a model.
#[derive(Debug, Clone, Copy)]
pub struct Generator<'a> {
    /// The model.
    pub model: &'a Vlm,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Tokens that end a completion.
    pub stop: &'a [u32],
    /// Most sequences in one batch.
    pub max_batch: usize,
    /// Temperature at which [`Completion::logprobs`] are reported, more than 0: 1 for those of the
    /// policy itself. The logits are divided by it in f32 before log-softmax, as
    /// [`Tape::record`](crate::tape::Tape::record) does, so both agree at any temperature. It does
    /// not change what is drawn.
    pub logprob_temperature: f64,
}

/// A sequence that is still growing.
struct Active {
    request: usize,
    /// Positions on the left of its prompt that hold nothing.
    padding: usize,
    next_position: u32,
}

impl Generator<'_> {
    /// Draws one completion for each request, in their order.
    ///
    /// `finished` is called with the number of sequences done so far.
    ///
    /// # Errors
    /// Sampling parameters out of range, an empty prompt, or a prompt and completion longer than
    /// the model's positions.
    pub fn generate(
        &self,
        requests: &[Request],
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Completion>, VlmError> {
        self.generate_until(&AtomicBool::new(false), requests, finished)
    }

    /// The same, looking before each token whether `stop` has become true.
    ///
    /// # Errors
    /// As [`generate`](Self::generate); [`VlmError::Stopped`] once `stop` is true.
    pub fn generate_until(
        &self,
        stop: &AtomicBool,
        requests: &[Request],
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Completion>, VlmError> {
        self.generate_ending(stop, requests, &|_| false, finished)
    }

    /// The same, where `ends` is asked of the tokens after each one whether it ends the completion
    /// as a stop token does: [`StopStrings::end`](super::StopStrings::end).
    ///
    /// # Errors
    /// As [`generate_until`](Self::generate_until).
    pub fn generate_ending(
        &self,
        stop: &AtomicBool,
        requests: &[Request],
        ends: Ends<'_>,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Completion>, VlmError> {
        self.check(requests)?;
        let mut done = Vec::with_capacity(requests.len());
        for batch in requests.chunks(self.max_batch) {
            let before = done.len();
            let bucket = bucket(&self.model.device());
            done.extend(self.batch(batch, bucket, (stop, ends), &mut |n| finished(before + n))?);
        }
        Ok(done)
    }

    fn check(&self, requests: &[Request]) -> Result<(), VlmError> {
        self.sampling.check()?;
        if self.max_batch == 0 {
            return Err(VlmError::Request(
                "max_batch is 0, expected at least 1".into(),
            ));
        }
        let temperature = self.logprob_temperature;
        // What the logits are divided by is f32.
        if !(temperature > 0.0 && (temperature as f32).is_normal()) {
            return Err(VlmError::Request(format!(
                "logprob_temperature is {temperature}, expected a number from {:e} to {:e}",
                f32::MIN_POSITIVE,
                f32::MAX
            )));
        }
        let limit = self.model.config().max_positions();
        for request in requests {
            let len = request.prompt.tokens.len();
            if len == 0 {
                return Err(VlmError::Request("a prompt is empty".into()));
            }
            if !request.prompt.images.is_empty() && self.model.visual.is_none() {
                return Err(VlmError::Request(
                    "a prompt shows pictures, but the model has no vision tower".into(),
                ));
            }
            if len + self.sampling.max_new_tokens > limit {
                return Err(VlmError::Request(format!(
                    "a prompt of {len} tokens and {} new ones exceed the model's {limit} positions",
                    self.sampling.max_new_tokens
                )));
            }
        }
        Ok(())
    }

    /// The cache is read in multiples of `bucket` positions.
    fn batch(
        &self,
        requests: &[Request],
        bucket: usize,
        (stop, ends): (&AtomicBool, Ends<'_>),
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Completion>, VlmError> {
        let is_stopped = || stop.load(Ordering::Relaxed);
        if is_stopped() {
            return Err(VlmError::Stopped);
        }
        let device = self.model.device();
        let (prompts, prompt_of) = unique_prompts(requests);
        let rows: Vec<Row<'_>> = prompts
            .iter()
            .map(|p| Row {
                tokens: &p.tokens,
                images: &p.images,
            })
            .collect();
        let mut input = VlmInput::new(&rows, self.model.config(), &device)?;
        let images = prompts.iter().flat_map(|p| &p.images);
        if let Some(features) = ImageFeatures::of(self.model, images) {
            features.give(self.model, &mut input);
        }
        let mut cache = self.model.model.new_cache(rows.len(), input.width, &device);
        let hidden = self.model.prefill(&input, &mut cache);

        let copies = int_tensor(&prompt_of, &device);
        let capacity = (input.width + self.sampling.max_new_tokens).next_multiple_of(bucket);
        let mut cache = cache.select(&copies, capacity).in_buckets_of(bucket);
        let mut hidden = hidden.select(0, copies);
        let mut active: Vec<Active> = prompt_of
            .iter()
            .enumerate()
            .map(|(request, prompt)| Active {
                request,
                padding: input.width - input.lens[*prompt],
                next_position: input.next_positions[*prompt],
            })
            .collect();
        let mut done = vec![Completion::new(); requests.len()];

        loop {
            if is_stopped() {
                return Err(VlmError::Stopped);
            }
            let drawn = self.draw(hidden, &active, requests, &done);
            if drawn.iter().any(|token| !token.logprob.is_finite()) {
                return Err(VlmError::NotFinite(format!(
                    "the scores of the next token are not finite at logprob_temperature {}: the \
                     model is broken, or a number overflowed in the precision that it computes in",
                    self.logprob_temperature
                )));
            }
            let mut rows_left = vec![];
            for (row, (sequence, token)) in active.iter().zip(&drawn).enumerate() {
                let completion = &mut done[sequence.request];
                completion.push(*token);
                let stopped = self.stop.contains(&token.id) || ends(&completion.tokens);
                if stopped {
                    completion.finish = FinishReason::Stop;
                }
                if !stopped && completion.tokens.len() < self.sampling.max_new_tokens {
                    rows_left.push(row);
                }
            }
            if rows_left.len() < active.len() {
                finished(requests.len() - rows_left.len());
            }
            if rows_left.is_empty() {
                return Ok(done);
            }
            let mut tokens: Vec<u32> = drawn.iter().map(|token| token.id).collect();
            if rows_left.len() < active.len() {
                cache = cache.select(&int_tensor(&rows_left, &device), capacity);
                tokens = rows_left.iter().map(|row| tokens[*row]).collect();
                let mut keep = rows_left.iter().peekable();
                let mut row = 0;
                active.retain(|_| {
                    row += 1;
                    keep.next_if(|kept| **kept == row - 1).is_some()
                });
            }
            hidden = self.step(&tokens, &mut active, &mut cache, &device);
        }
    }

    /// Draws the next token of every active sequence from its hidden state.
    fn draw(
        &self,
        hidden: Tensor<2>,
        active: &[Active],
        requests: &[Request],
        done: &[Completion],
    ) -> Vec<Sampled> {
        let logits = self.model.logits(hidden);
        let vocab = logits.dims()[1];
        let logits = logits.into_data().try_into_vec::<f32>();
        let logits = logits.expect("logits are made f32");
        let draw = |(row, sequence): (&[f32], &Active)| {
            let Request { prompt, key } = &requests[sequence.request];
            let said = &done[sequence.request].tokens;
            let history = prompt.tokens.iter().chain(said).copied();
            let u = key.uniform(said.len());
            sample(row, history, &self.sampling, self.logprob_temperature, u)
        };
        logits.par_chunks(vocab).zip(active).map(draw).collect()
    }

    /// Feeds one token to every active sequence and returns the hidden states after it.
    fn step(
        &self,
        tokens: &[u32],
        active: &mut [Active],
        cache: &mut KvCache,
        device: &Device,
    ) -> Tensor<2> {
        let positions: Vec<[u32; 3]> = active.iter().map(|s| [s.next_position; 3]).collect();
        let filled = cache.len() + 1;
        let seen: Vec<Range<usize>> = active.iter().map(|s| s.padding..filled).collect();
        let ctx = DecoderContext {
            rope: self.model.rope().table(&positions, positions.len(), device),
            mask: padding_mask(&seen, cache.reach(1), device),
        };
        for sequence in active.iter_mut() {
            sequence.next_position += 1;
        }
        self.model.decode(tokens, &ctx, cache)
    }
}

impl Completion {
    fn new() -> Self {
        let (logprobs, behaviour_logprobs) = (vec![], vec![]);
        Self {
            tokens: vec![],
            logprobs,
            behaviour_logprobs,
            finish: FinishReason::Length,
        }
    }

    fn push(&mut self, token: Sampled) {
        self.tokens.push(token.id);
        self.logprobs.push(token.logprob);
        self.behaviour_logprobs.push(token.behaviour_logprob);
    }
}

/// Positions of a cache by which more of it is read. An accelerator has kernels for shapes, which
/// should not change with every token; a host would only have more to compute.
fn bucket(device: &Device) -> usize {
    if runs_on_host(device) { 1 } else { 64 }
}

/// The prompts without repetition, and which of them each request reads.
fn unique_prompts(requests: &[Request]) -> (Vec<&EncodedPrompt>, Vec<usize>) {
    let mut prompts: Vec<&Arc<EncodedPrompt>> = vec![];
    let mut of = Vec::with_capacity(requests.len());
    for request in requests {
        let known = prompts
            .iter()
            .rposition(|p| Arc::ptr_eq(p, &request.prompt));
        of.push(known.unwrap_or_else(|| {
            prompts.push(&request.prompt);
            prompts.len() - 1
        }));
    }
    (prompts.into_iter().map(Arc::as_ref).collect(), of)
}

fn int_tensor(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_temperature_that_is_none_in_f32_is_refused() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied");
        let model = Vlm::from_dir(&dir, &Device::flex()).unwrap();
        for logprob_temperature in [1e-50, 1e50, 0.0, -1.0, f64::NAN] {
            let generator = Generator {
                model: &model,
                sampling: Sampling::greedy(1),
                stop: &[],
                max_batch: 1,
                logprob_temperature,
            };
            let message = generator
                .generate(&[], &mut |_| {})
                .unwrap_err()
                .to_string();
            let expected = format!("logprob_temperature is {logprob_temperature}, expected");
            assert!(message.starts_with(&expected), "{message}");
        }
    }

    #[test]
    fn what_is_read_beyond_the_end_of_the_cache_changes_nothing() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied");
        let model = Vlm::from_dir(&dir, &Device::flex()).unwrap();
        let generator = Generator {
            model: &model,
            sampling: Sampling {
                max_new_tokens: 20,
                ..Sampling::default()
            },
            stop: &[7, 8, 9],
            max_batch: 8,
            logprob_temperature: 1.0,
        };
        let prompt = |n: u32| {
            Arc::new(EncodedPrompt {
                tokens: (10..10 + n).collect(),
                images: vec![],
            })
        };
        let prompts = [prompt(3), prompt(11), prompt(3)];
        let request = |(draw, prompt): (usize, &Arc<EncodedPrompt>)| Request {
            prompt: prompt.clone(),
            key: SampleKey {
                draw: draw as u64,
                ..SampleKey::default()
            },
        };
        let requests: Vec<Request> = prompts.iter().enumerate().map(request).collect();
        let go_on = AtomicBool::new(false);
        let asked = (&go_on, (&|_: &[u32]| false) as Ends<'_>);
        let plain = generator.batch(&requests, 1, asked, &mut |_| {}).unwrap();
        for bucket in [4, 64] {
            let found = generator
                .batch(&requests, bucket, asked, &mut |_| {})
                .unwrap();
            for (found, plain) in found.iter().zip(&plain) {
                assert_eq!(found.tokens, plain.tokens, "{bucket}");
                let pairs = found.logprobs.iter().zip(&plain.logprobs);
                pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{bucket}: {a} {b}"));
            }
        }
    }
    #[test]
    fn whoever_asks_may_stop_it_between_tokens() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied");
        let model = Vlm::from_dir(&dir, &Device::flex()).unwrap();
        let (stop, never) = (AtomicBool::new(false), AtomicBool::new(false));
        let generator = |max_new_tokens| Generator {
            model: &model,
            sampling: Sampling {
                max_new_tokens,
                ..Sampling::default()
            },
            stop: &[],
            max_batch: 1,
            logprob_temperature: 1.0,
        };
        let tokens = vec![10, 11];
        let images = vec![];
        let prompt = Arc::new(EncodedPrompt { tokens, images });
        let request = |draw| Request {
            prompt: prompt.clone(),
            key: SampleKey {
                draw,
                ..SampleKey::default()
            },
        };
        // The second of three is not begun once the first is done.
        let requests = [request(0), request(1), request(2)];
        let mut told = vec![];
        let found = generator(2).generate_until(&stop, &requests, &mut |done| {
            told.push(done);
            stop.store(true, Ordering::Relaxed);
        });
        assert!(matches!(found, Err(VlmError::Stopped)));
        assert_eq!(told, [1]);
        assert!(
            generator(2)
                .generate_until(&never, &requests, &mut |_| {})
                .is_ok()
        );
    }
}
