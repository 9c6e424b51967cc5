//! From a resolved configuration to a trainer that is ready to run.

use crate::{
    Extensions, hub,
    model_dir::{Description, described_in},
    progress::checking,
};
use anyhow::Result;
use burn::tensor::Device;
use burn_rl::{
    RunConfig, StopFlag, Trainer, checkpoint::Found, config::ModelInit, dist::DeviceSpec,
    rollout::OtherRows, run_dir::RunDir,
};
use burn_vlm::{LoadOptions, ValueHead, Vlm};
use run_log::tensorboard::TensorBoardWriter;
use std::path::{Path, PathBuf};

/// Where a run begins, and where it writes.
pub enum Start {
    /// At step 0, into a directory.
    New(RunDir),
    /// At the last checkpoint of the run in a directory, where that was found already at this one.
    Continued(RunDir, Option<Found>, OtherRows),
    /// At a checkpoint, or at step 0 without one; nothing is written.
    Replayed(Option<PathBuf>),
}

/// Loads the models that `config` names and assembles the run. Weights are read once, for the first
/// of `devices`, and copied to the others.
///
/// # Errors
/// A model, a file or a value that cannot be used; no device.
pub fn build(
    config: &RunConfig,
    start: Start,
    devices: &[DeviceSpec],
    stop: impl Into<StopFlag>,
    extensions: &Extensions,
) -> Result<Trainer> {
    config.check(&extensions.algorithms, &extensions.rewards)?;
    let device = &devices[0].device;
    let dir = hub::locate(Path::new(&config.model.path));
    let pictures = config.model.processor_options();
    let found = Description::read(&dir, &pictures, &extensions.families)?;
    let compute = config.model.dtype.on(device);
    let plain = LoadOptions::computing_in(compute).among(&extensions.families);
    let options = plain.clone().allowing(&config.model.allow_tensors);
    let model = match config.model.init {
        ModelInit::Pretrained => Vlm::load(&dir, &options, device)?,
        ModelInit::Random => Vlm::random(found.config.computing_in(compute), config.seed, device),
    };
    let mut builder = Trainer::builder(model, found.processor)
        .algorithms(extensions.algorithms.clone())
        .rewards(extensions.rewards.clone())
        .configured(config)?
        .devices(devices.to_vec())
        .on_check(checking())
        .stop_flag(stop);
    builder = match start {
        Start::New(run) => builder.opened_run(run, false),
        Start::Continued(run, found, other_rows) => {
            let builder = builder.opened_run(run, true).found(found);
            match other_rows {
                OtherRows::Refuse => builder,
                OtherRows::LeaveOut => builder.accept_changed_data(),
            }
        }
        Start::Replayed(None) => builder,
        Start::Replayed(Some(checkpoint)) => builder.from_checkpoint(checkpoint),
    };
    builder = builder.run_sink(|run, done| match done {
        None => TensorBoardWriter::create(run.root()),
        Some(done) => TensorBoardWriter::resume(run.root(), done),
    });
    let recipe = config.algo.recipe(&extensions.algorithms)?;
    if recipe.critic().is_some()
        && let Some(critic) = critic(config, &plain, device)?
    {
        builder = builder.critic(critic);
    }
    if !config.train.reference.is_empty() {
        let dir = hub::locate(Path::new(&config.train.reference));
        described_in(&dir)?;
        builder = builder.reference(Vlm::load(&dir, &plain, device)?);
    }
    Ok(builder.build()?)
}

/// The critic from its directory or the policy's; none where it starts as a copy of the policy.
fn critic(config: &RunConfig, options: &LoadOptions, device: &Device) -> Result<Option<Vlm>> {
    let (section, own) = (&config.critic, config.critic.model.is_empty());
    if own && config.model.init == ModelInit::Random {
        return Ok(None);
    }
    let given = Some(&section.model).filter(|_| !own);
    let dir = hub::locate(Path::new(given.unwrap_or(&config.model.path)));
    described_in(&dir)?;
    let head = |d| ValueHead::new(d, section.bias, section.init, config.seed, device);
    Ok(Some(Vlm::critic_from_dir(&dir, head, options, device)?))
}
