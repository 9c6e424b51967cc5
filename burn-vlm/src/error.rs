//! The one error type of this crate.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// What can go wrong between a model directory, a picture or a prompt and a tensor.
///
/// Every message names the place, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VlmError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's own message.
        source: std::io::Error,
    },
    /// A configuration file is malformed, incomplete or asks for what is not supported.
    #[error("{path}: {message}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Key, value found and value expected.
        message: String,
    },
    /// Weights are missing, unused, misshapen or truncated.
    #[error("{path}: {message}")]
    Weights {
        /// The file or model directory.
        path: PathBuf,
        /// The tensors concerned.
        message: String,
    },
    /// A picture cannot be decoded or used.
    #[error("image {name}: {message}")]
    Image {
        /// Path or position of the picture.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// A tokenizer, a chat template or a prompt does not fit.
    #[error("{0}")]
    Text(String),
    /// A request that makes no sense for this model.
    #[error("{0}")]
    Request(String),
    /// What was computed is infinite or no number.
    #[error("{0}")]
    NotFinite(String),
    /// Whoever asked for completions does not want them any more.
    #[error("sampling was stopped")]
    Stopped,
}

impl VlmError {
    /// Wraps an IO error with the path it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().into(),
            source,
        }
    }

    /// Whether a file or an argument is at fault, rather than the machine.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_input(source.kind()),
            Self::NotFinite(_) | Self::Stopped => false,
            _ => true,
        }
    }

    /// A configuration error at `path`.
    pub fn config(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Config {
            path: path.as_ref().into(),
            message: message.into(),
        }
    }

    /// A weights error at `path`.
    pub fn weights(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Weights {
            path: path.as_ref().into(),
            message: message.into(),
        }
    }
}

/// Whether a file that cannot be read is the wrong file, rather than the machine's fault.
pub fn is_input(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::InvalidData
    )
}
