//! Finding the answer in a response.
//!
//! Priorities, best first, as math-verify has them:
//!
//! | priority | what |
//! |---|---|
//! | 0 | `final answer is X. I hope` |
//! | box | `\boxed{X}`, at the priority the target gives |
//! | 50 | `final answer … is X` |
//! | 100 | `answer: … X` |
//! | 200 | `answer … X` |
//! | 250 | a literal at the very start |
//! | 300 | any environment, number or literal |
//!
//! Within one priority the match that ends last is tried first, of those the longest. The search
//! stops at the first match that parses; a box that does not parse ends it without a value.

mod anchor;
mod boxed;
mod collect;
mod env;
mod number;
mod prose;
mod read;
mod run;
mod string;
#[cfg(test)]
mod tests;

use anchor::{Anchor, anchors, hope_follows, window};
use collect::{after_equals, collect_literals, collect_values, first_value, window_start};
use env::{Joined, Scanner};
use number::{Boundary, Plain, plain_text, value_at};
use read::{as_percent, read_envs};
use string::{Literal, bare_at, literal_at};

use super::config::{
    ExprTarget, ExtractionMode, LatexTarget, Normalization, ParseConfig, StringTarget, Target,
};
use super::formula::{self, Reading};
use super::limits::MAX_SPAN;
use super::parsed::{Parsed, Unparsed};
use super::{claim, plain, scope, statement};

/// Longest text searched, in bytes.
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// Most matches parsed before the search is given up.
const MAX_ATTEMPTS: usize = 48;

/// First window of plain numbers searched, from the end; it doubles until it reaches the start.
const FIRST_WINDOW: usize = 2048;

/// Finds and parses the answer of `text`.
pub(crate) fn extract(text: &str, config: &ParseConfig) -> Parsed {
    if text.len() > MAX_TEXT {
        return Parsed::none(Unparsed::Limit);
    }
    if !config.prose {
        return search(text, config);
    }
    let text = plain::folded(text);
    let text = scope::deciding(&text);
    if let [Target::String(target)] = &config.targets[..] {
        return string::option(text, target).unwrap_or_else(|| search(text, config));
    }
    let statements = config.reads_statements();
    let statement = || statement::read(text, &Normalization::default());
    if statements && let Some(reading) = statement() {
        return Parsed::of(reading);
    }
    let parsed = search(text, config);
    let nothing = statements && parsed.reason == Some(Unparsed::NoMatch);
    match nothing.then(|| anchor::said(text)).flatten() {
        Some(words) => statement::read(words, &Normalization::default())
            .or_else(|| statement::read_words(words))
            .map_or(parsed, Parsed::of),
        None => parsed,
    }
}

fn search(text: &str, config: &ParseConfig) -> Parsed {
    let mut search = Search::new(text, config);
    search.run();
    search.into_parsed()
}

/// One match.
enum Candidate {
    Envs(Joined),
    Box(boxed::BoxMatch),
    Plain(Plain),
    Literal(Literal),
}

struct Found {
    start: usize,
    end: usize,
    candidate: Candidate,
    /// Where the words that announce it end.
    announced: Option<usize>,
}

struct Search<'a> {
    text: &'a str,
    config: &'a ParseConfig,
    latex: Option<&'a LatexTarget>,
    expr: Option<&'a ExprTarget>,
    string: Option<&'a StringTarget>,
    scanner: Scanner<'a>,
    /// Whether the text is read as people write.
    prose: bool,
    /// Spans of formulas that did not parse: no number is taken from inside them.
    failed: Vec<(usize, usize)>,
    attempts: usize,
    parsed: Parsed,
    error: Unparsed,
    done: bool,
}

impl<'a> Search<'a> {
    fn new(text: &'a str, config: &'a ParseConfig) -> Self {
        let mut search = Self {
            text,
            config,
            latex: None,
            expr: None,
            string: None,
            scanner: Scanner::new(text),
            prose: config.prose,
            failed: Vec::new(),
            attempts: 0,
            parsed: Parsed::default(),
            error: Unparsed::NoMatch,
            done: false,
        };
        for target in &config.targets {
            match target {
                Target::Latex(latex) => search.latex = search.latex.or(Some(latex)),
                Target::Expr(expr) => search.expr = search.expr.or(Some(expr)),
                Target::String(string) => search.string = search.string.or(Some(string)),
            }
        }
        search
    }

    fn into_parsed(self) -> Parsed {
        let mut parsed = self.parsed;
        if parsed.values.is_empty() && parsed.literal.is_none() {
            parsed.reason = Some(self.error);
        }
        if !self.config.keep_fallback {
            parsed.fallback = None;
        }
        parsed
    }

    fn run(&mut self) {
        let anchors = anchors(self.text);
        let box_priority = self
            .latex
            .and_then(|latex| latex.boxed_match_priority)
            .filter(|_| boxed::first_box(self.text, self.prose).is_some());
        let mut boxed = box_priority;
        for priority in [0, 50, 100, 200] {
            // A box of a priority between two levels stands alone.
            if let Some(at) = boxed
                && at < priority
            {
                boxed = None;
                self.attempt_all(Vec::new(), true);
            }
            let with_box = boxed == Some(priority);
            if with_box {
                boxed = None;
            }
            let found = if anchors.is_empty() {
                Vec::new()
            } else {
                self.anchored(&anchors, priority)
            };
            if with_box || !found.is_empty() {
                self.attempt_all(found, with_box);
            }
            if self.done {
                return;
            }
        }
        if boxed.is_some() {
            self.attempt_all(Vec::new(), true);
        }
        if !self.done {
            self.at_start();
        }
        if !self.done {
            self.anywhere();
        }
    }

    /// Matches of one anchored priority.
    fn anchored(&mut self, anchors: &[Anchor], priority: u32) -> Vec<Found> {
        let mut found = Vec::new();
        for anchor in anchors {
            match priority {
                0 => {
                    if let Some(at) = anchor.directly_is(self.text) {
                        self.found_at(at, anchor.start, &mut found, true);
                    }
                }
                50 if anchor.is_final => {
                    for at in anchor.after_is(self.text) {
                        let before = found.len();
                        self.found_at(at, anchor.start, &mut found, false);
                        if found.len() > before {
                            break;
                        }
                    }
                }
                100 => {
                    if let Some(at) = anchor.colon(self.text) {
                        self.found_after(at, anchor.start, &mut found);
                    }
                }
                200 => self.found_after(anchor.end, anchor.start, &mut found),
                _ => {}
            }
        }
        found
    }

    /// Matches right at `at`, after spaces; with `hope`, only before "I hope".
    fn found_at(&mut self, at: usize, start: usize, found: &mut Vec<Found>, hope: bool) {
        let text = self.text;
        let skipped = text
            .get(at..)
            .map_or(at, |rest| text.len() - rest.trim_start().len());
        let keep = |end: usize| !hope || hope_follows(text, end);
        if self.latex.is_some() && skipped < text.len() {
            let joined = self.scanner.joined_at(skipped).or_else(|| {
                (skipped > at)
                    .then(|| self.scanner.joined_at(skipped - 1))
                    .flatten()
            });
            if let Some(joined) = joined
                && keep(joined.end())
            {
                found.push(Found {
                    start,
                    end: joined.end(),
                    candidate: Candidate::Envs(joined),
                    announced: Some(at),
                });
            }
        }
        if self.expr.is_some() {
            // The space before a value is its boundary.
            let from = if skipped > at { skipped - 1 } else { at };
            let plain = (from < text.len() && text.is_char_boundary(from))
                .then(|| value_at(text, from, self.boundary()))
                .flatten();
            if let Some(plain) = plain
                && keep(plain.end)
            {
                found.push(Found {
                    start,
                    end: plain.end,
                    candidate: Candidate::Plain(plain),
                    announced: Some(at),
                });
            }
        }
        if let Some(target) = self.string
            && let Some(literal) = bare_at(text, start, skipped, target, false)
            && keep(literal.end)
        {
            found.push(Found {
                start,
                end: literal.end,
                candidate: Candidate::Literal(literal),
                announced: Some(at),
            });
        }
    }

    /// The first matches within fifty characters of `from`; a number after the last equals sign
    /// within a hundred comes before that.
    fn found_after(&mut self, from: usize, start: usize, found: &mut Vec<Found>) {
        let text = self.text;
        let near = window(text, from, 50);
        if self.latex.is_some() {
            let bytes = text.as_bytes();
            let joined = near
                .clone()
                .filter(|at| Scanner::may_start(bytes[*at]))
                .find_map(|at| self.scanner.joined_at(at));
            if let Some(joined) = joined {
                found.push(Found {
                    start,
                    end: joined.end(),
                    candidate: Candidate::Envs(joined),
                    announced: Some(from),
                });
            }
        }
        // Without LaTeX in the pattern a line ends the search.
        let line = text[from..].find('\n').map_or(text.len(), |len| from + len);
        if self.expr.is_some() {
            let loose = self.boundary();
            let plain = after_equals(text, from, line, loose)
                .or_else(|| first_value(text, near.start..near.end.min(line + 1), loose));
            if let Some(plain) = plain {
                found.push(Found {
                    start,
                    end: plain.end,
                    candidate: Candidate::Plain(plain),
                    announced: Some(from),
                });
            }
        }
        if let Some(target) = self.string {
            let literal = (near.start..near.end.min(line + 1))
                .filter(|at| text.as_bytes()[*at].is_ascii_whitespace())
                .find_map(|at| literal_at(text, at, target));
            if let Some(literal) = literal {
                found.push(Found {
                    start,
                    end: literal.end,
                    candidate: Candidate::Literal(literal),
                    announced: Some(from),
                });
            }
        }
    }

    /// Tries matches of one priority, the last first; with `with_box`, the box among them.
    fn attempt_all(&mut self, mut found: Vec<Found>, with_box: bool) {
        if with_box {
            for matched in boxed::matches(self.text, &mut self.scanner, self.prose) {
                found.push(Found {
                    start: matched.start,
                    end: matched.end,
                    candidate: Candidate::Box(matched),
                    announced: None,
                });
            }
        }
        found.sort_by(|a, b| b.end.cmp(&a.end).then(a.start.cmp(&b.start)));
        for each in found {
            self.attempt(&each);
            if self.done {
                return;
            }
        }
    }

    /// Where a number may begin in running text.
    fn boundary(&self) -> Boundary {
        match self.prose {
            true => Boundary::Any,
            false => Boundary::Space,
        }
    }

    /// A literal at the very start.
    fn at_start(&mut self) {
        let Some(target) = self.string else {
            return;
        };
        if target.try_extract_without_anchor
            && let Some(literal) = bare_at(self.text, 0, 0, target, true)
        {
            self.attempt(&Found {
                start: literal.start,
                end: literal.end,
                candidate: Candidate::Literal(literal),
                announced: None,
            });
        }
    }

    /// Any environment, number or literal, the last first.
    fn anywhere(&mut self) {
        let text = self.text;
        if self
            .expr
            .is_some_and(|expr| expr.try_extract_without_anchor)
            && let Some(body) = prose::whole_formula(text)
        {
            let reading = formula::read(body, &Normalization::default());
            self.accept(reading, false, None);
            if self.done {
                return;
            }
        }
        let mut envs = self.all_envs();
        let numbers = self
            .expr
            .is_some_and(|expr| expr.try_extract_without_anchor);
        let literals = self
            .string
            .filter(|target| target.try_extract_without_anchor);
        let mut window_end = text.len() + 1;
        let mut size = FIRST_WINDOW;
        while window_end > 0 && !self.done {
            let window_start = window_start(text, window_end.saturating_sub(size));
            let mut found = Vec::new();
            while envs
                .last()
                .is_some_and(|joined| joined.end() >= window_start || window_start == 0)
            {
                if let Some(joined) = envs.pop() {
                    found.push(Found {
                        start: joined.start,
                        end: joined.end(),
                        candidate: Candidate::Envs(joined),
                        announced: None,
                    });
                }
            }
            let range = window_start..window_end.min(text.len());
            if numbers {
                collect_values(text, range.clone(), self.boundary(), &mut found);
            }
            if let Some(target) = literals {
                collect_literals(text, range, target, &mut found);
            }
            found.sort_by(|a, b| b.end.cmp(&a.end).then(a.start.cmp(&b.start)));
            for each in found {
                self.attempt(&each);
                if self.done {
                    return;
                }
            }
            if !numbers && literals.is_none() && envs.is_empty() {
                return;
            }
            window_end = window_start;
            size *= 2;
        }
    }

    fn all_envs(&mut self) -> Vec<Joined> {
        let mut envs = Vec::new();
        let Some(latex) = self.latex else {
            return envs;
        };
        if !latex.try_extract_without_anchor {
            return envs;
        }
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            let plausible = match byte {
                b'$' => true,
                b'\\' => matches!(bytes.get(at + 1), Some(b'[' | b'(' | b'f')),
                b'-' => bytes.get(at + 1) == Some(&b'\\'),
                b' ' | b'\n' | b'\t' => bytes.get(at + 1) == Some(&b'['),
                _ => false,
            };
            match plausible.then(|| self.scanner.joined_at(at)).flatten() {
                Some(joined) => {
                    at = joined.end().max(at + 1);
                    if envs.len() == 2 * MAX_ATTEMPTS {
                        // Only the last can be tried.
                        envs.drain(..MAX_ATTEMPTS);
                    }
                    envs.push(joined);
                }
                None => at += 1,
            }
        }
        envs
    }

    /// Parses one match; sets `done` when the search is over.
    fn attempt(&mut self, found: &Found) {
        self.attempts += 1;
        if self.attempts > MAX_ATTEMPTS {
            self.error = Unparsed::Limit;
            self.done = true;
            return;
        }
        if self.prose && self.is_refused(found) {
            return;
        }
        match &found.candidate {
            Candidate::Literal(literal) => self.attempt_literal(literal),
            Candidate::Plain(plain) => self.attempt_plain(plain, found.announced),
            Candidate::Envs(joined) => {
                let Some(latex) = self.latex else {
                    return;
                };
                let reading = read_envs(self.text, joined, &latex.normalization);
                let span = (joined.start, joined.end());
                self.accept(reading, false, Some(span));
            }
            Candidate::Box(matched) => {
                let Some(latex) = self.latex else {
                    return;
                };
                let reading = matched.read(self.text, &latex.normalization);
                let span = (matched.start, matched.end);
                self.accept(reading, true, Some(span));
            }
        }
    }

    fn attempt_literal(&mut self, literal: &Literal) {
        let Some(target) = self.string else {
            return;
        };
        let string = &target.strings[literal.index];
        if self.parsed.fallback.is_none() {
            self.parsed.fallback = Some(string.clone());
        }
        self.parsed.literal = Some(if target.lowercase {
            string.to_lowercase()
        } else {
            string.clone()
        });
        self.done = true;
    }

    fn attempt_plain(&mut self, plain: &Plain, announced: Option<usize>) {
        let inside = |(from, to): &(usize, usize)| plain.from < *to && plain.to > *from;
        if !self.config.compat_last_number && self.failed.iter().any(inside) {
            return;
        }
        let normalization = Normalization::default();
        if self.prose && self.attempt_run(plain, announced) {
            return;
        }
        let reading = match prose::equation(self.text, plain.from, plain.to) {
            Some(equation) if !plain.expression && !self.config.compat_last_number => {
                formula::read(equation, &normalization)
            }
            _ if plain.to - plain.from > MAX_SPAN => {
                self.error = Unparsed::Limit;
                return;
            }
            _ => {
                let text = plain_text(self.text, plain);
                let mut reading = formula::read(&text, &normalization);
                if plain.percent {
                    reading.values = reading.values.map(as_percent);
                }
                reading
            }
        };
        self.accept(reading, false, None);
    }

    /// Whether words beside a match take it back or bound it; then the search is over, unless it
    /// is the second half of ", not 43".
    fn is_refused(&mut self, found: &Found) -> bool {
        let text = self.text;
        let (from, to) = match &found.candidate {
            Candidate::Plain(plain) => {
                let run = self.run_around(plain, found.announced);
                (run.from, run.to)
            }
            Candidate::Envs(joined) => (joined.start, joined.end()),
            Candidate::Box(matched) => (matched.last_start, matched.last_end),
            Candidate::Literal(literal) => (literal.start, literal.end),
        };
        let denied = found
            .announced
            .is_some_and(|at| claim::denied_between(text, at, from));
        let is_box = matches!(found.candidate, Candidate::Box(_));
        let refused =
            denied || claim::refused_before(text, from, is_box) || claim::refused_after(text, to);
        if refused && !claim::is_contrast(text, from) {
            self.error = Unparsed::Syntax;
            self.done = true;
        }
        refused
    }

    fn run_around(&self, plain: &Plain, announced: Option<usize>) -> run::Run {
        let floor = announced.unwrap_or(0);
        run::around(self.text, plain.from, plain.to, floor, announced.is_some())
    }

    /// Reads the formula around a number; `false` if the number is all there is.
    fn attempt_run(&mut self, plain: &Plain, announced: Option<usize>) -> bool {
        let run = self.run_around(plain, announced);
        if run.from == plain.from && run.to == plain.to {
            return false;
        }
        let decimal =
            run.only_unit && !plain.expression && self.text[plain.from..plain.to].contains(',');
        let number = decimal.then(|| plain_text(self.text, plain));
        let number = number
            .as_deref()
            .unwrap_or(&self.text[plain.from..plain.to]);
        let whole = [
            &self.text[run.from..plain.from],
            number,
            &self.text[plain.to..run.to],
        ]
        .concat();
        let reading = formula::read(&whole, &Normalization::default());
        if reading.values.is_err() && run.stands_alone {
            return false;
        }
        let unread = reading.values.is_err();
        self.accept(reading, false, Some((run.from, run.to)));
        // A number is not cut out of it.
        self.done |= unread;
        true
    }

    /// Keeps the values of a reading, or notes that it has none.
    fn accept(&mut self, reading: Reading, is_box: bool, span: Option<(usize, usize)>) {
        if self.parsed.fallback.is_none() && !reading.text.is_empty() {
            self.parsed.fallback = Some(reading.text);
        }
        match reading.values {
            Ok(values) => {
                self.parsed.values = values;
                self.done = true;
            }
            Err(error) => {
                self.error = error;
                self.failed.extend(span);
                self.done = self.config.mode == ExtractionMode::FirstMatch
                    || (is_box && !self.config.compat_last_number);
            }
        }
    }
}
