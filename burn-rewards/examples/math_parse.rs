//! Reads each line of standard input as a response and prints how its answer is read.
//!
//! `echo 'so the answer is $\frac{1}{2}$' | cargo run -p burn-rewards --example math_parse`

use std::io::BufRead;

use burn_rewards::math::{ParseConfig, parse};

fn main() {
    let config = ParseConfig::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let parsed = parse(&line, &config);
        println!("{line}");
        for value in &parsed.values {
            println!("    {value}");
        }
        if let Some(fallback) = parsed.fallback {
            println!("    as text: {fallback}");
        }
        if let Some(reason) = parsed.reason {
            println!("    {reason}");
        }
    }
}
