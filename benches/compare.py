#!/usr/bin/env python3
"""`trainer bench` and PyTorch on the same weights and shapes, in turn; medians of the ratios.

Each pair runs one process of ours and one of theirs (`transformers_step.py`), so that what else the
machine does falls on both alike. Text only. Without weights beside config.json both get the same
drawn ones. Ratios are our seconds over theirs, and our peak memory over theirs (the largest resident
set of each process). Prints a table, and with --out writes JSON.

  python benches/compare.py --model SmolLM2-135M-Instruct --prompts 8 --samples 4 \
      --prompt-tokens 128 --new-tokens 32 --pairs 5
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PHASES = ["prefill", "decode", "score", "update"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, type=pathlib.Path, help="a directory with config.json")
    parser.add_argument("--trainer", default=HERE.parent / "target/release/trainer", type=pathlib.Path)
    parser.add_argument("--other", type=pathlib.Path, help="another build of ours in place of PyTorch")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1, help="of each process, after one for warming up")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--micro-batch", type=int, default=16)
    parser.add_argument("--out", type=pathlib.Path)
    return parser.parse_args()


def with_weights(model, scratch):
    if list(model.glob("*.safetensors")):
        return model
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    drawn = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model), dtype=torch.float32)
    drawn.save_pretrained(scratch)
    return scratch


def run(command):
    """What a command printed, and the largest resident set it had, in bytes."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}")
    return json.loads(out), usage.ru_maxrss * 1024


def ours(args, model, trainer):
    sets = {
        "model.path": model,
        "data.max_prompt_tokens": args.prompt_tokens,
        "rollout.prompts_per_step": args.prompts,
        "rollout.samples_per_prompt": args.samples,
        "rollout.sampling.max_new_tokens": args.new_tokens,
        "train.micro_batch": args.micro_batch,
        "train.mini_batches": 1,
    }
    command = [trainer, "bench", "--json", "--ignore-memory", "--rounds", args.rounds]
    command += ["--prompt-tokens", args.prompt_tokens, "--picture-tokens", 0]
    command += [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    found, peak = run(command)
    return {phase["phase"]: phase["seconds"] for phase in found["phases"]}, peak


def theirs(args, model):
    command = [sys.executable, HERE / "transformers_step.py", "--model", model, "--rounds", args.rounds]
    for name in ["prompts", "samples", "prompt_tokens", "new_tokens", "micro_batch"]:
        command += [f"--{name.replace('_', '-')}", getattr(args, name)]
    found, peak = run(command)
    return {phase: found[phase]["seconds"] for phase in PHASES}, peak


def main():
    args = arguments()
    pairs = []
    with tempfile.TemporaryDirectory() as scratch:
        model = with_weights(args.model, scratch)
        for i in range(args.pairs):
            pair = {}
            for name, (seconds, peak) in {
                "ours": ours(args, model, args.trainer),
                "theirs": ours(args, model, args.other) if args.other else theirs(args, model),
            }.items():
                pair[name] = dict(seconds, step=sum(seconds.values()), peak_bytes=peak)
            pair["load"] = os.getloadavg()[0]
            pairs.append(pair)
            print(f"pair {i + 1} of {args.pairs}, load {pair['load']:.1f}", file=sys.stderr)
    rows = PHASES + ["step", "peak_bytes"]
    median = lambda of: statistics.median(of(pair) for pair in pairs)
    summary = {
        row: {
            "ours": median(lambda pair: pair["ours"][row]),
            "theirs": median(lambda pair: pair["theirs"][row]),
            "ratio": median(lambda pair: pair["ours"][row] / pair["theirs"][row]),
        }
        for row in rows
    }
    print("| | ours | theirs | ratio |\n|---|---:|---:|---:|")
    for row, found in summary.items():
        unit, factor = ("GiB", 2**30) if row == "peak_bytes" else ("s", 1)
        name = "peak memory" if row == "peak_bytes" else row
        print(f"| {name} | {found['ours'] / factor:.2f} {unit} | {found['theirs'] / factor:.2f} {unit} | {found['ratio']:.2f} |")
    if args.out:
        settings = {key: str(value) for key, value in vars(args).items()}
        args.out.write_text(json.dumps({"settings": settings, "median": summary, "pairs": pairs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
