//! Which names an option takes, asked of its type.

use serde::de::{DeserializeOwned, Error, value::MapDeserializer};
use std::fmt::{self, Display, Formatter};

/// No variant is called so.
const NO_NAME: &str = "\u{0}";

/// The names that field `name` of `T` takes where it is an enumeration; none where it is anything
/// else, or there is no such field.
///
/// ```
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "snake_case")]
/// enum Unit {
///     Tokens,
///     Characters,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct Length {
///     unit: Unit,
///     limit: usize,
/// }
///
/// assert_eq!(burn_rewards::choices::<Length>("unit"), ["tokens", "characters"]);
/// assert!(burn_rewards::choices::<Length>("limit").is_empty());
/// ```
pub fn choices<T: DeserializeOwned>(name: &str) -> Vec<&'static str> {
    let document = MapDeserializer::<_, Refusal>::new(std::iter::once((name, NO_NAME)));
    match T::deserialize(document) {
        Err(Refusal(names)) => names.to_vec(),
        Ok(_) => vec![],
    }
}

/// What a type says to a value it does not take: the names that it does.
#[derive(Debug)]
struct Refusal(&'static [&'static str]);

impl Error for Refusal {
    fn custom<M: Display>(_: M) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of {:?}", self.0)
    }
}

impl std::error::Error for Refusal {}
