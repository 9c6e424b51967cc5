//! The command line: see `trainer --help`.

use std::process::ExitCode;

/// Training allocates and frees large tensors all the time: mimalloc hands pages back less
/// eagerly than the system's allocator and saves a good part of the page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    trainer::run()
}
