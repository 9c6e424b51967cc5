//! A run that is stopped, killed or runs out of space continues from its last whole checkpoint.

use crate::common::{World, files_below, stderr, tiny};
use serde_json::json;
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Demonstrations to learn from: every step has gradients from the first on.
fn world() -> World {
    let world = World::new();
    let data = world.path("data/train.jsonl");
    let mut rows = tiny::read_rows(&data);
    for row in &mut rows {
        let response = format!("<answer>{}</answer>", row["answer"].as_str().unwrap());
        let turn = json!({ "role": "assistant", "content": response });
        row["conversations"].as_array_mut().unwrap().push(turn);
    }
    tiny::write_rows(&data, &rows);
    world.replace("tiny.toml", "name = \"grpo\"", "name = \"sft\"");
    world
}

fn train<'a>(run: &'a str, steps: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["train", "tiny.toml", "--run-dir", run, "--steps", steps];
    [&fixed, more].concat()
}

fn resume<'a>(run: &'a str, steps: &'a str) -> [&'a str; 6] {
    ["train", "--run-dir", run, "--resume", "--steps", steps]
}

const EVERY_2: [&str; 4] = ["--set", "checkpoint.every=2", "--set", "checkpoint.keep=1"];

fn latest(world: &World, run: &str) -> String {
    let link = world.path(run).join("checkpoints/latest");
    fs::read_link(link).unwrap().to_str().unwrap().to_owned()
}

/// Waits until `done`, which must happen while the child runs.
#[track_caller]
fn wait_until(child: &mut Child, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        if let Some(status) = child.try_wait().unwrap() {
            let mut text = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            panic!("it ended with {status}: {text}");
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "nothing happened"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn assert_same_runs(world: &World, one: &str, other: &str) {
    let (one, other) = (world.path(one), world.path(other));
    assert_eq!(
        tiny::reproducible_metrics(&one),
        tiny::reproducible_metrics(&other)
    );
    let weights = |run: &PathBuf| {
        files_below(
            &run.join("checkpoints")
                .join("latest")
                .canonicalize()
                .unwrap(),
        )
    };
    let (one, other) = (weights(&one), weights(&other));
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
    for (path, bytes) in &one {
        assert!(other[path] == *bytes, "{} differs", path.display());
    }
}

#[test]
fn ctrl_c_saves_and_the_run_continues() {
    let world = world();
    let mut child = world
        .command(&train("run", "1000000", &[]))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let metrics = world.path("run/metrics.jsonl");
    wait_until(&mut child, || lines(&metrics) >= 2);
    send("INT", &child);
    let output = child.wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(
        message.contains("trainer train --run-dir run --resume"),
        "{message}"
    );

    let done = tiny::reproducible_metrics(&world.path("run")).len();
    assert_eq!(
        latest(&world, "run"),
        format!("step_{done:06}"),
        "all that was done is saved"
    );
    let (next, more) = (done + 1, (done + 1).to_string());
    world.text(&resume("run", &more));
    assert_eq!(latest(&world, "run"), format!("step_{next:06}"));
    world.text(&train("straight", &more, &[]));
    assert_same_runs(&world, "run", "straight");
}

#[track_caller]
fn send(signal: &str, child: &Child) {
    let kill = format!("kill -{signal} {}", child.id());
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn an_early_warning_saves_and_leaves_rollouts_as_they_are() {
    let world = World::new();
    let more = [
        "--set",
        "rollout.samples_per_prompt=16",
        "--set",
        "rollout.sampling.max_new_tokens=32",
        "--stop-within",
        "0s",
    ];
    let mut child = world
        .command(&train("run", "1000000", &more))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let metrics = world.path("run/metrics.jsonl");
    wait_until(&mut child, || lines(&metrics) > 0);
    send("USR1", &child);
    let output = child.wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{message}");
    let done = tiny::reproducible_metrics(&world.path("run")).len();
    assert_eq!(latest(&world, "run"), format!("step_{done:06}"));
}

/// A reward program that says its number and then nothing more, and what it starts beside it, in its
/// session and, on Linux, in one of its own.
const HANGS: &str = "reward.parts=[{rule='command',options={timeout_s=1000.0,command=['sh','-c',\
    'sleep 1000 & echo $$ > pid.tmp; echo $! >> pid.tmp; \
     if [ -d /proc/self ]; then setsid sleep 1000 & echo $! >> pid.tmp; fi; \
     mv pid.tmp pids; cat > /dev/null']}}]";

/// Starts a run whose reward program hangs, and waits for it to do so.
fn hanging(world: &World) -> (Child, Vec<String>) {
    let mut child = world
        .command(&train("run", "2", &["--set", HANGS]))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pids = world.path("pids");
    wait_until(&mut child, || pids.exists());
    let pids = world.read("pids").lines().map(str::to_owned).collect();
    (child, pids)
}

#[track_caller]
fn all_end(pids: &[String]) {
    assert_eq!(pids.len(), 2 + usize::from(cfg!(target_os = "linux")));
    let start = Instant::now();
    let is_running = |pid: &String| {
        let mut kill = Command::new("kill");
        kill.args(["-0", pid]).stderr(Stdio::null());
        kill.status().unwrap().success()
    };
    while pids.iter().any(is_running) {
        assert!(start.elapsed() < Duration::from_secs(30), "one is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_reward_program_that_hangs_does_not_hold_up_a_stop() {
    let world = World::new();
    let (child, pids) = hanging(&world);
    send("TERM", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(latest(&world, "run"), "step_000000");
    all_end(&pids);
}

#[test]
fn what_a_killed_run_has_started_ends_with_it() {
    let world = World::new();
    let (mut child, pids) = hanging(&world);
    child.kill().unwrap();
    child.wait().unwrap();
    all_end(&pids);
}

#[test]
fn a_killed_run_continues_to_the_same_bits() {
    let world = world();
    let mut child = world
        .command(&train("run", "1000000", &EVERY_2))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let metrics = world.path("run/metrics.jsonl");
    wait_until(&mut child, || {
        lines(&metrics) >= 5 && world.path("run/checkpoints/latest").exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let target = (lines(&metrics) + 2).to_string();
    world.text(&resume("run", &target));
    world.text(&train("straight", &target, &EVERY_2));
    assert_same_runs(&world, "run", "straight");
}

/// The largest file may have `bytes`: what is longer fails in the middle of being written, as on a
/// full disk, for whatever user the tests run as.
fn limited(world: &World, bytes: u64, args: &[&str]) -> std::process::Output {
    let blocks = (bytes / 512).to_string();
    let script = r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#;
    Command::new("sh")
        .args(["-c", script, "sh", &blocks, env!("CARGO_BIN_EXE_trainer")])
        .args(args)
        .current_dir(world.root())
        .output()
        .unwrap()
}

#[test]
fn without_space_the_last_checkpoint_stays_whole() {
    let world = world();
    world.text(&train("run", "2", &EVERY_2));
    let before = files_below(&world.path("run/checkpoints"));
    let size = |name: &str| before[Path::new(name)].len() as u64;
    let (weights, moments) = (
        size("step_000002/model.safetensors"),
        size("step_000002/optimizer.safetensors"),
    );
    // Once there is no room for the weights, once for what is written after them.
    for room in [weights / 2, weights.midpoint(moments)] {
        let output = limited(&world, room, &resume("run", "4"));
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert_eq!(message.matches("error: ").count(), 1, "{message}");
        assert!(
            message.contains("run/checkpoints/step_000004.tmp/"),
            "{message}"
        );
        assert_eq!(latest(&world, "run"), "step_000002");
        let after = files_below(&world.path("run/checkpoints"));
        assert!(
            after == before,
            "found {:?}",
            after.keys().collect::<Vec<_>>()
        );
    }
    world.text(&resume("run", "4"));
    world.text(&train("straight", "4", &EVERY_2));
    assert_same_runs(&world, "run", "straight");
}

#[test]
fn a_copy_that_lost_its_link_is_not_started_over() {
    let world = world();
    world.text(&train("run", "2", &EVERY_2));
    let link = world.path("run/checkpoints/latest");
    fs::remove_file(&link).unwrap();
    fs::create_dir(&link).unwrap();
    let metrics = world.read("run/metrics.jsonl");
    let refused = world.run(&resume("run", "3"));
    let message = stderr(&refused);
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains("expected a link"), "{message}");
    assert_eq!(world.read("run/metrics.jsonl"), metrics);

    fs::remove_dir(&link).unwrap();
    world.text(&resume("run", "3"));
    assert_eq!(latest(&world, "run"), "step_000003");
    world.text(&train("straight", "3", &EVERY_2));
    assert_same_runs(&world, "run", "straight");
}

#[test]
fn a_continuation_that_is_refused_leaves_the_run_as_it_was() {
    let world = world();
    world.text(&train("run", "1", &[]));
    let config = world.read("run/config.toml");
    for wrong in [["--seed", "5"], ["--set", "model.freeze=['nosuch']"]] {
        let refused = world.run(&[&resume("run", "2")[..], &wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert_eq!(world.read("run/config.toml"), config);
    }
    world.text(&resume("run", "2"));
    assert_eq!(latest(&world, "run"), "step_000002");
}

#[test]
fn what_was_learned_before_a_step_that_cannot_sample_is_saved() {
    let world = World::new();
    let row = json!({
        "conversations": [{ "role": "user", "content": "red? ".repeat(600) }],
        "answer": "yes",
    });
    world.set_row(4, &row.to_string());
    let one = ["rollout.prompts_per_step=1", "train.mini_batches=1"];
    let one = one.map(|value| ["--set", value]).concat();
    let one = [&one[..], &["--no-check"]].concat();
    let failed = world.run(&train("run", "4", &one));
    assert_eq!(failed.status.code(), Some(2), "{}", stderr(&failed));
    assert_eq!(latest(&world, "run"), "step_000003");
}

#[test]
fn a_run_that_has_nothing_to_do_says_so_and_stays_as_it_is() {
    let world = world();
    world.text(&train("run", "2", &[]));
    let config = world.read("run/config.toml");
    let output = world.run(&resume("run", "1"));
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{message}");
    assert!(
        message.contains("nothing to do: 2 steps are done, and train.steps is 1"),
        "{message}"
    );
    assert_eq!(world.read("run/config.toml"), config);
    let output = world.run(&train("none", "0", &[]));
    assert!(
        !stderr(&output).contains("checkpoint  "),
        "{}",
        stderr(&output)
    );
}
