//! Kinds of answers that people write and graders misjudge: for each, generated right answers are
//! paid and near misses are not.
#![allow(clippy::unwrap_used)]

use burn_rewards::math::{Options, Profile, Verifier};

/// Numbers that the kinds are generated from.
const NUMBERS: [i64; 6] = [3, 7, 12, 42, 90, 735];

#[track_caller]
fn judge(gold: &str, response: &str, expected: bool) {
    let verifier = Verifier::new(Profile::MathVerify);
    let paid = verifier.verify(gold, response).is_equal();
    assert_eq!(paid, expected, "gold {gold:?}, response {response:?}");
}

#[track_caller]
fn pays(gold: &str, response: &str) {
    judge(gold, response, true);
}

#[track_caller]
fn refuses(gold: &str, response: &str) {
    judge(gold, response, false);
}

/// Ways to state an answer without a box.
fn stated(answer: &str) -> Vec<String> {
    [
        "The answer is A.",
        "Answer: A",
        "<answer>A</answer>",
        "**Answer: A**",
        "答案：A",
        "A",
    ]
    .map(|frame| {
        frame
            .replace('A', answer)
            .replace(&format!("{answer}nswer"), "Answer")
    })
    .to_vec()
}

#[test]
fn a_minus_and_a_space_is_a_sign() {
    for n in NUMBERS {
        for response in stated(&format!("- {n}")) {
            pays(&format!("-{n}"), &response);
            refuses(&n.to_string(), &response);
        }
        pays(&format!("- {n}"), &format!("\\boxed{{-{n}}}"));
        refuses(&format!("- {n}"), &format!("\\boxed{{{n}}}"));
    }
}

#[test]
fn gold_answers_are_not_cut() {
    for n in NUMBERS {
        for tail in [
            "n",
            "xy",
            "AB",
            "π",
            "√3 cm",
            "\\pi rh",
            "\\sqrt{ab}",
            "e5",
            "½",
            " or 1",
            " and 1728",
            "; -3",
            "x^2",
            "°-α",
        ] {
            let gold = format!("{n}{tail}");
            pays(&gold, &format!("\\boxed{{{gold}}}"));
            refuses(&gold, &format!("\\boxed{{{n}}}"));
        }
        for gold in [
            format!("2 hours {n} minutes"),
            format!("36^\\circ {n}'"),
            format!("not {n}"),
            format!("between 3 and {n}"),
            format!("\\frac{{dy}}{{dx}}={n}x"),
            format!("1 in {n}"),
        ] {
            refuses(&gold, &format!("\\boxed{{{n}}}"));
        }
    }
}

#[test]
fn published_forms_of_gold_answers_are_read_as_what_they_say() {
    for gold in [
        "\\$18.90",
        "\\$9{,}500",
        "\\frac{ab}{c}",
        "−3",
        "±2",
        "½",
        "π",
        "n",
        "R",
        "y=ax+b",
        "Ce^{2x}",
        "k≠2",
        "√3 cm",
        "√{3}cm",
        "\\int_0^1 x\\,dx",
        "OA=OB",
        "90°-α",
        "2.5×10⁵",
        "(3, 4) and (5, 6)",
        "x<1 \\text{ or } x>2",
        "f(x)=cx \\text{ for any } c",
        "7 cm, 24 cm",
        "36^\\circ 52'",
        "18π",
        "4/3π",
        "x^{2}-1",
        "AB∥CD",
        "\\triangle ABC",
        "B",
        "Yes",
        "No solution",
        "12个",
    ] {
        pays(gold, &format!("\\boxed{{{gold}}}"));
        refuses(gold, "\\boxed{987654}");
    }
}

#[test]
fn the_question_is_no_answer() {
    for n in NUMBERS {
        let (double, square) = (2 * n, n * n);
        for op in [">", "<", "\\le", "\\ge", "="] {
            let gold = format!("x {op} {n}");
            pays(&gold, &format!("\\boxed{{x {op} {n}}}"));
            refuses(&gold, &format!("\\boxed{{2x {op} {double}}}"));
            refuses(&gold, &format!("\\boxed{{x + 1 {op} {}}}", n + 1));
        }
        let between = format!("-{n} < x < {n}");
        pays(&between, &format!("\\boxed{{(-{n}, {n})}}"));
        refuses(&between, &format!("\\boxed{{x^2 < {square}}}"));
        refuses(&between, &format!("\\boxed{{|x| < {n}}}"));
    }
}

#[test]
fn unboxed_answers_are_read_to_their_end() {
    for n in NUMBERS {
        for (answer, gold) in [
            (format!("{n}/5"), format!("\\frac{{{n}}}{{5}}")),
            (format!("{n}π"), format!("{n}\\pi")),
            (format!("{n}√3"), format!("{n}\\sqrt{{3}}")),
            (format!("{n}x"), format!("{n}x")),
            (format!("({n}, 1)"), format!("({n},1)")),
            (format!("{n}^2+3"), format!("{}", n * n + 3)),
            (format!("x > {n}"), format!("x > {n}")),
        ] {
            for response in stated(&answer) {
                pays(&gold, &response);
                refuses(&n.to_string(), &response);
            }
        }
    }
}

#[test]
fn the_answer_tag_decides() {
    for n in NUMBERS {
        for thought in [
            format!("so it is {n}"),
            format!("\\boxed{{{n}}}"),
            format!("${n}$"),
        ] {
            refuses(
                &n.to_string(),
                &format!("<think>{thought}</think><answer>{}</answer>", n + 1),
            );
            refuses(
                &n.to_string(),
                &format!("<think>{thought}</think><answer>B</answer>"),
            );
            pays(
                &format!("{}", n + 1),
                &format!("<think>{thought}</think><answer>{}</answer>", n + 1),
            );
        }
    }
}

#[test]
fn magnitudes_bounds_and_denials() {
    for n in NUMBERS {
        let gold = n.to_string();
        for (word, factor) in [
            ("hundred", 100),
            ("thousand", 1_000),
            ("million", 1_000_000),
        ] {
            refuses(&gold, &format!("\\boxed{{{n} \\text{{ {word}}}}}"));
            refuses(&format!("{n} {word}"), &format!("\\boxed{{{n}}}"));
            pays(&format!("{}", n * factor), &format!("{n} {word}"));
        }
        for tail in ["squared", "factorial", "below zero", "or more", "at least"] {
            refuses(&gold, &format!("\\boxed{{{n} \\text{{ {tail}}}}}"));
        }
        for denied in [
            "not A",
            "less than A",
            "at least A",
            "definitely not A",
            "anything but A",
            "A or more",
            "A or 1000",
            "either 1000 or A",
        ] {
            let denied = denied.replace('A', &gold);
            refuses(&gold, &format!("The answer is {denied}."));
            refuses(&gold, &format!("<answer>{denied}</answer>"));
        }
        pays(&gold, &format!("It is {n}, not {}.", n + 1));
    }
}

#[test]
fn percents_of_data_are_units_or_hundredths() {
    for n in ["28.5", "33\\frac{1}{3}", "\\frac{100}{3}", "70"] {
        let percent = format!("{n}\\%");
        for (gold, pred) in [(n, &percent), (&percent, &n.to_owned())] {
            pays(gold, &format!("\\boxed{{{pred}}}"));
            refuses(gold, "\\boxed{71}");
        }
    }
}

#[test]
fn small_values_are_not_zero() {
    for exponent in [9, 12, 19, 31, 34] {
        let gold = format!("1.6e-{exponent}");
        pays(&gold, &format!("\\boxed{{1.6\\times10^{{-{exponent}}}}}"));
        for pred in [
            "0",
            "0.0",
            "1.6\\times10^{-8}",
            &format!("-1.6\\times10^{{-{exponent}}}"),
        ] {
            refuses(&gold, &format!("\\boxed{{{pred}}}"));
        }
    }
}

#[test]
fn order_and_names_count() {
    // Two groups of three digits would be one number.
    for n in NUMBERS.into_iter().filter(|n| *n < 100) {
        let m = n + 2;
        pays(&format!("a={n},b={m}"), &format!("\\boxed{{{n},{m}}}"));
        pays(&format!("a={n},b={m}"), &format!("\\boxed{{b={m},a={n}}}"));
        refuses(&format!("a={n},b={m}"), &format!("\\boxed{{{m},{n}}}"));
        pays(&format!("({n},{m})"), &format!("\\boxed{{({n},{m})}}"));
        refuses(
            &format!("({n},{m})"),
            &format!("\\boxed{{\\{{{n},{m}\\}}}}"),
        );
        pays(
            &format!("{n},{m}"),
            &format!("The numbers are {m} and {n}."),
        );
        refuses(&format!("{n}"), &format!("The numbers are {m} and {n}."));
    }
}

#[test]
fn inequalities_with_or_and_and() {
    for n in NUMBERS {
        let m = n + 5;
        let outside = format!("x<{n} \\text{{ or }} x>{m}");
        pays(
            &outside,
            &format!("\\boxed{{(-\\infty,{n})\\cup({m},\\infty)}}"),
        );
        pays(&outside, &format!("x < {n} or x > {m}"));
        refuses(&outside, &format!("\\boxed{{({n},{m})}}"));
        pays(
            &format!("{n} \\le x < {m}"),
            &format!("\\boxed{{x \\ge {n} \\text{{ and }} x < {m}}}"),
        );
        refuses(
            &format!("{n} \\le x < {m}"),
            &format!("\\boxed{{x \\ge {n} \\text{{ or }} x < {m}}}"),
        );
    }
}

#[test]
fn times_of_day_are_no_ratios() {
    for (time, ratio) in [("3:30", "1:10"), ("6:45", "2:15"), ("12:00", "1:0")] {
        pays(time, &format!("\\boxed{{{}}}", time.replace(':', "{:}")));
        pays(time, &format!("\\boxed{{\\text{{{time} PM}}}}"));
        refuses(time, &format!("\\boxed{{{ratio}}}"));
    }
    pays("3:4", "\\boxed{3 \\text{ to } 4}");
    pays("3:4", "\\boxed{3{:}4}");
    pays("3:4", "\\boxed{6:8}");
}

#[test]
fn units_and_markup_do_not_matter() {
    for n in NUMBERS {
        let gold = n.to_string();
        for unit in [
            "\\frac{\\text{km}}{\\text{h}}",
            "\\,\\Omega",
            "\\,\\text{N}\\cdot\\text{m}",
            "\\, \\mu\\text{m}",
            "\\mathrm{~kJ} / \\mathrm{mol}",
            "{\\rm cm}",
            "个",
            "平方厘米",
            "¢",
            "^\\text{o}",
            "^{th}",
            "\\textdegree",
            "°C",
        ] {
            pays(&gold, &format!("\\boxed{{{n} {unit}}}"));
            refuses(&gold, &format!("\\boxed{{{} {unit}}}", n + 1));
        }
        for markup in [
            "`A`",
            "__A__",
            "***A***",
            "The answer is 'A'.",
            "“A”",
            "\\fbox{A}",
            "\\boxed {A}",
            "\\boxed\n{A}",
            "The answer is (A).",
            "\\boxed{\\text{\\textbf{A}}}",
            "\\boxed{A,}",
            "\\boxed{\\text{USD } A}",
            "\\boxed{\\text{about }A}",
            "所以 x＝A",
            "故答案为：A",
        ] {
            pays(&gold, &markup.replace('A', &gold));
            refuses(&format!("{}", n + 1), &markup.replace('A', &gold));
        }
    }
}

#[test]
fn a_corrected_box_is_gone() {
    for n in NUMBERS {
        let m = n + 1;
        for between in [
            ". Wait, no: ",
            ", second thoughts give ",
            " is wrong, it is ",
        ] {
            let response = format!("\\boxed{{{n}}}{between}\\boxed{{{m}}}");
            pays(&m.to_string(), &response);
            refuses(&n.to_string(), &response);
        }
        let both = format!("\\boxed{{{n}}} or \\boxed{{{m}}}");
        refuses(&n.to_string(), &both);
        pays(&format!("{n},{m}"), &both);
    }
}

#[test]
fn options_in_every_dress() {
    let verifier = Verifier::new(Profile::Choice);
    for letter in ["A", "B", "C", "D"] {
        let other = if letter == "A" { "B" } else { "A" };
        for frame in [
            "X",
            "(X)",
            "The answer is (X).",
            "\\boxed{X}",
            "<answer>X</answer>",
            "**X**",
        ] {
            let response = frame.replace('X', letter);
            assert!(verifier.verify(letter, &response).is_equal(), "{response}");
            assert!(!verifier.verify(other, &response).is_equal(), "{response}");
        }
        pays(letter, &format!("\\boxed{{\\text{{{letter}. 12 cm}}}}"));
        refuses(other, &format!("\\boxed{{\\text{{{letter}. 12 cm}}}}"));
    }
}

#[test]
fn compat_keeps_the_originals_faults() {
    let options = Options {
        compat: true,
        ..Options::default()
    };
    let dapo = Verifier::with_options(Profile::Dapo, options.clone());
    assert!(!dapo.verify("13", "Answer: \\(13\\)").is_equal());
    let hendrycks = Verifier::with_options(Profile::Hendrycks, options.clone());
    assert!(
        hendrycks
            .verify("90 \\text{ million}", "\\boxed{90}")
            .is_equal()
    );
    let library = Verifier::with_options(Profile::MathVerify, options);
    assert!(
        library.verify("2ab", "\\boxed{2}").is_equal(),
        "the gold answer is cut"
    );
}
