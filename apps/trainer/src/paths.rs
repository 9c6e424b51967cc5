//! Paths as people write them: `~` is the home directory, also where no shell has replaced it.

use burn_rl::config::RunConfig;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::{
    env,
    path::{Path, PathBuf},
};

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
    for path in paths.into_iter().chain(roots).chain(sets) {
        if path.starts_with('~') {
            *path = at_home(Path::new(path)).to_string_lossy().into_owned();
        }
    }
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
}
