//! What a run was made with.

/// Versions of this program and of Burn, as the first line of a run's `config.toml` has them.
pub fn versions() -> String {
    format!(
        "trainer {}, burn {}",
        env!("CARGO_PKG_VERSION"),
        env!("BURN_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burn_has_a_number() {
        let text = versions();
        let (_, burn) = text.split_once(", burn ").unwrap();
        assert_eq!(burn.split('.').count(), 3, "{text}");
        assert!(
            burn.starts_with(|c: char| c.is_ascii_digit()),
            "{text}: not found in Cargo.lock"
        );
    }
}
