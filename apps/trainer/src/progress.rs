//! What a person sees of a run: a progress bar on a terminal, a line a step elsewhere.

use crate::report;
use burn_rl::{
    metrics::Metrics,
    observer::{Event, Observer, Phase},
    run_dir::RunDir,
};
use indicatif::{ProgressBar, ProgressStyle};
use run_log::diagnostics::Warning;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Shows progress on standard error, and writes it to the log.
pub struct Progress {
    bar: Option<ProgressBar>,
    root: PathBuf,
    set: String,
    steps: u64,
    start: Instant,
    numbers: String,
}

impl Progress {
    /// Progress of the run in `root` of `steps`, of which `done` are done, with held-out rows called `set`.
    pub fn new(root: &Path, steps: u64, done: u64, set: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps);
            bar.set_position(done);
            let style = "{bar:30.cyan/dim} step {pos}/{len} · {msg} · {elapsed} < {eta}";
            // The template is a constant: if it is wrong, the default style is still a bar.
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar()),
            );
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let (set, numbers) = (set.to_owned(), String::new());
        Self {
            bar,
            root: root.to_owned(),
            set,
            steps,
            start: Instant::now(),
            numbers,
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say!("{text}"),
        }
    }

    fn line(&self, text: &str) {
        self.show(text);
        tracing::info!("{text}");
    }

    fn warned(&self, warning: &Warning) {
        self.show(&format!("warning: step {}: {warning}", warning.step));
        tracing::warn!("step {}: {}: {warning}", warning.step, warning.name);
    }

    fn evaluated(&self, step: u64, found: &Metrics) {
        let get = |name: &str| found.get(&format!("eval/{}/{name}", self.set));
        if let (Some(accuracy), Some(tokens)) = (get("pass@1"), get("tokens")) {
            self.line(&format!(
                "step {step:>4} · {} accuracy {:.1} %, {tokens:.1} tokens",
                self.set.replace('_', "-"),
                100.0 * accuracy
            ));
        }
    }

    /// A long run is looked at before its end: the report follows every checkpoint.
    fn saved(&self, checkpoint: &Path) {
        tracing::info!("saved {}", checkpoint.display());
        let report = RunDir::read(&self.root).and_then(|run| report::write(&run));
        if let Err(error) = report {
            self.line(&format!("the report could not be written: {error}"));
        }
    }

    fn stepped(&mut self, step: u64, metrics: &Metrics) {
        self.numbers = numbers(metrics);
        match &self.bar {
            Some(bar) => {
                bar.set_position(step);
                bar.set_message(self.numbers.clone());
            }
            None => {
                let seconds = self.start.elapsed().as_secs_f64();
                say!(
                    "step {step:>4}/{} · {} · {seconds:.0} s",
                    self.steps,
                    self.numbers
                );
            }
        }
        tracing::info!("step {step}/{} · {}", self.steps, self.numbers);
    }
}

/// Says how far the look at the rows of data has come, where it takes a while.
pub fn checking() -> impl Fn(usize, usize) + Send + Sync + 'static {
    const PATIENCE: Duration = Duration::from_secs(5);
    let last = Mutex::new(Instant::now());
    move |done, total| {
        // A thread that finds it taken leaves the word to the one that has it.
        let Ok(mut last) = last.try_lock() else {
            return;
        };
        if last.elapsed() >= PATIENCE {
            *last = Instant::now();
            say!("looked at {done} of {total} rows of data (--no-check leaves this out)");
        }
    }
}

/// The numbers that matter, of those there are.
fn numbers(metrics: &Metrics) -> String {
    let shown: [(&str, &str, usize); 7] = [
        ("reward/mean", "reward", 2),
        ("reward/accuracy", "accuracy", 2),
        ("response/tokens", "tokens", 1),
        ("policy/loss", "loss", 3),
        ("policy/entropy", "entropy", 2),
        ("optim/grad_norm", "grad", 2),
        ("time/step_s", "s/step", 1),
    ];
    let number = |(key, name, digits): (&str, &str, usize)| {
        metrics
            .get(key)
            .map(|value| format!("{name} {value:.digits$}"))
    };
    shown
        .into_iter()
        .filter_map(number)
        .collect::<Vec<_>>()
        .join("  ")
}

impl Observer for Progress {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Progress(phase, done, total) => {
                if let Some(bar) = &self.bar {
                    let doing = match phase {
                        Phase::Rollout => format!("sampling {done}/{total}"),
                        Phase::Update => "updating".to_owned(),
                        Phase::Eval => format!("evaluating {done}/{total}"),
                    };
                    bar.set_message(format!("{}  [{doing}]", self.numbers));
                }
            }
            Event::Evaluated(step, found) => self.evaluated(step, found),
            Event::Stepped(step, metrics) => self.stepped(step, metrics),
            Event::Warned(warning) => self.warned(warning),
            Event::Saved(path) => self.saved(path),
        }
    }
}
