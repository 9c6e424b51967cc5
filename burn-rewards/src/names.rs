//! Suggestions for names that were mistyped.

/// Names are suggested down to this similarity (Jaro and Winkler's, from 0 to 1).
const ALIKE: f64 = 0.7;

/// The name that is most like the given one, if any is.
pub(crate) fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |other: &str| strsim::jaro_winkler(name, other);
    let best = names
        .into_iter()
        .max_by(|a, b| score(a).total_cmp(&score(b)));
    best.filter(|best| score(best) >= ALIKE)
}

/// `, did you mean …?` where one of the names is like the given one, else all of them.
pub(crate) fn hint<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match near(name, names.iter().copied()) {
        Some(best) => format!(", did you mean `{best}`?"),
        None if names.is_empty() => ", none is expected".into(),
        None => format!(", expected one of: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn the_nearest_name_or_all() {
        let names = ["math", "length", "answer_exact"];
        assert_eq!(hint("lenght", names), ", did you mean `length`?");
        assert_eq!(
            hint("xyz", names),
            ", expected one of: math, length, answer_exact"
        );
        assert_eq!(hint("x", []), ", none is expected");
    }
}
