#!/usr/bin/env python3
"""Whether an exported model, or adapter, gives the same numbers in Python transformers (and peft) as
in `trainer score`.

    check_export.py --trainer target/release/trainer --model DIR --data FILE.jsonl

Loads DIR with transformers, builds every prompt of FILE with its processor, and compares prompt
tokens, response tokens and the log-probability of every response token with what
`trainer score --model DIR` prints for the same rows. Rows without a "response" are given one around
their "answer". Ends with 1 if a token differs or a log-probability by more than the tolerance.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

IMAGE_MARK = "<image>"


def read_rows(path, limit):
    """Rows with a response each, and their pictures by absolute paths."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or len(rows) == limit:
            continue
        row = json.loads(line)
        if row["conversations"][-1]["role"] == "assistant":
            row.setdefault("response", row["conversations"].pop()["content"])
        row.setdefault("id", f"line-{number}")
        # One response that the model would give, one that it would not.
        wordy = "<think>red circle top left</think>" if len(rows) % 2 else ""
        row.setdefault("response", f"{wordy}<answer>{row.get('answer')}</answer>")
        urls = [url.removeprefix("file://") for url in row.get("image_urls", [])]
        row["image_urls"] = [str((path.parent / url).resolve()) for url in urls]
        rows.append({key: row[key] for key in ("id", "conversations", "response", "image_urls")})
    if not rows:
        sys.exit(f"{path}: no row in this file")
    return rows


def trainer_scores(trainer, model, rows):
    """What `trainer score` says of the rows."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [trainer, "score", "--model", model, "--data", data]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"`trainer score` ended with status {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def messages(row):
    """The conversation in the form that chat templates take; missing marks put pictures first."""
    marks = sum(turn["content"].count(IMAGE_MARK) for turn in row["conversations"])
    turns, first_user = [], True
    for turn in row["conversations"]:
        parts = []
        if turn["role"] == "user" and first_user:
            parts += [{"type": "image"}] * (len(row["image_urls"]) - marks)
            first_user = False
        for i, text in enumerate(turn["content"].split(IMAGE_MARK)):
            parts += [{"type": "image"}] * (i > 0)
            parts += [{"type": "text", "text": text}] * bool(text)
        turns.append({"role": turn["role"], "content": parts})
    return turns


def load_model(model_dir):
    """A model, or an adapter on the model it names."""
    adapter = model_dir / "adapter_config.json"
    base = json.loads(adapter.read_text())["base_model_name_or_path"] if adapter.exists() else model_dir
    model = AutoModelForImageTextToText.from_pretrained(
        base, dtype=torch.float32, attn_implementation="eager"
    )
    if not adapter.exists():
        return model
    from peft import PeftModel

    with warnings.catch_warnings():
        # A tensor that finds no place, or a place that finds no tensor, is only a warning to PEFT.
        warnings.filterwarnings("error", message=".*(missing|unexpected).*keys.*")
        return PeftModel.from_pretrained(model, model_dir)


def reference_scores(model_dir, rows):
    """The same from transformers, one row at a time, in f32."""
    processor = AutoProcessor.from_pretrained(model_dir)
    # Pillow's resampling is the reference; torchvision's differs from it by a level here and there.
    processor.image_processor = AutoImageProcessor.from_pretrained(model_dir, backend="pil")
    # A directory may have its template beside the tokenizer only.
    template = processor.chat_template or processor.tokenizer.chat_template
    model = load_model(model_dir).eval()
    for row in rows:
        prompt = processor.apply_chat_template(
            messages(row), chat_template=template, add_generation_prompt=True
        )
        images = [Image.open(path).convert("RGB") for path in row["image_urls"]]
        inputs = processor(text=[prompt], images=images or None, return_tensors="pt")
        response = processor.tokenizer(row["response"], add_special_tokens=False).input_ids
        given = inputs.pop("input_ids")
        ids = torch.cat([given, torch.tensor([response])], dim=1)
        inputs["attention_mask"] = torch.ones_like(ids)
        if "mm_token_type_ids" in inputs:
            kinds = inputs["mm_token_type_ids"]
            text = kinds.new_zeros(1, len(response))
            inputs["mm_token_type_ids"] = torch.cat([kinds, text], dim=1)
        with torch.no_grad():
            logits = model(input_ids=ids, **inputs).logits.float()
        logprobs = torch.log_softmax(logits[0, given.shape[1] - 1 : -1], dim=-1)
        chosen = logprobs.gather(1, torch.tensor(response)[:, None])[:, 0]
        yield given[0].tolist(), response, chosen.tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trainer", required=True, help="the binary")
    parser.add_argument("--model", required=True, type=Path, help="an exported model")
    parser.add_argument("--data", required=True, type=Path, help="rows of a conversation each")
    parser.add_argument("--rows", type=int, default=64, help="rows used, from the first")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="in nats")
    args = parser.parse_args()

    rows = read_rows(args.data, args.rows)
    scored = trainer_scores(args.trainer, args.model, rows)
    if [row["id"] for row in rows] != [row["id"] for row in scored]:
        sys.exit("`trainer score` printed other rows than it was given")
    largest, where, tokens = 0.0, "", 0
    for ours, (prompt, response, logprobs) in zip(scored, reference_scores(args.model, rows)):
        if ours["prompt_tokens"] != prompt:
            sys.exit(f"{ours['id']}: prompt tokens differ\n{ours['prompt_tokens']}\n{prompt}")
        if ours["response_tokens"] != response:
            sys.exit(f"{ours['id']}: response tokens differ\n{ours['response_tokens']}\n{response}")
        for place, (a, b) in enumerate(zip(ours["logprobs"], logprobs, strict=True)):
            tokens += 1
            # A number that is not finite is the largest difference of all.
            gap = abs(a - b) if abs(a - b) >= 0 else float("inf")
            if gap > largest:
                largest, where = gap, f" ({ours['id']}, token {place}: {a} and {b})"
    print(f"{len(rows)} rows, {tokens} response tokens: largest difference {largest:.3g}{where}")
    if tokens == 0 or largest > args.tolerance:
        sys.exit(f"expected at least one token, and at most {args.tolerance:g}")


if __name__ == "__main__":
    main()
