//! The house rules that a compiler does not check: who may import whom, and how files are kept.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

#[path = "architecture/modules.rs"]
mod modules;
#[path = "architecture/tokens.rs"]
mod tokens;

use modules::Graph;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The crates that others build on, the ones with nothing below them first.
const LIBRARIES: [&str; 4] = ["burn-rewards", "burn-vlm", "run-log", "burn-rl"];

/// The application and those that only test.
const OTHERS: [&str; 4] = [
    "apps/trainer",
    "tests",
    "tests/outside",
    "tests/outside_family",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .into()
}

/// Names of the crates that `member` depends on, those for its tests aside.
fn dependencies(member: &str) -> Vec<String> {
    let path = root().join(member).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap();
    let mut section = "";
    let mut names = vec![];
    for line in text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            let table = section.strip_prefix("dependencies.");
            names.extend(table.map(str::to_owned));
        } else if section.ends_with("dependencies") && section != "dev-dependencies" {
            let name = line.split(['.', '=', ' ']).next().unwrap();
            names.push(name.to_owned());
        }
    }
    assert!(!names.is_empty(), "{} has no dependencies", path.display());
    names
}

/// Every Rust file of the workspace with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let crates = LIBRARIES.iter().chain(&["apps/trainer", "tests"]);
    let mut dirs: Vec<PathBuf> = crates.map(|name| root().join(name)).collect();
    let mut files = vec![];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().unwrap() != "target" {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(root()).unwrap().into(), text));
            }
        }
    }
    assert!(files.len() > 100, "found only {} files", files.len());
    files
}

fn is_library_source(path: &Path) -> bool {
    LIBRARIES
        .iter()
        .any(|library| path.starts_with(Path::new(library).join("src")))
}

#[test]
fn imports_go_one_way() {
    let forbidden: [(&str, &[&str]); 4] = [
        (
            "burn-rewards",
            &[
                "burn",
                "burn-vlm",
                "burn-rl",
                "trainer",
                "tokenizers",
                "safetensors",
            ],
        ),
        (
            "burn-vlm",
            &["burn-rewards", "burn-rl", "trainer", "clap", "anyhow"],
        ),
        (
            "run-log",
            &[
                "burn",
                "burn-vlm",
                "burn-rl",
                "burn-rewards",
                "trainer",
                "clap",
                "anyhow",
                "tracing-subscriber",
            ],
        ),
        (
            "burn-rl",
            &[
                "trainer",
                "clap",
                "anyhow",
                "indicatif",
                "tracing-subscriber",
                "tokenizers",
            ],
        ),
    ];
    for (member, unwanted) in forbidden {
        let found = dependencies(member);
        let wrong: Vec<&String> = found
            .iter()
            .filter(|d| unwanted.contains(&d.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{member} depends on {wrong:?}");
    }
    let used = dependencies("apps/trainer");
    for library in LIBRARIES {
        assert!(
            used.iter().any(|d| d == library),
            "the application does not use {library}"
        );
    }
}

#[test]
fn libraries_print_nothing() {
    // In pieces, so that this file does not hold what it looks for.
    let printing =
        ["print", "println", "eprint", "eprintln", "dbg"].map(|name| format!("{name}!("));
    for (path, text) in sources().iter().filter(|(path, _)| is_library_source(path)) {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for (i, line) in code.enumerate() {
            let found = printing.iter().find(|p| line.contains(p.as_str()));
            assert!(found.is_none(), "{}:{}: {line}", path.display(), i + 1);
        }
    }
}

#[test]
fn training_draws_no_page() {
    let draws = |path: &tokens::UsePath| path.starts_with(&["run_log".into(), "report".into()]);
    let examples = [
        "use run_log::{RunDir, report};",
        "use run_log::report as page;",
        "fn f() { run_log::report::write() }",
    ];
    for text in examples {
        assert!(tokens::read(text).paths.iter().any(draws), "{text}");
    }
    for (path, text) in sources() {
        if path.starts_with("burn-rl") {
            let found = tokens::read(&text).paths.into_iter().find(draws);
            assert!(found.is_none(), "{} uses {found:?}", path.display());
        }
    }
}

#[test]
fn files_stay_readable() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 800, "{} has {lines} lines", path.display());
        if path == Path::new("burn-rl/src/trainer.rs") {
            assert!(lines < 300, "the loop has {lines} lines");
        }
    }
}

#[test]
fn only_the_loop_knows_the_order_of_phases() {
    let calls_update =
        |text: &str| text.contains("learner.update(") && text.contains(".advantages(");
    for (path, text) in sources().iter().filter(|(path, _)| is_library_source(path)) {
        let is_loop = path == Path::new("burn-rl/src/trainer.rs");
        assert_eq!(calls_update(text), is_loop, "{}", path.display());
    }
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    for member in LIBRARIES.iter().chain(&OTHERS) {
        let text = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{member}");
    }
    for (path, text) in sources()
        .iter()
        .filter(|(path, _)| path.ends_with("src/lib.rs"))
    {
        if is_library_source(path) {
            assert!(
                text.contains("#![warn(missing_docs)]"),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn module_graphs_have_no_cycles() {
    for member in LIBRARIES.iter().chain(&["apps/trainer"]) {
        let graph = Graph::of_crate(&root().join(member).join("src"));
        let found = graph.cycle();
        assert!(found.is_none(), "{member}, {}", found.unwrap());
    }
}

#[test]
fn a_cycle_is_found_through_re_exports_groups_and_depth() {
    let of = |files: &[(&str, &str)]| {
        let file = |(module, text): &(&str, &str)| {
            let names = module.split('/').filter(|name| !name.is_empty());
            (names.map(str::to_owned).collect(), (*text).to_owned())
        };
        Graph::of_files(files.iter().map(file).collect()).cycle()
    };
    let lib = ("", "pub mod a; pub mod b; pub use b::Thing;");
    let uses_a = ("b", "use crate::a; pub struct Thing;");
    let cyclic = Some("in crate: a → b → a".to_owned());
    for uses_b in [
        "use crate::b::Thing;",
        "use crate::Thing;",
        "use crate::{x, b::{self, Thing as Other}};",
        "fn f(x: &crate::Thing) {}",
        "mod inner { use super::super::b; }",
    ] {
        assert_eq!(of(&[lib, ("a", uses_b), uses_a]), cyclic, "{uses_b}");
    }
    for uses_nothing in [
        "// use crate::b;",
        "const X: &str = \"crate::b\"; const Y: &str = r#\"crate::b\"#;",
        "#[cfg(test)] mod tests { use crate::b; }",
        "#[cfg(test)] pub(crate) fn f() { crate::b::g(); }",
        "mod inner { use super::x; } fn f<'a>(c: &'a char) { self::g('\"') }",
    ] {
        assert_eq!(
            of(&[lib, ("a", uses_nothing), uses_a]),
            None,
            "{uses_nothing}"
        );
    }
    // A parent and its child are one; the children are looked at beside each other.
    let parent = ("a", "mod c; mod d; use c::X; pub struct Y;");
    let (c, d) = (
        ("a/c", "use super::{Y, d::Z};"),
        ("a/d", "use crate::a::X;"),
    );
    assert_eq!(of(&[parent, c]), None);
    let inner = Some("in crate::a: c → d → c".to_owned());
    assert_eq!(of(&[parent, c, d]), inner);
    let test_file = [
        lib,
        ("a", "#[cfg(test)] mod tests;"),
        ("a/tests", "use crate::b;"),
        uses_a,
    ];
    assert_eq!(of(&test_file), None);
}
