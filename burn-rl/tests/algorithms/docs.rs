//! The page about algorithms says what the code says.
//!
//! `UPDATE_DOCS=1 cargo test -p burn-rl --test algorithms docs` writes the tables into the page.

use burn_rl::algo::{ALGORITHMS, Settings, find};
use std::{fmt::Write, fs, path::PathBuf};
use toml::{Table, Value};

fn read(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn algorithms() -> String {
    let shared = Table::try_from(Settings::default()).unwrap();
    let mut text = "| name | what differs | equation | source | own options and settings |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for entry in ALGORITHMS {
        let (own, all) = ((entry.own)(), (entry.defaults)());
        let different = all.iter().filter(|(name, value)| {
            !own.contains_key(*name) && shared.get(*name).is_none_or(|v| v != *value)
        });
        let options = own.iter().chain(different);
        let options: Vec<String> = options.map(|(n, v)| format!("`{n} = {v}`")).collect();
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            entry.name,
            cell(entry.about),
            cell(entry.equation),
            cell(entry.paper),
            options.join(", ")
        )
        .unwrap();
    }
    text
}

/// The fields of a struct in a source file, as a configuration calls them, and their documentation.
fn fields(source: &str, name: &str) -> Vec<(String, String)> {
    let start = source.find(&format!("pub struct {name} {{\n")).unwrap();
    let (mut out, mut doc, mut renamed) = (vec![], String::new(), None);
    for line in source[start..].lines().skip(1).map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc = format!("{doc} {}", text.trim()).trim().to_owned();
        } else if let Some(text) = line.strip_prefix("#[serde(rename = \"") {
            renamed = text.split('"').next().map(str::to_owned);
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|l| l.split_once(':')) {
            let field = renamed.take().unwrap_or_else(|| field.to_owned());
            out.push((field, std::mem::take(&mut doc)));
        } else if line == "}" {
            break;
        }
    }
    out
}

/// What a setting that is a choice may be: what reading another word complains of.
fn choices(name: &str) -> String {
    let bogus = Table::from_iter([(name.to_owned(), Value::String("?".into()))]);
    let message = match (find("grpo").unwrap().build)(&bogus) {
        Ok(_) => return String::new(),
        Err(error) => error.to_string(),
    };
    match message.split_once("unknown variant `?`, expected ") {
        Some((_, names)) => {
            let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
            format!(" One of `{}`.", names.join("`, `"))
        }
        None => String::new(),
    }
}

fn settings() -> String {
    let source = read("src/algo/settings.rs");
    let defaults = Table::try_from(Settings::default()).unwrap();
    let (mut text, mut listed) = (String::new(), 0);
    for (group, title) in [
        ("RewardSettings", "**Rewards**: before they are compared"),
        (
            "AdvantageSettings",
            "**Advantages**: what each token is worth",
        ),
        (
            "RatioSettings",
            "**Ratios**: how far policies are apart, and corrections for it",
        ),
        (
            "KlSettings",
            "**KL and drift**: staying near other policies",
        ),
        (
            "LossSettings",
            "**Loss**: entropy, and how tokens become one number",
        ),
        (
            "FilterSettings",
            "**Filters**: which groups are learned from",
        ),
    ] {
        writeln!(
            text,
            "{title}\n\n| setting | default | meaning |\n|---|---|---|"
        )
        .unwrap();
        let mut rows = fields(&source, group);
        if group == "RatioSettings" {
            assert_eq!(rows.pop().unwrap().0, "correction");
            rows.extend(fields(&read("src/correction/mod.rs"), "RolloutCorrection"));
        }
        for (name, meaning) in rows {
            let value = &defaults[&name];
            let choices = if value.is_str() {
                choices(&name)
            } else {
                String::new()
            };
            writeln!(text, "| `{name}` | {value} | {meaning}{choices} |").unwrap();
            listed += 1;
        }
        text.push('\n');
    }
    assert_eq!(listed, Settings::keys().len());
    text
}

#[test]
fn the_page_has_every_algorithm_and_every_setting() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/algorithms.md");
    let mut page = fs::read_to_string(&path).unwrap();
    for (name, table) in [("algorithms", algorithms()), ("settings", settings())] {
        let (begin, end) = (
            format!("<!-- {name}: begin -->\n"),
            format!("<!-- {name}: end -->"),
        );
        let (before, rest) = page.split_once(&begin).unwrap();
        let (found, after) = rest.split_once(&end).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_none() {
            let hint = "UPDATE_DOCS=1 cargo test -p burn-rl --test algorithms docs";
            assert_eq!(found, table, "{hint}");
            continue;
        }
        page = format!("{before}{begin}{table}{end}{after}");
        fs::write(&path, &page).unwrap();
    }
    let rows = |name: &str| {
        let start = format!("| `{name}` |");
        page.lines().filter(|l| l.starts_with(&start)).count()
    };
    for name in ALGORITHMS
        .iter()
        .map(|e| e.name.to_owned())
        .chain(Settings::keys())
    {
        assert_eq!(rows(&name), 1, "{name}");
    }
}
