"""Records which part of a response math-verify takes for the answer.

Source: math-verify 0.9.0 (Apache-2.0), https://pypi.org/project/math-verify/0.9.0/, with
latex2sympy2_extended 1.11.0 and sympy 1.14.0. Usage, with these installed:

    python math_extraction.py > ../math_verify/extraction.jsonl

Each row has the configuration, the response, the text of the answer (null if nothing was found) and
whether a percent sign after it applies.
"""

import json

from sympy import srepr

from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse

EXPR = ExprExtractionConfig()
LATEX = LatexExtractionConfig()
BOXED0 = LatexExtractionConfig(boxed_match_priority=0)
CONFIGS = {
    "math_verify": [LATEX, EXPR],
    "boxed0": [BOXED0, EXPR],
    "latex": [BOXED0],
    "expr": [EXPR],
    "string": [StringExtractionConfig()],
    "verl": [EXPR, LATEX],
}

LONG = "This sentence stands between the two and says nothing about the answer at all. "
RESPONSES = [
    # Environments.
    (("math_verify", "boxed0", "latex"), "so $x^2+1$"),
    (("math_verify", "latex"), "so $$\n\\frac{1}{2}\n$$ holds"),
    (("math_verify", "latex"), "so \\[\n3x\n\\]"),
    (("math_verify", "latex"), "so \\(7y\\)."),
    (("latex",), "the interval [1, 2] is it"),
    (("latex",), "so $\n7\n$"),
    (("latex",), "a bare \\frac{3}{4} here"),
    (("latex",), "a bare -\\frac{3}{4} here"),
    (("latex",), "a bare \\sqrt{3} here"),
    (("latex",), "we get $3$ and then $4x$"),
    (("latex",), "the roots are $3$, $4$ and $5$"),
    (("latex",), "the roots are $3$ or $4$"),
    (("latex",), "either $28$ percent"),
    (("latex",), "either $28$\\%"),
    (("math_verify",), "It costs $3 and $4, so in total $44."),
    (("math_verify",), "He pays $1,250.50 in total"),
    # Boxes.
    (("math_verify", "boxed0", "latex", "expr"), "so \\boxed{17}"),
    (("math_verify", "latex"), "so $\\boxed{17}$ and $x=18$"),
    (("math_verify", "latex"), "$\\boxed{\\frac{1}{2}}$."),
    (("math_verify", "latex"), "\\boxed{\\boxed{9}}"),
    (("math_verify", "latex"), "\\boxed{3} and \\boxed{5}"),
    (("math_verify", "latex"), "\\boxed{3}, \\boxed{5}, \\boxed{8}"),
    (("math_verify", "latex"), "\\boxed{3}. " + LONG + "\\boxed{5}"),
    (("math_verify", "latex"), "\\boxed{3} " + LONG[:50] + ", or \\boxed{5}"),
    (("math_verify", "latex"), "$\\boxed{3}$ and $\\boxed{5}$"),
    (("math_verify", "latex"), "$\\boxed{3}$. " + LONG + "$\\boxed{5}$"),
    (("math_verify", "latex"), "\\boxed{12}, since 13 > 12."),
    (("latex",), "so $\\fbox{21}$"),
    (("latex",), "so $\\boxed 21$"),
    (("latex",), "so $\\boxed {21}$"),
    (("latex",), "no box: \\boxed21"),
    (("latex",), "$\\boxed{28}$ pct"),
    # Boxes against anchors.
    (("math_verify", "boxed0"), "We have \\boxed{540}. The final answer is $534$."),
    (("math_verify", "boxed0"), "The final answer is $534$. So \\boxed{540}"),
    (("math_verify", "boxed0"), "Answer: $534$. So \\boxed{540}"),
    (("math_verify", "boxed0"), "\\boxed{540} Final answer: the answer is $534$. I hope it is correct."),
    (("math_verify",), "\\boxed{1} The final answer is $534$. I hope it is correct. $7$"),
    # Anchors.
    (("math_verify", "latex"), "The final answer is $5$. But $6$ is near."),
    (("math_verify", "latex"), "The final answer to this is: $5$. But $6$ is near."),
    (("math_verify", "latex"), "Answer: $5$. But $6$ is near."),
    (("math_verify", "latex"), "The answer we find is $5$. But $6$ is near."),
    (("math_verify", "expr"), "Answer: 5. But 6 is near."),
    (("math_verify", "expr"), "The answer is x = 402"),
    (("math_verify", "expr"), "The answer: a = 1, b = 402"),
    (("math_verify", "expr"), "the answer is 3 + 4 and 9 is not"),
    (("math_verify", "expr"), "The final answer is 12.5%. I hope it is correct. 13"),
    (("math_verify",), "The answer is 402. (Source: AMC 2019)"),
    (("math_verify",), "The ANSWER is 402, not 17"),
    (("math_verify",), "answer " + LONG[:55] + " $4$ and 3 cats"),
    # Numbers in running text.
    (("math_verify", "expr"), "There are 293 cats and then 284 dogs"),
    (("math_verify", "expr"), "so the result is **733**"),
    (("math_verify", "expr"), "we need 1 234 567 bricks"),
    (("math_verify", "expr"), "we need 1,234,567.25 bricks"),
    (("math_verify", "expr"), "it is .75 of it"),
    (("math_verify", "expr"), "it is 2,74 euros"),
    (("math_verify", "expr"), "it is -17 degrees"),
    (("math_verify", "expr"), "x=42"),
    (("math_verify", "expr"), "532 + 2 = 534"),
    (("math_verify", "expr"), "so 3 * (4 + 5) cats"),
    (("math_verify", "expr"), "a half is 1/2."),
    (("math_verify", "expr"), "45 percent of them"),
    (("math_verify", "expr"), "no answer at all"),
    (("math_verify", "expr"), "AZYUK2A"),
    (("math_verify", "expr"), "room B12"),
    (("math_verify",), "some steps 293\n#### 284"),
    (("math_verify",), ""),
    # Strings.
    (("string",), "The answer is C"),
    (("string",), "Answer: D. Not A"),
    (("string",), "B. Because A is not"),
    (("string",), "**B** is it"),
    (("string",), "The final answer is A. I hope it is correct. B"),
    (("string",), "(B)"),
    (("string",), "none of them"),
    (("string",), "We know A is wrong, so C, then D"),
    # verl.
    (("verl",), "Let $n=540$. The answer is $534$"),
    (("verl",), "First \\boxed{1} then the final answer is $2$"),
]

for configs, text in RESPONSES:
    for config in configs:
        result = parse(text, CONFIGS[config])
        # Emphasis marks that stay at the end of an expression are not part of the answer.
        found = result[-1].rstrip("*") if result else None
        percent = bool(result) and "UnevaluatedExpr" in srepr(result[0])
        row = {"config": config, "text": text, "found": found, "percent": percent}
        print(json.dumps(row))
