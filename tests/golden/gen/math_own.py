"""Labelled answer pairs whose labels hold by construction.

Every pair is an answer and a rewriting of it (expected true) or a changed value (expected false).
No reference implementation is involved. Standard library only, any Python 3.

    python math_own.py > ../math_verify/own.jsonl
"""

import json
import random
from fractions import Fraction

rng = random.Random(20260)
rows = []


def row(category, gold, pred, expected, config="default", **opts):
    wraps = ["${}$", "\\[{}\\]", "The final answer is ${}$. I hope it is correct.",
             "So we get\n$$\\boxed{{{}}}$$", "\\boxed{{{}}}"]
    rows.append({"category": category, "config": config, "opts": opts, "gold": f"${gold}$",
                 "pred": rng.choice(wraps).format(pred), "expected": expected})


def frac(f):
    f = Fraction(f)
    if f.denominator == 1:
        return str(f.numerator)
    sign = "-" if f < 0 else ""
    return f"{sign}\\frac{{{abs(f.numerator)}}}{{{f.denominator}}}"


def linear(a, b, x="x"):
    return f"{a}{x}{b:+d}" if b else f"{a}{x}"


def nonzero(lo, hi):
    return rng.choice([n for n in range(lo, hi + 1) if n])


for _ in range(12):
    n = rng.randint(1000, 99999999)
    row("integer", n, f"{n:,}", True)
    row("integer", n, f"{n:,}".replace(",", "{,}"), True)
    row("integer", n, f"{n - 17} + 17", True)
    row("integer", n, n + 1, False)
    f = Fraction(rng.randint(-200, 200) * 2 + 1, rng.randint(2, 60))
    row("fraction", frac(f), f"{f.numerator * 3}/{f.denominator * 3}", True)
    row("fraction", frac(f), f"\\dfrac{{{f.numerator}}}{{{f.denominator}}}", True)
    row("fraction", frac(f), f"{float(f):.10f}", True)
    row("fraction", frac(f), f"{float(f):.2f}", Fraction(f"{float(f):.2f}") == f)
    row("fraction", frac(f), frac(f + Fraction(1, 7)), False)
    if f > 1 and f.denominator > 1:
        whole, rest = divmod(f.numerator, f.denominator)
        row("mixed", frac(f), f"{whole}\\frac{{{rest}}}{{{f.denominator}}}", True)
    p = rng.randint(1, 999)
    row("percent", f"{p / 10}\\%", f"{p / 1000:.4f}", True)
    row("percent", f"{p / 10}\\%", f"{(p + 3) / 1000:.4f}", False)
    m, e = rng.randint(11, 99), rng.randint(3, 9)
    row("scientific", m * 10 ** e, f"{m} \\times 10^{{{e}}}", True)
    row("scientific", m * 10 ** e, f"{m} \\times 10^{{{e + 1}}}", False)
    a, b = rng.randint(2, 9), rng.choice([2, 3, 5, 6, 7, 10, 11])
    row("radical", f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b}}}", True)
    row("radical", f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b + 1}}}", False)
    row("radical", f"\\frac{{{a}}}{{\\sqrt{{{b}}}}}", f"\\frac{{{a}\\sqrt{{{b}}}}}{{{b}}}", True)
    row("log", f"\\ln {a * b}", f"\\ln {a} + \\ln {b}", True)
    row("log", f"\\ln {a * b}", f"\\ln {a} \\cdot \\ln {b}", False)
    row("trig", "1", f"\\sin^2 {a} + \\cos^2 {a}", True)
    row("trig", "1", f"\\sin^2 {a} + \\cos^2 {a + 1}", False)
    r, s = nonzero(-9, 9), nonzero(-9, 9)
    poly = f"x^2{-(r + s):+d}x{r * s:+d}" if r + s else f"x^2{r * s:+d}"
    row("polynomial", poly, f"(x{-r:+d})(x{-s:+d})", True)
    row("polynomial", poly, f"(x{-r:+d})(x{-s - 1:+d})", False)
    row("polynomial", poly, poly.replace("x", "y"), False)
    row("polynomial", poly, poly.replace("x", "y"), True, strict=False)
    row("rational", f"x{r:+d}", f"\\frac{{(x{r:+d})(x{s:+d})}}{{x{s:+d}}}", True)
    row("exponential", f"{a}^{{2n}}", f"{a * a}^{{n}}", True)
    row("exponential", f"{a}^{{2n}}", f"{a * a}^{{2n}}", False)
    row("complex", f"{r * s + a * b}{s * a - r * b:+d}i", f"({r}{a:+d}i)({s}{-b:+d}i)", True)
    row("complex", f"{r}{a:+d}i", f"{r}{-a:+d}i", False)
    items = rng.sample(range(-30, 30), 4)
    shuffled = items[:]
    rng.shuffle(shuffled)
    text = ", ".join(map(str, items))
    row("set", f"\\{{{text}\\}}", ", ".join(map(str, shuffled)), True)
    row("set", f"\\{{{text}\\}}", ", ".join(map(str, items[:3])), False)
    row("tuple", f"({text})", f"\\left({text}\\right)", True)
    row("tuple", f"({text})", f"({', '.join(map(str, items[::-1]))})", False)
    lo, hi = rng.randint(-20, 0), rng.randint(1, 20)
    row("interval", f"({lo}, {hi}]", f"x \\in ({lo}, {hi}]", True)
    row("interval", f"({lo}, {hi}]", f"({lo}, {hi})", False)
    row("interval", f"{lo} < x \\le {hi}", f"({lo}, {hi}]", True)
    row("interval", f"({lo}, {hi})", f"({lo}, {lo + 0.5}) \\cup [{lo + 0.5}, {hi})", True)
    row("inequality", f"x > {hi}", f"{a}x > {a * hi}", True)
    row("inequality", f"x > {hi}", f"-{a}x < {-a * hi}", True)
    row("inequality", f"x > {hi}", f"-{a}x > {-a * hi}", False)
    row("inequality", f"{lo} < x \\le {hi}", f"{hi} \\ge x > {lo}", True)
    row("equation", f"y = {linear(a, r)}", f"{b}y = {linear(a * b, r * b)}", True)
    row("equation", f"y = {linear(a, r)}", f"y = {linear(a, r + 1)}", False)
    row("assignment", f"x = {r}", r, True)
    row("assignment", r, f"x = {r}", True)
    row("assignment", f"x = {r}", f"y = {r}", False)
    row("plus_minus", f"\\pm {a}", f"-{a}, {a}", True)
    row("plus_minus", f"\\pm {a}", a, False)
    q = [rng.randint(-9, 9) for _ in range(4)]
    matrix = "\\begin{{pmatrix}} {} & {} \\\\ {} & {} \\end{{pmatrix}}"
    row("matrix", matrix.format(*[2 * v for v in q]), "2" + matrix.format(*q), True)
    row("matrix", matrix.format(*q), matrix.format(q[0] + 1, *q[1:]), False)
    row("determinant", q[0] * q[3] - q[1] * q[2],
        "\\begin{{vmatrix}} {} & {} \\\\ {} & {} \\end{{vmatrix}}".format(*q), True)
    n = rng.randint(3, 9)
    row("series", n * (n + 1) // 2, f"\\sum_{{k=1}}^{{{n}}} k", True)
    row("series", n * (n + 1) // 2, f"\\sum_{{k=1}}^{{{n + 1}}} k", False)
    row("unit", n, f"{n} \\text{{ cm}}", True)
    row("unit", f"{n}ab", n, False)

for entry in rows:
    print(json.dumps(entry))
