//! Commands that are printed, as a shell takes them.

use std::{borrow::Cow, env, ffi::OsStr};

/// A command of this program, called as it was called: one of `cargo run` is not on the search path.
pub fn own<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let program = env::args_os().next().unwrap_or_else(|| "trainer".into());
    let words = arguments.into_iter().map(|word| quoted(word.as_ref()));
    let words: Vec<String> = [quoted(&program)].into_iter().chain(words).collect();
    words.join(" ")
}

/// One word of a command, in quotes where a shell would take it for several or for more than text.
pub fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let quoted = shlex::try_quote(&word).map(Cow::into_owned);
    // Only a text with a null byte cannot be quoted, which no argument has.
    quoted.unwrap_or_else(|_| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_is_one_that_a_shell_splits_again() {
        let words = [
            "train",
            "--run-dir",
            "my runs/it's $x",
            "--set",
            "model.freeze=[]",
        ];
        let line = own(words);
        let split = shlex::split(&line).unwrap();
        assert_eq!(split[1..], words);
    }
}
