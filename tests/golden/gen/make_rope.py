#!/usr/bin/env python3
"""How transformers reads the rotary settings of a configuration, wherever they stand, and what it makes of them.

    make_rope.py [--out FILE]

Writes rope.json: sections of a config.json with the base, the kind, the inverse frequencies and the factor of
cosines and sines that transformers computes from them. Versions: see ../README.md.
"""
import argparse
import json
import tempfile
from pathlib import Path

import transformers
from transformers import AutoConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

HIDDEN, HEADS, POSITIONS = 256, 4, 4096
SIZES = dict(vocab_size=320, hidden_size=HIDDEN, intermediate_size=112, num_hidden_layers=2, num_attention_heads=HEADS, num_key_value_heads=2, max_position_embeddings=POSITIONS)
DEFAULT_THETA = {"qwen2": 1e4, "llama": 1e4, "qwen2_vl": 1e6, "qwen2_5_vl": 1e6}
SECTIONS = {"mrope_section": [8, 12, 12]}
OLD = {"type": "linear", "factor": 2.0}
NEW = {"rope_type": "default", "rope_theta": 1e6}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
CASES = [
    # Places.
    ("qwen2", {}),
    ("qwen2", {"rope_theta": 5e5}),
    ("qwen2", {"rope_theta": 1e4, "rope_parameters": NEW}),
    ("qwen2", {"rope_theta": 77.0, "rope_parameters": {"rope_type": "default"}}),
    ("qwen2", {"rope_theta": 77.0, "rope_scaling": OLD, "rope_parameters": NEW}),
    ("qwen2", {"rope_scaling": {**OLD, "rope_theta": 5e5}, "rope_parameters": NEW}),
    ("qwen2", {"rope_scaling": {}, "rope_parameters": NEW}),
    ("qwen2", {"rope_scaling": None, "rope_parameters": None, "rope_theta": 9.0}),
    ("llama", {"rope_theta": 1e4, "rope_scaling": {"rope_type": "default", "rope_theta": 5e5}}),
    ("qwen2_5_vl", {}),
    ("qwen2_5_vl", {"rope_scaling": {"type": "mrope", **SECTIONS}}),
    ("qwen2_5_vl", {"rope_theta": 1e4, "rope_scaling": {"type": "mrope", "rope_theta": 3e4, **SECTIONS}}),
    ("qwen2_vl", {"rope_theta": 1e4, "rope_parameters": {**NEW, **SECTIONS}}),
    ("qwen2_vl", {"rope_theta": 1e4, "rope_parameters": {**NEW, **SECTIONS}, "rope_scaling": {"type": "mrope", **SECTIONS}}),
    # Kinds, and the two keys that name them.
    ("qwen2", {"rope_scaling": {"type": "linear", "rope_type": "default", "factor": 2.0}}),
    ("qwen2", {"rope_scaling": {"rope_type": "linear", "type": "default", "factor": 2.0}}),
    ("qwen2", {"rope_scaling": {"factor": 2.0}}),
    ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}),
    ("llama", {"rope_theta": 5e5, "rope_scaling": LLAMA3}),
    ("llama", {"rope_theta": 5e5, "rope_scaling": {k: v for k, v in LLAMA3.items() if not k.startswith("orig")}}),
    ("llama", {"rope_theta": 5e5, "rope_scaling": {**LLAMA3, "factor": 32.0}}),
    ("qwen2", {"rope_theta": 1e6, "rope_scaling": YARN}),
    ("qwen2", {"rope_theta": 1e6, "rope_scaling": {"type": "yarn", "factor": 4.0}}),
    ("qwen2", {"rope_scaling": {**YARN, "beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.5}}),
    ("qwen2", {"rope_scaling": {**YARN, "mscale": 0.7, "mscale_all_dim": 1.3, "truncate": False}}),
    ("qwen2", {"rope_scaling": {**YARN, "factor": 1.0, "beta_fast": 0, "mscale": 0.7}}),
    ("qwen2_5_vl", {"rope_scaling": {**YARN, **SECTIONS}}),
    ("qwen2_5_vl", {"rope_scaling": {**YARN, "rope_type": "yarn", "type": "mrope", **SECTIONS}}),
    ("qwen2_vl", {"rope_scaling": {"type": "yarn", "rope_type": "default", "factor": 4.0, **SECTIONS}}),
]


def default(config, _):
    dim = config.hidden_size // config.num_attention_heads
    import torch

    return 1.0 / (config.rope_parameters["rope_theta"] ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim)), 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "rope.json")
    out = parser.parse_args().out
    transformers.logging.set_verbosity_error()
    rows = []
    for kind, section in CASES:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "config.json").write_text(json.dumps({"model_type": kind, **SIZES, **section}))
            config = AutoConfig.from_pretrained(folder).get_text_config()
        rope_type = config.rope_parameters["rope_type"]
        frequencies, attention = ROPE_INIT_FUNCTIONS.get(rope_type, default)(config, None)
        rows.append({
            "section": section, "default_theta": DEFAULT_THETA[kind], "theta": config.rope_parameters["rope_theta"], "rope_type": rope_type,
            "head_dim": HIDDEN // HEADS, "inv_freq": frequencies.tolist(), "attention": attention,
        })
    out.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
