//! A run that is asked to stop leaves what is not learned yet, and goes on as if nothing had been.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

#[allow(dead_code)]
#[path = "../examples/train_tabular.rs"]
mod train_tabular;

use burn::{
    module::Param,
    tensor::{Device, Tensor},
};
use burn_rl::{
    LossInput, NoObserver, Recipe, RlError, RolloutEngine, StopFlag, Trainer, TrainerBuilder,
    config::{CheckpointConfig, EvalConfig, TrainConfig},
    rollout::{GenerationParams, GenerationRequest, Sampler},
    trainer::RunEnd,
    types::{Group, Prompt},
};
use burn_vlm::generate::Purpose;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use train_tabular::{Host, Table};

const STEPS: u64 = 4;

/// Samples as the host does, and is asked to stop at some call.
#[derive(Default)]
struct Engine {
    host: Host,
    stop: StopFlag,
    /// The step and purpose of the call.
    at: Option<(u64, Purpose)>,
}

impl Sampler for Engine {
    fn generate(
        &self,
        requests: &[GenerationRequest],
        params: &GenerationParams,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError> {
        if self.at == Some((params.step, requests[0].purpose)) {
            self.stop.request();
        }
        match self.stop.is_requested() {
            true => Err(RlError::Stopped),
            false => self.host.generate(requests, params, finished),
        }
    }

    fn stop_on(&mut self, stop: &StopFlag) {
        self.stop = stop.clone();
    }
}

impl RolloutEngine<Table> for Engine {
    fn sync(&mut self, replicas: &[&Table]) -> Result<(), RlError> {
        self.host.sync(replicas)
    }
}

/// A bandit with two optimiser steps a step and an evaluation after each.
fn bandit(at: Option<(u64, Purpose)>) -> TrainerBuilder<Table> {
    let logits = Param::from_tensor(Tensor::zeros([4, 5], &Device::flex()));
    let states = || (0..4).map(|s: u32| Prompt::of_tokens(s.to_string(), vec![s], s.to_string()));
    let engine = Engine {
        at,
        ..Engine::default()
    };
    let set = EvalConfig {
        every: 1,
        ..EvalConfig::default()
    };
    let train = TrainConfig {
        steps: STEPS,
        mini_batches: 2,
        average_decay: 0.5,
        ..TrainConfig::default()
    };
    Trainer::of_policy(Table { logits }, engine)
        .prompts(states().collect::<Vec<_>>())
        .evaluation(set, states().collect::<Vec<_>>())
        .reward_fn(|x| f64::from(u8::from(x.response == x.answer)))
        .prompts_per_step(4)
        .learning_rate(0.1)
        .train(train)
}

/// The numbers of every step but how long it took.
fn numbers(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    for line in &mut lines {
        let measured = ["time/", "throughput/", "memory/"];
        let keep = |key: &String| !measured.iter().any(|prefix| key.starts_with(prefix));
        line.as_object_mut().unwrap().retain(|key, _| keep(key));
    }
    lines
}

fn files(run: &Path, step: u64) -> Vec<Vec<u8>> {
    let dir = run.join(format!("checkpoints/step_{step:06}"));
    let names = [
        "model.safetensors",
        "optimizer.safetensors",
        "learner_state.json",
        "average/model.safetensors",
    ];
    names.map(|name| fs::read(dir.join(name)).unwrap()).into()
}

/// Runs until it is stopped, which must be after `done` steps; then to the end: the same as a run
/// that was not stopped.
fn is_as_if_nothing_had_been(
    stopped: TrainerBuilder<Table>,
    undisturbed: impl Fn() -> TrainerBuilder<Table>,
    done: u64,
) {
    let dir = tempfile::tempdir().unwrap();
    let (straight, resumed) = (dir.path().join("straight"), dir.path().join("resumed"));
    let run =
        |builder: TrainerBuilder<Table>| builder.build().unwrap().run(&mut NoObserver).unwrap();
    let every =
        |builder: TrainerBuilder<Table>| builder.checkpoint(CheckpointConfig { every: 1, keep: 9 });
    assert_eq!(
        run(every(undisturbed()).run_dir(&straight)).end,
        RunEnd::Done
    );

    assert_eq!(
        run(every(stopped).run_dir(&resumed)).end,
        RunEnd::Interrupted
    );
    let latest = fs::read_link(resumed.join("checkpoints/latest")).unwrap();
    assert_eq!(latest, Path::new(&format!("step_{done:06}")));
    if done > 0 {
        assert!(files(&resumed, done) == files(&straight, done));
    }
    assert_eq!(run(every(undisturbed()).resume(&resumed)).end, RunEnd::Done);
    assert!(files(&resumed, STEPS) == files(&straight, STEPS));
    assert_eq!(numbers(&resumed), numbers(&straight));
}

#[test]
fn rollouts_are_made_again() {
    let stopped = bandit(Some((3, Purpose::Train))).stop_flag(StopFlag::new());
    is_as_if_nothing_had_been(stopped, || bandit(None), 2);
}

#[test]
fn an_evaluation_is_made_again_after_the_step_it_belongs_to() {
    for step in [0, 2, STEPS] {
        let stopped = bandit(Some((step, Purpose::Evaluate))).stop_flag(StopFlag::new());
        is_as_if_nothing_had_been(stopped, || bandit(None), step);
    }
}

#[test]
fn an_update_is_finished_or_given_up_when_it_takes_too_long() {
    // The loss asks for the stop at its `at`-th call: a step has two.
    let with_loss = |stop: StopFlag, at: usize| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let loss = move |x: &LossInput| -> Result<Tensor<2>, RlError> {
            if calls.fetch_add(1, Ordering::Relaxed) + 1 == at {
                stop.request();
            }
            Ok(-(x.ratio()? * x.advantages()))
        };
        let recipe = Recipe::named("dr_grpo").unwrap().loss(loss);
        let recipe = recipe.build().unwrap();
        // It was called to see what it reads.
        counter.store(0, Ordering::Relaxed);
        bandit(None).recipe(recipe)
    };
    let undisturbed = || with_loss(StopFlag::new(), usize::MAX);
    // The third and fourth are those of the second step; what is asked for in the last is only
    // found when the update is over.
    for (patience, at, done) in [
        (Duration::MAX, 3, 2),
        (Duration::ZERO, 3, 1),
        (Duration::ZERO, 4, 2),
    ] {
        let stop = StopFlag::patient_for(patience);
        let stopped = with_loss(stop.clone(), at).stop_flag(stop);
        is_as_if_nothing_had_been(stopped, undisturbed, done);
    }
}
