"""Verdicts of benchmarks' scorers, by running their own functions on rows made up here.

Writes tests/golden/benchmarks/*.json. The functions are taken out of the packages' files, so that
neither package has to be installed with all it needs:

    pip download --no-deps lmms-eval==0.7.3 ms-vlmeval==0.0.20 && unzip '*.whl' -d SOURCES
    pip install Levenshtein math-verify==0.9.0 sympy==1.14.0 antlr4-python3-runtime==4.11.0 \
        pandas timeout-decorator
    python make_benchmark_scorers.py SOURCES

MathVista's comparison and WeMath's metrics are the authors' own files as these packages carry them,
and so is OlympiadBench's judge. That judge calls a function `sympy_sub_pi` which VLMEvalKit has
commented out (every expression then counts as wrong); it is put back as it stands in the comment.
"""

import ast
import itertools
import json
import logging
import math
import pathlib
import re
import sys

import pandas as pd
import sympy as sp
import timeout_decorator
from Levenshtein import distance
from math_verify import parse, verify
from sympy import Eq, Pow, simplify, sympify
from sympy.parsing.latex import parse_latex

OUT = pathlib.Path(__file__).parents[1] / "benchmarks"
SOURCES = pathlib.Path(sys.argv[1])


class Log:
    def info(self, *_):
        pass


def taken(file, names, given):
    """The functions and classes `names` of a file, with `given` in place of its imports."""
    tree = ast.parse((SOURCES / file).read_text())
    body = [node for node in tree.body if getattr(node, "name", None) in names]
    for node in body:
        if isinstance(node, ast.ClassDef):  # what its constants ask of a server is not needed
            node.body = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    scope = dict(given)
    exec(compile(ast.Module(body, []), file, "exec"), scope)
    return scope


def write(name, cases):
    with open(OUT / name, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")


def mathvista():
    scope = taken(
        "lmms_eval/tasks/mathvista/mathvista_evals.py",
        ["MathVistaEvaluator"],
        {"re": re, "distance": distance, "eval_logger": Log(), "shot_examples": []},
    )
    judge = scope["MathVistaEvaluator"].__new__(scope["MathVistaEvaluator"])
    rows = [
        ("multi_choice", "text", None, ["3/11", "8/11", "6/11", "3/5"], "8/11"),
        ("multi_choice", "text", None, ["Yes", "No"], "No"),
        ("multi_choice", "text", None, ["smaller than", "larger than", "equal to"], "larger than"),
        ("multi_choice", "float", None, ["1.5", "2.5", "12.5"], "2.5"),
        ("free_form", "integer", None, None, "14"),
        ("free_form", "integer", None, None, "-3"),
        ("free_form", "float", 1.0, None, "0.6"),
        ("free_form", "float", 2.0, None, "1.45"),
        ("free_form", "text", None, None, "Circle"),
        ("free_form", "list", None, None, "[2007, 2008]"),
    ]
    answers = [
        "8/11", "B", "(B)", "(B) 8/11", "b", "(b)", "No", "no", "Yes", "larger", "larger than",
        "equal", "2.5", "12", "(C) 2.5", "14", "14.0", "14.9", "15", "-3", "-3.7", "0.6", "0.62",
        "0.65", "0.55", "0.66", "1.45", "1.454", "1.446", "1.5", "Circle", "Cube", "circle",
        "[2007, 2008]", "[2008, 2007]", "A", "D", "(D)",
    ]
    cases = []
    for (kind, type_, precision, choices, gold), answer in itertools.product(rows, answers):
        digits = None if precision is None else int(precision)
        found = judge.normalize_extracted_answer(answer, choices, kind, type_, digits)
        row = {"question_type": kind, "answer_type": type_, "precision": precision, "choices": choices}
        cases.append([row, gold, answer, judge.safe_equal(found, gold)])
    write("mathvista.json", cases)


def olympiadbench():
    scope = taken(
        "vlmeval/dataset/utils/olympiadbench.py",
        ["MathJudger", "extract_answer"],
        {
            "re": re, "sp": sp, "Eq": Eq, "Pow": Pow, "simplify": simplify, "sympify": sympify,
            "parse_latex": parse_latex, "timeout_decorator": timeout_decorator, "logging": logging,
            "print": lambda *_: None,
        },
    )
    judger, extract = scope["MathJudger"], scope["extract_answer"]
    judger.sympy_sub_pi = lambda self, e: e.subs(self.pi, math.pi)
    rows = [
        ("5", None, ["5", "5.0", "500", "0.05", "5.1", "6", "\\frac{10}{2}", "5,6", "x=5"]),
        ("3.14", "1e-2", ["3.14", "3.15", "3.1", "314", "\\pi", "3.16"]),
        ("2,3", None, ["2,3", "3,2", "2", "2,3,4", "2,4", "3}, \\boxed{2"]),
        ("\\pm 2", None, ["\\pm 2", "2,-2", "2", "-2,2", "+2, -2"]),
        ("\\frac{1}{2}", None, ["\\frac{1}{2}", "\\frac{2}{4}", "0.5", "\\frac{1}{3}"]),
        ("x^2+2x+1", None, ["x^2+2x+1", "(x+1)^2", "x^2+2x", "1+2x+x^2"]),
        ("(1,2)", None, ["(1,2)", "[1,2]", "(1,3)", "\\left(1,2\\right)", "(2,1)"]),
        ("90^\\circ", None, ["90", "90^\\circ", "91^\\circ", "\\frac{\\pi}{2}"]),
        ("12 \\mathrm{~cm}", None, ["12 \\mathrm{~cm}", "12 \\mathrm{cm}", "13 \\mathrm{~cm}"]),
        ("1.5,20", "0.1,1", ["1.5,20", "1.55,20.5", "20,1.5", "1.7,20", "1.5,22"]),
        ("2 \\sqrt{3}", None, ["2\\sqrt{3}", "\\sqrt{12}", "2\\sqrt{2}", "3.4641016151377544"]),
    ]
    forms = [
        "So the final answer is $\\boxed{%s}$.",
        "We get $\\boxed{%s}$.",
        "First $x=7$.\nThen $%s$",
    ]
    cases = []
    for gold, error, answers in rows:
        for answer, form in itertools.product(answers, forms):
            response = form % answer
            tolerance = [float(e) for e in error.split(",")] if error else 1e-8
            right = judger().judge(gold, extract(False, response), tolerance)
            cases.append([gold, error, response, bool(right)])
    write("olympiadbench.json", cases)


def lmms_reasoning():
    names = [
        "extract_boxed_answer", "extract_anwser_tag", "simple_parse", "parse_mcq",
        "relax_exact_match", "acc_reward",
    ]
    scope = taken(
        "lmms_eval/tasks/_task_utils/reasoning_utils.py",
        names,
        {"re": re, "parse": parse, "verify": verify, "USE_LLM_JUDGE": "False"},
    )
    golds = [
        "A", "B", "D", "Circle", "Decagon", "E", "12", "-3", "0.5", "1234567890", "x+1", "yes", "(C)",
        "red",
    ]
    answers = [
        "A", "(A)", "B.", "b", "D: pen", "C) cup", "Cube", "Circle", "circle", "Dodecagon", "Every",
        "12", "12.0", "123456789", "-3", "3", "\\frac{1}{2}", "1+x", "yes", "Yes.", "red", "the red",
        "The answer is B", "A triangle so it is C", "1. A", "B A_ C=", "not A but B", "",
    ]
    forms = ["<answer>%s</answer>", "\\boxed{%s}", "So it is %s", "%s\n", "<answer>%s</answer><answer>B</answer>"]
    cases = []
    for gold, answer, form in itertools.product(golds, answers, forms):
        response = form % answer
        found = scope["extract_anwser_tag"](response).strip()
        cases.append([gold, response, bool(scope["acc_reward"](found, gold))])
    write("lmms_reasoning.json", cases)


def wemath():
    names = [
        "evaluate_process_steps_data", "evaluate_calculate_metrics", "evaluate_compute_final_scores",
    ]
    scope = taken("vlmeval/dataset/utils/wemath.py", names, {"pd": pd})
    rows = []
    for steps in (2, 3):
        kinds = list(itertools.product([True, False], repeat=steps + 1))
        for number, rights in enumerate(kinds * (3 if steps == 2 else 2)):
            keys = [f"{steps}steps_{i + 1}" for i in range(steps)] + [f"{steps}steps_multi"]
            rows += [{"ID": f"{steps}_{number}", "key": k, "joker": r} for k, r in zip(keys, rights)]
    data = pd.DataFrame(rows)
    merged = [
        scope["evaluate_process_steps_data"](data[data["key"].str.contains(f"{steps}steps")].copy(), steps)
        for steps in (2, 3)
    ]
    total = sum(row["key"].endswith("multi") for row in rows)
    counts, _ = scope["evaluate_compute_final_scores"](scope["evaluate_calculate_metrics"](*merged), total)
    counts = {"problems": total, **{name: int(count) for name, count in counts.items()}}
    (OUT / "wemath.json").write_text(json.dumps({"rows": rows, "counts": counts}) + "\n")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    mathvista()
    lmms_reasoning()
    olympiadbench()
    wemath()
