#!/usr/bin/env python3
"""Tiny random checkpoints of the models with a Qwen3 decoder, as make_tiny.py writes those of the others (which see for
what each file holds): Qwen3 itself, tied and untied, with heads of a width of their own.

    make_tiny_qwen3.py --out .. [name ...]
"""
import argparse
import os

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

import make_tiny as tiny
from make_tiny import IM_END, PAD, VOCAB, compact, reinit, run_case, save_model, text

HID, HEAD = 32, 16                                                           # four heads are wider than the stream
TEXT = dict(vocab_size=VOCAB, hidden_size=HID, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=HEAD,
            rms_norm_eps=1e-6, bos_token_id=PAD, eos_token_id=IM_END, hidden_act="silu")


def qwen3(out, seed, tied, shards=None):
    torch.manual_seed(seed)
    cfg = Qwen3Config(**TEXT, tie_word_embeddings=tied, rope_theta=1000000.0, max_position_embeddings=4096, attn_implementation="eager")
    m = reinit(Qwen3ForCausalLM(cfg), seed, tied)
    hub = dict(TEXT, architectures=["Qwen3ForCausalLM"], model_type="qwen3", tie_word_embeddings=tied, rope_theta=1000000, max_position_embeddings=4096, max_window_layers=2,
               sliding_window=None, use_sliding_window=False, attention_bias=False, attention_dropout=0.0, rope_scaling=None, torch_dtype="float32", use_cache=True, initializer_range=0.02)
    save_model(m, out, hub, shards=shards)
    g = torch.Generator().manual_seed(seed + 1)
    grads = ["layers.0.self_attn.q_norm", "layers.1.self_attn.k_norm"]
    run_case(m, out, "single", [text(21, g)], {}, grads)
    run_case(m, out, "batch", [text(9, g), text(17, g), text(13, g)], {}, grads)


BF16 = torch.bfloat16
ALL = {
    "qwen3": compact(BF16, lambda o: qwen3(o, 61, False)),
    "qwen3_tied": compact(BF16, lambda o: qwen3(o, 62, True)),
}
if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    for n in a.names or ALL:
        print(n)
        ALL[n](os.path.join(a.out, n))
