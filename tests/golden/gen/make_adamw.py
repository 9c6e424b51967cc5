#!/usr/bin/env python3
"""Four steps of torch's AdamW: clipping by the global norm, a group of matrices with weight decay beside
one of vectors without, and a warm-up over two steps.

    python gen/make_adamw.py    # in tests/golden; needs torch

adamw.json : settings; values before; of each step the rate, the norm before clipping, gradients and values after
"""
import json, os
import torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
SETTINGS = dict(lr=0.01, beta1=0.9, beta2=0.98, epsilon=1e-6, weight_decay=0.1, max_grad_norm=1.0, warmup_steps=2)
STEPS = 4


def main():
    draw = torch.Generator().manual_seed(3)
    random = lambda *shape: torch.randn(*shape, generator=draw)
    matrix, vector = torch.nn.Parameter(random(5, 3)), torch.nn.Parameter(random(7))
    groups = [dict(params=[matrix], weight_decay=SETTINGS["weight_decay"]), dict(params=[vector], weight_decay=0.0)]
    betas = (SETTINGS["beta1"], SETTINGS["beta2"])
    optimizer = torch.optim.AdamW(groups, lr=SETTINGS["lr"], betas=betas, eps=SETTINGS["epsilon"])
    warmup = SETTINGS["warmup_steps"]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: min(1.0, (done + 1) / (warmup + 1)))
    flat = lambda x: x.detach().flatten().tolist()
    out = dict(settings=SETTINGS, steps=[], matrix=flat(matrix), vector=flat(vector))
    for step in range(STEPS):
        # The second step's gradients are small: they are not clipped.
        scale = 0.05 if step == 1 else 1.0
        matrix.grad, vector.grad = scale * random(5, 3), scale * random(7)
        found = dict(lr=optimizer.param_groups[0]["lr"], matrix_grad=flat(matrix.grad), vector_grad=flat(vector.grad))
        found["norm"] = float(torch.nn.utils.clip_grad_norm_([matrix, vector], SETTINGS["max_grad_norm"]))
        optimizer.step()
        schedule.step()
        out["steps"].append(dict(found, matrix=flat(matrix), vector=flat(vector)))
    with open(os.path.join(HERE, "adamw.json"), "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
