//! A few thousand damaged inputs of every kind: each is read or refused, and none panics. The long
//! search is `cargo run --release -p e2e --example fuzz_files -- N`.

#[path = "../fuzz/mod.rs"]
mod fuzz;

#[test]
fn damaged_inputs_are_read_or_refused() {
    for target in fuzz::TARGETS {
        fuzz::search(target, 0..target.in_ci);
    }
}
