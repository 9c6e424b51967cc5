//! The command line: see `trainer --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: trainer::allocator::Allocator = trainer::allocator::Allocator::new();

fn main() -> ExitCode {
    trainer::run()
}
