//! One program for all tests: each of its own would be linked with everything again.

mod benchmarks;
mod boxes;
mod chat_judge;
mod command;
mod conditions;
mod formats;
mod golden;
mod hostile;
mod http;
mod math_golden;
mod math_kinds;
mod math_limits;
mod math_properties;
mod register;
mod rule_kinds;
mod server;
mod table;
