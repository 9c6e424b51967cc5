//! Rewards that another program gives.

pub(crate) mod process;

#[cfg(feature = "http")]
pub(crate) mod http;

use serde_json::Value;

/// A number, or a verdict as 0 or 1.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        value => value.as_f64(),
    }
}

/// A piece of what was received, for error messages.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("`{}{more}`", text.trim())
}
