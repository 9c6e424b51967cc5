//! Settings that differ.

use anyhow::Result;
use burn_rl::run_dir::RunDir;
use run_log::config_file;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A line for every key with another value.
pub fn differences(a: &RunDir, b: &RunDir) -> Result<Vec<String>> {
    let values = |run: &RunDir| -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        if let Some(file) = config_file::read(&run.config())? {
            flatten("", &file.values, &mut found);
        }
        Ok(found)
    };
    let (a, b) = (values(a)?, values(b)?);
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    let text = |from: &BTreeMap<String, String>, key| {
        from.get(key)
            .map_or_else(|| "not set".to_owned(), Clone::clone)
    };
    let differing = keys.into_iter().filter(|key| a.get(*key) != b.get(*key));
    Ok(differing
        .map(|key| format!("{key}: {} | {}", text(&a, key), text(&b, key)))
        .collect())
}

fn flatten(prefix: &str, table: &Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = match prefix {
            "" => key.clone(),
            prefix => format!("{prefix}.{key}"),
        };
        match value {
            Value::Table(inner) => flatten(&key, inner, into),
            value => {
                into.insert(key, value.to_string());
            }
        }
    }
}
