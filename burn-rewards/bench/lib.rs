//! Benchmarks of the rewards: `cargo bench -p burn-rewards-bench`.
