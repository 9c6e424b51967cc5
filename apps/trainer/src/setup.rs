//! From a resolved configuration to a trainer that is ready to run.

use crate::{
    config::Resolved,
    demo::{
        self, Split,
        dataset::{self, Rows},
    },
    devices, hub,
    input_error::InputError,
    model_dir::{Description, described_in, families},
};
use anyhow::{Context, Result};
use burn::tensor::Device;
use burn_rl::{
    checkpoint::{self, TrainerState},
    config::{ModelInit, RunConfig, SetConfig},
    data::{Encoder, GoldCheck, PromptSet, RowKind},
    dist::DeviceSpec,
    error::RlError,
    learner::{Critic, Demonstrations, Learner, PolicyGradient},
    metrics::{Sink, diagnostics::Diagnostics, jsonl::JsonlWriter, tensorboard::TensorBoardWriter},
    recipe::{CompletionSource, Recipe},
    rollout::{Collector, LocalEngine},
    run_dir::RunDir,
    trainable::make_trainable,
    trainer::Trainer,
};
use burn_vlm::{LoadOptions, ValueHead, Vlm};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

/// The model path that stands for the model in this binary.
pub const BUILTIN_MODEL: &str = "builtin:demo";

/// Points the configuration at files: writes the built-in model and the demo's data into the run
/// directory where it asks for them.
///
/// # Errors
/// Anything the file system refuses.
pub fn materialise(resolved: &mut Resolved, run: &RunDir) -> Result<()> {
    let config = &mut resolved.run;
    if config.model.path == BUILTIN_MODEL {
        let dir = run.root().join("base_model");
        demo::model::write(&dir)?;
        config.model.path = path_text(&dir);
    }
    let Some(demo) = &resolved.demo else {
        return Ok(());
    };
    let (data, seed) = (run.root().join("data"), config.seed);
    let write = |dir: &Path, split, range, rows| {
        let path = dataset::write_dataset(dir, split, seed, range, rows);
        path.context("writing the demo's data")
    };
    if demo.train > 0 {
        let path = write(&data, Split::Train, 0..demo.train as u64, Rows::Questions)?;
        config.data.train = path_text(&path);
    }
    if demo.eval > 0 {
        let path = write(&data, Split::Eval, 0..demo.eval as u64, Rows::Questions)?;
        config.eval.data = path_text(&path);
    }
    if !demo.sft.is_empty() {
        let (mut first, mut lines) = (0, vec![]);
        for phase in &demo.sft {
            let range = first..first + phase.rows as u64;
            first = range.end;
            let rows = Rows::Sft {
                looking_share: phase.looking_share,
            };
            lines.extend(fs::read(write(&data, Split::Sft, range, rows)?)?.repeat(phase.repeat));
        }
        let path = data.join("sft.jsonl");
        fs::write(&path, lines).with_context(|| path_text(&path))?;
        config.data.train = path_text(&path);
    }
    Ok(())
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Builds everything, from step 0 or from the run's last checkpoint. Returns the trainer and the
/// number of steps already done. Weights are read once, for the first of `devices`, and copied to
/// the others.
///
/// # Errors
/// A model, a file or a value that cannot be used; no device.
pub fn build(
    config: RunConfig,
    run: RunDir,
    devices: &[DeviceSpec],
    resume: bool,
    stop: Arc<AtomicBool>,
) -> Result<(Trainer, u64)> {
    config.check()?;
    let workers = devices::workers(devices)?;
    let device = &devices[0].device;
    let model_dir = hub::locate(Path::new(&config.model.path));
    let Description {
        config: sizes,
        processor,
        stop: stop_ids,
    } = Description::read(&model_dir, &config.model.processor_options())?;
    let processor = Arc::new(processor);
    let compute = config.model.dtype.on(device);
    let plain = LoadOptions::computing_in(compute).of(families());
    let options = plain.clone().allowing(&config.model.allow_tensors);
    let model = match config.model.init {
        ModelInit::Pretrained => Vlm::load(&model_dir, &options, device)?,
        ModelInit::Random => Vlm::random(sizes.computing_in(compute), config.seed, device),
    };
    let (whole, model) = (model.clone(), make_trainable(model, &config)?);
    let encoder = Encoder {
        processor: processor.clone(),
        system: config.model.system.clone(),
        max_prompt_tokens: config.data.max_prompt_tokens,
        stop: *stop_ids.first().ok_or_else(|| {
            InputError::new(format!("{}: no token ends a response", model_dir.display()))
        })?,
    };
    let recipe = Arc::new(config.algo.recipe()?);
    let reward = config.reward.build()?;
    let golds = GoldCheck {
        reward: &reward,
        policy: config.reward.on_unparsable_gold,
    };
    let open = |sets: &[SetConfig], kind: RowKind, golds: Option<&GoldCheck<'_>>| {
        let (encoder, data) = (encoder.clone(), &config.data);
        let set = PromptSet::open(sets, kind, encoder, data, config.seed, golds)?;
        let paths: Vec<&str> = sets.iter().map(|set| set.path.as_str()).collect();
        report_skipped(&paths.join(", "), &set);
        Ok::<_, RlError>(set)
    };
    // Only sampled responses are rewarded; those that data demonstrate need no gold answer.
    let (kind, rewarded) = match recipe.source {
        CompletionSource::Policy => (RowKind::Training, Some(&golds)),
        CompletionSource::Data => (RowKind::Demonstration, None),
    };
    let mut train = open(&config.data.sets(), kind, rewarded)?;
    let held_out = match config.eval.data.is_empty() {
        true => vec![],
        false => {
            let set = [config.data.set(&config.eval.data)];
            open(&set, RowKind::Training, Some(&golds))?.first(config.eval.samples)?
        }
    };

    let critic = critic(&config, &recipe, whole, device)?;
    let mut learner = PolicyGradient::new(
        model,
        recipe.clone(),
        config.train.clone(),
        config.optim.clone(),
        config.seed,
    );
    if let Some(critic) = critic {
        learner = learner.with_critic(critic);
    }
    if !config.train.reference.is_empty() {
        let dir = hub::locate(Path::new(&config.train.reference));
        described_in(&dir)?;
        learner = learner.with_reference(Vlm::load(&dir, &plain, device)?);
    }
    let beside = &config.train.demonstrations;
    if !beside.data.is_empty() {
        let set = open(
            &[config.data.set(&beside.data)],
            RowKind::Demonstration,
            None,
        )?;
        learner =
            learner.with_demonstrations(Demonstrations::new(set, beside.rows, beside.coefficient)?);
    }
    let mut collector = Collector::new(&config, &recipe);
    let mut done = 0;
    if let Some((state, latest)) = last_checkpoint(&run, &config, resume)? {
        learner.restore(learner.model().reload(&latest)?, &latest)?;
        collector.restore(state.sampling, &mut train, &latest)?;
        done = state.step;
    }
    let learner = devices::learner(workers.as_ref(), learner, config.train.replica_check_steps)?;
    let engine = devices::engine(workers.as_ref(), &learner.replicas(), |model| {
        LocalEngine::new(
            model.for_sampling(),
            processor.clone(),
            stop_ids.clone(),
            config.rollout.max_batch,
            config.seed,
        )
    })?;
    let sinks = sinks(&run, done, resume)?;
    let trainer = Trainer {
        reward: Box::new(reward),
        learner,
        diagnostics: Diagnostics::of_run(&run.metrics())?.0,
        config,
        run,
        train,
        held_out,
        recipe,
        engine,
        collector,
        processor,
        sinks,
        peak_bytes: None,
        stop,
    };
    Ok((trainer, done))
}

/// The critic, if the algorithm has one: from its own directory, or from the policy's.
fn critic(
    config: &RunConfig,
    recipe: &Recipe,
    policy: Vlm,
    device: &Device,
) -> Result<Option<Critic>> {
    let Some(spec) = recipe.critic else {
        return Ok(None);
    };
    let (section, compute) = (&config.critic, policy.compute());
    let options = LoadOptions::computing_in(compute).of(families());
    let head = |d| ValueHead::new(d, section.bias, section.init, config.seed, device);
    let model = match (section.model.is_empty(), config.model.init) {
        (true, ModelInit::Random) => {
            let mut critic = policy;
            critic.lm_head = None;
            critic.value_head = Some(head(critic.width()));
            critic
        }
        (true, ModelInit::Pretrained) => {
            let dir = hub::locate(Path::new(&config.model.path));
            Vlm::critic_from_dir(&dir, head, &options, device)?
        }
        (false, _) => {
            let dir = hub::locate(Path::new(&section.model));
            described_in(&dir)?;
            Vlm::critic_from_dir(&dir, head, &options, device)?
        }
    };
    let model = model.with_masters();
    Ok(Some(Critic::new(model, section.optim.clone(), spec)?))
}

/// The state and the directory of the run's last checkpoint, if it has one.
///
/// # Errors
/// A checkpoint that cannot be used, or is of another seed.
pub fn last_checkpoint(
    run: &RunDir,
    config: &RunConfig,
    resume: bool,
) -> Result<Option<(TrainerState, PathBuf)>> {
    if !resume {
        return Ok(None);
    }
    let Some(latest) = checkpoint::newest(run)? else {
        return Ok(None);
    };
    let state = TrainerState::read(&latest)?;
    if state.seed != config.seed {
        let (found, expected) = (config.seed, state.seed);
        return Err(InputError::new(format!(
            "--resume: seed is {found}, but the checkpoint was trained with {expected}"
        ))
        .into());
    }
    Ok(Some((state, latest)))
}

fn sinks(run: &RunDir, done: u64, resume: bool) -> Result<Vec<Box<dyn Sink>>> {
    if !resume {
        return Ok(vec![
            Box::new(JsonlWriter::create(run.metrics())?),
            Box::new(TensorBoardWriter::create(run.root())?),
        ]);
    }
    run.truncate_after(done)?;
    if done == 0 && run.metrics().exists() {
        // Nothing is done yet: the evaluation before the first step is made and written again.
        fs::remove_file(run.metrics()).with_context(|| path_text(&run.metrics()))?;
    }
    Ok(vec![
        Box::new(JsonlWriter::resume(run.metrics(), done)?),
        Box::new(TensorBoardWriter::resume(run.root(), done)?),
    ])
}

/// No row is left out in silence.
fn report_skipped(path: &str, set: &PromptSet) {
    const SHOWN: usize = 5;
    let skipped = set.skipped();
    if skipped.is_empty() {
        return;
    }
    say!(
        "left out {} of {} rows of {path} (data.on_error or reward.on_unparsable_gold = \"skip\"):",
        skipped.len(),
        skipped.len() + set.len()
    );
    for error in &skipped[..skipped.len().min(SHOWN)] {
        say!("  {error}");
    }
    for error in skipped {
        tracing::warn!("left out: {error}");
    }
}
