//! How much of a response is read.

/// Longest text of one answer, in bytes.
pub(crate) const MAX_SPAN: usize = 16 * 1024;
