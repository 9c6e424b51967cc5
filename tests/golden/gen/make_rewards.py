"""Golden rewards: the formulas of the seed systems, written again from their description.

Writes tests/golden/rewards/cases.json. Needs math-verify 0.9.0 with sympy 1.14.0:

    pip install math-verify==0.9.0 sympy==1.14.0 antlr4-python3-runtime==4.13.2
    python tests/golden/gen/make_rewards.py

The accuracies are computed with the real math-verify, in the order of arguments of the originals.
Gold answers and responses are plain, so that the value rests on the reward's own rules and not on
what this project's verifier reads differently from math-verify.
"""

import importlib.metadata
import itertools
import json
import math
import pathlib
import re

from math_verify import (
    ExprExtractionConfig,
    LatexExtractionConfig,
    StringExtractionConfig,
    parse,
    verify,
)

OUT = pathlib.Path(__file__).parents[1] / "rewards" / "cases.json"
CHOICES = ["a", "b", "c", "d"]
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]


def with_choices(text):
    targets = [StringExtractionConfig(), LatexExtractionConfig(), ExprExtractionConfig()]
    return parse(text, extraction_config=targets)


def in_one_line(text):
    return re.search(r"<answer>(.*?)</answer>", text)


# MM-Eureka: accuracy of the instruct and the Qwen models.
def instruct_accuracy(response, gold, wrap):
    response = response.strip()
    if not response:
        return 0.0
    found = in_one_line(response)
    content = found.group(0) if found else response.split("<answer>")[-1]
    golds = parse(f"${gold}$" if wrap else gold)
    if not golds:
        return 1.0
    if verify(with_choices(content), golds):
        return 1.0
    student = (found.group(1) if found else content).strip()
    student = student.replace("</answer>", "").replace("<answer>", "").strip().lower()
    for one in golds:
        letter = str(one).lower()
        if letter in CHOICES and letter in student:
            if not any(other in student for other in CHOICES if other != letter):
                return 1.0
    return 0.0


def last_balanced_box(text):
    """The last of the boxes from left to right, none inside another."""
    at, last = 0, ""
    while (start := text.find(r"\boxed{", at)) >= 0:
        depth, end = 0, None
        for i in range(start + len(r"\boxed"), len(text)):
            depth += {"{": 1, "}": -1}.get(text[i], 0)
            if depth == 0:
                end = i + 1
                break
        if end is None:
            at = start + 1
        else:
            last, at = text[start:end], end
    return last


# MM-Eureka: accuracy of the Zero model.
def zero_accuracy(response, gold):
    boxed = last_balanced_box(response).strip()
    if boxed == gold:
        return 1.0
    return float(verify(with_choices(gold), with_choices(boxed)))


ONCE = "".join(rf"(?=.*{tag})(?!.*{tag}.*{tag})" for tag in TAGS)


# MM-Eureka: the formats.
def instruct_format(response):
    pattern = "^" + ONCE + r".*<think>(.+?)</think>\s*<answer>.+?</answer>.*$"
    return 0.5 if re.search(pattern, response.strip(), re.DOTALL) else 0.0


def zero_format(response):
    pattern = "^" + ONCE + r"<think>(.+?)</think>\s*<answer>.+?</answer>$"
    found = re.search(pattern, response.strip(), re.DOTALL)
    return 1.0 if found and len(found.group(1).strip()) >= 300 else 0.0


# R1-V and VisualThinker.
def r1v_accuracy(response, gold, letters):
    if verify(parse(response), parse(gold)):
        return 1.0
    inside = [in_one_line(text) for text in (gold, response)]
    gold, answer = (
        found.group(1).strip() if found else text.strip()
        for found, text in zip(inside, (gold, response))
    )
    if answer == gold:
        return 1.0
    found = re.findall(r"(^|\s|\[|\()([A-H])(\s|\]|\)|$)", answer)
    return 1.0 if letters and found and found[-1][1] == gold else 0.0


def r1v_format(response):
    pattern = r"<think>.*?</think>\s*<answer>.*?</answer>"
    return 1.0 if re.fullmatch(pattern, response, re.DOTALL) else 0.0


# SimpleRL, for answers that are plain integers.
def simple_rl_box(response, gold):
    if "boxed" not in response:
        return -1.0
    inside = last_balanced_box(response)[len(r"\boxed{") : -1]
    number = inside or (re.findall(r"-?\d+", response) or [""])[-1]
    return 1.0 if number.strip() == gold else -0.5


# TRL and open-r1.
def cosine(length, correct, top):
    low, high = (0.5, 1.0) if correct else (-0.5, -1.0)
    return low + 0.5 * (high - low) * (1.0 + math.cos(math.pi * length / top))


def repetition(response, n):
    words = response.lower().split()
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return -(1 - len(set(grams)) / len(grams)) if grams else 0.0


# DAPO, equation 13.
def overlong(length, top, buffer):
    if length <= top - buffer:
        return 0.0
    return ((top - buffer) - length) / buffer if length <= top else -1.0


ANSWERS = [
    "3", "$3$", " 3 ", "\n3\n", "$4$", "B", "(B)", "b", "B.", "A or B", "[B]", "BAD", "bird", "ebb",
    "red", "Red", "$x=3$", r"$\boxed{3}$", "", " ", "A B", "B (C)", "It is B then", "\x1cB\x1c",
]
FRAMES = [
    "<answer>{}</answer>",
    "<think>t</think><answer>{}</answer>",
    "<think>5 or so\n</think> \n <answer>{}</answer>\n",
    "so <think>t</think><answer>{}</answer> done",
    "<think>t</think>x<answer>{}</answer>",
    "<answer>D</answer><answer>{}</answer>",
    "<answer>{}",
    "{}",
    "<think></think><answer>{}</answer>",
    "<think><think>t</think></think><answer>{}</answer>",
    "t</think><answer>{}</answer>",
    "<think>a</think><answer>b</answer><think>c</think><answer>{}</answer>",
]
GOLDS = ["3", "$3$", "B", "red", "not possible"]
BOXES = [
    r"\boxed{3}", r"so \boxed{4} no \boxed{3}", r"\boxed{3} or \boxed{4}", r"\boxed{3} or \boxed{4",
    r"\boxed{\boxed{3}}", r"$\boxed{3}$.", r"\boxed{ 3 }", "3", "boxed 3", r"\boxed{}", r"\boxed 3",
    r"\boxed{{3}", r"}\boxed{3}{", r"\boxed{B}", r"\boxed{not possible}", r"\boxed{\text{red}}", "",
]


def glued(text):
    """Whether a number stands right at a tag: math-verify does not see it, this project does."""
    return re.search(r">\d|\d<", text)


def main():
    rules, cases = [], []

    def add(rule, options, response, gold, value, tokens=None):
        key = {"rule": rule, "options": options}
        if key not in rules:
            rules.append(key)
        cases.append([rules.index(key), response, gold, tokens, value])

    compat = {"compat": True}
    responses = list(dict.fromkeys(f.format(a) for f, a in itertools.product(FRAMES, ANSWERS)))
    for response, gold in itertools.product(responses, GOLDS):
        if glued(response):
            continue
        for name, wrap in [("instruct", False), ("qwen", True)]:
            value = instruct_accuracy(response, gold, wrap)
            add(f"mm_eureka_{name}_accuracy", compat, response, gold, value)
        for text in (gold, f"<answer>{gold}</answer>"):
            if not glued(text):
                value = r1v_accuracy(response, text, True)
                add("visual_thinker_accuracy", compat, response, text, value)
        value = r1v_accuracy(response, gold, False)
        add("r1v_accuracy", compat, response, gold, value)
    long = [f"<think> {'é' * n} </think>{{}}</answer>" for n in (299, 300)]
    long = [text.format(middle) for text in long for middle in ("<answer>3", "\x1f<answer>3", "3")]
    for response in responses + long:
        add("mm_eureka_instruct_format", compat, response, "3", instruct_format(response))
        add("mm_eureka_qwen_format", compat, response, "3", instruct_format(response))
        add("mm_eureka_zero_format", compat, response, "3", zero_format(response))
        add("r1v_format", compat, response, "3", r1v_format(response))
        value = r1v_format("<think>" + response)
        add("visual_thinker_format", compat, response, "3", value)
        chat = {"compat": True, "think_in_prompt": False}
        add("visual_thinker_format", chat, response, "3", r1v_format(response))
    for response, gold in itertools.product(BOXES, GOLDS + [r"\boxed{3}", ""]):
        add("mm_eureka_zero_accuracy", compat, response, gold, zero_accuracy(response, gold))
    for response in BOXES[:3] + BOXES[5:9]:
        add("simple_rl_box", compat, response, "3", simple_rl_box(response, "3"))
    for tokens, right in itertools.product([0, 1, 250, 999, 1000, 1500, 4000], [True, False]):
        options = {"compat": True, "accuracy": "answer_exact"}
        response = f"<answer>{3 if right else 4}</answer>"
        add("cosine_length", options, response, "3", cosine(tokens, right, 1000), tokens)
    for tokens in [0, 16384, 16385, 18432, 20479, 20480, 20481]:
        add("soft_overlong", {}, "", "", overlong(tokens, 20480, 4096), tokens)
    texts = ["", "a", "a b", "a b c", "a b c a b c", "A b\tC a\n b c a", "x " * 500, "İ ß ﬁ " * 9]
    for text, n in itertools.product(texts, [1, 2, 3, 5]):
        add("ngram_repetition", {"n": n}, text, "", repetition(text, n))
    versions = {name: importlib.metadata.version(name) for name in ("math-verify", "sympy")}
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    head = f'"versions": {json.dumps(versions)},\n"rules": {json.dumps(rules)}'
    OUT.write_text(f'{{{head},\n"cases": [\n{lines}\n]}}\n')
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
