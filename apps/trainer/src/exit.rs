//! From a result to an exit status: 0 done, 1 failed while running, 2 wrong input, 130 interrupted.

use crate::input_error::InputError;
use burn_rewards::RewardError;
use burn_rl::RlError;
use burn_vlm::VlmError;
use std::{io::ErrorKind, process::ExitCode};

/// Prints the error, if any, as one message on standard error and gives the status.
pub fn code(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        // Whoever reads our output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say!("error: {error:#}");
            ExitCode::from(if is_input(&error) { 2 } else { 1 })
        }
    }
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
            || e.downcast_ref::<VlmError>().is_some_and(VlmError::is_input)
    })
}
