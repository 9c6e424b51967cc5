//! What to look for in a response, and how its text is cleaned before parsing.

/// How boxed content is taken out of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxedMode {
    /// All boxes, joined by commas.
    All,
    /// The last box, and those before it that stand close.
    Last,
    /// The last box, and those before it from which nothing but commas, "and" or "or" parts it.
    Joined,
    /// Boxes are left in place.
    Keep,
}

/// Clean-up steps between extraction and parsing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalization {
    /// Drops trailing units.
    pub units: bool,
    /// Repairs `\frac12`, `\sqrt2`, `x^(2)`. Off, malformed LaTeX does not parse.
    pub malformed_operators: bool,
    /// How boxed content is taken out.
    pub boxed: BoxedMode,
}

impl Default for Normalization {
    fn default() -> Self {
        Self {
            units: true,
            malformed_operators: true,
            boxed: BoxedMode::All,
        }
    }
}

/// LaTeX environments and boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatexTarget {
    /// Whether an environment counts without "answer is" before it.
    pub try_extract_without_anchor: bool,
    /// Priority of boxes: 0 before everything, 50 after "final answer is", `None` never.
    pub boxed_match_priority: Option<u32>,
    /// Clean-up of the match.
    pub normalization: Normalization,
}

impl Default for LatexTarget {
    fn default() -> Self {
        Self {
            try_extract_without_anchor: true,
            boxed_match_priority: Some(50),
            normalization: Normalization::default(),
        }
    }
}

/// Plain numbers and arithmetic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprTarget {
    /// Whether a number counts without "answer is" before it.
    pub try_extract_without_anchor: bool,
}

impl Default for ExprTarget {
    fn default() -> Self {
        Self {
            try_extract_without_anchor: true,
        }
    }
}

/// Literal strings such as choice letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringTarget {
    /// The strings looked for.
    pub strings: Vec<String>,
    /// Whether a string counts without "answer is" before it.
    pub try_extract_without_anchor: bool,
    /// Whether what is found is lower-cased.
    pub lowercase: bool,
}

impl Default for StringTarget {
    fn default() -> Self {
        Self {
            strings: ["A", "B", "C", "D"].map(String::from).to_vec(),
            try_extract_without_anchor: true,
            lowercase: true,
        }
    }
}

/// One kind of answer to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// LaTeX environments and boxes.
    Latex(LatexTarget),
    /// Plain numbers and arithmetic.
    Expr(ExprTarget),
    /// Literal strings.
    String(StringTarget),
}

/// How far extraction goes when a match does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtractionMode {
    /// Further matches are tried until one parses.
    #[default]
    AnyMatch,
    /// Only the first match of the best priority is tried.
    FirstMatch,
}

/// What [`super::parse`] looks for. The default is math-verify's: LaTeX and plain expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseConfig {
    /// Kinds of answer, in the order of preference among equals.
    pub targets: Vec<Target>,
    /// Whether the text of the first match is kept for a comparison as a string.
    pub keep_fallback: bool,
    /// How far extraction goes when a match does not parse.
    pub mode: ExtractionMode,
    /// Whether texts are read as people write: the answer tag decides, plain formulas are read to
    /// their end, denials count, and a gold answer without delimiters is read whole.
    pub prose: bool,
    /// Python's last resort is reproduced: where a formula does not parse, the last number in the
    /// text is graded. Off by default, for a policy can exploit it.
    pub compat_last_number: bool,
}

impl ParseConfig {
    /// Whether a text without any delimiter may be a formula.
    pub(super) fn reads_statements(&self) -> bool {
        let latex = |t: &Target| matches!(t, Target::Latex(l) if l.try_extract_without_anchor);
        let expr = |t: &Target| matches!(t, Target::Expr(e) if e.try_extract_without_anchor);
        self.prose && self.targets.iter().any(latex) && self.targets.iter().any(expr)
    }

    /// The same, as the Python library reads, faults included.
    pub(crate) fn like_python(self) -> Self {
        Self {
            prose: false,
            compat_last_number: true,
            ..self
        }
    }
}

impl Default for ParseConfig {
    fn default() -> Self {
        Self {
            targets: vec![
                Target::Latex(LatexTarget::default()),
                Target::Expr(ExprTarget::default()),
            ],
            keep_fallback: true,
            mode: ExtractionMode::AnyMatch,
            prose: true,
            compat_last_number: false,
        }
    }
}
