#!/usr/bin/env python3
"""Every algorithm through a whole model whose logits are divided by a sampling temperature of 0.7.

    python gen/make_temperature.py    # in tests/golden, after make_algos.py; needs torch, transformers, numpy, safetensors

Prompts, responses and rewards are those of algos/model.json; the policies that sampled, that were there before the update
and that are the reference lie around what torch computes from the divided logits. Losses and their derivatives by
log-probabilities and entropies are the float64 formulas of make_algos.py; the gradient of the parameters is torch's.

algos/temperature.json : as algos/model.json, and the temperature
"""
import json, math, os
import numpy as np
import make_algos

TEMPERATURE = 0.7
ALGOS = os.path.join(make_algos.HERE, "algos")


def main():
    import torch
    import torch.nn.functional as F
    import transformers
    from transformers import AutoModelForImageTextToText

    torch.set_num_threads(2)
    model = AutoModelForImageTextToText.from_pretrained(
        os.path.join(make_algos.HERE, "qwen2_5_vl"), attn_implementation="eager", dtype=torch.float64).eval()
    with open(os.path.join(ALGOS, "model.json")) as f:
        golden = json.load(f)
    rng = np.random.default_rng(11)
    groups = [dict(greedy=g["greedy"], rollouts=[
        dict(s, mask=np.array(s["mask"]), old_values=np.array(s["old_values"]), values=np.array(s["old_values"]),
             accuracy=s["reward"], truncated=False, token_rewards=np.zeros(len(s["mask"])))
        for s in g["rollouts"]]) for g in golden["groups"]]
    batch = dict(groups=groups, average=0.25)
    samples = make_algos.samples(batch)

    def forward(s):
        ids = torch.tensor([s["prompt"] + s["response"]])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, len(s["prompt"]) - 1:-1]
        lp = F.log_softmax(logits / TEMPERATURE, -1)
        return lp.gather(1, ids[0, len(s["prompt"]):, None])[:, 0], -(lp.exp() * lp).sum(-1)

    for s in samples:
        lp, entropy = forward(s)
        s["logp"], s["entropy"] = lp.detach().numpy(), entropy.detach().numpy()
        for key, width in (("old_logp", 0.25), ("sample_logp", 0.3), ("ref_logp", 0.4)):
            s[key] = (s["logp"] + width * rng.standard_normal(len(s["logp"]))).astype(np.float32).astype(float)
    found = {}
    for name, expected in golden["algorithms"].items():
        out = make_algos.run(name, expected["set"], [batch])
        model.zero_grad()
        at, surrogate = 0, 0
        for s in samples:
            lp, entropy = forward(s)
            n = len(s["response"])
            surrogate = surrogate + (torch.tensor(out["d_logp"][at:at + n].astype(float)) * lp).sum()
            if "d_entropy" in out:
                surrogate = surrogate + (torch.tensor(out["d_entropy"][at:at + n].astype(float)) * entropy).sum()
            at += n
        surrogate.backward()
        norm = math.sqrt(sum(float((p.grad ** 2).sum()) for p in model.parameters() if p.grad is not None))
        found[name] = dict(set=expected["set"], loss=float(out["loss"][0]), grad_norm=norm)
    kept = ("prompt", "response", "reward", "mask", "old_logp", "sample_logp", "ref_logp", "old_values")
    plain = lambda v: v.tolist() if isinstance(v, np.ndarray) else v
    rows = [dict(greedy=g["greedy"], rollouts=[{k: plain(s[k]) for k in kept} for s in g["rollouts"]]) for g in groups]
    with open(os.path.join(ALGOS, "temperature.json"), "w") as f:
        json.dump(dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__, numpy=np.__version__),
                       temperature=TEMPERATURE, groups=rows, algorithms=found), f, separators=(",", ":"))


if __name__ == "__main__":
    main()
