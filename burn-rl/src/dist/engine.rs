//! Sampling on several devices.

use super::Workers;
use crate::{
    error::RlError,
    learner::Policy,
    rollout::{GenerationParams, GenerationRequest, RolloutEngine, Sampler},
    stop::StopFlag,
    types::{Group, Rollout},
};
use burn_vlm::Transfer;
use std::{
    sync::{Arc, mpsc},
    thread,
};

/// An engine on each device. Completions are shared out evenly; each depends on its prompt and draw
/// alone, so they are those of one engine.
pub struct ParallelEngine<E> {
    engines: Vec<E>,
    workers: Arc<Workers>,
}

impl<E: Sampler + Sync> ParallelEngine<E> {
    /// The engine that `build` makes of each of `replicas`, the policy by rank.
    ///
    /// # Errors
    /// What fails on a device.
    pub fn new<P: Policy>(
        workers: Arc<Workers>,
        replicas: &[&P],
        build: impl Fn(&P) -> E + Sync,
    ) -> Result<Self, RlError> {
        some(replicas)?;
        let jobs = own_copies(&workers, replicas);
        let build = |_, job: Copy<'_, P>| Ok(build(&job.get()));
        Ok(Self {
            engines: workers.run(jobs, build, || {})?,
            workers,
        })
    }
}

impl<E: Sampler + Sync> Sampler for ParallelEngine<E> {
    fn generate(
        &self,
        requests: &[GenerationRequest],
        params: &GenerationParams,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError> {
        let count = self.engines.len();
        let jobs: Vec<Vec<GenerationRequest>> = (0..count)
            .map(|rank| share(requests, rank, count))
            .collect();
        let (sender, receiver) = mpsc::channel();
        let found = thread::scope(|scope| {
            let work = scope.spawn(move || {
                let work = |rank: usize, requests: Vec<GenerationRequest>| {
                    // Nobody listens any more: then nobody needs to know.
                    let tell = &mut |done| _ = sender.send((rank, done));
                    self.engines[rank].generate(&requests, params, tell)
                };
                self.workers.run(jobs, work, || {})
            });
            let mut done = vec![0; count];
            for (rank, n) in receiver {
                done[rank] = n;
                finished(done.iter().sum());
            }
            work.join()
        });
        let found = found.map_err(|_| RlError::Training("sampling panicked".into()))??;
        Ok(join(requests, found.into_iter().flatten()))
    }

    fn stop_on(&mut self, stop: &StopFlag) {
        self.engines
            .iter_mut()
            .for_each(|engine| engine.stop_on(stop));
    }
}

impl<P: Policy, E: RolloutEngine<P> + Sync> RolloutEngine<P> for ParallelEngine<E> {
    fn sync(&mut self, replicas: &[&P]) -> Result<(), RlError> {
        some(replicas)?;
        let copies = own_copies(&self.workers, replicas);
        let jobs = self.engines.iter_mut().zip(copies).collect();
        let take = |_, (engine, job): (&mut E, Copy<'_, P>)| engine.sync(&[&job.get()]);
        self.workers.run(jobs, take, || {})?;
        Ok(())
    }

    fn release(&mut self) {
        self.engines
            .iter_mut()
            .for_each(RolloutEngine::<P>::release);
    }
}

/// An engine on all devices, or the one that `build` makes of the first of `replicas` where there
/// are no workers.
///
/// # Errors
/// A device that fails.
pub fn engine_on<P: Policy, E: RolloutEngine<P> + Sync + 'static>(
    workers: Option<&Arc<Workers>>,
    replicas: &[&P],
    build: impl Fn(&P) -> E + Sync,
) -> Result<Box<dyn RolloutEngine<P>>, RlError> {
    let first = some(replicas)?;
    Ok(match workers {
        None => Box::new(build(first)),
        Some(workers) => Box::new(ParallelEngine::new(workers.clone(), replicas, build)?),
    })
}

/// The first replica.
fn some<'a, P>(replicas: &[&'a P]) -> Result<&'a P, RlError> {
    let first = replicas.first().copied();
    first.ok_or_else(|| RlError::Config("an engine was given no policy to sample from".into()))
}

/// A model that a replica has, or is to copy.
struct Copy<'a, P> {
    model: &'a P,
    device: &'a burn::tensor::Device,
}

impl<P: Policy> Copy<'_, P> {
    fn get(&self) -> P {
        match self.model.device() == *self.device {
            true => self.model.clone(),
            false => Transfer::to(self.device).copy(self.model),
        }
    }
}

/// The model of each rank: its own, or the first where there is none for each.
fn own_copies<'a, P>(workers: &'a Workers, replicas: &[&'a P]) -> Vec<Copy<'a, P>> {
    let own = |rank: usize| match replicas.len() == workers.devices().len() {
        true => replicas[rank],
        false => replicas[0],
    };
    let copy = |(rank, device): (usize, &'a super::DeviceSpec)| Copy {
        model: own(rank),
        device: &device.device,
    };
    workers.devices().iter().enumerate().map(copy).collect()
}

/// The part of `requests` that replica `rank` of `count` samples: a run of completions, cut wherever
/// it has to be.
fn share(requests: &[GenerationRequest], rank: usize, count: usize) -> Vec<GenerationRequest> {
    let total: usize = requests.iter().map(GenerationRequest::len).sum();
    let (first, last) = (total * rank / count, total * (rank + 1) / count);
    let mut start = 0;
    let mut own = vec![];
    for request in requests {
        let from = first.clamp(start, start + request.len()) - start;
        let to = last.clamp(start, start + request.len()) - start;
        start += request.len();
        if from < to {
            let draws = request.draws.start + from as u64..request.draws.start + to as u64;
            own.push(GenerationRequest {
                prompt: request.prompt.clone(),
                draws,
                purpose: request.purpose,
            });
        }
    }
    own
}

/// The groups that were asked for, from their parts in order.
fn join(requests: &[GenerationRequest], parts: impl Iterator<Item = Group>) -> Vec<Group> {
    let mut rollouts = parts.flat_map(|part| part.rollouts);
    let group = |request: &GenerationRequest| Group {
        prompt: request.prompt.clone(),
        first_draw: request.draws.start,
        rollouts: rollouts
            .by_ref()
            .take(request.len())
            .collect::<Vec<Rollout>>(),
    };
    requests.iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dist::{DeviceKind, DeviceSpec},
        types::Prompt,
    };
    use burn::tensor::Device;
    use burn_rewards::Reward;
    use burn_vlm::{
        EncodedPrompt,
        generate::{FinishReason, Purpose, Sampling},
    };
    use std::ops::Range;

    fn request(key: u64, draws: Range<u64>) -> GenerationRequest {
        let encoded = EncodedPrompt {
            tokens: vec![1],
            images: vec![],
        };
        GenerationRequest {
            prompt: Arc::new(Prompt {
                id: String::new(),
                key,
                text: String::new(),
                images: vec![],
                answer: String::new(),
                target: None,
                context: Default::default(),
                encoded: Arc::new(encoded),
            }),
            draws,
            purpose: Purpose::Train,
        }
    }

    /// Says of each completion which prompt and draw it is of; cannot take prompt 9.
    struct Echo;

    impl Sampler for Echo {
        fn generate(
            &self,
            requests: &[GenerationRequest],
            params: &GenerationParams,
            finished: &mut dyn FnMut(usize),
        ) -> Result<Vec<Group>, RlError> {
            let mut done = 0;
            let rollout = |tokens| Rollout {
                tokens,
                logprobs: vec![],
                behaviour_logprobs: vec![],
                finish: FinishReason::Stop,
                text: String::new(),
                reward: Reward::default(),
            };
            let mut groups = vec![];
            for request in requests {
                if request.prompt.key == 9 {
                    return Err(RlError::Config("prompt 9 is too long".into()));
                }
                done += request.len();
                finished(done);
                let tokens =
                    |draw| vec![params.step as u32, request.prompt.key as u32, draw as u32];
                groups.push(Group {
                    prompt: request.prompt.clone(),
                    first_draw: request.draws.start,
                    rollouts: request.draws.clone().map(tokens).map(rollout).collect(),
                });
            }
            Ok(groups)
        }
    }

    fn engine(n: usize) -> ParallelEngine<Echo> {
        let device = |i| DeviceSpec {
            name: format!("flex:{i}"),
            device: Device::flex(),
            kind: DeviceKind::Cpu,
        };
        ParallelEngine {
            engines: (0..n).map(|_| Echo).collect(),
            workers: Arc::new(Workers::new((0..n).map(device).collect()).unwrap()),
        }
    }

    fn tokens(groups: &[Group]) -> Vec<Vec<Vec<u32>>> {
        let of = |g: &Group| g.rollouts.iter().map(|r| r.tokens.clone()).collect();
        groups.iter().map(of).collect()
    }

    #[test]
    fn groups_that_were_cut_come_back_whole() {
        let requests = [
            request(1, 0..3),
            request(2, 0..4),
            request(1, 3..4),
            request(3, 0..0),
        ];
        let params = GenerationParams::new(Sampling::default(), 7);
        let alone = Echo.generate(&requests, &params, &mut |_| {}).unwrap();
        for n in 1..=9 {
            let mut told = vec![];
            let found = engine(n).generate(&requests, &params, &mut |done| told.push(done));
            let found = found.unwrap();
            assert_eq!(tokens(&found), tokens(&alone));
            let draws = |groups: &[Group]| groups.iter().map(|g| g.first_draw).collect::<Vec<_>>();
            assert_eq!(draws(&found), draws(&alone));
            assert_eq!(told.last(), Some(&8));
            assert!(told.is_sorted());
        }
        let shares: Vec<usize> = (0..3)
            .map(|rank| {
                share(&requests, rank, 3)
                    .iter()
                    .map(GenerationRequest::len)
                    .sum()
            })
            .collect();
        assert_eq!(shares, [2, 3, 3]);
    }

    #[test]
    fn one_that_cannot_sample_ends_all_with_its_message() {
        let requests = [request(1, 0..2), request(9, 0..2)];
        let params = GenerationParams::new(Sampling::default(), 1);
        let error = engine(2).generate(&requests, &params, &mut |_| {});
        let error = error.unwrap_err();
        assert_eq!(
            error.to_string(),
            "replica 1 on flex:1: prompt 9 is too long"
        );
        assert!(error.is_input());
    }
}
