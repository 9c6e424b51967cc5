//! The binary in a directory of its own, with a tiny model and a few pictures.

pub mod tiny;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;
use trainer::demo::Split;

/// Rows of `data/train.jsonl`; a step of `tiny.toml` takes them all, in their order.
pub const ROWS: u64 = 4;

const CONFIG: &str = r#"name = "tiny"

[model]
path = "model"

[data]
train = "data/train.jsonl"
shuffle = false

[rollout]
prompts_per_step = 4
samples_per_prompt = 2

[rollout.sampling]
max_new_tokens = 4

[algo]
name = "grpo"

[train]
steps = 1
mini_batches = 2
micro_batch = 4

[optim]
lr = 1e-3

[eval]
max_new_tokens = 4
"#;

/// A reward by which responses of an untrained model differ: the length of what a program is told of
/// each, modulo 5. Before each it does what `fault.sh` says, where there is one.
pub const UNEVEN: &str = r#"
[[reward.parts]]
rule = "command"
options.command = ["sh", "-c", '''
while read -r line; do
  [ -f fault.sh ] && . ./fault.sh
  id=${line#*\"id\":}
  row=${id#*,}
  echo "{\"id\":${id%%[,\}]*},\"reward\":$((${#row} % 5))}"
done''']
"#;

/// A temporary directory that the binary runs in: `model/`, `data/train.jsonl`, `tiny.toml`.
pub struct World {
    dir: TempDir,
}

impl World {
    pub fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        tiny::write_model(&world.path("model"), 1);
        tiny::write_questions(&world.path("data"), Split::Train, ROWS);
        world.write("tiny.toml", CONFIG);
        world
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces the only occurrence of `old` in a file.
    #[track_caller]
    pub fn replace(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert_eq!(text.matches(old).count(), 1, "{old} in {name}");
        self.write(name, text.replace(old, new));
    }

    /// Replaces line `line`, from 1, of the training rows.
    pub fn set_row(&self, line: usize, row: &str) {
        let text = self.read("data/train.jsonl");
        let mut lines: Vec<&str> = text.lines().collect();
        lines[line - 1] = row;
        self.write("data/train.jsonl", lines.join("\n"));
    }

    /// The binary, to be run in this directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(args).current_dir(self.root());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of what must succeed.
    #[track_caller]
    pub fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            stderr(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every file below this directory.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files_below(self.root())
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file below `dir`, by its path from there. Links are not followed.
pub fn files_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut dirs) = (BTreeMap::new(), vec![dir.to_path_buf()]);
    while let Some(parent) = dirs.pop() {
        for entry in fs::read_dir(&parent).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_file() {
                files.insert(
                    path.strip_prefix(dir).unwrap().into(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    files
}
