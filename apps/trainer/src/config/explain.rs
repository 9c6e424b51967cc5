//! What is wrong with a value, in the words of someone who writes a configuration.

use super::{DemoConfig, refusal::Refusal};
use burn_rl::{algo::ALGORITHMS, config::RunConfig};
use serde_json::Value;

/// Names are suggested down to this similarity (Jaro and Winkler's, from 0 to 1).
const ALIKE: f64 = 0.7;

/// Says of the value at `path` what was found and what was expected.
pub fn explain(path: &str, refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownKey(names) => unknown_key(path, names),
        Refusal::UnknownName(found, names) => format!(
            "`{path}` is `{found}`, which is unknown{}",
            nearest(found, names.iter())
        ),
        Refusal::Wrong(found, expected) => {
            format!("`{path}` is {found}, expected {}", in_words(expected))
        }
        Refusal::Other(message) if message.starts_with(&format!("{path} ")) => message.clone(),
        Refusal::Other(message) => format!("`{path}`: {message}"),
    }
}

/// A key that is not among those of its table: the nearest of them, or one of another table.
pub fn unknown_key(path: &str, siblings: &[&str]) -> String {
    let (parent, leaf) = path.rsplit_once('.').unwrap_or(("", path));
    let mut names: Vec<String> = siblings.iter().map(|name| (*name).to_owned()).collect();
    if parent.is_empty() {
        names.push("demo".into());
    }
    let dotted = |name: &String| match parent {
        "" => name.clone(),
        _ => format!("{parent}.{name}"),
    };
    let siblings: Vec<String> = names.iter().map(dotted).collect();
    let elsewhere = known_keys()
        .into_iter()
        .filter(|k| k.rsplit('.').next() == Some(leaf))
        .min_by_key(|k| k.matches('.').count());
    match elsewhere.filter(|_| !alike(leaf, &names)) {
        Some(key) => format!("unknown key `{path}`, did you mean `{key}`?"),
        None => format!("unknown key `{path}`{}", nearest(path, siblings.iter())),
    }
}

/// `: did you mean …?` where one of the names is like the given one, else all of them.
pub fn nearest<S: AsRef<str>>(name: &str, names: impl Iterator<Item = S>) -> String {
    let names: Vec<String> = names.map(|n| n.as_ref().to_owned()).collect();
    let score = |other: &String| strsim::jaro_winkler(name.trim_matches('`'), other);
    let best = names.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    let all = format!(", expected one of: {}", names.join(", "));
    match best.filter(|best| score(best) >= ALIKE) {
        Some(best) if names.len() > 6 => format!(", did you mean `{best}`?"),
        Some(best) => format!("{all}; did you mean `{best}`?"),
        None => all,
    }
}

fn alike(name: &str, names: &[String]) -> bool {
    names
        .iter()
        .any(|other| strsim::jaro_winkler(name, other) >= 0.9)
}

/// What a type is called here that serde names as Rust does.
fn in_words(expected: &str) -> &str {
    match expected {
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "a boolean" => "true or false",
        other => other.strip_prefix("struct ").map_or(other, |_| "a table"),
    }
}

/// The default configuration as JSON: the tree of all keys.
pub fn default_tree() -> Value {
    // Through text, because numbers of 32 bits keep their short form only there.
    let json = |text: Result<String, serde_json::Error>| {
        text.and_then(|t| serde_json::from_str::<Value>(&t))
            .unwrap_or_default()
    };
    let mut tree = json(serde_json::to_string(&RunConfig::default()));
    tree["demo"] = json(serde_json::to_string(&DemoConfig::default()));
    tree
}

/// Every key, dotted; options of algorithms are those of the built-in ones.
fn known_keys() -> Vec<String> {
    fn walk(prefix: &str, value: &Value, keys: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let key = format!("{prefix}{name}");
            walk(&format!("{key}."), value, keys);
            keys.push(key);
        }
    }
    let mut keys = vec![];
    walk("", &default_tree(), &mut keys);
    let options = ALGORITHMS
        .iter()
        .flat_map(|a| (a.defaults)().into_iter().map(|(name, _)| name));
    keys.extend(options.map(|name| format!("algo.{name}")));
    keys
}
