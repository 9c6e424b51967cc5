//! From a result to an exit status: 0 done, 1 failed while running or different, 2 wrong input, 130 interrupted.

use crate::input_error::InputError;
use burn_rewards::RewardError;
use burn_rl::RlError;
use burn_vlm::VlmError;
use run_log::LogError;
use std::{io::ErrorKind, process::ExitCode};

/// The status of a comparison that found a difference, as `diff` has it.
pub const DIFFER: u8 = 1;

/// Prints the error, if any, as one message on standard error and gives the status.
pub fn code(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        // Whoever reads our output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say!("error: {}", message(&error));
            ExitCode::from(if is_input(&error) { 2 } else { 1 })
        }
    }
}

/// The error and its causes. Many errors name their cause themselves, which is then not said again.
fn message(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|e| e.downcast_ref::<std::io::Error>());
    io.is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

fn is_input(error: &anyhow::Error) -> bool {
    error.chain().any(|e| {
        e.is::<InputError>()
            || e.downcast_ref::<RewardError>()
                .is_some_and(RewardError::is_input)
            || e.downcast_ref::<RlError>().is_some_and(RlError::is_input)
            || e.downcast_ref::<LogError>().is_some_and(LogError::is_input)
            || e.downcast_ref::<VlmError>().is_some_and(VlmError::is_input)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::io;

    #[test]
    fn a_cause_is_said_once() {
        let refused = || io::Error::new(ErrorKind::PermissionDenied, "not allowed");
        let named: anyhow::Error = RlError::io("a.jsonl", refused()).into();
        assert_eq!(message(&named), "a.jsonl: not allowed");
        let wrapped: anyhow::Error = RlError::Vlm(VlmError::io("b.png", refused())).into();
        assert_eq!(
            message(&wrapped.context("row 3")),
            "row 3: b.png: not allowed"
        );
        let plain = Err::<(), _>(refused()).context("c.toml").unwrap_err();
        assert_eq!(message(&plain), "c.toml: not allowed");
    }
}
