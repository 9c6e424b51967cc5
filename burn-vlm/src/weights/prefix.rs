//! Prefixes of names that pick parts of a model.

use super::KeyMap;
use crate::error::VlmError;
use std::collections::BTreeSet;

/// The leading components of a name: `visual`, `model.layers.3`.
///
/// Components match one by one, so `model.layers.1` is not `model.layers.10`. A component `*`
/// stands for any, and `4..8` for the numbers from 4 to 7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePrefix {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    Range(usize, usize),
    Word(String),
}

impl NamePrefix {
    /// Reads a prefix; one dot at its end is allowed.
    pub fn new(text: &str) -> Self {
        // `4..8` holds the separator itself.
        const RANGE: &str = "\u{0}";
        let part = |word: &str| {
            let range = word
                .split_once(RANGE)
                .and_then(|(from, to)| Some(Part::Range(from.parse().ok()?, to.parse().ok()?)));
            match word {
                "*" => Part::Any,
                word => range.unwrap_or_else(|| Part::Word(word.replace(RANGE, ".."))),
            }
        };
        let parts = text.replace("..", RANGE);
        let parts = parts.strip_suffix('.').unwrap_or(&parts);
        Self {
            text: text.to_owned(),
            parts: parts.split('.').map(part).collect(),
        }
    }

    /// Whether `name` begins with this.
    pub fn matches(&self, name: &str) -> bool {
        let mut words = name.split('.');
        self.parts.iter().all(|part| {
            words.next().is_some_and(|word| match part {
                Part::Any => true,
                Part::Range(from, to) => word.parse().is_ok_and(|n| (*from..*to).contains(&n)),
                Part::Word(expected) => word == expected,
            })
        })
    }
}

/// Those of `paths` that begin with one of `prefixes`. A prefix is taken for one of our names if it
/// fits any, else for one of the hub's, else for one of newer files.
///
/// # Errors
/// A prefix that no name begins with; the message names the nearest. One that names only a part of
/// what is one parameter here. `key` is what the user wrote the prefix under.
pub fn select<'a>(
    paths: &[&'a str],
    prefixes: &[String],
    keys: &KeyMap,
    key: &str,
) -> Result<BTreeSet<&'a str>, VlmError> {
    let named: Vec<(&str, [Vec<String>; 3])> = paths
        .iter()
        .map(|path| (*path, keys.generations(path)))
        .collect();
    let mut selected = BTreeSet::new();
    for text in prefixes {
        let prefix = NamePrefix::new(text);
        let mut found = vec![];
        for generation in 0..3 {
            for (path, generations) in &named {
                let names = &generations[generation];
                match names.iter().filter(|name| prefix.matches(name)).count() {
                    0 => {}
                    n if n == names.len() => found.push(*path),
                    _ => {
                        return Err(VlmError::Request(format!(
                            "{key} has `{text}`, a part of {path}, which is one parameter here: \
                             expected {}",
                            names.join(" and ")
                        )));
                    }
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        if found.is_empty() {
            let names = named.iter().flat_map(|(_, names)| names.iter().flatten());
            let near = nearest(text, names.flat_map(|name| leading(name)));
            return Err(VlmError::Request(format!(
                "{key} has `{text}`, which no parameter's name begins with; nearest: {near}"
            )));
        }
        selected.extend(found);
    }
    Ok(selected)
}

/// Every leading part of a name.
fn leading(name: &str) -> impl Iterator<Item = &str> {
    let dots = name.match_indices('.').map(|(at, _)| &name[..at]);
    dots.chain([name])
}

/// The three candidates most like `text`, in backticks.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 3;
    let candidates: BTreeSet<&str> = candidates.collect();
    let mut ranked: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(text, name), name))
        .collect();
    ranked.sort_unstable();
    let shown = ranked.iter().take(SHOWN);
    shown
        .map(|(_, name)| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_match_whole() {
        let yes = |prefix: &str, name: &str| NamePrefix::new(prefix).matches(name);
        assert!(yes("visual", "visual.blocks.0.norm1.weight"));
        assert!(yes("visual.", "visual.blocks.0.norm1.weight"));
        assert!(yes("model.layers.1", "model.layers.1.mlp.up_proj.weight"));
        assert!(!yes("model.layers.1", "model.layers.10.mlp.up_proj.weight"));
        assert!(!yes("vis", "visual.blocks.0.norm1.weight"));
        assert!(!yes("model.norm.weight.x", "model.norm.weight"));
    }

    #[test]
    fn ranges_and_wildcards() {
        let prefix = NamePrefix::new("model.layers.2..4.mlp");
        let layer = |i: usize| prefix.matches(&format!("model.layers.{i}.mlp.up_proj.weight"));
        assert_eq!([1, 2, 3, 4].map(layer), [false, true, true, false]);
        assert!(!prefix.matches("model.layers.2.self_attn.q_proj.weight"));
        assert!(NamePrefix::new("*.layers.0").matches("model.layers.0.mlp.up_proj.weight"));
    }
}
