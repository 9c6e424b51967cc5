//! Throws mutated answers at the math verifier and reports the slowest.
//!
//! `cargo run --release -p burn-rewards --example fuzz -- [INPUTS] [SEED]`
//!
//! Inputs are made from a corpus of answers and hostile seeds by splicing, repeating, nesting and
//! flipping bytes; the sequence is a function of the seed. Fails if an input panics, if a second
//! verdict differs from the first, or if one takes more than 10 ms.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use burn_rewards::math::{Profile, Verdict, Verifier};

/// The longest a single verdict may take.
const LIMIT: Duration = Duration::from_millis(10);

/// Answers of every kind the parser knows.
const ANSWERS: &str = include_str!("fuzz_answers.txt");

/// Pieces that make work: towers, huge powers, deep nesting, cancellation, long sums.
const HOSTILE: [&str; 48] = [
    "3.141^{1632}",
    "+0.123456789^{999}",
    "(\\frac{17}{19})^{300}",
    "\\sum_{k=1}^{1000} \\frac{1}{k}",
    "9^{9^{9^{9}}}",
    "10^{10^{10}}",
    "1E999999999",
    "(x+1)^{100000}",
    "2^{61n}",
    "100000!",
    "999!",
    "\\binom{4000}{2000}",
    "\\sum_{k=1}^{100000} \\sin k",
    "\\sum_{k=1}^{\\infty} \\frac{1}{k^2}",
    "\\prod_{k=1}^{2000} (x+k)",
    "\\sqrt{\\sqrt{\\sqrt{\\sqrt{2}}}}",
    "{",
    "}",
    "\\frac{",
    "((((",
    "))))",
    "\\left(",
    "\\right)",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "&",
    "\\\\",
    "|",
    "^",
    "_",
    "\\int_0^1",
    "\\sin\\cos\\tan",
    "\\ln\\ln\\ln",
    "0.\\overline{142857}",
    "1_{2}",
    "\\pm",
    "\\cup",
    "\\lfloor",
    "e^{e^{e^{x}}}",
    "\\gcd(10^{200}, 15^{200})",
    "\\arcsin\\arccos\\arctan 0.5",
    "\\cosh x",
    "i^i",
    "\\lim_{x \\to 0}",
    "\\det",
    "1,2,3,4,5,6,7,8,9",
    "\u{221e}\u{2264}\u{200b}",
    "\\boxed{",
];

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn mutate(rng: &mut Rng, seeds: &[&str]) -> String {
    let mut text = rng.pick(seeds).to_owned();
    for _ in 0..=rng.below(6) {
        let at = boundary(&text, rng.below(text.len() + 1));
        match rng.below(9) {
            0 => text.insert_str(at, rng.pick(&HOSTILE)),
            1 => text.insert_str(at, rng.pick(seeds)),
            2 => {
                let to = boundary(&text, at + rng.below(text.len() - at + 1));
                text.replace_range(at..to.max(at), "");
            }
            3 => {
                let to = boundary(&text, at + rng.below(text.len() - at + 1)).max(at);
                let piece = text[at..to].to_owned();
                let times = 1 + rng.below(40);
                if piece.len() * times < 20_000 {
                    text.insert_str(at, &piece.repeat(times));
                }
            }
            4 => {
                let deepest = if rng.below(50) == 0 { 3_000 } else { 12 };
                let depth = 1 + rng.below(deepest);
                let (open, close) = rng.pick(&[
                    &("(", ")"),
                    &("{", "}"),
                    &("\\sqrt{", "}"),
                    &("\\frac{1}{", "}"),
                    &("\\sin(", ")"),
                    &("x^{", "}"),
                    &("|", "|"),
                    &("\\ln(", ")"),
                    &("-", ""),
                    &("[", "]"),
                    &("e^{", "}"),
                ]);
                text = format!("{}{text}{}", open.repeat(depth), close.repeat(depth));
            }
            5 => {
                let mut bytes = text.into_bytes();
                if !bytes.is_empty() {
                    let at = rng.below(bytes.len());
                    bytes[at] = rng.next() as u8;
                }
                text = String::from_utf8_lossy(&bytes).into_owned();
            }
            6 => {
                let longest = if rng.below(100) == 0 { 9_000 } else { 25 };
                let digits = rng.below(longest);
                let number: String = (0..digits)
                    .map(|_| char::from(b'0' + rng.below(10) as u8))
                    .collect();
                text.insert_str(at, &number);
            }
            7 => {
                let other = rng.pick(seeds);
                let operator = rng.pick(&[
                    "+", "*", "/", "^", "-", "=", "<", ",", " or ", "\\cdot ", "_", ":",
                ]);
                text = format!("{text}{operator}{other}");
            }
            _ => {
                let other = rng.pick(seeds);
                let cut = boundary(other, rng.below(other.len() + 1));
                text.truncate(at);
                text.push_str(&other[cut..]);
            }
        }
        if text.len() > 60_000 {
            text.truncate(boundary(&text, 60_000));
        }
    }
    text
}

fn wrapped(rng: &mut Rng, text: &str) -> String {
    match rng.below(5) {
        0 => text.to_owned(),
        1 => format!("The answer is ${text}$."),
        2 => format!("$\\boxed{{{text}}}$"),
        3 => format!("Answer: {text}"),
        _ => format!("${text}$"),
    }
}

/// Time this thread has run, or wall-clock time where the system does not tell.
fn thread_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match stat.split(' ').next().and_then(|ns| ns.parse().ok()) {
        Some(ns) => Duration::from_nanos(ns),
        None => START.elapsed(),
    }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Keeps the input in files and says where.
fn fail(what: &str, gold: &str, pred: &str) -> ! {
    let folder = std::env::temp_dir();
    for (name, text) in [("fuzz_gold.txt", gold), ("fuzz_pred.txt", pred)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let head = |s: &str| s.chars().take(120).collect::<String>();
    eprintln!("{what}\n  gold {:?}\n  pred {:?}", head(gold), head(pred));
    eprintln!(
        "the whole input is fuzz_gold.txt and fuzz_pred.txt in {}",
        folder.display()
    );
    std::process::exit(1);
}

fn main() {
    let mut args = std::env::args().skip(1);
    let inputs: u64 = args
        .next()
        .map_or(100_000, |a| a.parse().expect("INPUTS is a number"));
    let seed: u64 = args
        .next()
        .map_or(1, |a| a.parse().expect("SEED is a number"));
    let seeds: Vec<&str> = ANSWERS.lines().filter(|l| !l.is_empty()).collect();
    let verifiers = Profile::ALL.map(Verifier::new);
    let mut rng = Rng(seed);
    let mut slowest = (Duration::ZERO, String::new(), String::new());
    let mut counts = [0_u64; 4];
    let started = Instant::now();
    for n in 0..inputs {
        let gold = mutate(&mut rng, &seeds);
        // Near misses reach deeper than unrelated answers.
        let pred = match rng.below(3) {
            0 => gold.clone(),
            1 => {
                let gold = [gold.as_str()];
                mutate(&mut rng, &gold)
            }
            _ => mutate(&mut rng, &seeds),
        };
        let (gold, pred) = (wrapped(&mut rng, &gold), wrapped(&mut rng, &pred));
        let profile = if rng.below(4) == 0 {
            rng.below(verifiers.len())
        } else {
            0
        };
        let verifier = &verifiers[profile];
        let begin = Instant::now();
        let outcome = std::panic::catch_unwind(|| verifier.verify(&gold, &pred))
            .unwrap_or_else(|_| fail("a panic", &gold, &pred));
        let mut took = begin.elapsed();
        // What is slow is run again, on the clock of this thread: the scheduler may have been away.
        for _ in 0..3 {
            if took <= LIMIT / 2 {
                break;
            }
            let begin = thread_time();
            let again = verifier.verify(&gold, &pred);
            took = took.min(thread_time().saturating_sub(begin));
            if outcome != again {
                fail("two verdicts", &gold, &pred);
            }
        }
        if took > LIMIT {
            fail(
                &format!("{took:?} with {}", verifier.profile().name()),
                &gold,
                &pred,
            );
        }
        if n % 8 == 0 && outcome != verifier.verify(&gold, &pred) {
            fail("two verdicts", &gold, &pred);
        }
        counts[match outcome.verdict {
            Verdict::Equal => 0,
            Verdict::Different => 1,
            Verdict::Unknown => 2,
            Verdict::GoldUnparsed => 3,
        }] += 1;
        if took > slowest.0 {
            slowest = (took, gold, pred);
        }
        if n % 1_000_000 == 999_999 {
            eprintln!(
                "{} inputs, {:?}, slowest {:?}",
                n + 1,
                started.elapsed(),
                slowest.0
            );
        }
    }
    let head = |s: &str| s.chars().take(160).collect::<String>();
    println!(
        "{inputs} inputs in {:.1?}: {} equal, {} different, {} unknown, {} with an unparsed gold answer",
        started.elapsed(),
        counts[0],
        counts[1],
        counts[2],
        counts[3]
    );
    println!(
        "slowest {:?}\n  gold {:?}\n  pred {:?}",
        slowest.0,
        head(&slowest.1),
        head(&slowest.2)
    );
}
