//! What a run did, said when it is over.

use crate::command_line;
use anyhow::Result;
use burn_rl::{RunConfig, Trainer};
use run_log::{RolloutRecord, rollout_log::read_rollouts};
use std::{ffi::OsStr, path::Path};

/// Held-out questions shown when a run is over.
const SAMPLES: usize = 3;

/// Says what the run did, from its own files: a resumed run tells the whole story too.
///
/// # Errors
/// Its completions cannot be read.
pub fn tell(trainer: &Trainer, config: &RunConfig, report: &Path) -> Result<()> {
    let Some(run) = trainer.run_dir() else {
        return Ok(());
    };
    let set = &config.eval.name;
    let read = |step| {
        let path = run.eval(set, step);
        if path.exists() {
            Ok(read_rollouts(&path)?)
        } else {
            Ok::<_, anyhow::Error>(vec![])
        }
    };
    let (before, after) = (read(0)?, read(config.train.steps)?);
    if !before.is_empty() && !after.is_empty() {
        let accuracy = |r: &RolloutRecord| f64::from(u8::from(r.correct == Some(true)));
        let mean = |records: &[RolloutRecord], f: &dyn Fn(&RolloutRecord) -> f64| {
            records.iter().map(f).sum::<f64>() / records.len() as f64
        };
        let row = |name: &str, unit: &str, f: &dyn Fn(&RolloutRecord) -> f64| {
            let (a, b) = (mean(&before, f), mean(&after, f));
            say!("  {name:<18}{a:>6.1} → {b:.1} {unit}");
        };
        say!(
            "\n{} held-out questions, before → after training:",
            before.len()
        );
        row("accuracy", "%", &|r| 100.0 * accuracy(r));
        row("response length", "tokens", &|r| r.tokens as f64);
        for (a, b) in before.iter().zip(&after).take(SAMPLES) {
            say!("\n  {} (right: {})", a.prompt, a.answer);
            say!("    before  {}", a.response);
            say!("    after   {}", b.response);
        }
    }
    let checkpoint = run.latest_checkpoint();
    say!("\nreport      {}", report.display());
    if !checkpoint.exists() {
        return Ok(());
    }
    say!("checkpoint  {}", checkpoint.display());
    if let Some(prompt) = trainer.held_out().first() {
        let mut words: Vec<&OsStr> = vec!["generate".as_ref(), "--model".as_ref()];
        words.push(checkpoint.as_os_str());
        if let Some(image) = prompt.images.first() {
            words.extend(["--image".as_ref(), image.as_os_str()]);
        }
        words.extend(["--prompt", &prompt.text, "--greedy"].map(OsStr::new));
        say!("ask it      {}", command_line::own(words));
    }
    Ok(())
}
