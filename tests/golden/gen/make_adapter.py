#!/usr/bin/env python3
"""LoRA adapters that PEFT made beside a tiny checkpoint, and what the two compute together.

    python gen/make_adapter.py        # in tests/golden, after make_tiny.py

adapter/<name>/adapter_config.json, adapter_model.safetensors : as PEFT saves them, but for the path of
  the model, which is written relative to the adapter
adapter/<name>.safetensors, for the checkpoint's batch case (B rows, S tokens, left padding):
  logits (B, 4, V) of the last tokens;  logprobs (B, S-1)
  norm/<parameter>   L2 norm of the gradient of the case's loss (mean -log p of the last 6 targets)
"""
import json, os, shutil, sys
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

import make_tiny

torch.set_num_threads(2)
make_tiny.COMPACT = True                                     # pixels by rule, as in its compact checkpoints
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
R, LAST = 6, 4
ADAPTERS = {
    # name: (checkpoint, options of peft.LoraConfig)
    "all_linear": ("qwen2_5_vl", dict(r=4, lora_alpha=8, lora_dropout=0.1, target_modules="all-linear")),
    "patterns": ("qwen2_5_vl_tied", dict(
        r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "v_proj"],
        rank_pattern={"layers.0.self_attn.q_proj": 2}, alpha_pattern={"v_proj": 5})),
    # The vision tower's attention is cut into q, k and v in transformers, and one layer elsewhere.
    "internvl": ("internvl_internlm2", dict(
        r=3, lora_alpha=6, target_modules="all-linear", rank_pattern={"k_proj": 2}, alpha_pattern={"v_proj": 5})),
}


def run(name, checkpoint, options):
    base = os.path.join(HERE, checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(base, attn_implementation="eager", dtype=torch.float32)
    torch.manual_seed(3)
    model = get_peft_model(model, LoraConfig(**options)).eval()
    g = torch.Generator().manual_seed(9)
    for n, p in sorted(model.named_parameters()):
        if "lora_B" in n:                                    # zero, until something is learned
            p.data = torch.randn(p.shape, generator=g) * 0.1
    case = load_file(os.path.join(base, "case_batch.safetensors"))
    ids, mask = case["input_ids"], case["attention_mask"]
    if hasattr(model.base_model.model.model, "get_rope_index"):
        kinds, grids = (ids == model.config.image_token_id).int(), case["image_grid_thw"]
        positions = model.base_model.model.model.get_rope_index(ids, kinds, image_grid_thw=grids, attention_mask=mask)[0]
        extra = dict(pixel_values=case["pixel_values"], image_grid_thw=grids, mm_token_type_ids=kinds)
    else:
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        extra = dict(make_tiny.tile_pixels(int(case["image_grid_thw"][:, 0].sum()), None))
    extra["position_ids"] = positions
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False, **extra).logits
    logp = logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    valid = (mask[:, 1:] * mask[:, :-1]).float()
    (-logp[:, -R:].mean()).backward()
    found = {"logits": logits[:, -LAST:].detach(), "logprobs": (logp * valid).detach()}
    for n, p in model.named_parameters():
        if p.requires_grad:
            found["norm/" + n.replace(".default.", ".")] = p.grad.norm().reshape(1)
    out = os.path.join(HERE, "adapter", name)
    shutil.rmtree(out, ignore_errors=True)
    model.save_pretrained(out)
    os.remove(os.path.join(out, "README.md"))
    path = os.path.join(out, "adapter_config.json")
    config = json.load(open(path))
    config["base_model_name_or_path"] = "../../" + checkpoint
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()                      # a set, in any order
    json.dump(config, open(path, "w"), indent=2)
    save_file({k: v.contiguous() for k, v in found.items()}, out + ".safetensors")
    print(name, "tensors", len(found) - 2)


if __name__ == "__main__":
    os.makedirs(os.path.join(HERE, "adapter"), exist_ok=True)
    for name in sys.argv[1:] or ADAPTERS:
        run(name, *ADAPTERS[name])
