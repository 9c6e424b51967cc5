//! Paths as people write them: `~` is the home directory, also where no shell has replaced it, and
//! in a configuration file `{run}` is the directory that the file is in.

use burn_rl::config::RunConfig;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::{
    env,
    path::{Path, PathBuf, absolute},
};
use toml::{Table, Value};

/// Stands in a configuration file for the directory that the file is in.
const HERE: &str = "{run}";

/// Reads the path of an argument.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| at_home(&path))
}

/// A path with the home directory in the place of a leading `~`; as it is where there is none.
pub fn at_home(path: &Path) -> PathBuf {
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.into(),
    }
}

/// The same for every path of a run.
pub fn expand(run: &mut RunConfig) {
    for path in all(run) {
        if path.starts_with('~') {
            *path = at_home(Path::new(path)).to_string_lossy().into_owned();
        }
    }
}

/// Puts the directory of a configuration file in the place of a leading `{run}`.
pub fn at_file(table: &mut Table, file: &Path) {
    let dir = file.parent().unwrap_or(Path::new(""));
    table.iter_mut().for_each(|(_, value)| replace(value, dir));
}

fn replace(value: &mut Value, dir: &Path) {
    match value {
        Value::String(text) => {
            if let Ok(rest) = Path::new(text.as_str()).strip_prefix(HERE) {
                *text = dir.join(rest).to_string_lossy().into_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, dir)),
        Value::Table(table) => table.iter_mut().for_each(|(_, item)| replace(item, dir)),
        _ => {}
    }
}

/// The configuration as it stands in a run's directory, from where the run can be continued whatever
/// becomes of the directory and wherever one stands: paths in it begin with `{run}`, others that
/// exist are absolute, the files that reward programs are started with too.
pub fn portable(run: &RunConfig, root: &Path) -> RunConfig {
    let mut run = run.clone();
    let root = absolute(root).unwrap_or_else(|_| root.into());
    let carry = |path: &mut String| {
        let Ok(full) = absolute(path.as_str()) else {
            return;
        };
        *path = match full.strip_prefix(&root) {
            Ok(inside) => Path::new(HERE).join(inside).to_string_lossy().into_owned(),
            Err(_) if full.exists() => full.to_string_lossy().into_owned(),
            // A name on the hub.
            Err(_) => return,
        };
    };
    all(&mut run)
        .into_iter()
        .filter(|path| !path.is_empty())
        .for_each(carry);
    let programs = run
        .reward
        .parts
        .iter_mut()
        .filter_map(|part| part.options.get_mut("command"));
    for word in programs
        .filter_map(serde_json::Value::as_array_mut)
        .flatten()
    {
        if let serde_json::Value::String(word) = word
            && Path::new(word.as_str()).is_file()
        {
            carry(word);
        }
    }
    run
}

/// Every path of a run.
fn all(run: &mut RunConfig) -> Vec<&mut String> {
    let paths = [
        &mut run.model.path,
        &mut run.model.chat_template,
        &mut run.train.reference,
        &mut run.train.demonstrations.data,
        &mut run.critic.model,
        &mut run.data.train,
        &mut run.eval.data,
    ];
    let roots = run.data.picture_roots.iter_mut();
    let sets = run.data.blend.iter_mut();
    let sets = sets.flat_map(|set| [&mut set.path].into_iter().chain(&mut set.picture_roots));
    paths.into_iter().chain(roots).chain(sets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leading_tilde_is_the_home() {
        let home = PathBuf::from(env::var_os("HOME").unwrap());
        assert_eq!(at_home(Path::new("~/a/b")), home.join("a/b"));
        assert_eq!(at_home(Path::new("~")), home.join(""));
        for other in ["a/~/b", "~other/x", "./~", "", "/~"] {
            assert_eq!(at_home(Path::new(other)), Path::new(other));
        }
    }

    #[test]
    fn every_path_of_a_run_is_expanded() {
        let mut run = RunConfig::default();
        run.model.path = "~/model".into();
        run.data.train = "~/rows.jsonl".into();
        run.eval.data = "rows".into();
        expand(&mut run);
        assert!(!run.model.path.contains('~') && run.model.path.ends_with("/model"));
        assert!(!run.data.train.contains('~'));
        assert_eq!(run.eval.data, "rows");
    }

    #[test]
    fn a_run_that_was_moved_finds_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("run"), dir.path().join("rows.jsonl"));
        std::fs::write(&outside, "").unwrap();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut run = RunConfig::default();
        run.model.path = text(&root.join("base_model"));
        run.data.train = text(&outside);
        run.eval.data = "Some/Name".into();
        let kept = portable(&run, &root);
        assert_eq!(kept.model.path, "{run}/base_model");
        assert_eq!(kept.data.train, run.data.train);
        assert_eq!(kept.eval.data, "Some/Name");
        assert_eq!(kept.critic.model, "");
        let mut table = Table::try_from(&kept).unwrap();
        at_file(&mut table, Path::new("elsewhere/config.toml"));
        let moved: RunConfig = table.try_into().unwrap();
        assert_eq!(moved.model.path, "elsewhere/base_model");
    }
}
