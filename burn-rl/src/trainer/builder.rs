//! A run assembled in code.

use super::{
    Prompts, Trainer,
    kit::{Kit, Local, Plain},
};
use crate::{
    algo::Registry,
    checkpoint::Found,
    config::{
        AlgoConfig, CheckpointConfig, CriticConfig, EvalConfig, FilterConfig, OptimConfig,
        RolloutConfig, RunConfig, SetConfig, TrainConfig,
    },
    data::{CheckProgress, Curriculum, OnError},
    dist::DeviceSpec,
    error::RlError,
    learner::Policy,
    metrics::Sink,
    recipe::Recipe,
    rollout::{OtherRows, RolloutEngine},
    run_dir::RunDir,
    stop::StopFlag,
};
use burn_rewards::{Reward, RewardError, RewardFn, RewardInput};
use burn_vlm::{Processor, Vlm, generate::Sampling, lora::LoraConfig};
use std::{path::PathBuf, sync::Arc};

/// Makes a sink of a run directory.
pub(super) type SinkOfRun = Box<dyn FnOnce(&RunDir, Option<u64>) -> Result<Box<dyn Sink>, RlError>>;

/// The parts of a [`Trainer`]. What is not set has the default of the section of [`RunConfig`] it
/// belongs to; only prompts and a reward have none. Nothing is checked before
/// [`build`](Self::build).
///
/// ```
/// use burn::tensor::Device;
/// use burn_rl::{NoObserver, Trainer};
/// use burn_vlm::{Processor, Vlm, generate::Sampling};
///
/// # let dir = std::path::Path::new("../apps/trainer/assets/demo");
/// let model = Vlm::from_dir(dir, &Device::flex())?;
/// let mut trainer = Trainer::builder(model, Processor::from_dir(dir)?)
///     .prompts(vec![("What is 2 + 2?", "4"), ("What is 3 + 3?", "6")])
///     .held_out(vec![("What is 4 + 4?", "8")])
///     .reward_fn(|x| f64::from(u8::from(x.response.contains(x.answer))))
///     .algorithm("grpo")
///     .sampling(Sampling { max_new_tokens: 8, ..Sampling::default() })
///     .prompts_per_step(2)
///     .samples_per_prompt(4)
///     .learning_rate(1e-6)
///     .seed(1)
///     .steps(1)
///     .build()?;
/// let history = trainer.run(&mut NoObserver)?.history;
/// assert_eq!(history.get("reward/mean").len(), 1);
/// assert_eq!(history.get("eval/eval/pass@1").len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With [`run_dir`](Self::run_dir) metrics, rollouts and checkpoints are written, and
/// [`resume`](Self::resume) goes on from them, to the same bits on a CPU:
///
/// ```
/// use burn::tensor::Device;
/// use burn_rl::{NoObserver, RlError, Trainer, trainer::{RunEnd, TrainerBuilder}};
/// use burn_rl::metrics::{Metrics, Sink};
/// use burn_vlm::{Processor, Vlm, generate::Sampling, lora::LoraConfig};
/// use std::sync::{Arc, atomic::AtomicBool};
///
/// /// Where the numbers of each step go beside `metrics.jsonl`.
/// struct Steps;
/// impl Sink for Steps {
///     fn step(&mut self, step: u64, metrics: &Metrics) -> Result<(), burn_rl::LogError> {
///         assert!(step > 0 && metrics.get("reward/mean").is_some());
///         Ok(())
///     }
///     fn flush(&mut self) -> Result<(), burn_rl::LogError> { Ok(()) }
/// }
///
/// # let dir = std::path::Path::new("../apps/trainer/assets/demo");
/// # let runs = tempfile::tempdir()?;
/// # let runs = runs.path();
/// let stop = Arc::new(AtomicBool::new(false));
/// let of_steps = |steps| -> Result<TrainerBuilder, Box<dyn std::error::Error>> {
///     let processor = Processor::from_dir(dir)?;
///     let ends = processor.stop_token_ids()?;
///     let model = Vlm::from_dir(dir, &Device::flex())?;
///     Ok(Trainer::builder(model, processor)
///         .stop_tokens(ends)
///         .system("Answer with one word.")
///         .prompts(vec![("Sky?", "blue"), ("Grass?", "green")])
///         .max_prompt_tokens(64)
///         .shuffle(false)
///         .reward_fn(|x| x.response.len() as f64)
///         .lora(LoraConfig { rank: 2, ..LoraConfig::default() })
///         .sampling(Sampling { max_new_tokens: 4, ..Sampling::default() })
///         .prompts_per_step(1)
///         .samples_per_prompt(2)
///         .steps(steps))
/// };
/// let mut first = of_steps(1)?.run_dir(runs.join("x")).sink(Steps).stop_flag(stop).build()?;
/// assert_eq!(first.run(&mut NoObserver)?.end, RunEnd::Done);
/// assert!(first.run_dir().is_some() && first.skipped().is_empty());
///
/// # drop(first);
/// let mut second = of_steps(2)?.resume(runs.join("x")).run_sink(|_run, done| {
///     assert_eq!(done, Some(1));
///     Ok::<_, RlError>(Steps)
/// }).build()?;
/// assert_eq!(second.done(), 1);
/// second.run(&mut NoObserver)?;
/// assert_eq!(second.done(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Whole sections of a configuration can be set at once, and are refused by [`build`](Self::build)
/// as those of a file are:
///
/// ```
/// use burn::tensor::Device;
/// use burn_rl::{Trainer, algo::Registry, dist::{DeviceKind, DeviceSpec}};
/// use burn_rl::config::{AlgoConfig, CriticConfig, OptimConfig, RunConfig};
/// use burn_rl::data::{Curriculum, OnError};
/// use burn_vlm::{Processor, Vlm};
///
/// # let dir = std::path::Path::new("../apps/trainer/assets/demo");
/// let mut config = RunConfig::default();
/// config.data.train = "questions.jsonl".into();
/// config.train.steps = 10;
/// let model = Vlm::from_dir(dir, &Device::flex())?;
/// let device = DeviceSpec { name: "flex".into(), device: Device::flex(), kind: DeviceKind::Cpu };
/// let built = Trainer::builder(model.clone(), Processor::from_dir(dir)?)
///     .rewards(burn_rewards::Registry::builtin())
///     .configured(&config)?
///     .prompts(vec![("Sky?", "blue")])
///     .demonstrations("solved.jsonl")
///     .curriculum(Curriculum::EasyFirst)
///     .on_error(OnError::Skip)
///     .freeze(&["visual"])
///     .algorithms(Registry::builtin())
///     .algorithm_with(AlgoConfig { name: "ppo".into(), ..AlgoConfig::default() })
///     .critic(model)
///     .critic_config(CriticConfig::default())
///     .optimizer(OptimConfig { lr: -1.0, ..OptimConfig::default() })
///     .devices(vec![device])
///     .build();
/// assert!(built.err().unwrap().to_string().contains("optim.lr is -1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TrainerBuilder<P: Policy = Vlm> {
    pub(super) policy: P,
    pub(super) kit: Box<dyn Kit<P>>,
    pub(super) config: RunConfig,
    pub(super) prompts: Option<Prompts>,
    pub(super) evaluations: Vec<(EvalConfig, Prompts)>,
    pub(super) demonstrations: Option<Prompts>,
    pub(super) reward: Option<Box<dyn RewardFn>>,
    pub(super) algorithms: Registry,
    pub(super) rewards: burn_rewards::Registry,
    pub(super) recipe: Option<Recipe>,
    pub(super) reference: Option<P>,
    pub(super) critic: Option<Vlm>,
    pub(super) engine: Option<Box<dyn RolloutEngine<P>>>,
    pub(super) devices: Vec<DeviceSpec>,
    pub(super) run: RunChoice,
    pub(super) other_rows: OtherRows,
    pub(super) checkpoint: Option<PathBuf>,
    pub(super) found: Option<Found>,
    pub(super) sinks: Vec<Box<dyn Sink>>,
    pub(super) run_sinks: Vec<SinkOfRun>,
    pub(super) stop: StopFlag,
    pub(super) check_progress: Option<CheckProgress>,
}

/// Where the files of a run go.
pub(super) enum RunChoice {
    Nowhere,
    New(PathBuf),
    Continued(PathBuf),
    Opened { run: RunDir, resume: bool },
}

impl Trainer<Vlm> {
    /// A run that trains `model`, with completions sampled in this process unless an
    /// [`engine`](TrainerBuilder::engine) is given. `processor` is an `Arc<Processor>` or a
    /// `Processor`.
    pub fn builder(model: Vlm, processor: impl Into<Arc<Processor>>) -> TrainerBuilder<Vlm> {
        TrainerBuilder::new(model, Box::new(Local::new(processor.into())))
    }
}

impl<P: Policy> Trainer<P> {
    /// A run that trains any [`Policy`], with completions from `engine`. Its prompts are
    /// [`Prompt`](crate::types::Prompt)s or a [`PromptSource`](crate::data::PromptSource).
    pub fn of_policy(policy: P, engine: impl RolloutEngine<P> + 'static) -> TrainerBuilder<P> {
        TrainerBuilder::new(policy, Box::new(Plain)).engine(engine)
    }
}

impl TrainerBuilder<Vlm> {
    /// Tokens that end a response. By default what the files of the processor's directory name
    /// ([`Processor::stop_token_ids`]).
    pub fn stop_tokens(mut self, ids: Vec<u32>) -> Self {
        self.kit.set_stop_tokens(ids);
        self
    }

    /// Trains an adapter in place of the model.
    pub fn lora(mut self, lora: LoraConfig) -> Self {
        self.config.lora = lora;
        self
    }

    /// Does not train the parameters whose names begin with one of these, as `visual` or
    /// `model.layers.0..8`.
    pub fn freeze(mut self, names: &[&str]) -> Self {
        self.config.model.freeze = names.iter().map(|name| (*name).into()).collect();
        self
    }

    /// A system message before every conversation that has none.
    pub fn system(mut self, message: impl Into<String>) -> Self {
        self.config.model.system = message.into();
        self
    }
}

impl<P: Policy> TrainerBuilder<P> {
    fn new(policy: P, kit: Box<dyn Kit<P>>) -> Self {
        Self {
            policy,
            kit,
            config: RunConfig::default(),
            prompts: None,
            evaluations: vec![],
            demonstrations: None,
            reward: None,
            algorithms: Registry::builtin(),
            rewards: burn_rewards::Registry::builtin(),
            recipe: None,
            reference: None,
            critic: None,
            engine: None,
            devices: vec![],
            run: RunChoice::Nowhere,
            other_rows: OtherRows::Refuse,
            checkpoint: None,
            found: None,
            sinks: vec![],
            run_sinks: vec![],
            stop: StopFlag::new(),
            check_progress: None,
        }
    }

    /// Takes everything that a configuration says but the model, its reference and its critic,
    /// which are loaded already, and the run directory. What is set after it replaces what it says.
    ///
    /// # Errors
    /// An unknown rule, or options of its that make no sense.
    pub fn configured(mut self, config: &RunConfig) -> Result<Self, RlError> {
        let files = |sets: &[SetConfig]| -> Prompts {
            let sources = sets.iter().map(SetConfig::source);
            sources.collect::<Vec<_>>().into()
        };
        self.prompts = Some(files(&config.data.sets()));
        if !config.eval.data.is_empty() {
            let set = SetConfig {
                name: config.eval.name.clone(),
                ..config.data.set(&config.eval.data)
            };
            self.evaluations = vec![(config.eval.of_run(&config.rollout), files(&[set]))];
        }
        let beside = &config.train.demonstrations.data;
        if !beside.is_empty() {
            self.demonstrations = Some(files(&[config.data.set(beside)]));
        }
        self.reward = Some(Box::new(config.reward.build_with(&self.rewards)?));
        self.recipe = None;
        self.config = config.clone();
        Ok(self)
    }

    /// What is trained on.
    pub fn prompts(mut self, prompts: impl Into<Prompts>) -> Self {
        self.prompts = Some(prompts.into());
        self
    }

    /// Held-out prompts, measured greedily before the first step and after the last as
    /// `eval/eval/…`.
    pub fn held_out(self, prompts: impl Into<Prompts>) -> Self {
        self.evaluation(EvalConfig::default(), prompts)
    }

    /// One more set that is measured, under a name and in a way of its own; `data` of the
    /// configuration is not read.
    pub fn evaluation(mut self, config: EvalConfig, prompts: impl Into<Prompts>) -> Self {
        self.evaluations.push((config, prompts.into()));
        self
    }

    /// Demonstrations whose likelihood is a term of every update; weight and number of rows are
    /// [`TrainConfig::demonstrations`].
    pub fn demonstrations(mut self, rows: impl Into<Prompts>) -> Self {
        self.demonstrations = Some(rows.into());
        self
    }

    /// What scores completions.
    pub fn reward(mut self, reward: impl RewardFn + 'static) -> Self {
        self.reward = Some(Box::new(reward));
        self
    }

    /// A closure as the reward: its part is called `score`, and a response it gives more than 0
    /// counts as correct.
    pub fn reward_fn(
        self,
        reward: impl Fn(&RewardInput<'_>) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.reward(Scored(reward))
    }

    /// An algorithm by its name, with the options of its paper.
    pub fn algorithm(self, name: &str) -> Self {
        self.algorithm_with(AlgoConfig {
            name: name.into(),
            ..AlgoConfig::default()
        })
    }

    /// An algorithm with options of its own.
    pub fn algorithm_with(mut self, algo: AlgoConfig) -> Self {
        (self.config.algo, self.recipe) = (algo, None);
        self
    }

    /// The algorithms that may be named; by default those of this crate.
    pub fn algorithms(mut self, algorithms: Registry) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// The reward rules that a configuration may name; by default those of `burn-rewards`. Set them
    /// before [`configured`](Self::configured).
    pub fn rewards(mut self, rewards: burn_rewards::Registry) -> Self {
        self.rewards = rewards;
        self
    }

    /// An algorithm as a list of parts.
    pub fn recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = Some(recipe);
        self
    }

    /// A reference other than the policy as it starts: a teacher.
    pub fn reference(mut self, reference: P) -> Self {
        self.reference = Some(reference);
        self
    }

    /// The critic of an algorithm that has one. By default a [`Vlm`] has a critic that starts from
    /// its own weights.
    pub fn critic(mut self, critic: Vlm) -> Self {
        self.critic = Some(critic);
        self
    }

    /// How the critic is made and optimised.
    pub fn critic_config(mut self, config: CriticConfig) -> Self {
        self.config.critic = config;
        self
    }

    /// How tokens are drawn.
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.config.rollout.sampling = sampling;
        self
    }

    /// Prompts in a step.
    pub fn prompts_per_step(mut self, n: usize) -> Self {
        self.config.rollout.prompts_per_step = n;
        self
    }

    /// Completions of each prompt: the size of a group.
    pub fn samples_per_prompt(mut self, n: usize) -> Self {
        self.config.rollout.samples_per_prompt = n;
        self
    }

    /// All of these at once.
    pub fn rollout(mut self, rollout: RolloutConfig) -> Self {
        self.config.rollout = rollout;
        self
    }

    /// What becomes of a batch in which filters leave gaps.
    pub fn filter(mut self, filter: FilterConfig) -> Self {
        self.config.filter = filter;
        self
    }

    /// Steps: one batch of rollouts and its updates each.
    pub fn steps(mut self, n: u64) -> Self {
        self.config.train.steps = n;
        self
    }

    /// Steps, epochs, mini-batches and what is kept beside the policy, all at once.
    pub fn train(mut self, train: TrainConfig) -> Self {
        self.config.train = train;
        self
    }

    /// Peak learning rate.
    pub fn learning_rate(mut self, lr: f64) -> Self {
        self.config.optim.lr = lr;
        self
    }

    /// AdamW and its schedule.
    pub fn optimizer(mut self, optim: OptimConfig) -> Self {
        self.config.optim = optim;
        self
    }

    /// Seed of everything random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Whether each epoch is in an order of its own; it is, unless this says otherwise.
    pub fn shuffle(mut self, yes: bool) -> Self {
        self.config.data.shuffle = yes;
        self
    }

    /// Whether an epoch goes by how hard its rows are.
    pub fn curriculum(mut self, curriculum: Curriculum) -> Self {
        self.config.data.curriculum = curriculum;
        self
    }

    /// What a row that cannot be used does.
    pub fn on_error(mut self, choice: OnError) -> Self {
        self.config.data.on_error = choice;
        self
    }

    /// Longest prompt in tokens, pictures included.
    pub fn max_prompt_tokens(mut self, n: usize) -> Self {
        self.config.data.max_prompt_tokens = n;
        self
    }

    /// What samples completions.
    pub fn engine(mut self, engine: impl RolloutEngine<P> + 'static) -> Self {
        self.engine = Some(Box::new(engine));
        self
    }

    /// Trains a replica on each of these devices, on the first of which the policy is.
    pub fn devices(mut self, devices: Vec<DeviceSpec>) -> Self {
        self.devices = devices;
        self
    }

    /// Starts a run in a directory, which must be new or empty: metrics, rollouts and checkpoints go
    /// there. Without one nothing is written.
    pub fn run_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.run = RunChoice::New(path.into());
        self
    }

    /// Continues the run in a directory from its newest checkpoint, to the same bits on a CPU as if
    /// it had never stopped.
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.run = RunChoice::Continued(path.into());
        self
    }

    /// Begins where a checkpoint of a run was saved, and leaves that run as it is: nothing is written
    /// unless there is a [`run_dir`](Self::run_dir). [`Trainer::replay`] has an example.
    pub fn from_checkpoint(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint = Some(path.into());
        self
    }

    /// The checkpoint to go on from, where [`checkpoint::last`](crate::checkpoint::last) was asked
    /// already: its files are not read through again. With none they are.
    pub fn found(mut self, found: Option<Found>) -> Self {
        self.found = found;
        self
    }

    /// Continues with data that have changed since the run was saved. Its place in them then means
    /// other rows, and groups that wait on rows that are no longer as they were are left out.
    ///
    /// ```
    /// # fn of(builder: burn_rl::trainer::TrainerBuilder) -> Result<(), burn_rl::RlError> {
    /// let trainer = builder.resume("runs/mine").accept_changed_data().build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept_changed_data(mut self) -> Self {
        self.other_rows = OtherRows::LeaveOut;
        self
    }

    /// A run directory that is open already, for a new run or to continue the one in it.
    ///
    /// ```
    /// # use burn_rl::{Trainer, run_dir::RunDir};
    /// # fn of(builder: burn_rl::trainer::TrainerBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// let run = RunDir::fresh("runs", "mine")?; // runs/mine, or runs/mine-2
    /// let trainer = builder.opened_run(run, false).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn opened_run(mut self, run: RunDir, resume: bool) -> Self {
        self.run = RunChoice::Opened { run, resume };
        self
    }

    /// When checkpoints are written and how many are kept.
    pub fn checkpoint(mut self, checkpoint: CheckpointConfig) -> Self {
        self.config.checkpoint = checkpoint;
        self
    }

    /// One more place for the numbers of each step, beside `metrics.jsonl` of a run directory.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// The same for a sink that writes into the run directory, which `make` is given with the number
    /// of steps that are done where a run is continued. Without a run directory it is not made.
    pub fn run_sink<S: Sink + 'static, E: Into<RlError>>(
        mut self,
        make: impl FnOnce(&RunDir, Option<u64>) -> Result<S, E> + 'static,
    ) -> Self {
        self.run_sinks.push(Box::new(|run, done| {
            let sink = make(run, done).map_err(E::into)?;
            Ok(Box::new(sink))
        }));
        self
    }

    /// Is told of data rows as they are looked at before the first step: how many, of how many of
    /// their set. It is called from several threads.
    pub fn on_check(mut self, tell: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        self.check_progress = Some(Arc::new(tell));
        self
    }

    /// What asks the run to stop: a [`StopFlag`], or a flag of one's own as `Arc<AtomicBool>`.
    pub fn stop_flag(mut self, stop: impl Into<StopFlag>) -> Self {
        self.stop = stop.into();
        self
    }
}

/// A closure as a reward.
struct Scored<F>(F);

impl<F: Fn(&RewardInput<'_>) -> f64 + Send + Sync> RewardFn for Scored<F> {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let value = (self.0)(input);
        Ok(Reward::single("score", value, Some(value > 0.0)))
    }

    fn part_names(&self) -> Vec<String> {
        vec!["score".into()]
    }
}
