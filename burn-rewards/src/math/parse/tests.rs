//! What formulas are read as. The trees were checked by hand against the meaning TeX readers give
//! the formula, and the readings of juxtaposition, signs and quotients against the Python library.

use crate::math::{Unparsed, parse_formula};

fn check(rows: &[(&str, &str)]) {
    for (formula, tree) in rows {
        let read = match parse_formula(formula) {
            Ok(value) => value.to_string(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(&read, tree, "{formula}");
    }
}

#[test]
fn numbers() {
    check(&[
        ("42", "42"),
        ("-7", "(- 7)"),
        ("007", "7"),
        ("3.14", "314e-2"),
        (".5", "5e-1"),
        ("5.", "5"),
        ("0,333", "333e-3"),
        ("1,234,567.5", "12345675e-1"),
        (r"32,\!348", "32348"),
        (r"10{,}080", "10080"),
        (r"4\,248\,494", "4248494"),
        ("4 248 494", "4248494"),
        (r"\frac{14,000}{7}", "(/ 14000 7)"),
        ("6e9", "6e9"),
        ("2.5E-3", "25e-4"),
        (r"0.\overline{3}", "3e-1r1"),
        (r"0.8\overline{3}", "83e-2r1"),
        (r"0.\dot{1}4\dot{2}", "142e-3r3"),
        ("0.1(6)", "16e-2r1"),
        (r"0.333\ldots", "333e-3"),
        ("8101_{3}", "(base 3 8101)"),
        (r"1011_{\text{two}}", "(base 2 1011)"),
        (r"2\frac12", "(+ 2 (/ 1 2))"),
        (r"-7\frac{2}{5}", "(- (+ 7 (/ 2 5)))"),
        ("7 2/5", "(+ 7 (/ 2 5))"),
        ("2½", "(+ 2 (/ 1 2))"),
        (r"39.9\%", "(% 399e-1)"),
        (r"5\frac12\%", "(% (+ 5 (/ 1 2)))"),
        ("11:00", "\"11:00\""),
        // Two numbers side by side mean nothing.
        ("2 3", "Syntax"),
        ("1.2.3", "Syntax"),
    ]);
}

#[test]
fn products_signs_and_powers() {
    check(&[
        ("x^2+3x-5", "(+ (^ x 2) (* 3 x) (- 5))"),
        ("-2^2", "(- (^ 2 2))"),
        (r"1/2x", "(/ 1 (* 2 x))"),
        ("a/b/c", "(/ a (* b c))"),
        (r"a/b \cdot c", "(/ (* a c) b)"),
        ("6y(5)", "(* 6 y 5)"),
        ("x^{-5}", "(^ x (- 5))"),
        ("x^-5", "(^ x (- 5))"),
        ("8^10", "(^ 8 10)"),
        ("2^3^2", "(^ 2 (^ 3 2))"),
        ("5^(-2)", "(^ 5 (- 2))"),
        ("30²", "(^ 30 2)"),
        ("x₁", "x_{1}"),
        ("2**10", "(^ 2 10)"),
        (r"(x+1)(x-1)", "(* (+ x 1) (+ x (- 1)))"),
        (r"x^2_1", "(^ x_{1} 2)"),
        ("a:b", "(/ a b)"),
        ("8:3:21", "(ratio 8 3 21)"),
        (r"36 \bmod 21", "(Mod 36 21)"),
        (r"15 \pm \sqrt{2}", "(+ 15 (+- (root 2 2)))"),
        (r"\frac{-b \mp c}{2}", "(/ (+ (- b) (-+ c)) 2)"),
        ("10!", "(Factorial 10)"),
        ("9!!", "(DoubleFactorial 9)"),
        ("i^2", "(^ I 2)"),
        (r"e^{i\pi/4}", "(^ E (/ (* I Pi) 4))"),
        (r"A^T", "(Transpose A)"),
        (r"x^T", "(^ x T)"),
        ("x+", "Syntax"),
        ("(x", "Syntax"),
    ]);
}

#[test]
fn fractions_and_roots() {
    check(&[
        (r"\frac12", "(/ 1 2)"),
        (r"\frac1{2}", "(/ 1 2)"),
        (r"\frac{1}2", "(/ 1 2)"),
        (r"\dfrac{x}{y}", "(/ x y)"),
        (r"{8 \over 3}", "(/ 8 3)"),
        (r"\sqrt2x", "(* (root 2 2) x)"),
        (r"\sqrt[3]{-8}", "(root (- 8) 3)"),
        (r"\sqrt(3)", "(root 3 2)"),
        ("2sqrt(13)", "(* 2 (root 13 2))"),
        ("√3", "(root 3 2)"),
        (r"\binom{n}{2}", "(Binomial n 2)"),
        (r"{n \choose k}", "(Binomial n k)"),
        (r"C_{10}^{2}", "(Binomial 10 2)"),
        (r"{}_5C_2", "(Binomial 5 2)"),
    ]);
}

#[test]
fn functions() {
    check(&[
        (r"\sin^2 x", "(^ (Sin x) 2)"),
        (r"\sin^{-1} x", "(Arcsin x)"),
        (r"\sin 2x \cos 3y", "(* (Sin (* 2 x)) (Cos (* 3 y)))"),
        (r"\sin x \cdot 7", "(* (Sin x) 7)"),
        (r"\ln y / 9", "(/ (Log y E) 9)"),
        (r"\sin x (y+1)", "(* (Sin x) (+ y 1))"),
        (r"\sin(x)y", "(* (Sin x) y)"),
        (r"\sin 30^\circ", "(Sin (Degrees 30))"),
        (r"30^\circ", "30"),
        (r"20^\circ C", "(* 20 C)"),
        (r"\log 100", "(Log 100 10)"),
        (r"\lg 6", "(Log 6 10)"),
        (r"\log_2 8", "(Log 8 2)"),
        (r"\log_28", "(Log 8 2)"),
        (r"\log_{a}^{2} x", "(^ (Log x a) 2)"),
        (r"\ln x^2", "(Log (^ x 2) E)"),
        (r"\ln|x|", "(Log (Abs x) E)"),
        (r"\operatorname{lcm}(3, 40)", "(Lcm 3 40)"),
        (r"\max\{1,2\}", "(Max 1 2)"),
        ("f(x)", "(apply f x)"),
        ("f'(x)", "(apply f' x)"),
        (r"f^{-1}(x)", "(apply f^{-1} x)"),
        ("p(x) = x(x+1)", "(rel (apply p x) = (* x (+ x 1)))"),
        ("||x|-1|", "(Abs (+ (Abs x) (- 1)))"),
        (r"\left|\frac{a}{b}\right|", "(Abs (/ a b))"),
        (r"\lfloor -3.5 \rfloor", "(Floor (- 35e-1))"),
        (r"\overline{z+1}", "(Conjugate (+ z 1))"),
        (r"\overline{AB}", "bar{AB}"),
        (r"3\mathbf{i}", "(* 3 mathbf{i})"),
    ]);
}

#[test]
fn bound_variables() {
    check(&[
        (r"\sum_{i=1}^{n} i^2 + 3", "(+ (Sum i 1 n : (^ i 2)) 3)"),
        (r"\prod_{k=1}^5 k", "(Product k 1 5 : k)"),
        (r"\int_0^{5} x^5 dx", "(Integral x 0 5 : (* (^ x 5) 1))"),
        (
            r"\int \frac{dx}{x^2+1} + C",
            "(+ (Integral x : (/ 1 (+ (^ x 2) 1))) C)",
        ),
        (
            r"\lim_{x \to 0^+} \frac{\sin x}{x}",
            "(LimitFromAbove x 0 : (/ (Sin x) x))",
        ),
        (r"\lim_{n\to\infty} n", "(Limit n Infinity : n)"),
        (r"\frac{d}{dx} x^9", "(Derivative x : (^ x 9))"),
        (r"\frac{d^2}{dx^2} x^9", "(Derivative x 2 : (^ x 9))"),
        (r"\frac{d}{e}", "(/ d E)"),
    ]);
}

#[test]
fn lists_sets_and_intervals() {
    check(&[
        ("1, 2; 3", "(list 1 2 3)"),
        (r"12\text{ and }13", "(list 12 13)"),
        (r"\{1, 2\}", "(set 1 2)"),
        (r"\lbrace 1, 2 \rbrace", "(set 1 2)"),
        (r"\{\}", "empty"),
        (r"\emptyset", "empty"),
        ("(1, 2, 3)", "(tuple 1 2 3)"),
        ("(1,234)", "(1, 234)"),
        ("(A)", "A"),
        (r"(-\infty, 23]", "((- Infinity), 23]"),
        ("]9, 14[", "french (9, 14)"),
        (r"[2,5[ \cup ]7, 9]", "(union french [2, 5) french (7, 9])"),
        (r"\mathbb{R}\setminus\{7\}", "(minus Reals (set 7))"),
        (r"(0,4)\times(0,7)", "(cartesian (0, 4) (0, 7))"),
        (r"\{x \mid x > 6\}", "(builder x : (rel x > 6))"),
        (
            r"\{(x,y) : x+y=1, x \in \mathbb{R}\}",
            "(builder (x, y) : (rel (+ x y) = 1) (rel x in Reals))",
        ),
        (r"\langle 1,2,3\rangle", "(matrix( 1)( 2)( 3))"),
        ("8, 3,", "Syntax"),
        ("(1, 2, 3]", "Syntax"),
    ]);
}

#[test]
fn relations() {
    check(&[
        ("x<y\\le 3", "(rel x < y <= 3)"),
        ("x = 1, 2", "(rel x = (list 1 2))"),
        ("x = 1, y = 2", "(list (rel x = 1) (rel y = 2))"),
        ("= 20", "20"),
        (r"\Rightarrow 14", "14"),
        (r"\text{Answer: }20", "20"),
        (r"x \approx 4.5", "(rel x = 45e-1)"),
        (r"x = \frac13 \approx 0.33", "(rel x = (/ 1 3))"),
        (r"\sqrt2 \approx 1.41", "(root 2 2)"),
        (r"x \not= 3", "(rel x != 3)"),
        (r"x \equiv 8 \pmod{21}", "(congruent x 8 21)"),
        (
            r"n \equiv 0, 1 \pmod 4",
            "(list (congruent n 0 4) (congruent n 1 4))",
        ),
        (
            r"x = k\pi, k \in \mathbb{Z}",
            "(where (rel x = (* k Pi)) : (rel k in Integers))",
        ),
        (
            r"\begin{cases} x=6 \\ y=5 \end{cases}",
            "(list (rel x = 6) (rel y = 5))",
        ),
        (
            r"\begin{cases} x & \text{if } x>0 \\ -x & \text{otherwise} \end{cases}",
            "(piecewise (x if (rel x > 0)) ((- x) otherwise))",
        ),
        (
            r"\left\{\begin{array}{l}x=1 \\ y=2\end{array}\right.",
            "(list (rel x = 1) (rel y = 2))",
        ),
        (
            r"\begin{aligned} x &= 2+3 \\ &= 5 \end{aligned}",
            "(rel x = (+ 2 3) = 5)",
        ),
        ("P(X=9)=0.14", "(rel (apply P (rel X = 9)) = 14e-2)"),
        // The last side of a chain stands for one that does not parse.
        (r"\foo{x} = y = 5", "5"),
        (r"\foo{x} = 5", "Syntax"),
    ]);
}

#[test]
fn matrices() {
    check(&[
        (
            r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \\ \end{pmatrix}",
            "(matrix( 1 2)( 3 4))",
        ),
        (
            r"\left[\begin{array}{cc} a & b \end{array}\right]",
            "(matrix( a b))",
        ),
        (
            r"\begin{vmatrix} 1 & 2 \\ 3 & 4 \end{vmatrix}",
            "(Det (matrix( 1 2)( 3 4)))",
        ),
        (r"\begin{pmatrix} 1 & 2 \\ 3 \end{pmatrix}", "Syntax"),
    ]);
}

#[test]
fn words() {
    check(&[
        (r"\text{even}", "\"even\""),
        (r"\text{C}", "C"),
        (r"\textbf{(C)}", "C"),
        (r"\text{Area} = 5", "(rel \"Area\" = 5)"),
        (r"5\text{ cm}^2", "5"),
        (r"200 \mathrm{~N}", "200"),
        (r"-4-\mathrm{i}", "(+ (- 4) (- I))"),
        (r"\mathrm{e}^6", "(^ E 6)"),
        ("not a formula at all", "\"not a formula at all\""),
    ]);
}

#[test]
fn several_readings() {
    let config = crate::math::ParseConfig::default();
    let readings = |text: &str| -> Vec<String> {
        crate::math::parse(text, &config)
            .values
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        readings("$x = 20,000$"),
        ["(rel x = 20000)", "(rel x = (list 20 0))"]
    );
    assert_eq!(readings("$20,000$"), ["20000"]);
    assert_eq!(readings("$abc$"), ["(* a b c)", "\"abc\""]);
}

#[test]
fn limits() {
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(parse_formula(&deep), Err(Unparsed::Limit));
    let nested = |depth| format!("{}x{}", r"\sqrt{".repeat(depth), "}".repeat(depth));
    assert!(parse_formula(&nested(60)).is_ok());
    assert_eq!(parse_formula(&nested(200)), Err(Unparsed::Limit));
    let parentheses = format!("{}1{}", "(".repeat(50), ")".repeat(50));
    assert_eq!(parse_formula(&parentheses), Ok(crate::math::Expr::int(1)));
    let wide = vec!["x"; 900].join("+");
    assert!(parse_formula(&wide).is_ok());
    assert_eq!(
        parse_formula(&vec!["x"; 1_100].join("+")),
        Err(Unparsed::Limit)
    );
    let digits = "9".repeat(10_000);
    assert!(parse_formula(&digits).is_ok());
    assert_eq!(parse_formula(&format!("{digits}9")), Err(Unparsed::Limit));
}
