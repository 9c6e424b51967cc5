#!/usr/bin/env python3
"""Tiny random checkpoints of SmolVLM2 (4×4 patches a token) and SmolVLM (Idefics3, 3×3 patches, tiles that are no whole number
of patches), as make_tiny.py writes those of the others (which see for what each file holds).

    make_tiny_smolvlm.py --out .. [name ...]
"""
import argparse
import os

import torch
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, SmolVLMConfig, SmolVLMForConditionalGeneration

from make_tiny import IM_END, IM_START, IMG, PAD, VEND, VOCAB, VSTART, compact, noise, reinit, run_case, save_model, text

HID = 32


def smolvlm(out, seed, kind, side, rest, scale, tied):
    torch.manual_seed(seed)
    patch = 4
    size = side * patch + rest
    txt = dict(model_type="llama", vocab_size=VOCAB, hidden_size=HID, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5,
               bos_token_id=PAD, eos_token_id=IM_END, pad_token_id=2, hidden_act="silu", max_position_embeddings=4096, tie_word_embeddings=tied, attention_bias=False, mlp_bias=False)
    vis = dict(hidden_size=16, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, image_size=size, patch_size=patch, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6)
    config, model = {"smolvlm": (SmolVLMConfig, SmolVLMForConditionalGeneration), "idefics3": (Idefics3Config, Idefics3ForConditionalGeneration)}[kind]
    cfg = config(text_config=dict(txt, rope_parameters={"rope_type": "default", "rope_theta": 1e5}), vision_config=vis, image_token_id=IMG, scale_factor=scale, tie_word_embeddings=tied,
                 attn_implementation="eager")
    m = reinit(model(cfg), seed, tied)
    if tied:
        m.tie_weights()
    hub = dict(architectures=[type(m).__name__], model_type=kind, image_token_id=IMG, pad_token_id=2, scale_factor=scale, tie_word_embeddings=tied, torch_dtype="float32", use_cache=True,
               text_config=dict(txt, architectures=["VLlama3ForCausalLM"], rope_theta=100000.0, is_llama_config=True, pixel_shuffle_factor=scale, qk_layer_norms=False, use_resampler=False,
                                torch_dtype="bfloat16"),
               vision_config=dict(vis, model_type=f"{kind}_vision", num_channels=3, max_image_size={"longest_edge": size}, size={"longest_edge": 4 * size}, use_base_siglip=False))
    save_model(m, out, hub)
    feats = lambda e: torch.cat(list(m.model.get_image_features(pixel_values=e["pixel_values"]).pooler_output))

    def pixels(tiles):
        """All tiles in the first row's place: which row has which does not matter, their order does."""
        x = noise(tiles * side * side, 3 * patch * patch).view(tiles, side, side, 3, patch, patch)
        whole = torch.zeros(tiles, 3, size, size)
        whole[:, :, :side * patch, :side * patch] = x.permute(0, 3, 1, 4, 2, 5).reshape(tiles, 3, side * patch, side * patch)
        return {"pixel_values": whole[None]}

    def row(parts, g):
        """ints = text, ("img", tiles): tiles between tokens of their own, as rows and columns are written"""
        out = [IM_START]
        for p in parts:
            if isinstance(p, int):
                out += text(p, g)
                continue
            for i in range(p[1]):
                out += [VSTART, 10 + i] + [IMG] * (side // scale) ** 2
            out += [VEND]
        return out + [IM_END]

    g = torch.Generator().manual_seed(seed + 1)
    fg = ["vision_model.encoder.layers.0.self_attn.k_proj.weight", "encoder.layers.1.layer_norm2", "post_layernorm", "embeddings.patch_embedding.bias"]
    run_case(m, out, "single", [row([4, ("img", 3), 7], g)], pixels(3), fg, None, feats, grids=[(3, side, side)])
    rows = [row([3, ("img", 1), 2, ("img", 3), 6], g), row([12], g), row([("img", 2), 8], g)]
    run_case(m, out, "batch", rows, pixels(6), fg, None, feats, grids=[(1, side, side), (3, side, side), (2, side, side)])


BF16 = torch.bfloat16
ALL = {
    "smolvlm2": compact(BF16, lambda o: smolvlm(o, 91, "smolvlm", 8, 0, 4, False)),
    "smolvlm_idefics3": compact(BF16, lambda o: smolvlm(o, 92, "idefics3", 6, 2, 3, True)),
}
if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    for n in a.names or ALL:
        print(n)
        ALL[n](os.path.join(a.out, n))
