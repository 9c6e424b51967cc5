//! The canonical form of expressions.

pub mod arena;
mod calculus;
mod functions;
pub mod lower;
mod matrix;
mod power;

pub use arena::{Arena, Id, NameId, Node};
pub use lower::Lowering;
