#!/usr/bin/env python3
"""Whether text becomes the same tokens here and in Python.

    check_text.py --encode target/release/examples/encode_lines --model DIR [DIR …] [--templates DIR]

For every model directory (tokenizer.json, tokenizer_config.json) compares

* with the tokenizers of Qwen2.5 and InternLM2, the texts of tests/golden/preproc/prompts.json;
* 1,000 random strings, special tokens recognised and taken as text, with the `tokenizers` library;
* 200 random conversations through the directory's chat template, text and tokens, with what
  `apply_chat_template` of transformers gives;
* 200 conversations whose words spell special tokens: nothing but the template may write one;
* with --templates, a folder of *.jinja, every template there on 20 conversations (--each), text and
  tokens; with --switches those that read `enable_thinking` or show pictures are given both.

Ends with 1 where anything differs.
"""

import argparse
import json
import random
import re
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

WORDS = """the a of Reason about $x^2+1$ \\frac{1}{2} answer: 42. naïve 你好 世界！ Ωμέγα прив'ет 🎉 👨‍👩‍👧 e\u0301 é ＡＢＣ x=1;
def f(x): return <think> </think> <answer> <img <|im ▁ _ __ 0123456789 3.14159 I'LL we're \u200b \u00a0 \u3000 ﷽ ½ ﬁ \x00 \x7f \ufffd 𝔘𝔫𝔦 ก็ हिन्दी عربى 한국어""".split()
SPACES = [" ", " ", " ", "  ", "\n", "\n\n", "\t", " \n ", "\r\n", "", "", "\u3000", "\x1f"]


def random_text(draw, extra=()):
    """Words in many scripts, odd spaces, now and then characters from all over Unicode."""
    parts = []
    for _ in range(draw.choice([0, 1, 2, 5, 20, 60])):
        kind = draw.random()
        if kind < 0.08:
            point = draw.choice([draw.randrange(0x20, 0x250), draw.randrange(0x20, 0xD800), draw.randrange(0xE000, 0x1FA00)])
            parts.append(chr(point))
        elif extra and kind < 0.3:
            token = draw.choice(extra)
            cut = draw.randrange(len(token) + 1)
            parts.append(draw.choice([token, token, token[:cut], token[cut:]]))
        else:
            parts.append(draw.choice(WORDS))
        parts.append(draw.choice(SPACES))
    return "".join(parts)


def random_conversation(draw, extra=()):
    turns = [{"role": "system", "content": random_text(draw, extra)}] * (draw.random() < 0.4)
    for _ in range(draw.choice([1, 1, 2, 3])):
        turns.append({"role": "user", "content": random_text(draw, extra)})
        turns.append({"role": "assistant", "content": random_text(draw, extra)})
    return turns[: len(turns) - draw.randrange(2)]


def ours(binary, model, lines):
    given = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([binary, model], input=given, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    # Not splitlines(): JSON leaves some line ends of Unicode as they are.
    return [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]


def difference(found, expected):
    """The surroundings of the first place where two texts differ."""
    if found is None or expected is None:
        return f"{str(found)[:200]!r}, expected {str(expected)[:200]!r}"
    at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
    return f"…{found[max(0, at - 30):at + 30]!r}, expected …{expected[max(0, at - 30):at + 30]!r}"


def report(name, total, wrong):
    print(f"{name}: {total - len(wrong)} of {total} equal")
    for line in wrong[:5]:
        print("   ", line[:600])
    return bool(wrong)


def strings(binary, model, tokenizer, draw):
    specials = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    texts = [random_text(draw, specials if i % 4 == 0 else ()) for i in range(1000)]
    answers = ours(binary, model, [{"text": text} for text in texts])
    special_ids = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    wrong, leaked = [], 0
    for key, literal in (("ids", False), ("literal_ids", True)):
        tokenizer.encode_special_tokens = literal
        for text, answer in zip(texts, answers, strict=True):
            expected = tokenizer.encode(text, add_special_tokens=False).ids
            if answer.get(key) == expected:
                continue
            if literal and special_ids & set(expected):
                # A word of the model's own vocabulary that is a special token: Python gives its id.
                leaked += not special_ids & set(answer[key])
                continue
            wrong.append(f"{key} of {text!r}: {difference(answer.get(key), expected)}")
    tokenizer.encode_special_tokens = False
    print(f"{model}: {leaked} texts in which Python finds special tokens though told not to, and we do not")
    return report(f"{model}: strings, both ways", 2 * len(texts), wrong)


def conversations(binary, model, tokenizer, config, draw):
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{key: config.get(key) for key in ("bos_token", "eos_token", "pad_token", "unk_token") if config.get(key)},
    )
    fast.chat_template = config["chat_template"]
    lines = [{"messages": random_conversation(draw), "add_generation_prompt": i % 3 > 0} for i in range(200)]
    wrong = []
    for line, answer in zip(lines, ours(binary, model, lines), strict=True):
        options = {"add_generation_prompt": line["add_generation_prompt"]}
        text = fast.apply_chat_template(line["messages"], tokenize=False, **options)
        ids = fast.apply_chat_template(line["messages"], tokenize=True, return_dict=False, **options)
        if answer.get("text") != text or answer.get("ids") != ids:
            wrong.append(f"{difference(answer.get('text'), text)} {difference(answer.get('ids'), ids)}")
    return report(f"{model}: conversations", len(lines), wrong)


def hostile(binary, model, tokenizer, draw):
    """Whatever is said, the special tokens are those of the same turns saying nothing special."""
    added = {i: token.content for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    lines = [{"messages": random_conversation(draw, list(added.values())), "add_generation_prompt": True} for _ in range(200)]
    quiet = [{**line, "messages": [{**turn, "content": "x"} for turn in line["messages"]]} for line in lines]
    answers, silent, wrong = ours(binary, model, lines), ours(binary, model, quiet), []
    for line, answer, calm in zip(lines, answers, silent, strict=True):
        special = [i for i in answer.get("ids", []) if i in added]
        expected = [i for i in calm["ids"] if i in added]
        # Every character is still there.
        normal = lambda text: tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        kept = tokenizer.decode(answer.get("ids", []), skip_special_tokens=False)
        if special != expected or normal(kept).replace(" ", "").replace("▁", "") != normal(answer["text"]).replace(" ", "").replace("▁", ""):
            wrong.append(f"{line['messages']}: {special}, expected {expected}; {kept!r}, expected {answer.get('text')!r}")
    return report(f"{model}: conversations that spell special tokens", len(lines), wrong)


def with_pictures(draw, messages):
    """Pictures before, between and after the words of some user turns."""
    for turn in messages:
        parts = [{"type": "text", "text": turn["content"]}]
        for _ in range(draw.choice([0, 0, 1, 2]) if turn["role"] == "user" else 0):
            parts.insert(draw.randrange(len(parts) + 1), {"type": "image"})
        turn["content"] = parts
    return messages


def templates(binary, model, tokenizer, folder, names, each, switches, config, draw):
    failed, total = [], 0
    plain = {key: value for key, value in config.items() if key.endswith("_token") and isinstance(value, str)}
    for path in sorted(path for name in names for path in folder.glob(name)):
        source = path.read_text()

        def render(messages, as_parts, open_turn, kwargs={}):
            if as_parts:
                part = lambda content: [{"type": "text", "text": content}] if isinstance(content, str) else content
                messages = [{**turn, "content": part(turn["content"])} for turn in messages]
            rendered, _ = render_jinja_template([messages], chat_template=source, add_generation_prompt=open_turn, **plain, **kwargs)
            return rendered[0]

        def shows(as_parts):
            try:
                return "2f6b1c" in render([{"role": "user", "content": "2f6b1c"}], as_parts, False)
            except Exception:
                return False

        as_parts = not shows(False) and shows(True)
        lines = [{"messages": random_conversation(draw), "add_generation_prompt": i % 2 == 0, "template": source} for i in range(each)]
        for i, line in enumerate(lines if switches else []):
            if "enable_thinking" in re.sub(r"\{#.*?#\}", "", source, flags=re.S) and i % 3:
                line["chat_template_kwargs"] = {"enable_thinking": i % 3 == 1}
            if "image" in source and "type" in source and i % 2:
                line["messages"] = with_pictures(draw, line["messages"])
        for line, answer in zip(lines, ours(binary, model, lines), strict=True):
            total += 1
            try:
                expected = render(line["messages"], as_parts, line["add_generation_prompt"], line.get("chat_template_kwargs", {}))
            except Exception as error:
                if "text" in answer:
                    failed.append(f"{path.name}: Python refuses it: {error}")
                continue
            ids = tokenizer.encode(expected, add_special_tokens=False).ids
            if answer.get("text") == expected and answer["ids"] != ids:
                failed.append(f"{path.name}: ids: {difference(answer['ids'], ids)}")
            if answer.get("text") != expected:
                failed.append(f"{path.name}: {answer.get('error', '')} {difference(answer.get('text'), expected)}")
    return report(f"{folder}: conversations", total, failed)


def prompts(binary, model, tokenizer, path):
    """Texts whose ids were computed with the tokenizers of Qwen2.5 and InternLM2, as far as they are of
    this one. What comes before a text (`<s>`) is not part of it."""
    start = tokenizer.token_to_id("<|im_start|>")
    keys = {151644: ["qwen2_5", "ids", "ids_qwen2"], 92543: ["internlm2_no_bos", "ids_internlm2"]}.get(start, [])
    known = [row for row in json.loads(path.read_text())["prompts"] if row["kind"] != "internvl2_5" or tokenizer.token_to_id("<IMG_CONTEXT>")]
    rows = [(row, row[key]) for row in known for key in keys if key in row]
    wrong = []
    for (row, ids), answer in zip(rows, ours(binary, model, [{"text": row["text"]} for row, _ in rows]), strict=True):
        ids = ids[1:] if ids[:1] == [tokenizer.token_to_id("<s>")] else ids
        if answer.get("ids") != ids:
            wrong.append(f"{row['kind']} {row['text']!r}: {difference(answer.get('ids'), ids)}")
    return report(f"{model}: {path.name}", len(rows), wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encode", required=True, help="the example encode_lines, built")
    parser.add_argument("--model", required=True, nargs="+", type=Path)
    parser.add_argument("--templates", type=Path)
    parser.add_argument("--names", nargs="+", default=["*.jinja"], help="which of them")
    parser.add_argument("--switches", action="store_true", help="give them pictures and enable_thinking, where they know of these")
    parser.add_argument("--each", type=int, default=20, help="conversations for each of them")
    parser.add_argument("--prompts", type=Path, default=Path(__file__).resolve().parents[1] / "golden/preproc/prompts.json")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    failed = False
    for model in args.model:
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        config = json.loads((model / "tokenizer_config.json").read_text())
        draw = random.Random(args.seed)
        failed |= prompts(args.encode, model, tokenizer, args.prompts)
        failed |= strings(args.encode, model, tokenizer, draw)
        if config.get("chat_template"):
            failed |= conversations(args.encode, model, tokenizer, config, draw)
            failed |= hostile(args.encode, model, tokenizer, draw)
    if args.templates:
        config = json.loads((args.model[0] / "tokenizer_config.json").read_text())
        tokenizer = Tokenizer.from_file(str(args.model[0] / "tokenizer.json"))
        failed |= templates(args.encode, args.model[0], tokenizer, args.templates, args.names, args.each, args.switches, config, random.Random(args.seed))
    sys.exit(failed)


if __name__ == "__main__":
    main()
