#!/usr/bin/env python3
"""A critic on the tiny Qwen2.5-VL checkpoints: a linear value head over the last hidden state, its
values, and the gradients of a loss of values and log-probabilities together.

    python gen/make_value_head.py        # in tests/golden, after make_tiny.py

value_head/value_head.safetensors : score.weight (1, D), score.bias (1), the head of both checkpoints
value_head/<checkpoint>.safetensors, for the batch case (B rows, left padding), the last 6 targets:
  values (B, 6)      value of the state before each target
  targets (B, 6)     what they are regressed on
  loss (1)           sum 0.5 (value - target)^2 / (6 B) - 0.3 * mean log p(target token)
  norm/<parameter>   L2 norm of its gradient, and grad/<parameter>, in full, of a few
"""
import os
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2_5_VLForConditionalGeneration

torch.set_num_threads(2)
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
OUT = os.path.join(HERE, "value_head")
R, FULL = 6, ("layers.1.mlp.down_proj", "visual.merger.mlp.2.weight")


def hub_name(name):
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


def run(name, head):
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        os.path.join(HERE, name), attn_implementation="eager", dtype=torch.float32).eval()
    case = load_file(os.path.join(HERE, name, "case_batch.safetensors"))
    ids = case["input_ids"]
    mask, grids = case["attention_mask"], case["image_grid_thw"]
    kinds = (ids == model.config.image_token_id).int()
    positions = model.model.get_rope_index(ids, kinds, image_grid_thw=grids, attention_mask=mask)[0]
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, pixel_values=case["pixel_values"],
                image_grid_thw=grids, mm_token_type_ids=kinds, use_cache=False, output_hidden_states=True)
    hidden = out.hidden_states[-1]                                       # after the final norm
    values = head(hidden)[:, -R - 1:-1, 0]
    targets = torch.linspace(-1.5, 1.5, ids.shape[0] * R).reshape(ids.shape[0], R)
    logp = out.logits[:, -R - 1:-1].log_softmax(-1).gather(-1, ids[:, -R:, None])[..., 0]
    loss = 0.5 * (values - targets).square().mean() - 0.3 * logp.mean()
    loss.backward()
    found = {"values": values.detach(), "targets": targets, "loss": loss.detach().reshape(1)}
    named = [(hub_name(n), p) for n, p in model.named_parameters()]
    for n, p in named + [("score." + n, p) for n, p in head.named_parameters()]:
        found["norm/" + n] = p.grad.norm().reshape(1)
        if n.startswith("score.") or any(part in n for part in FULL):
            found["grad/" + n] = p.grad.clone()
    head.zero_grad()
    save_file({k: v.contiguous() for k, v in found.items()}, os.path.join(OUT, name + ".safetensors"))
    print(name, "loss", float(loss.detach()))


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    head = torch.nn.Linear(64, 1)
    g = torch.Generator().manual_seed(7)
    head.weight.data = torch.randn(1, 64, generator=g) * 0.3
    head.bias.data = torch.tensor([0.25])
    save_file({"score.weight": head.weight.data, "score.bias": head.bias.data},
              os.path.join(OUT, "value_head.safetensors"), metadata={"format": "pt"})
    for name in ("qwen2_5_vl", "qwen2_5_vl_tied"):
        run(name, head)
