#!/usr/bin/env python3
"""Every algorithm through a whole model whose logits are divided by a sampling temperature of 0.7.

    python gen/make_temperature.py    # in tests/golden, after make_algos.py; needs torch, transformers, numpy, safetensors

Prompts, responses and rewards are those of algos/model.json; the policies that sampled, that were there before the update
and that are the reference lie around what torch computes from the divided logits. Losses and their derivatives by
log-probabilities and entropies are the float64 formulas of make_algos.py; the gradient of the parameters is torch's.

algos/temperature.json : as algos/model.json, and the temperature
"""
import json, os
import numpy as np
import make_algos

TEMPERATURE = 0.7


def main():
    model = make_algos.tiny_model()
    with open(os.path.join(make_algos.HERE, "algos", "model.json")) as f:
        golden = json.load(f)
    groups = [dict(greedy=g["greedy"], rollouts=[
        dict(s, mask=np.array(s["mask"]), old_values=np.array(s["old_values"]), values=np.array(s["old_values"]),
             accuracy=s["reward"], truncated=False, token_rewards=np.zeros(len(s["mask"])))
        for s in g["rollouts"]]) for g in golden["groups"]]
    batch = dict(groups=groups, average=0.25)
    samples = make_algos.samples(batch)
    make_algos.draw_policies(model, samples, np.random.default_rng(11), TEMPERATURE)
    found = {}
    for name, expected in golden["algorithms"].items():
        out = make_algos.run(name, expected["set"], [batch])
        norm = make_algos.gradient_norm(model, samples, out, TEMPERATURE)
        found[name] = dict(set=expected["set"], loss=float(out["loss"][0]), grad_norm=norm)
    make_algos.write_model_golden("temperature.json", groups, found, temperature=TEMPERATURE)


if __name__ == "__main__":
    main()
