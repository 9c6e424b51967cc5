//! The page about algorithms says what the slice says.

use burn_rl::algo::{ALGORITHMS, Settings};
use std::{fs, path::Path};

#[test]
fn the_page_has_every_algorithm_and_every_axis() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/algorithms.md");
    let page = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = page.lines().filter(|l| l.starts_with("| `")).collect();
    let row = |name: &str| {
        let start = format!("| `{name}` |");
        let found: Vec<&&str> = rows.iter().filter(|l| l.starts_with(&start)).collect();
        assert_eq!(found.len(), 1, "{name} has {} rows", found.len());
        (*found[0]).to_owned()
    };
    for entry in ALGORITHMS {
        let row = row(entry.name);
        for text in [entry.equation, entry.paper, entry.about] {
            assert!(
                row.contains(&text.replace('|', "\\|")),
                "{}: `{text}` is not in {row}",
                entry.name
            );
        }
        let axes = toml::Table::try_from(Settings::default()).unwrap();
        for (name, value) in (entry.defaults)() {
            let own = !axes.contains_key(&name);
            let different = axes.get(&name).is_some_and(|v| *v != value);
            let text = format!("`{name} = {value}`");
            assert_eq!(
                row.contains(&text),
                own || different,
                "{}: {text}\n{row}",
                entry.name
            );
        }
    }
    for name in Settings::keys() {
        row(&name);
    }
}
