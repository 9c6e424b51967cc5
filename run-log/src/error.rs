//! The one error type of this crate.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a file of a run could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's own message.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}:{line}: {message}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A directory that cannot be that of a run.
    #[error("run directory {path}: {message}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What was found and what was expected.
        message: String,
    },
}

impl LogError {
    /// Wraps an IO error with the path it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().into(),
            source,
        }
    }

    /// Whether the files that were given are at fault, rather than the system.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Line { .. } | Self::Directory { .. } => true,
            Self::Io { source, .. } => matches!(
                source.kind(),
                ErrorKind::NotFound
                    | ErrorKind::IsADirectory
                    | ErrorKind::NotADirectory
                    | ErrorKind::PermissionDenied
                    | ErrorKind::InvalidData
            ),
        }
    }
}
