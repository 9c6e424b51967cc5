//! Completions of a list of requests.

use super::{Completion, Ends, Engine, Event, Generator, Request};
use crate::error::VlmError;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

impl Generator<'_> {
    /// Draws one completion for each request, in their order.
    ///
    /// `finished` is called with the number of sequences done so far.
    ///
    /// # Errors
    /// Sampling parameters out of range, an empty prompt, a prompt and completion longer than the
    /// model's positions, or one that does not fit into the limits.
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
        let mut engine = Engine::new(*self)?.ending(ends);
        self.run(&mut engine, stop, requests, finished)
    }

    fn run(
        &self,
        engine: &mut Engine<'_>,
        stop: &AtomicBool,
        requests: &[Request],
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Completion>, VlmError> {
        self.sampling.check()?;
        let ids = requests
            .iter()
            .map(|request| engine.add(request.clone(), self.sampling))
            .collect::<Result<Vec<_>, _>>()?;
        let mut done = HashMap::new();
        while !engine.is_idle() {
            if stop.load(Ordering::Relaxed) {
                return Err(VlmError::Stopped);
            }
            let before = done.len();
            for event in engine.step()? {
                if let Event::Finished { id, completion } = event {
                    done.insert(id, completion);
                }
            }
            if done.len() > before {
                finished(done.len());
            }
        }
        let of = |id| done.remove(id).expect("an idle engine has finished all");
        Ok(ids.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        generate::{Limits, SampleKey, Sampling},
        model::Vlm,
        nn::cache::SlotCache,
        text::EncodedPrompt,
    };
    use burn::tensor::Device;
    use std::{path::Path, sync::Arc};

    #[test]
    fn a_temperature_that_is_none_in_f32_is_refused() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied");
        let model = Vlm::from_dir(&dir, &Device::flex()).unwrap();
        for logprob_temperature in [1e-50, 1e50, 0.0, -1.0, f64::NAN] {
            let generator = Generator {
                model: &model,
                sampling: Sampling::greedy(1),
                stop: &[],
                limits: Limits::rows(1),
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
    fn the_cache_of_an_accelerator_gives_the_same_completions() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied");
        let model = Vlm::from_dir(&dir, &Device::flex()).unwrap();
        let generator = Generator {
            model: &model,
            sampling: Sampling {
                max_new_tokens: 20,
                ..Sampling::default()
            },
            stop: &[7, 8, 9],
            limits: Limits::rows(8),
            logprob_temperature: 1.0,
        };
        let prompt = |n: u32| {
            Arc::new(EncodedPrompt {
                tokens: (10..10 + n).collect(),
                images: vec![],
            })
        };
        let prompts = [prompt(3), prompt(11), prompt(3)];
        let prompts = [&prompts[..], &prompts, &prompts, &prompts].concat();
        let request = |(draw, prompt): (usize, &Arc<EncodedPrompt>)| Request {
            prompt: prompt.clone(),
            key: SampleKey {
                draw: draw as u64,
                ..SampleKey::default()
            },
        };
        let requests: Vec<Request> = prompts.iter().enumerate().map(request).collect();
        let go_on = AtomicBool::new(false);
        let plain = generator.generate(&requests, &mut |_| {}).unwrap();
        for bucket in [4, 64] {
            let sizes = model.model.cache_sizes();
            let slots = SlotCache::new(sizes, generator.limits.max_batch, bucket, &Device::flex());
            let mut engine = Engine::with_cache(generator, Box::new(slots)).unwrap();
            let found = generator.run(&mut engine, &go_on, &requests, &mut |_| {});
            let found = found.unwrap();
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
            limits: Limits::rows(1),
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
