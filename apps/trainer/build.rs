//! Tells the program which Burn it is built with, as `Cargo.lock` has it.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let manifest = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = Path::new(&manifest)
        .ancestors()
        .map(|dir| dir.join("Cargo.lock"))
        .find(|file| file.is_file());
    let version = lock.and_then(|file| {
        println!("cargo:rerun-if-changed={}", file.display());
        locked(&fs::read_to_string(file).ok()?, "burn")
    });
    let version = version.unwrap_or_else(|| "of an unknown version".into());
    println!("cargo:rustc-env=BURN_VERSION={version}");
}

/// The version of a package: the line after its name.
fn locked(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}
