//! Every recipe in `configs/` can be planned, and has a twin small enough to run.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

/// File stems of all recipes, `tiny.toml` aside, which is not one.
fn recipes() -> Vec<String> {
    let files = fs::read_dir(configs()).unwrap().map(|e| e.unwrap().path());
    let toml = files.filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let names = toml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let mut names: Vec<String> = names.filter(|name| name != "tiny").collect();
    names.sort();
    names
}

fn dry_run(name: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .arg("train")
        .arg(configs().join(format!("{name}.toml")))
        .arg("--dry-run")
        // Whatever this machine has in its cache, the plan is that of the published configuration.
        .env("HF_HUB_CACHE", "/nowhere")
        .output()
        .unwrap()
}

#[test]
fn every_recipe_is_planned_without_its_files() {
    let names = recipes();
    assert!(names.len() >= 30, "{names:?}");
    for name in names {
        let done = dry_run(&name);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {told}");
        assert!(told.contains("M parameters"), "{name}: {told}");
    }
}

#[test]
fn every_recipe_has_a_small_twin_of_the_same_algorithm() {
    let algorithm = |name: &str| {
        let resolved = String::from_utf8(dry_run(name).stdout).unwrap();
        let table: toml::Table = resolved.parse().unwrap();
        table["algo"]["name"].as_str().unwrap().to_owned()
    };
    let names = recipes();
    let large = names
        .iter()
        .filter(|name| !name.starts_with("tiny_") && !name.starts_with("demo"));
    for name in large {
        assert_eq!(
            algorithm(name),
            algorithm(&format!("tiny_{name}")),
            "{name}"
        );
    }
}

#[test]
fn a_benchmark_that_cannot_fit_is_refused_before_weights_are_drawn() {
    let done = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .arg("bench")
        .arg(configs().join("mm_eureka_qwen_7b.toml"))
        .args(["--init", "random", "--set", "rollout.max_batch=1000000"])
        .args(["--set", "rollout.prompts_per_step=1000000"])
        .env("HF_HUB_CACHE", "/nowhere")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{told}");
    assert!(told.contains("is predicted to hold"), "{told}");
}

#[test]
fn published_sizes() {
    // Parameters as the models' cards and papers count them.
    for (name, millions) in [
        ("mm_eureka_qwen_7b", 8292.2),
        ("mm_eureka_8b", 8075.4),
        ("visualthinker_sat_grpo", 2209.0),
        ("simplerl_ppo_math_7b", 7615.6),
    ] {
        let told = String::from_utf8(dry_run(name).stderr).unwrap();
        let line = told
            .lines()
            .find(|line| line.contains("M parameters"))
            .unwrap();
        let found: f64 = line
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap();
        let off = (found - millions).abs() / millions;
        assert!(off < 1e-3, "{name}: {found} M, expected {millions} M");
    }
}
