//! Graders by name: what is looked for in a response, and when two answers count as equal.

use serde::{Deserialize, Serialize};

use super::config::{
    ExprTarget, ExtractionMode, LatexTarget, Normalization, ParseConfig, StringTarget, Target,
};

/// A grader that users rely on. The name in a configuration file is [`Profile::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Hugging Face math-verify 0.9 with its defaults: LaTeX and plain expressions.
    #[default]
    MathVerify,
    /// math-verify with boxes before everything else.
    Boxed0,
    /// math-verify, LaTeX only, boxes first.
    Latex,
    /// math-verify, plain numbers and arithmetic only.
    Expr,
    /// math-verify, choice letters A to D only.
    Choice,
    /// verl's use of math-verify: the gold answer is taken as the content of a box.
    Verl,
    /// TRL's accuracy reward: LaTeX only, boxes first, no answer without an anchor, malformed LaTeX
    /// earns nothing.
    Trl,
    /// verl's `math_dapo`: what follows the last "Answer:", compared as a cleaned string.
    Dapo,
    /// The grader of the MATH data set: last box, compared as a cleaned string.
    Hendrycks,
    /// GSM8K: the number after `####`, or the last number.
    Gsm8k,
    /// The grader of PRM800K: strict about form (reduced fractions, integers, brackets).
    Prm800k,
    /// Qwen2.5-Math's grader, which SimpleRL uses: relative tolerance 1e-4, percent factors.
    QwenSimplerl,
}

/// The name of no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown math profile `{name}`; known: {}", Profile::names().join(", "))]
pub struct UnknownProfile {
    /// The name given.
    pub name: String,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 12] = [
        Self::MathVerify,
        Self::Boxed0,
        Self::Latex,
        Self::Expr,
        Self::Choice,
        Self::Verl,
        Self::Trl,
        Self::Dapo,
        Self::Hendrycks,
        Self::Gsm8k,
        Self::Prm800k,
        Self::QwenSimplerl,
    ];

    /// The name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Self::MathVerify => "math_verify",
            Self::Boxed0 => "boxed0",
            Self::Latex => "latex",
            Self::Expr => "expr",
            Self::Choice => "string",
            Self::Verl => "verl",
            Self::Trl => "trl",
            Self::Dapo => "dapo",
            Self::Hendrycks => "hendrycks",
            Self::Gsm8k => "gsm8k",
            Self::Prm800k => "prm800k",
            Self::QwenSimplerl => "qwen_simplerl",
        }
    }

    /// Names of all profiles.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|p| p.name()).collect()
    }

    /// The profile called `name`; `default` is another name of `math_verify`.
    ///
    /// # Errors
    /// [`UnknownProfile`], which lists the known names.
    pub fn from_name(name: &str) -> Result<Self, UnknownProfile> {
        let name = if name == "default" {
            "math_verify"
        } else {
            name
        };
        Self::ALL
            .into_iter()
            .find(|p| p.name() == name)
            .ok_or_else(|| UnknownProfile {
                name: name.to_owned(),
            })
    }

    /// What the gold answer is parsed as, for the profiles that parse.
    pub(super) fn gold_config(self) -> ParseConfig {
        match self {
            Self::Verl => as_published(vec![Target::Latex(LatexTarget::default())]),
            Self::Trl => ParseConfig::default(),
            Self::Latex => ParseConfig {
                prose: true,
                ..self.pred_config()
            },
            _ => self.pred_config(),
        }
    }

    /// What a response is parsed as, for the profiles that parse.
    pub(super) fn pred_config(self) -> ParseConfig {
        let boxed_first = || {
            Target::Latex(LatexTarget {
                boxed_match_priority: Some(0),
                ..LatexTarget::default()
            })
        };
        let expr = || Target::Expr(ExprTarget::default());
        match self {
            Self::Boxed0 => targets(vec![boxed_first(), expr()]),
            Self::Latex => as_published(vec![boxed_first()]),
            Self::Expr => as_published(vec![expr()]),
            Self::Choice => targets(vec![Target::String(StringTarget::default())]),
            Self::Verl => as_published(vec![expr(), Target::Latex(LatexTarget::default())]),
            Self::Trl => ParseConfig {
                mode: ExtractionMode::FirstMatch,
                ..as_published(vec![Target::Latex(LatexTarget {
                    try_extract_without_anchor: false,
                    boxed_match_priority: Some(0),
                    normalization: Normalization {
                        malformed_operators: false,
                        ..Normalization::default()
                    },
                })])
            },
            _ => ParseConfig::default(),
        }
    }
}

/// Targets that are looked for as the library does, and in nothing else.
fn as_published(targets: Vec<Target>) -> ParseConfig {
    ParseConfig {
        targets,
        prose: false,
        ..ParseConfig::default()
    }
}

fn targets(targets: Vec<Target>) -> ParseConfig {
    ParseConfig {
        targets,
        ..ParseConfig::default()
    }
}

impl Serialize for Profile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).map_err(serde::de::Error::custom)
    }
}

/// How values are compared; the defaults are math-verify's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Decimals to which both sides are rounded when one of them is a decimal number.
    pub float_rounding: u32,
    /// Significant digits that must agree where a decimal stands inside a larger expression.
    pub numeric_precision: u32,
    /// Whether variable names matter.
    pub strict: bool,
    /// Whether an inequality answers a gold interval (the other way round is always allowed).
    pub allow_set_relation_comp: bool,
    /// Reproduces the program that the profile is named after, faults included, as far as
    /// `docs/math-verifier.md` says.
    pub compat: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            float_rounding: 6,
            numeric_precision: 15,
            strict: true,
            allow_set_relation_comp: false,
            compat: false,
        }
    }
}
