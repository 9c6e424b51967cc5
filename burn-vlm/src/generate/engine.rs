//! Sequences that come and go: a slot that falls free goes to the next request at once.

use super::{
    Completion, FinishReason, Generator, Request, Sampling, prompts::Prompts, sampler::Sampled,
    sampler::sample,
};
use crate::{
    error::VlmError,
    input::{Row, check},
    nn::{
        KvCache,
        cache::{PromptId, RowId, new_cache},
    },
};
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::collections::VecDeque;

/// Tokens of prompts that are read together, at most; a longer prompt is read alone.
pub(crate) const PREFILL_TOKENS: usize = 8192;

/// A request of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// Whether tokens end a completion with the last of them.
pub type Ends<'a> = &'a (dyn Fn(&[u32]) -> bool + Sync);

/// What a step has done.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A token was drawn.
    Token {
        /// Of which request.
        id: RequestId,
        /// The token.
        token: u32,
        /// As in [`Completion::logprobs`].
        logprob: f32,
        /// As in [`Completion::behaviour_logprobs`].
        behaviour_logprob: f32,
    },
    /// It was the last one of its request, whose place is free again.
    Finished {
        /// Of which request.
        id: RequestId,
        /// All of it.
        completion: Completion,
    },
}

/// Draws completions one token a step, of as many requests together as there is room for.
///
/// Requests are begun in the order in which they were added, each as soon as it fits: within
/// [`max_batch`](super::Limits::max_batch) sequences and
/// [`max_tokens`](super::Limits::max_tokens) positions, all of its own new tokens counted. Neighbours of one prompt (the same
/// [`Arc`](std::sync::Arc)) read it once and share its keys and values.
pub struct Engine<'a> {
    generator: Generator<'a>,
    ends: Ends<'a>,
    cache: Box<dyn KvCache>,
    prompts: Prompts,
    queue: VecDeque<Waiting>,
    active: Vec<Active>,
    next_id: u64,
}

/// A request that was not begun.
struct Waiting {
    id: RequestId,
    request: Request,
    sampling: Sampling,
}

/// A sequence that is still growing.
struct Active {
    id: RequestId,
    request: Request,
    sampling: Sampling,
    prompt: PromptId,
    row: RowId,
    next_position: u32,
    said: Completion,
}

impl<'a> Engine<'a> {
    /// An engine without requests. [`Generator::sampling`] is not read: every request has its own.
    ///
    /// # Errors
    /// Limits of 0, or a temperature at which no log-probability can be reported.
    pub fn new(generator: Generator<'a>) -> Result<Self, VlmError> {
        let model = generator.model;
        let sizes = model.model.cache_sizes();
        let cache = new_cache(sizes, generator.limits.max_batch, &model.device());
        Self::with_cache(generator, cache)
    }

    /// The same with a cache of the caller's, which is empty.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_cache(generator: Generator<'a>, cache: Box<dyn KvCache>) -> Result<Self, VlmError> {
        for (name, value) in [
            ("max_batch", generator.limits.max_batch),
            ("max_tokens", generator.limits.max_tokens),
        ] {
            if value == 0 {
                let message = format!("{name} is 0, expected at least 1");
                return Err(VlmError::Request(message));
            }
        }
        let temperature = generator.logprob_temperature;
        // What the logits are divided by is f32.
        if !(temperature > 0.0 && (temperature as f32).is_normal()) {
            return Err(VlmError::Request(format!(
                "logprob_temperature is {temperature}, expected a number from {:e} to {:e}",
                f32::MIN_POSITIVE,
                f32::MAX
            )));
        }
        Ok(Self {
            generator,
            ends: &|_| false,
            cache,
            prompts: Prompts::default(),
            queue: VecDeque::new(),
            active: vec![],
            next_id: 0,
        })
    }

    /// The same, where `ends` is asked of a completion's tokens after each one whether it ends as
    /// with a stop token: [`StopStrings::end`](super::StopStrings::end).
    pub fn ending(self, ends: Ends<'a>) -> Self {
        Self { ends, ..self }
    }

    /// Puts a request at the end of the queue.
    ///
    /// # Errors
    /// Sampling parameters out of range, a prompt that the model cannot read, a prompt and
    /// completion longer than the model's positions, or one that would not fit if it were alone.
    pub fn add(&mut self, request: Request, sampling: Sampling) -> Result<RequestId, VlmError> {
        sampling.check()?;
        let refuse = |message: String| Err(VlmError::Request(message));
        let config = self.generator.model.config();
        let (limit, len) = (config.max_positions(), request.prompt.tokens.len());
        if len == 0 {
            return refuse("a prompt is empty".into());
        }
        let new = sampling.max_new_tokens;
        if len + new > limit {
            return refuse(format!(
                "a prompt of {len} tokens and {new} new ones exceed the model's {limit} positions"
            ));
        }
        let row = Row {
            tokens: &request.prompt.tokens,
            images: &request.prompt.images,
        };
        check(&row, config)
            .map_err(|message| VlmError::Request(format!("a prompt has {message}")))?;
        let (taken, most) = (
            self.cache.positions_alone(len, new),
            self.generator.limits.max_tokens,
        );
        if taken > most {
            return refuse(format!(
                "max_tokens is {most}, expected at least {taken}, which a prompt of {len} tokens and \
                 {new} new ones take"
            ));
        }
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.queue.push_back(Waiting {
            id,
            request,
            sampling,
        });
        Ok(id)
    }

    /// Forgets a request, begun or not; whether there was one.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let waiting = self.queue.iter().position(|waiting| waiting.id == id);
        if let Some(at) = waiting {
            self.queue.remove(at);
        }
        let active = self.active.iter().position(|active| active.id == id);
        if let Some(at) = active {
            let active = self.active.remove(at);
            self.free(&active);
        }
        waiting.is_some() || active.is_some()
    }

    /// Whether every request is finished.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.active.is_empty()
    }

    /// Begins what has room, and draws one token of every sequence that was begun.
    ///
    /// # Errors
    /// Scores that are not finite. No request can be told from the others then: the engine is to be
    /// dropped.
    pub fn step(&mut self) -> Result<Vec<Event>, VlmError> {
        self.admit()?;
        let drawn = self.draw();
        if drawn.iter().any(|token| !token.logprob.is_finite()) {
            return Err(VlmError::NotFinite(format!(
                "the scores of the next token are not finite at logprob_temperature {}: the model \
                 is broken, or a number overflowed in the precision that it computes in",
                self.generator.logprob_temperature
            )));
        }
        let mut events = vec![];
        let active = std::mem::take(&mut self.active).into_iter().zip(drawn);
        for (mut sequence, token) in active {
            sequence.said.push(token);
            events.push(Event::Token {
                id: sequence.id,
                token: token.id,
                logprob: token.logprob,
                behaviour_logprob: token.behaviour_logprob,
            });
            let is_stopped =
                self.generator.stop.contains(&token.id) || (self.ends)(&sequence.said.tokens);
            if is_stopped {
                sequence.said.finish = FinishReason::Stop;
            }
            if is_stopped || sequence.said.tokens.len() == sequence.sampling.max_new_tokens {
                self.free(&sequence);
                events.push(Event::Finished {
                    id: sequence.id,
                    completion: sequence.said,
                });
            } else {
                self.active.push(sequence);
            }
        }
        Ok(events)
    }

    fn free(&mut self, sequence: &Active) {
        self.cache.remove_row(sequence.row);
        self.prompts.leave(sequence.prompt);
    }

    /// Begins requests in their order while they fit, and reads their prompts.
    fn admit(&mut self) -> Result<(), VlmError> {
        let next = self.queue.front().map(|waiting| &waiting.request);
        self.prompts.sweep(next, &mut *self.cache);
        if self.queue.is_empty() {
            self.cache.shrink();
            return Ok(());
        }
        let model = self.generator.model;
        while self.active.len() < self.generator.limits.max_batch {
            let Some(Waiting {
                request, sampling, ..
            }) = self.queue.front()
            else {
                break;
            };
            let len = request.prompt.tokens.len();
            let unread = match self.prompts.find(request) {
                Some(_) => None,
                None => Some(len),
            };
            let reading = self.prompts.unread_tokens();
            let new = sampling.max_new_tokens;
            if self.cache.positions_with(unread, new) > self.generator.limits.max_tokens
                || unread.is_some() && reading > 0 && reading + len > PREFILL_TOKENS
            {
                break;
            }
            let Some(Waiting {
                id,
                request,
                sampling,
            }) = self.queue.pop_front()
            else {
                break;
            };
            let prompt = self.prompts.join(&request, model, &mut *self.cache);
            self.active.push(Active {
                id,
                sampling,
                prompt,
                row: self.cache.add_row(prompt, new),
                next_position: self.prompts.get(prompt).next_position,
                said: Completion::new(),
                request,
            });
        }
        self.prompts.read(model, &mut *self.cache)
    }

    /// Draws the next token of every active sequence.
    fn draw(&mut self) -> Vec<Sampled> {
        if self.active.is_empty() {
            return vec![];
        }
        let (hidden, row_of) = self.hidden();
        let logits = self.generator.model.logits(hidden);
        let vocab = logits.dims()[1];
        let logits = logits.into_data().try_into_vec::<f32>();
        let logits = logits.expect("logits are made f32");
        let temperature = self.generator.logprob_temperature;
        let draw = |(sequence, row): (&Active, &usize)| {
            let Request { prompt, key } = &sequence.request;
            let said = &sequence.said.tokens;
            let history = prompt.tokens.iter().chain(said).copied();
            let logits = &logits[row * vocab..(row + 1) * vocab];
            let u = key.uniform(said.len());
            sample(logits, history, &sequence.sampling, temperature, u)
        };
        let pairs = self.active.par_iter().zip(&row_of);
        pairs.map(draw).collect()
    }

    /// The hidden states from which tokens are drawn, `[N, D]`, and which of them is each
    /// sequence's: those that begin draw from their prompt's.
    fn hidden(&mut self) -> (Tensor<2>, Vec<usize>) {
        let mut parts = vec![];
        let mut row_of = vec![0; self.active.len()];
        let is_begun = |i: &usize| !self.active[*i].said.tokens.is_empty();
        let (begun, fresh): (Vec<_>, Vec<_>) = (0..self.active.len()).partition(is_begun);
        let mut n = 0;
        if !begun.is_empty() {
            let order = self.arrange(&begun);
            for (row, place) in order.iter().enumerate() {
                if let Some(i) = place {
                    row_of[*i] = row;
                }
            }
            n = order.len();
            parts.push(self.decode(&order));
        }
        let mut known: Vec<(PromptId, usize)> = vec![];
        for i in fresh {
            let prompt = self.active[i].prompt;
            let found = known.iter().find(|(id, _)| *id == prompt);
            row_of[i] = found.map(|(_, row)| *row).unwrap_or_else(|| {
                let hidden = self.prompts.get(prompt).hidden.clone();
                parts.push(hidden.expect("prompts of active sequences were read"));
                known.push((prompt, n));
                n += 1;
                n - 1
            });
        }
        let hidden = match parts.len() {
            1 => parts.remove(0),
            _ => Tensor::cat(parts, 0),
        };
        (hidden, row_of)
    }

    /// Which active sequence each row of the batch is.
    fn arrange(&mut self, begun: &[usize]) -> Vec<Option<usize>> {
        let rows: Vec<RowId> = begun.iter().map(|i| self.active[*i].row).collect();
        let order = self.cache.arrange(&rows);
        order.iter().map(|place| place.map(|i| begun[i])).collect()
    }

    /// Feeds its last token to every sequence that has begun, and 0 to rows that are nobody's.
    fn decode(&mut self, order: &[Option<usize>]) -> Tensor<2> {
        let mut tokens = Vec::with_capacity(order.len());
        let mut positions = Vec::with_capacity(order.len());
        for place in order {
            let (token, position) = match place {
                Some(i) => {
                    let sequence = &mut self.active[*i];
                    sequence.next_position += 1;
                    let last = sequence.said.tokens.last().copied();
                    (last.unwrap_or(0), sequence.next_position - 1)
                }
                None => (0, 0),
            };
            tokens.push(token);
            positions.push([position; 3]);
        }
        let model = self.generator.model;
        let rope = model.rope();
        let rope = rope.table(&positions, positions.len(), &model.device());
        model.decode(&tokens, &rope, &mut *self.cache)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        generate::{Limits, SampleKey},
        model::Vlm,
        nn::cache::SlotCache,
        text::EncodedPrompt,
    };
    use burn::tensor::Device;
    use std::{path::Path, sync::Arc};

    #[test]
    fn no_more_is_held_than_the_limits_say() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied");
        let model = Vlm::from_dir(&dir, &Device::flex()).unwrap();
        let prompt = |n: u32| {
            Arc::new(EncodedPrompt {
                tokens: (10..10 + n).collect(),
                images: vec![],
            })
        };
        let limits = Limits {
            max_batch: 7,
            max_tokens: 200,
        };
        for is_paged in [true, false] {
            let generator = Generator {
                model: &model,
                sampling: Sampling::default(),
                stop: &[7, 8, 9, 30, 31],
                limits,
                logprob_temperature: 1.0,
            };
            let mut engine = Engine::new(generator).unwrap();
            if !is_paged {
                let sizes = model.model.cache_sizes();
                let slots = SlotCache::new(sizes, limits.max_batch, 16, &Device::flex());
                engine = Engine::with_cache(generator, Box::new(slots)).unwrap();
            }
            let mut left = 0;
            for n in [40, 5, 17, 60] {
                let prompt = prompt(n);
                for draw in 0..4 {
                    let key = SampleKey {
                        draw,
                        ..SampleKey::default()
                    };
                    let request = Request {
                        prompt: prompt.clone(),
                        key,
                    };
                    engine.add(request, Sampling::greedy(20)).unwrap();
                    left += 1;
                }
            }
            let (mut rows, mut held) = (0, 0);
            while !engine.is_idle() {
                let events = engine.step().unwrap();
                let is_end = |event: &&Event| matches!(event, Event::Finished { .. });
                let ended = events.iter().filter(is_end).count();
                rows = rows.max(events.len() - ended);
                held = held.max(engine.cache.positions());
                left -= ended;
                assert!(held <= 200 && rows <= 7, "{held} {rows}");
            }
            assert!(left == 0 && rows > 2, "{left} {rows}");
            // Nothing is left of prompts that nobody continues.
            assert!(engine.step().unwrap().is_empty());
            assert_eq!(
                engine.cache.positions_with(Some(1), 1),
                engine.cache.positions_alone(1, 1)
            );
        }
    }
}
