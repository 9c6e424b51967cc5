#!/usr/bin/env python3
"""Whether real weights give the same numbers here and in Python.

    check_real.py --trainer target/release/trainer --lm DIR --assembled DIR

--lm is a small Llama directory, --assembled what assemble_real.py made of it. Compares with transformers,
which reads --lm and internvl_native:

* the log-probability of every token of a page of text, at most 1e-3 apart, and 64 greedy tokens, for --lm
  itself, for it as InternLM2, and for both InternVL layouts with pictures;
* every tensor that `trainer export` writes with that which it read, bit for bit, and that transformers
  loads the export without a missing or unexpected name;
* the most memory held while a model is loaded, at most its weights in f32 and the largest tensor.

Ends with 1 where anything differs.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

TOLERANCE = 1e-3
NEW_TOKENS = 64
PAGE = Path(__file__).resolve().parents[2] / "LICENSE-APACHE"
PAGE_TOKENS = 700
FAILED = []


def verdict(good, line):
    print(("ok    " if good else "WRONG ") + line, flush=True)
    if not good:
        FAILED.append(line)


def run(command):
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}")
    return done.stdout


def peak_memory(command):
    """The most memory of its own that a command held, in bytes: pages of mapped files belong to the system."""
    peak = 0
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            anonymous = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")]
            peak = max([peak, *(1024 * int(size) for size in anonymous)])
            time.sleep(0.002)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return peak


def score(trainer, model, rows, folder):
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = run([trainer, "score", "--model", model, "--data", data, "--micro-batch", "1"])
    return [json.loads(line) for line in out.splitlines()]


def page_rows(tokenizer):
    ids = tokenizer.encode(PAGE.read_text(), add_special_tokens=False).ids[:PAGE_TOKENS]
    return [{"id": "page", "prompt_tokens": ids[:1], "response_tokens": ids[1:]}]


def logprobs(model, prompt, response, **inputs):
    ids = torch.tensor([prompt + response])
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits[0].double()
    rows = torch.log_softmax(logits[len(prompt) - 1 : -1], -1)
    return rows.gather(1, torch.tensor(response)[:, None])[:, 0].tolist()


def greedy(model, prompt, stop, **inputs):
    ids = torch.tensor([prompt])
    made = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=stop, pad_token_id=0, repetition_penalty=1.0, **inputs)
    return made[0, len(prompt) :].tolist()


def compare(name, rows, reference, inputs):
    worst, tokens = 0.0, 0
    for row in rows:
        expected = logprobs(reference, row["prompt_tokens"], row["response_tokens"], **inputs)
        gaps = [abs(a - b) for a, b in zip(row["logprobs"], expected, strict=True)]
        worst = max([worst, *(gap if math.isfinite(gap) else math.inf for gap in gaps)])
        tokens += len(gaps)
    verdict(worst <= TOLERANCE, f"{name}: {tokens} log-probabilities, largest difference {worst:.2e}")


def compare_greedy(name, trainer, model, reference, images, inputs):
    prompt = "<image>\nWhat do you see? Tell a long story about it." if images else "Write a long story about a lighthouse."
    command = [trainer, "generate", "--model", model, "--prompt", prompt, "--greedy", "--max-new-tokens", NEW_TOKENS, "--json"]
    out = run(command + [part for path in images for part in ("--image", path)])
    made = json.loads(out)
    stop = [made["tokens"][-1]] if made["finish_reason"] == "stop" else None
    expected = greedy(reference, made["prompt_tokens"], stop, **inputs)
    verdict(made["tokens"] == expected, f"{name}: {len(expected)} greedy tokens equal")
    if made["tokens"] != expected:
        print("     ", made["tokens"], "\n     ", expected)
    print(f"      {made['text'][:100]!r}")


def weights(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    return tensors


def round_trip(name, trainer, model, folder, loader):
    out = folder / f"exported-{name}"
    run([trainer, "export", "--checkpoint", model, "--out", out, "--dtype", "bf16"])
    before, after = weights(model), weights(out)
    same = before.keys() == after.keys() and all(torch.equal(before[key].view(torch.int16), after[key].view(torch.int16)) for key in before)
    verdict(same, f"{name}: {len(before)} tensors equal bit for bit after load and export")
    if loader is None:
        return
    loaded, info = loader.from_pretrained(out, dtype=torch.bfloat16, output_loading_info=True)
    whole = not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    verdict(whole, f"{name}: transformers loads the export, nothing missing or unexpected")
    original = loader.from_pretrained(model, dtype=torch.bfloat16)
    pairs = zip(original.state_dict().items(), loaded.state_dict().items(), strict=True)
    verdict(all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs), f"{name}: its parameters are equal bit for bit in transformers")


def memory(name, trainer, model, folder):
    """Loading holds the weights, and of what is on its way the largest tensor at most."""
    data = folder / "two_tokens.jsonl"
    data.write_text(json.dumps({"prompt_tokens": [1], "response_tokens": [2]}) + "\n")
    peak = peak_memory([trainer, "score", "--model", model, "--data", data])
    sizes = [4 * tensor.numel() for tensor in weights(model).values()]
    # The tokenizer, the program itself, and the one scored token.
    limit = sum(sizes) + max(sizes) + 2**27
    mib = lambda value: f"{value / 2**20:.0f} MiB"
    verdict(peak <= limit, f"{name}: loading holds {mib(peak)}; weights in f32 {mib(sum(sizes))}, largest tensor {mib(max(sizes))}")


def picture(path):
    y, x = np.mgrid[0:180, 0:400]
    pixels = np.stack([x * 255 // 399, y * 255 // 179, (x * y) % 256], -1).astype(np.uint8)
    pixels[40:140, 60:160] = [200, 30, 40]
    Image.fromarray(pixels).save(path)


def internvl(trainer, assembled, folder):
    native = AutoModelForImageTextToText.from_pretrained(assembled / "internvl_native", dtype=torch.float32, attn_implementation="eager").eval()
    config = json.loads((assembled / "internvl/config.json").read_text())
    side = config["force_image_size"]
    processor = GotOcr2ImageProcessorPil(crop_to_patches=True, min_patches=1, max_patches=config["max_dynamic_patch"], size={"height": side, "width": side},
                                         image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
    path = folder / "picture.png"
    picture(path)
    pixels = processor(images=[Image.open(path)], return_tensors="pt")
    tiles = int(pixels["num_patches"][0])
    inputs = {"pixel_values": pixels["pixel_values"]}
    tokenizer = Tokenizer.from_file(str(assembled / "internvl/tokenizer.json"))
    context = "<IMG_CONTEXT>" * (tiles * (side // 14 // 2) ** 2)
    prompt = tokenizer.encode(f"<|im_start|>user\n<img>{context}</img>\nDescribe.<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False).ids
    page = page_rows(tokenizer)[0]["response_tokens"][:300]
    rows = [{"id": "picture", "prompt_tokens": prompt, "response_tokens": page, "image_urls": [str(path)]}]
    for name in ("internvl", "internvl_native"):
        model = assembled / name
        compare(f"{name}, {tiles} tiles", score(trainer, model, rows, folder), native, inputs)
        memory(name, trainer, model, folder)
    compare_greedy("internvl", trainer, assembled / "internvl", native, [path], inputs)
    round_trip("internvl", trainer, assembled / "internvl", folder, None)
    round_trip("internvl_native", trainer, assembled / "internvl_native", folder, AutoModelForImageTextToText)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", required=True, type=Path)
    parser.add_argument("--lm", required=True, type=Path)
    parser.add_argument("--assembled", required=True, type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        reference = AutoModelForCausalLM.from_pretrained(args.lm, dtype=torch.float32, attn_implementation="eager").eval()
        rows = page_rows(Tokenizer.from_file(str(args.lm / "tokenizer.json")))
        for name, model in (("llama", args.lm), ("internlm2", args.assembled / "internlm2")):
            compare(name, score(args.trainer, model, rows, folder), reference, {})
            compare_greedy(name, args.trainer, model, reference, [], {})
            memory(name, args.trainer, model, folder)
        round_trip("llama", args.trainer, args.lm, folder, AutoModelForCausalLM)
        round_trip("internlm2", args.trainer, args.assembled / "internlm2", folder, None)
        if (args.assembled / "internvl").exists():
            internvl(args.trainer, args.assembled, folder)
    sys.exit(bool(FAILED))


if __name__ == "__main__":
    main()
