//! Evaluation of lowered expressions in several number domains: modulo a prime, in doubles with an
//! error bound, and at 192 bits with an error bound.

pub mod big;
pub mod c64;
pub mod modp;
pub mod walk;
