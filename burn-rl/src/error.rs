//! The one error type of this crate.

use burn_rewards::RewardError;
use burn_vlm::VlmError;
use run_log::LogError;
use std::path::{Path, PathBuf};

/// What can go wrong between a data file and a trained model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RlError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's own message.
        source: std::io::Error,
    },
    /// A data row cannot be used.
    #[error("{path}:{line}: {message}")]
    Data {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A configuration that makes no sense: key, what was found, what was expected.
    #[error("{0}")]
    Config(String),
    /// A checkpoint cannot be read.
    #[error("{path}: {message}")]
    Checkpoint {
        /// The file or directory.
        path: PathBuf,
        /// What was found and what was expected.
        message: String,
    },
    /// The model, a picture or a prompt.
    #[error(transparent)]
    Vlm(#[from] VlmError),
    /// A reward.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// A part of an algorithm reads what it was not given.
    #[error("the algorithm reads `{0}`, which is not there")]
    NotProvided(&'static str),
    /// A file of the run.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Training cannot go on.
    #[error("{0}")]
    Training(String),
    /// The run was asked to stop, and something was left undone.
    #[error("the run was asked to stop")]
    Stopped,
    /// One of several replicas cannot go on, and so none can.
    #[error("replica {rank} on {device}: {cause}")]
    Replica {
        /// Which.
        rank: usize,
        /// The device it is on.
        device: String,
        /// Why.
        cause: Box<RlError>,
    },
}

impl RlError {
    /// Wraps an IO error with the path it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().into(),
            source,
        }
    }

    /// Whether something was left undone because the run was asked to stop.
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Stopped | Self::Vlm(VlmError::Stopped) => true,
            Self::Replica { cause, .. } => cause.is_stopped(),
            _ => false,
        }
    }

    /// Whether the input or the configuration is at fault, rather than the run.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Data { .. }
            | Self::Config(_)
            | Self::Checkpoint { .. }
            | Self::NotProvided(_) => true,
            Self::Reward(error) => error.is_input(),
            Self::Vlm(error) => error.is_input(),
            Self::Log(error) => error.is_input(),
            Self::Io { source, .. } => burn_vlm::error::is_input(source.kind()),
            Self::Training(_) | Self::Stopped => false,
            Self::Replica { cause, .. } => cause.is_input(),
        }
    }
}
