//! [`Verifier`]: a gold answer and a response in, an [`Outcome`] out.

use serde::Serialize;

use super::config::Target;
use super::decide::{self, Decision};
use super::verdict::{Outcome, Reason, Verdict};
use super::{Expr, Normalization, Options, ParseConfig, Parsed, Profile, Unparsed, graders, parse};
use super::{choice, plain, quantity, scope, statement};
use crate::extract::stated;

/// Letters that options have.
const LETTERS: &str = "ABCDEFGHJ";

/// An outcome with what was read on both sides, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The outcome.
    pub outcome: Outcome,
    /// Readings of the gold answer, best first.
    pub gold_parsed: Vec<String>,
    /// Readings of the answer in the response, best first.
    pub pred_parsed: Vec<String>,
}

/// A gold answer, parsed once and used for every response of its prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Gold {
    pub(super) text: String,
    pub(super) parsed: Parsed,
    /// Whether all of the text is one formula without delimiters.
    pub(super) is_bare: bool,
}

impl Gold {
    /// Whether the gold answer is words: no formula was read.
    pub(crate) fn is_words(&self) -> bool {
        self.is_bare && matches!(self.parsed.values[..], [Expr::Text(_)])
    }
}

/// The gold answer holds nothing the profile can compare with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gold answer `{text}` cannot be used: {reason}")]
pub struct GoldError {
    /// The gold answer.
    pub text: String,
    /// What is wrong with it.
    pub reason: Unparsed,
}

/// A grader. Cheap to build, immutable, usable from any thread; the same input gives the same
/// outcome everywhere.
///
/// ```
/// use burn_rewards::math::{Profile, Verifier};
///
/// let verifier = Verifier::new(Profile::MathVerify);
/// assert!(verifier.verify("$\\frac{1}{2}$", "The answer is $0.5$.").is_equal());
///
/// let gold = verifier.parse_gold("$x^2+2x+1$")?;
/// assert!(verifier.verify_gold(&gold, "So $\\boxed{(x+1)^2}$").is_equal());
/// # Ok::<(), burn_rewards::math::GoldError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Verifier {
    profile: Profile,
    options: Options,
    gold_config: ParseConfig,
    pred_config: ParseConfig,
}

impl Verifier {
    /// The grader of `profile` with its defaults.
    pub fn new(profile: Profile) -> Self {
        Self::with_options(profile, Options::default())
    }

    /// The grader of `profile` with other comparison options. The options matter to the profiles
    /// of math-verify only; the other graders have fixed rules.
    pub fn with_options(profile: Profile, options: Options) -> Self {
        let config = |config: ParseConfig| match options.compat {
            true => config.like_python(),
            false => config,
        };
        Self {
            profile,
            gold_config: config(profile.gold_config()),
            pred_config: config(profile.pred_config()),
            options,
        }
    }

    /// math-verify with an extraction of one's own for each side.
    pub fn custom(gold: ParseConfig, pred: ParseConfig, options: Options) -> Self {
        Self {
            profile: Profile::MathVerify,
            options,
            gold_config: gold,
            pred_config: pred,
        }
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Parses a gold answer.
    ///
    /// # Errors
    /// [`GoldError`] if it holds nothing to compare with; what follows from that is the caller's
    /// policy.
    pub fn parse_gold(&self, text: &str) -> Result<Gold, GoldError> {
        let error = |reason| GoldError {
            text: text.to_owned(),
            reason,
        };
        if graders::is_string_grader(self.profile) {
            if text.trim().is_empty() {
                return Err(error(Unparsed::NoMatch));
            }
            return Ok(Gold {
                text: text.to_owned(),
                parsed: Parsed::default(),
                is_bare: false,
            });
        }
        let data = self.gold_as_data(text);
        let is_bare = data.is_some();
        let mut parsed = data.unwrap_or_else(|| self.parse_side(text, true));
        if quantity::is_time(&parsed.values) {
            // It could also be read as a ratio, which nobody means.
            parsed.values.truncate(1);
        }
        if parsed.values.is_empty() && parsed.literal.is_none() && parsed.fallback.is_none() {
            return Err(error(parsed.reason.unwrap_or(Unparsed::NoMatch)));
        }
        Ok(Gold {
            text: text.to_owned(),
            parsed,
            is_bare,
        })
    }

    /// A gold answer without delimiters, read whole: as a formula, else as words. What holds
    /// delimiters is searched like a response, what is no formula must be met letter by letter.
    fn gold_as_data(&self, text: &str) -> Option<Parsed> {
        let latex = |t: &Target| matches!(t, Target::Latex(_));
        let wrapped = self.profile == Profile::Verl;
        if wrapped || !self.gold_config.prose || !self.gold_config.targets.iter().any(latex) {
            return None;
        }
        let text = plain::folded(text);
        let text = scope::deciding(&text);
        if statement::delimited(text) {
            return None;
        }
        let reading = statement::read(text, &Normalization::default())
            .or_else(|| statement::read_words(text))?;
        Some(Parsed::of(reading))
    }

    fn parse_side(&self, text: &str, gold: bool) -> Parsed {
        match (gold, self.profile) {
            (true, Profile::Verl) => parse(&format!("\\boxed{{{text}}}"), &self.gold_config),
            (true, _) => parse(text, &self.gold_config),
            (false, _) => parse(text, &self.pred_config),
        }
    }

    /// The response read whole, for a profile that reads formulas without an anchor and no
    /// running text.
    fn response_as_data(&self, text: &str) -> Option<Parsed> {
        let free = |t: &Target| matches!(t, Target::Latex(l) if l.try_extract_without_anchor);
        if self.profile != Profile::Latex || !self.pred_config.targets.iter().any(free) {
            return None;
        }
        statement::read(text, &Normalization::default()).map(Parsed::of)
    }

    /// Whether `response` answers `gold`.
    pub fn verify_gold(&self, gold: &Gold, response: &str) -> Outcome {
        if graders::is_string_grader(self.profile) {
            return graders::grade(self.profile, &gold.text, response, self.options.compat);
        }
        let outcome = self.compare(gold, &self.parse_side(response, false));
        if outcome.is_equal() || !gold.is_bare {
            return outcome;
        }
        // `B. 12 cm` answers the option B.
        let option = choice::single(&gold.text, LETTERS);
        if option.is_some() && choice::label(stated(response), LETTERS) == option {
            return Outcome::new(Verdict::Equal, Reason::SameString);
        }
        // A response may be written as the gold answer is.
        match self.response_as_data(response) {
            Some(pred) => self.compare(gold, &pred),
            None => outcome,
        }
    }

    fn compare(&self, gold: &Gold, pred: &Parsed) -> Outcome {
        let Decision { verdict, reason } =
            decide::answers(&gold.parsed, gold.is_bare, pred, &self.options);
        Outcome::new(verdict, reason)
    }

    /// Whether `response` answers the gold answer `gold`.
    pub fn verify(&self, gold: &str, response: &str) -> Outcome {
        match self.parse_gold(gold) {
            Ok(gold) => self.verify_gold(&gold, response),
            Err(_) => Outcome::new(Verdict::GoldUnparsed, Reason::GoldUnparsed),
        }
    }

    /// [`Verifier::verify`] with the readings of both sides.
    pub fn explain(&self, gold: &str, response: &str) -> Explanation {
        let readings = |text: &str, is_gold: bool| {
            if graders::is_string_grader(self.profile) {
                return vec![graders::reading(self.profile, text, is_gold)];
            }
            let data = is_gold.then(|| self.gold_as_data(text)).flatten();
            let parsed = data.unwrap_or_else(|| self.parse_side(text, is_gold));
            let values = parsed.values.iter().map(|v| v.to_string());
            values
                .chain(parsed.literal.clone())
                .chain(parsed.fallback.clone())
                .collect()
        };
        Explanation {
            outcome: self.verify(gold, response),
            gold_parsed: readings(gold, true),
            pred_parsed: readings(response, false),
        }
    }
}
