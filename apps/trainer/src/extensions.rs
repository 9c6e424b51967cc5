//! What a program built on this one brings along.

use burn_rewards::Registry;
use std::sync::OnceLock;

/// Parts of a program's own, known under their names in configurations, on the command line and in
/// the lists beside those that are built in.
#[derive(Clone, Default)]
pub struct Extensions {
    /// Reward rules: `Registry::builtin()` with more.
    pub rewards: Registry,
}

/// Those of this program, from before its command runs.
static OWN: OnceLock<Extensions> = OnceLock::new();

impl Extensions {
    /// Makes them those of this program, unless it has some already.
    pub(crate) fn install(self) {
        let _ = OWN.set(self);
    }
}

/// The reward rules that may be named.
pub fn rewards() -> &'static Registry {
    &OWN.get_or_init(Extensions::default).rewards
}
