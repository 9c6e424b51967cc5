//! The long search for inputs that panic: `fuzz_files N [TARGET] [FIRST]` tries N inputs of every target,
//! or of those whose name begins so, and says how many a second; 0 is as many as every test run.

#[path = "../fuzz/mod.rs"]
mod fuzz;

use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, other: u64| args.get(i).map_or(Some(other), |text| text.parse().ok());
    let (Some(asked), Some(first)) = (number(0, 0), number(2, 0)) else {
        eprintln!("usage: fuzz_files N [TARGET] [FIRST]");
        std::process::exit(2);
    };
    let wanted = args.get(1).map_or("", String::as_str);
    // A panic that is found says itself what it was; those that are caught need no trace each.
    for target in fuzz::TARGETS.iter().filter(|t| t.name.starts_with(wanted)) {
        let count = if asked == 0 { target.in_ci } else { asked };
        let start = Instant::now();
        fuzz::search(target, first..first + count);
        let rate = count as f64 / start.elapsed().as_secs_f64();
        println!(
            "{}: {count} inputs without a panic, {rate:.0} a second",
            target.name
        );
    }
}
