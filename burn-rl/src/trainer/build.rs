//! From the parts of a run to a trainer that is ready to go.

use super::{
    EvalSet, Skipped, Trainer, TrainerBuilder,
    builder::{RunChoice, SinkOfRun},
    inputs::Reader,
    is_due, measure,
    resume::{Resume, lost_numbers, made_of},
};
use crate::{
    checkpoint,
    data::{GoldCheck, RowKind},
    dist::{DataParallel, DeviceSpec, Workers},
    error::RlError,
    learner::{Critic, Demonstrations, Learner, Policy, PolicyGradient},
    metrics::Sink,
    recipe::CompletionSource,
    rollout::Collector,
    run_dir::RunDir,
};
use run_log::{History, diagnostics::Diagnostics, step_log::JsonlWriter};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

impl<P: Policy> TrainerBuilder<P> {
    /// Checks everything, reads the data, and continues from the newest checkpoint where a run is
    /// resumed.
    ///
    /// # Errors
    /// Whatever makes no sense, with what was expected; files that cannot be read; a device that
    /// fails.
    ///
    /// ```
    /// use burn::{module::{Module, Param}, tensor::{Device, Tensor}};
    /// use burn_rl::{Trainer, learner::{MicroBatch, PassOptions, Policy}, types::Prompt};
    /// # use burn_rl::{rollout::{GenerationRequest, RolloutEngine, Sampler}, types::Group, RlError};
    /// # #[derive(Module, Debug)] struct Table { logits: Param<Tensor<2>> }
    /// # impl Policy for Table {
    /// #     fn scores(&self, _: &MicroBatch<'_>, _: &PassOptions)
    /// #         -> Result<burn_vlm::tape::TokenScores, RlError> {
    /// #         let (logp, entropy) = (self.logits.val(), self.logits.val());
    /// #         Ok(burn_vlm::tape::TokenScores { logp, entropy })
    /// #     }
    /// # }
    /// # struct Nobody;
    /// # impl Sampler for Nobody {
    /// #     fn generate(&self, _: &[GenerationRequest], _: &burn_rl::rollout::GenerationParams,
    /// #         _: &mut dyn FnMut(usize)) -> Result<Vec<Group>, RlError> { Ok(vec![]) }
    /// # }
    /// # impl RolloutEngine<Table> for Nobody {
    /// #     fn sync(&mut self, _: &[&Table]) -> Result<(), RlError> { Ok(()) }
    /// # }
    /// # let table = Table { logits: Param::from_tensor(Tensor::zeros([1, 1], &Device::flex())) };
    /// # let engine = Nobody;
    /// let error = Trainer::of_policy(table, engine)
    ///     .prompts(vec![Prompt::of_tokens("0", vec![0], "")])
    ///     .build()
    ///     .err();
    /// assert!(error.unwrap().to_string().contains(".reward("));
    /// ```
    pub fn build(mut self) -> Result<Trainer<P>, RlError> {
        let recipe = match self.recipe.take() {
            Some(recipe) => recipe,
            None => self.config.algo.recipe(&self.algorithms)?,
        };
        let recipe = Arc::new(recipe);
        let missing = |what: &str| Err(RlError::Config(what.into()));
        let Some(prompts) = self.prompts.take() else {
            return missing("there are no prompts to train on: give them with .prompts(…)");
        };
        let reward = match (self.reward.take(), recipe.source()) {
            (Some(reward), _) => reward,
            (None, CompletionSource::Data) => Box::new(self.config.reward.build()?),
            (None, CompletionSource::Policy) => {
                return missing(
                    "nothing scores completions: give a reward with .reward(rule) or \
                     .reward_fn(closure)",
                );
            }
        };
        if self.reference.is_some() && self.config.train.reference.is_empty() {
            self.config.train.reference = "a model given in code".into();
        }
        let evaluations = self.evaluations.iter().map(|(config, _)| config);
        self.config
            .check_with(&recipe, reward.as_ref(), evaluations)?;
        let workers = workers(&self.devices, &self.policy)?;
        let (run, resume) = open(self.run)?;

        let (mut kit, config) = (self.kit, self.config);
        let whole = self.policy.clone();
        let policy = kit.prepare(self.policy, &config)?;
        let mut skipped: Vec<Skipped> = vec![];
        let mut encoder = kit.encoder(&config);
        if let Some(encoder) = &mut encoder {
            encoder.progress = self.check_progress;
            encoder.stop_flag = self.stop.clone();
        }
        let mut reader = Reader {
            encoder: encoder.as_ref(),
            new_tokens: (
                config.rollout.sampling.max_new_tokens,
                "rollout.sampling.max_new_tokens",
            ),
            walk: config.data.walk(config.seed),
            golds: Some(GoldCheck {
                reward: reward.as_ref(),
                policy: config.reward.on_unparsable_gold,
                on_error: config.data.on_error,
            }),
            skipped: &mut skipped,
            fields: BTreeSet::new(),
            data: BTreeMap::new(),
        };
        // Only sampled responses are rewarded; those that data demonstrate need no gold answer.
        let kind = match recipe.source() {
            CompletionSource::Policy => RowKind::Prompt,
            CompletionSource::Data => RowKind::Demonstration,
        };
        let mut train = reader.open("data", prompts, kind)?;
        let mut evaluations = vec![];
        for (config, prompts) in self.evaluations {
            let name = format!("eval.{}", config.name);
            reader.new_tokens = (config.max_new_tokens, "eval.max_new_tokens");
            let prompts = reader.first(&name, prompts, config.samples)?;
            evaluations.push(EvalSet { config, prompts });
        }
        let fields: Vec<&str> = reader.fields.iter().map(String::as_str).collect();
        if !fields.is_empty() {
            config.reward.check_fields(&fields)?;
        }
        let beside = match self.demonstrations {
            Some(rows) => Some(reader.demonstrations("train.demonstrations", rows)?),
            None => None,
        };
        let data = reader.data;

        let (section, optim) = (&config.train, config.optim.clone());
        let mut learner =
            PolicyGradient::new(policy, recipe.clone(), section.clone(), optim, config.seed);
        if let Some(spec) = recipe.critic() {
            let model = match self.critic {
                Some(model) => model,
                None => kit.critic(&whole, &config)?,
            };
            let (model, optim) = (model.with_masters(), config.critic.optim.clone());
            learner = learner.with_critic(Critic::new(model, optim, spec)?);
        }
        drop(whole);
        if let Some(reference) = self.reference {
            learner = learner.with_reference(reference);
        }
        if let Some(set) = beside {
            let (rows, weight) = (
                section.demonstrations.rows,
                section.demonstrations.coefficient,
            );
            let term = Demonstrations::new(set, rows, weight)?;
            let temperature = section.logprob_temperature.of_demonstrations();
            learner = learner.with_demonstrations(term.at_temperature(temperature));
        }
        let mini_batches = section.mini_batches;
        let mut collector = Collector::new(&config.rollout, &config.filter, mini_batches, &recipe);
        let made_of = made_of(&config, &recipe);
        let (mut done, mut warnings) = (0, config.warnings(&recipe));
        let saved = match (self.found, &self.checkpoint, &run) {
            (Some(found), ..) => Some(found),
            (None, Some(dir), _) => Some(checkpoint::at(dir, config.seed)?),
            (None, None, Some(run)) if resume => checkpoint::last(run, config.seed)?,
            _ => None,
        };
        if let Some(saved) = saved {
            let resume = Resume {
                learner: &mut learner,
                collector: &mut collector,
                train: train.as_mut(),
                data: &data,
                other_rows: self.other_rows,
                made_of: &made_of,
            };
            let (steps, found) = resume.from(&saved)?;
            if let Some(run) = &run {
                checkpoint::go_on_from(run, &saved, config.checkpoint.keep)?;
                warnings.extend(lost_numbers(run, steps)?);
            }
            done = steps;
            warnings.extend(found);
        }
        let mut learner: Box<dyn Learner<Policy = P>> = match &workers {
            None => Box::new(learner),
            Some(workers) => {
                let steps = section.replica_check_steps;
                Box::new(DataParallel::new(learner, workers.clone(), steps)?)
            }
        };
        learner.stop_on(&self.stop);
        let mut engine = match self.engine {
            Some(mut engine) => {
                engine.sync(&learner.replicas())?;
                engine
            }
            None => kit.engine(workers.as_ref(), &learner.replicas(), &config)?,
        };
        engine.stop_on(&self.stop);
        let mut sinks = self.sinks;
        let mut diagnostics = Diagnostics::default();
        let mut owed = None;
        if let Some(run) = &run {
            if resume {
                owed = measure::owed(run, done, &due(&evaluations, done, config.train.steps))?;
            }
            sinks.extend(run_sinks(run, self.run_sinks, resume.then_some(done))?);
            diagnostics = Diagnostics::of_run(&run.metrics())?.0;
        }
        let logprob_temperature = match recipe.source() {
            CompletionSource::Policy => {
                let sampled = &config.rollout.sampling;
                config.train.logprob_temperature.of_samples(sampled)
            }
            CompletionSource::Data => config.train.logprob_temperature.of_demonstrations(),
        };
        Ok(Trainer {
            warnings,
            data,
            made_of,
            logprob_temperature,
            seed: config.seed,
            steps: config.train.steps,
            epochs: config.train.epochs,
            rollout: config.rollout,
            filter: config.filter,
            checkpoint: config.checkpoint,
            run,
            train,
            skipped,
            evaluations,
            reward,
            recipe,
            engine,
            collector,
            learner,
            processor: kit.processor(),
            diagnostics,
            sinks,
            peak_bytes: None,
            stop: self.stop,
            owed,
            done,
            history: History::default(),
        })
    }
}

/// Names of the sets that are measured after `step` of `steps`.
fn due(sets: &[EvalSet], step: u64, steps: u64) -> Vec<&str> {
    let due = sets
        .iter()
        .filter(|set| is_due(step, set.config.every, steps));
    due.map(|set| set.config.name.as_str()).collect()
}

/// The threads of the devices, on the first of which the policy has to be.
fn workers<P: Policy>(devices: &[DeviceSpec], policy: &P) -> Result<Option<Arc<Workers>>, RlError> {
    let Some(first) = devices.first() else {
        return Ok(None);
    };
    if first.device != policy.device() {
        return Err(RlError::Config(format!(
            "the policy is on {:?}, expected it on the first of the devices, {}",
            policy.device(),
            first.name
        )));
    }
    Workers::where_needed(devices)
}

/// The run directory, and whether the run in it is continued.
fn open(choice: RunChoice) -> Result<(Option<RunDir>, bool), RlError> {
    Ok(match choice {
        RunChoice::Nowhere => (None, false),
        RunChoice::New(path) => (Some(RunDir::create(path)?), false),
        RunChoice::Continued(path) => (Some(RunDir::open(path)?), true),
        RunChoice::Opened { run, resume } => (Some(run), resume),
    })
}

/// The sinks of a run directory; `done` is the number of steps of a run that is continued.
fn run_sinks(
    run: &RunDir,
    others: Vec<SinkOfRun>,
    done: Option<u64>,
) -> Result<Vec<Box<dyn Sink>>, RlError> {
    let metrics = run.metrics();
    if let Some(done) = done {
        run.truncate_after(done)?;
        if done == 0 && metrics.exists() {
            // The evaluation before the first step is made and written again.
            fs::remove_file(&metrics).map_err(|e| RlError::io(&metrics, e))?;
        }
    }
    let mut sinks: Vec<Box<dyn Sink>> = vec![match done {
        None => Box::new(JsonlWriter::create(metrics)?),
        Some(done) => Box::new(JsonlWriter::resume(metrics, done)?),
    }];
    for sink in others {
        sinks.push(sink(run, done)?);
    }
    Ok(sinks)
}
