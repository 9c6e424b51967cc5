//! Writes the report of a run again: `cargo run -p run-log --example report -- runs/demo`.

use run_log::{LogError, RunDir, report::write_report};

fn main() -> Result<(), LogError> {
    let dir = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "runs/demo".into());
    let path = write_report(&RunDir::read(dir)?, &|path| std::fs::read(path))?;
    println!("{}", path.display());
    Ok(())
}
