//! Properties of the math verifier over generated formulas: an answer equals itself and its
//! rewritings, equality has no direction where it should have none, and a changed value differs.
//!
//! Formulas come from a fixed sequence, so a failure repeats.
#![allow(clippy::unwrap_used)]

use burn_rewards::math::{Profile, Verdict, Verifier};

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// A formula that can be written in more than one way.
#[derive(Clone)]
enum Tree {
    Int(i64),
    Var(char),
    Root(u64),
    Pi,
    Add(Box<Self>, Box<Self>),
    Mul(Box<Self>, Box<Self>),
    Div(Box<Self>, Box<Self>),
    Square(Box<Self>),
    Sin(Box<Self>),
}

fn generate(rng: &mut Rng, depth: u32) -> Tree {
    let leaf = depth == 0 || rng.below(4) == 0;
    if leaf {
        return match rng.below(8) {
            0..=3 => Tree::Int(rng.below(19) as i64 - 9),
            4 | 5 => Tree::Var(['x', 'y', 'z'][rng.below(3) as usize]),
            6 => Tree::Root([2, 3, 5, 6, 7][rng.below(5) as usize]),
            _ => Tree::Pi,
        };
    }
    let mut part = || Box::new(generate(rng, depth - 1));
    let (a, b) = (part(), part());
    match rng.below(10) {
        0..=3 => Tree::Add(a, b),
        4..=6 => Tree::Mul(a, b),
        7 => Tree::Div(
            a,
            Box::new(Tree::Add(Box::new(Tree::Square(b)), Box::new(Tree::Int(1)))),
        ),
        8 => Tree::Square(a),
        _ => Tree::Sin(a),
    }
}

/// Plain LaTeX, fully bracketed.
fn plain(t: &Tree) -> String {
    match t {
        Tree::Int(n) if *n < 0 => format!("({n})"),
        Tree::Int(n) => n.to_string(),
        Tree::Var(c) => c.to_string(),
        Tree::Root(n) => format!("\\sqrt{{{n}}}"),
        Tree::Pi => "\\pi".to_owned(),
        Tree::Add(a, b) => format!("\\left({} + {}\\right)", plain(a), plain(b)),
        Tree::Mul(a, b) => format!("{} \\cdot {}", plain(a), plain(b)),
        Tree::Div(a, b) => format!("\\frac{{{}}}{{{}}}", plain(a), plain(b)),
        Tree::Square(a) => format!("\\left({}\\right)^{{2}}", plain(a)),
        Tree::Sin(a) => format!("\\sin\\left({}\\right)", plain(a)),
    }
}

/// The same value by other rules: sides swapped, products distributed, squares multiplied out,
/// fractions expanded, sines reflected.
fn rewritten(t: &Tree, rng: &mut Rng) -> String {
    match t {
        Tree::Int(n) => match rng.below(4) {
            0 => format!("\\frac{{{}}}{{3}}", 3 * n),
            1 => format!("({} + {})", n - 4, 4),
            2 => format!("({n}.0)"),
            _ => format!("({n})"),
        },
        Tree::Var(c) => match rng.below(3) {
            0 => format!("\\frac{{2{c}}}{{2}}"),
            1 => format!("(2{c} - {c})"),
            _ => c.to_string(),
        },
        Tree::Root(n) => match rng.below(3) {
            0 => format!("{n}^{{1/2}}"),
            1 => format!("\\frac{{{n}}}{{\\sqrt{{{n}}}}}"),
            _ => format!("\\frac{{\\sqrt{{{}}}}}{{3}}", 9 * n),
        },
        Tree::Pi => "\\frac{2\\pi}{2}".to_owned(),
        Tree::Add(a, b) => format!("({} - (-({})))", rewritten(b, rng), rewritten(a, rng)),
        Tree::Mul(a, b) => match &**b {
            Tree::Add(c, d) => {
                let left = rewritten(a, rng);
                format!(
                    "(({left})({}) + ({left})({}))",
                    rewritten(c, rng),
                    rewritten(d, rng)
                )
            }
            _ => format!("({}) \\times ({})", rewritten(b, rng), rewritten(a, rng)),
        },
        Tree::Div(a, b) => format!(
            "({}) \\cdot ({})^{{-1}}",
            rewritten(a, rng),
            rewritten(b, rng)
        ),
        Tree::Square(a) => {
            let inner = rewritten(a, rng);
            format!("({inner}) \\cdot ({inner})")
        }
        Tree::Sin(a) => format!("(-\\sin(-({})))", rewritten(a, rng)),
    }
}

fn math(text: &str) -> String {
    format!("${text}$")
}

#[test]
fn an_answer_equals_itself_and_its_rewritings() {
    let (verifier, mut rng) = (Verifier::new(Profile::MathVerify), Rng(1));
    let mut undecided = 0;
    for _ in 0..1_500 {
        let tree = generate(&mut rng, 3);
        let gold = math(&plain(&tree));
        assert!(
            verifier.verify(&gold, &gold).is_equal(),
            "{gold} against itself"
        );
        let other = math(&rewritten(&tree, &mut rng));
        let outcome = verifier.verify(&gold, &other);
        assert_ne!(
            outcome.verdict,
            Verdict::Different,
            "{gold} against {other}: {outcome:?}"
        );
        undecided += u32::from(outcome.verdict == Verdict::Unknown);
    }
    assert!(undecided <= 15, "{undecided} of 1500 undecided");
}

#[test]
fn formulas_are_compared_without_a_direction() {
    let (verifier, mut rng) = (Verifier::new(Profile::MathVerify), Rng(2));
    for _ in 0..1_500 {
        let (a, b) = (generate(&mut rng, 2), generate(&mut rng, 2));
        let b = if rng.below(2) == 0 {
            rewritten(&a, &mut rng)
        } else {
            plain(&b)
        };
        let (a, b) = (math(&plain(&a)), math(&b));
        let (there, back) = (verifier.verify(&a, &b), verifier.verify(&b, &a));
        assert_eq!(
            there.verdict, back.verdict,
            "{a} and {b}: {there:?}, {back:?}"
        );
    }
}

#[test]
fn a_changed_value_is_not_equal() {
    let (verifier, mut rng) = (Verifier::new(Profile::MathVerify), Rng(3));
    let changes = [
        "+ 1",
        "- \\frac{1}{1000}",
        "+ x",
        "+ \\frac{1}{10^{40}}",
        "+ \\pi",
        "- \\sqrt{2}",
        "+ i",
    ];
    for _ in 0..1_500 {
        let tree = generate(&mut rng, 3);
        let gold = math(&plain(&tree));
        let change = changes[rng.below(changes.len() as u64) as usize];
        // A decimal would be rounded; the rewritings that write one are left out.
        let pred = math(&format!("{} {change}", plain(&tree)));
        let outcome = verifier.verify(&gold, &pred);
        assert!(!outcome.is_equal(), "{gold} against {pred}: {outcome:?}");
    }
}

#[test]
fn sets_have_no_order_and_tuples_have_one() {
    let (verifier, mut rng) = (Verifier::new(Profile::MathVerify), Rng(4));
    for _ in 0..300 {
        let mut items: Vec<i64> = (0..3 + rng.below(4))
            .map(|i| i as i64 * 7 + rng.below(7) as i64)
            .collect();
        let write = |items: &[i64]| {
            items
                .iter()
                .map(i64::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let gold = write(&items);
        items.reverse();
        let reversed = write(&items);
        assert!(
            verifier
                .verify(
                    &format!("$\\{{{gold}\\}}$"),
                    &format!("$\\{{{reversed}\\}}$")
                )
                .is_equal()
        );
        assert!(
            !verifier
                .verify(&format!("$({gold})$"), &format!("$({reversed})$"))
                .is_equal()
        );
        items[0] += 1_000;
        let changed = write(&items);
        assert!(
            !verifier
                .verify(
                    &format!("$\\{{{gold}\\}}$"),
                    &format!("$\\{{{changed}\\}}$")
                )
                .is_equal()
        );
    }
}

#[test]
fn every_thread_says_the_same() {
    let verifier = Verifier::new(Profile::MathVerify);
    let mut rng = Rng(5);
    let pairs: Vec<_> = (0..200)
        .map(|_| {
            let tree = generate(&mut rng, 3);
            (math(&plain(&tree)), math(&rewritten(&tree, &mut rng)))
        })
        .collect();
    let all = || {
        pairs
            .iter()
            .map(|(g, p)| verifier.verify(g, p))
            .collect::<Vec<_>>()
    };
    let here = all();
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..4).map(|_| scope.spawn(all)).collect();
        for h in handles {
            assert_eq!(h.join().unwrap(), here);
        }
    });
}
