//! The one error type of this crate.

/// Why a reward could not judge.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RewardError {
    /// The configuration names a rule that does not exist.
    #[error("unknown reward rule `{name}`{hint}")]
    UnknownRule {
        /// The name given.
        name: String,
        /// The nearest valid name, ready to append.
        hint: String,
    },
    /// An option has a value that makes no sense.
    #[error("reward rule `{rule}`: {message}")]
    Config {
        /// The rule.
        rule: String,
        /// What was found and what was expected.
        message: String,
    },
    /// The gold answer cannot be used by this rule.
    #[error("gold answer `{answer}` cannot be used by `{rule}`: {message}")]
    Gold {
        /// The rule.
        rule: String,
        /// The gold answer, shortened.
        answer: String,
        /// What was expected.
        message: String,
    },
    /// The input lacks what the rule looks at.
    #[error("reward rule `{rule}` needs {message}")]
    Input {
        /// The rule.
        rule: String,
        /// What is missing.
        message: String,
    },
    /// The reward says nothing about this row: it is meant for others.
    #[error("{message}")]
    NotApplicable {
        /// What does not apply to what.
        message: String,
    },
    /// A reward outside this process is down, late or answers something else than a reward.
    #[error("reward `{rule}`: {message}")]
    Service {
        /// The rule.
        rule: String,
        /// What happened, how often it was tried and what was expected.
        message: String,
    },
}

impl RewardError {
    /// The gold answer cannot be used; long answers are shortened in the message.
    pub fn gold(rule: &str, answer: &str, message: impl Into<String>) -> Self {
        const SHOWN: usize = 80;
        let mut shown: String = answer.chars().take(SHOWN).collect();
        if shown.len() < answer.len() {
            shown.push('…');
        }
        Self::Gold {
            rule: rule.into(),
            answer: shown,
            message: message.into(),
        }
    }

    /// An option or a section of the configuration makes no sense.
    pub fn config(rule: &str, message: impl Into<String>) -> Self {
        Self::Config {
            rule: rule.into(),
            message: message.into(),
        }
    }

    /// Something outside this process failed.
    pub fn service(rule: &str, message: impl Into<String>) -> Self {
        Self::Service {
            rule: rule.into(),
            message: message.into(),
        }
    }

    /// Whether the configuration or the data are at fault, rather than something that runs.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Service { .. })
    }
}
