#!/usr/bin/env python3
"""The phases of `trainer bench` in transformers and PyTorch, on the same sizes.

Text only: random tokens, no padding, no picture (`trainer bench --picture-tokens 0`). The update is
one AdamW step on a policy gradient, in micro-batches, with gradient checkpointing, which is what
`activation_recompute = "block"` computes. Needs torch and transformers.

  python benches/transformers_step.py --model DIR --prompts 8 --samples 4 --prompt-tokens 128 \
      --new-tokens 64 --micro-batch 16
"""

import argparse
import json
import statistics
import time

import torch
from transformers import AutoConfig, AutoModelForCausalLM


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="a model directory, or a directory with config.json")
    parser.add_argument("--init", choices=["pretrained", "random"], default="pretrained")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", help="of the weights")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--micro-batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def load(args):
    dtype = getattr(torch, args.dtype)
    if args.init == "random":
        config = AutoConfig.from_pretrained(args.model)
        with torch.device(args.device):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype).to(args.device)
    return model


def timed(device, work):
    def wait():
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    wait()
    start = time.perf_counter()
    found = work()
    wait()
    return time.perf_counter() - start, found


def sample(model, prompts, args, new_tokens):
    model.eval()
    # With checkpointing there is no cache.
    model.gradient_checkpointing_disable()
    rows = prompts.repeat_interleave(args.samples, 0)
    with torch.no_grad():
        return model.generate(
            rows,
            attention_mask=torch.ones_like(rows),
            do_sample=True,
            use_cache=True,
            top_k=0,
            top_p=1.0,
            temperature=1.0,
            min_new_tokens=new_tokens,
            max_new_tokens=new_tokens,
            pad_token_id=0,
        )


def logprobs(model, rows, new_tokens):
    hidden = model.model(input_ids=rows).last_hidden_state[:, -new_tokens - 1 : -1]
    logits = model.lm_head(hidden).float()
    return logits.log_softmax(-1).gather(-1, rows[:, -new_tokens:, None])[..., 0]


def score(model, rows, args):
    model.eval()
    with torch.no_grad():
        return torch.cat([logprobs(model, part, args.new_tokens) for part in rows.split(args.micro_batch)])


def update(model, optimizer, rows, old, args):
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    advantages = torch.tensor([1.0, -1.0], device=rows.device).repeat(len(rows) // 2)[:, None]
    parts = zip(*(x.split(args.micro_batch) for x in (rows, old, advantages)))
    for part, old_part, advantage in parts:
        ratio = (logprobs(model, part, args.new_tokens) - old_part).exp()
        loss = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).sum() / old.numel()
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def main():
    args = arguments()
    torch.manual_seed(0)
    model = load(args)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    completions = args.prompts * args.samples
    sequence = args.prompt_tokens + args.new_tokens
    tokens = {
        "prefill": completions * args.prompt_tokens,
        "decode": completions * (args.new_tokens - 1),
        "score": completions * sequence,
        "update": completions * sequence,
    }
    rounds = []
    for i in range(args.rounds + 1):
        size = (args.prompts, args.prompt_tokens)
        prompts = torch.randint(10, model.config.vocab_size, size, device=args.device)
        first, _ = timed(args.device, lambda: sample(model, prompts, args, 1))
        whole, rows = timed(args.device, lambda: sample(model, prompts, args, args.new_tokens))
        scoring, old = timed(args.device, lambda: score(model, rows, args))
        updating, _ = timed(args.device, lambda: update(model, optimizer, rows, old, args))
        if i > 0:
            rounds.append([first, whole - first, scoring, updating])
    found = {}
    for i, (phase, n) in enumerate(tokens.items()):
        seconds = statistics.median(r[i] for r in rounds)
        found[phase] = {"tokens": n, "seconds": round(seconds, 4), "tokens_per_s": round(n / seconds, 1)}
    if args.device.startswith("cuda"):
        found["peak_bytes"] = torch.cuda.max_memory_allocated()
    print(json.dumps({"torch": torch.__version__, **found}, indent=1))


if __name__ == "__main__":
    main()
