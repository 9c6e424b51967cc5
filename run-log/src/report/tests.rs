use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use image::RgbImage;

use super::*;
use crate::rollout_log::{RolloutRecord, write_rollouts};
use crate::step_log::JsonlWriter;
use crate::{Metrics, Sink};

fn record(step: u64, id: usize, draw: usize, correct: bool) -> RolloutRecord {
    RolloutRecord {
        logprobs: vec![],
        behaviour_logprobs: vec![],
        step,
        prompt_id: format!("row-{id}"),
        draw,
        prompt: "<image>How many squares are there?".into(),
        images: vec![format!("pictures/{}.png", id % 40)],
        answer: "2".into(),
        response: match correct {
            true => {
                "<think>a red square left, a blue square right</think><answer>2</answer>".into()
            }
            false => "<answer>3</answer><script>alert(1)</script>".into(),
        },
        tokens: if correct { 14 } else { 4 },
        finish_reason: "stop".into(),
        reward: f64::from(u8::from(correct)) + 0.1,
        parts: BTreeMap::from([
            ("accuracy".into(), f64::from(u8::from(correct))),
            ("format".into(), 0.1),
        ]),
        correct: Some(correct),
        advantage: Some(if correct { 0.7 } else { -1.4 }),
        kept: !id.is_multiple_of(3),
        context: Default::default(),
    }
}

/// A run of `steps` steps as the loop leaves it. Some pictures are missing.
fn made_up(root: &Path, steps: u64) -> RunDir {
    let run = RunDir::create(root.join("made-up")).unwrap();
    let mut sink = JsonlWriter::create(run.metrics()).unwrap();
    for step in 0..=steps {
        let t = step as f64 / steps as f64;
        let noise = ((step * 7919 % 101) as f64 / 101.0 - 0.5) * 0.1;
        let mut m = Metrics::new();
        if step % (steps / 10).max(1) == 0 {
            m.set("eval/held_out/pass@1", 0.43 + 0.515 * t);
            m.set("eval/held_out/tokens", 4.0 + 10.2 * t);
        }
        if step > 0 {
            m.set("reward/mean", 0.5 + 0.5 * t + noise);
            m.set("reward/std", 0.5 - 0.3 * t);
            m.set("reward/accuracy", 0.4 + 0.55 * t + noise);
            m.set("reward/format", 0.1 - noise * noise);
            m.set("reward/zero_std_groups", 0.1 + 0.6 * t * t);
            m.set("response/tokens", 4.0 + 10.0 * t * (2.0 - t) + 4.0 * noise);
            m.set("response/tokens_correct", 6.0 + 8.0 * t + 3.0 * noise);
            m.set("response/tokens_wrong", 4.0 + 2.0 * t);
            m.set("policy/loss", noise);
            m.set("policy/entropy", 0.9 * (-3.0 * t).exp() + noise.abs());
            m.set("policy/kl_ref", 0.02 * step as f64 + noise.abs());
            m.set("policy/clip_high", 0.02 + noise.abs() * 0.2);
            m.set("policy/clip_low", 0.01 + noise.abs() * 0.1);
            m.set("policy/sampler_gap_max", 2e-6 + noise.abs() * 1e-6);
            m.set("optim/lr", 1e-4 * (1.0 - 0.9 * t));
            m.set(
                "optim/grad_norm",
                if step == steps / 3 {
                    f64::NAN
                } else {
                    0.8 + noise
                },
            );
            m.set("time/rollout_s", 2.0 + 2.0 * t + noise);
            m.set("time/reward_s", 0.05);
            m.set("time/update_s", 2.5 + noise);
            m.set("time/step_s", 5.1 + 2.0 * t);
            m.set("throughput/rollout_tokens_per_s", 1400.0 + 900.0 * noise);
            m.set("throughput/train_tokens_per_s", 2100.0 + 900.0 * noise);
            m.set("memory/peak_bytes", 6.1e8 + 1e7 * t);
        }
        sink.step(step, &m).unwrap();
    }
    fs::create_dir_all(run.root().join("pictures")).unwrap();
    const COLOURS: [[u8; 3]; 4] = [[214, 69, 65], [52, 120, 190], [70, 160, 90], [235, 190, 60]];
    for i in 0..36_u32 {
        let picture = RgbImage::from_fn(56, 56, |x, y| {
            let (cx, cy) = (x / 28, y / 28);
            let colour = COLOURS[((i + cx + 2 * cy) % 4) as usize];
            let (dx, dy) = ((x % 28).abs_diff(14), (y % 28).abs_diff(14));
            let inside = match (i + cx) % 3 {
                0 => dx.max(dy) < 9,
                1 => dx * dx + dy * dy < 90,
                _ => false,
            };
            image::Rgb(if inside { colour } else { [245, 244, 240] })
        });
        picture
            .save(run.root().join(format!("pictures/{i}.png")))
            .unwrap();
    }
    for (step, right_of_10) in [(0, 4), (steps / 2, 7), (steps, 9)] {
        let eval: Vec<RolloutRecord> = (0..200)
            .map(|id| record(step, id, 0, (id * 7 + step as usize) % 10 < right_of_10))
            .collect();
        write_rollouts(&run.eval("held_out", step), &eval).unwrap();
    }
    for step in 1..=steps {
        let draws = |id| (0..8).map(move |d| record(step, id, d, (id + d) % 3 == 0));
        // The report reads three of these files; the others only have to be there.
        let prompts = if [1, steps.div_ceil(2), steps].contains(&step) {
            32
        } else {
            1
        };
        let records: Vec<RolloutRecord> = (0..prompts).flat_map(draws).collect();
        let lines = records
            .iter()
            .map(|r| serde_json::to_string(r).unwrap() + "\n");
        fs::create_dir_all(run.rollouts_dir()).unwrap();
        fs::write(run.rollouts(step), lines.collect::<String>()).unwrap();
    }
    fs::write(
        run.config(),
        "# trainer 1.0\nseed = 7\n[algo]\nname = \"grpo\" # <b>\n",
    )
    .unwrap();
    fs::write(
        run.summary(),
        r#"{"model":{"parameters":1100000},"device":"cpu"}"#,
    )
    .unwrap();
    run
}

#[test]
fn a_report_says_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let run = made_up(dir.path(), 30);
    let html = fs::read_to_string(write_report(&run, &|path| fs::read(path)).unwrap()).unwrap();
    assert!(html.contains(
        "In 30 steps, accuracy on held-out questions rose from 43.0 to 94.5 %. \
         Mean response length grew from 4.0 to 14.2 tokens."
    ));
    for title in [
        "Reward",
        "Clipped tokens",
        "Time of a step",
        "Peak memory",
        "Gradient norm",
    ] {
        assert!(html.contains(&format!("<h3>{title}")), "{title}");
    }
    assert!(html.contains("1 value was not finite"));
    assert!(html.contains("picture missing") && html.contains("data:image/png;base64,"));
    assert!(html.contains("name = &quot;grpo&quot; # &lt;b&gt;"));
    assert!(html.contains("<p class=\"made\">grpo · seed 7 · trainer 1.0</p>"));
    assert!(html.contains("<th>model.parameters</th><td>1100000</td>"));
    // Nothing on the page runs, and nothing is asked of anyone: every address is its own data.
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"));
    assert_eq!(
        html.matches("src=").count(),
        html.matches("src=\"data:image/").count()
    );
    assert!(!html.contains("url(") && !html.contains("@import") && !html.contains("NaN"));
}

#[test]
fn the_report_of_a_long_run_is_small_and_quick() {
    let dir = tempfile::tempdir().unwrap();
    let run = made_up(dir.path(), 1000);
    let start = Instant::now();
    let path = write_report(&run, &|path| fs::read(path)).unwrap();
    let took = start.elapsed();
    let bytes = fs::metadata(path).unwrap().len();
    assert!(bytes < 5_000_000, "{bytes}");
    // A fraction of a second when optimised; the limit leaves room for a busy machine.
    assert!(took.as_secs_f64() < 5.0, "{took:?}");
}

#[test]
fn an_empty_run_has_a_report_too() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("new")).unwrap();
    let html = fs::read_to_string(write_report(&run, &|path| fs::read(path)).unwrap()).unwrap();
    assert!(html.contains("No step has been recorded yet."));
}

#[test]
fn warnings_stand_at_the_top_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("warned")).unwrap();
    let mut sink = JsonlWriter::create(run.metrics()).unwrap();
    let mut write = |step: u64, truncated: f64| {
        let mut m = Metrics::new();
        m.set("response/truncated", truncated);
        sink.step(step, &m).unwrap();
        fs::read_to_string(write_report(&run, &|path| fs::read(path)).unwrap()).unwrap()
    };
    write(1, 0.4);
    assert!(!write(2, 0.4).contains("<h2>Warnings</h2>"));
    let page = write(3, 0.4);
    let (warning, chart) = (
        page.find("Step 3: 40 %").unwrap(),
        page.find("<svg").unwrap(),
    );
    assert!(warning < chart);
    assert!(page.contains("raise rollout.sampling.max_new_tokens"));
}
