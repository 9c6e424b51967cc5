#!/usr/bin/env python3
"""Tiny random checkpoints of the models with a Qwen3 decoder, as make_tiny.py writes those of the others (which see for
what each file holds): Qwen3 itself, tied and untied, with heads of a width of their own, Qwen3-VL, and
InternVL3.5. InternVL3, whose decoder is Qwen2.5 with dynamic NTK, is here as it came between them.

    make_tiny_qwen3.py --out .. [name ...]
"""
import argparse
import os

import torch
from safetensors.torch import load_file, save_file
from transformers import InternVLConfig, InternVLForConditionalGeneration, Qwen3Config, Qwen3ForCausalLM, Qwen3VLConfig, Qwen3VLForConditionalGeneration

import make_tiny as tiny
from make_tiny import IM_END, IMG, PAD, VEND, VID, VOCAB, VSTART, compact, noise, reinit, run_case, save_model, text, vl_row

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


def qwen3_vl(out, seed, tied):
    """Three taps, which do not come from the first blocks nor all from every second; a decoder of one block more."""
    torch.manual_seed(seed)
    patch, frames = 8, 2
    rope = {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": True}               # 8 frequencies
    txt = dict({k: v for k, v in TEXT.items() if k not in ("bos_token_id", "eos_token_id")}, num_hidden_layers=4, max_position_embeddings=4096)
    ids = dict(image_token_id=IMG, video_token_id=VID, vision_start_token_id=VSTART, vision_end_token_id=VEND)
    vis = dict(depth=4, hidden_size=16, num_heads=2, intermediate_size=40, out_hidden_size=HID, in_channels=3, patch_size=patch, spatial_merge_size=2, temporal_patch_size=frames,
               num_position_embeddings=36, deepstack_visual_indexes=[0, 1, 3], hidden_act="gelu_pytorch_tanh")
    cfg = Qwen3VLConfig(text_config=dict(txt, rope_parameters=dict(rope, rope_theta=5000000.0)), vision_config=vis, tie_word_embeddings=tied, **ids, attn_implementation="eager")
    m = reinit(Qwen3VLForConditionalGeneration(cfg), seed, tied)
    m.model.visual.pos_embed.weight.data = (m.model.visual.pos_embed.weight.data * 0.4).to(tiny.COMPACT).float()
    if tied:
        m.tie_weights()
    hub = dict(architectures=[type(m).__name__], model_type="qwen3_vl", tie_word_embeddings=tied, torch_dtype="float32", **ids,
               text_config=dict(txt, model_type="qwen3_vl_text", bos_token_id=PAD, eos_token_id=IM_END, attention_bias=False, attention_dropout=0.0, initializer_range=0.02, use_cache=True,
                                rope_theta=5000000, rope_scaling=rope, tie_word_embeddings=tied, dtype="bfloat16"),
               vision_config=dict(vis, model_type="qwen3_vl", initializer_range=0.02))
    save_model(m, out, hub)
    pixels = lambda grids: {"pixel_values": noise(sum(t * h * w for t, h, w in grids), 3 * frames * patch * patch), "image_grid_thw": torch.tensor(grids)}
    pos = lambda grids: (lambda i, a: m.model.get_rope_index(i, (i == IMG).int(), image_grid_thw=torch.tensor(grids) if grids else None, attention_mask=a))
    feats = lambda e: torch.cat(list(m.get_image_features(pixel_values=e["pixel_values"], image_grid_thw=e["image_grid_thw"]).pooler_output))
    g = torch.Generator().manual_seed(seed + 1)
    fg = ["layers.0.self_attn.k_norm", "visual.blocks.0.attn.qkv.bias", "visual.pos_embed.weight", "visual.merger.norm", "visual.deepstack_merger_list.1.norm",
          "visual.deepstack_merger_list.2.linear_fc2.bias"]
    a = [(1, 6, 10)]                                                         # sides that are not those of the table of positions
    run_case(m, out, "single", [vl_row([5, a[0][1:], 7], g)], pixels(a), fg, pos(a), feats)
    b = [(1, 4, 6), (1, 6, 4), (1, 10, 4)]                                    # two images in row 0, one in row 2; row 1 text only
    rows = [vl_row([3, b[0][1:], 2, b[1][1:], 6], g), vl_row([11], g), vl_row([b[2][1:], 9], g)]
    run_case(m, out, "batch", rows, pixels(b), fg, pos(b), feats)


def internvl(out, seed, llm, rope):
    """InternVL3 (llm qwen2) and InternVL3.5 (qwen3), in transformers' layout and, in original/, in that of InternVLChatModel."""
    torch.manual_seed(seed)
    own = {"head_dim": HEAD} if llm == "qwen3" else {}
    txt = dict({k: v for k, v in TEXT.items() if k != "head_dim"}, **own, model_type=llm, rope_parameters={"rope_type": "default", "rope_theta": 1e6, **rope}, max_position_embeddings=4096,
               tie_word_embeddings=False)
    size, patch = tiny.IMG_SIZE // 2, tiny.PATCH // 2                         # 4 x 4 patches
    vis = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=[size, size], patch_size=[patch, patch], attention_bias=True, use_qk_norm=False,
               norm_type="layer_norm", layer_norm_eps=1e-6, use_mean_pooling=True, hidden_act="gelu")
    cfg = InternVLConfig(vision_config=vis, text_config=txt, image_token_id=IMG, image_seq_length=tiny.SEQ, downsample_ratio=0.5, tie_word_embeddings=False, attn_implementation="eager")
    m = reinit(InternVLForConditionalGeneration(cfg), seed)
    llm_cfg = dict({k: v for k, v in TEXT.items() if k != "head_dim"}, **own, model_type=llm, architectures=["Qwen2ForCausalLM" if llm == "qwen2" else "Qwen3ForCausalLM"], tie_word_embeddings=False,
                   rope_theta=1000000.0, max_position_embeddings=4096, max_window_layers=70, use_sliding_window=False, sliding_window=None, attention_dropout=0.0, use_cache=True, torch_dtype="float32",
                   rope_scaling=dict(rope, type=rope["rope_type"]) if rope else None)
    if llm == "qwen3":
        llm_cfg["attention_bias"] = False
    hub = dict(architectures=["InternVLChatModel"], model_type="internvl_chat", auto_map={}, downsample_ratio=0.5, dynamic_image_size=True, force_image_size=size, llm_config=llm_cfg,
               max_dynamic_patch=12, min_dynamic_patch=1, pad2square=False, ps_version="v2", select_layer=-1, template="internvl2_5", torch_dtype="float32", use_thumbnail=True, use_backbone_lora=0, use_llm_lora=0,
               vision_config=dict(architectures=["InternVisionModel"], model_type="intern_vit_6b", hidden_act="gelu", hidden_size=16, image_size=size, patch_size=patch, num_channels=3, num_hidden_layers=2,
                                  num_attention_heads=2, intermediate_size=32, qkv_bias=True, qk_normalization=False, norm_type="layer_norm", layer_norm_eps=1e-6,
                                  attention_dropout=0.0, dropout=0.0, drop_path_rate=0.0, initializer_factor=1.0, initializer_range=0.02, torch_dtype="float32", use_flash_attn=False))
    save_model(m, out, hub)
    os.makedirs(out + "/original", exist_ok=True)
    sd = load_file(out + "/model.safetensors")
    save_file(tiny.to_original_internvl(sd, "qwen2", 4, 2, HEAD), out + "/original/model.safetensors", metadata={"format": "pt"})
    os.replace(out + "/config.hub.json", out + "/original/config.json")
    tiny.hub_dtype(out)
    tiny.only_image_token(out)
    feats = lambda e: m.get_image_features(pixel_values=e["pixel_values"]).pooler_output.reshape(-1, HID)

    def pixels(tiles):
        x = noise(tiles * tiny.SIDE ** 2, 3 * patch * patch).view(tiles, tiny.SIDE, tiny.SIDE, 3, patch, patch)
        return {"pixel_values": x.permute(0, 3, 1, 4, 2, 5).reshape(tiles, 3, size, size)}

    g = torch.Generator().manual_seed(seed + 1)
    fg = ["layers.0.self_attn.q_norm", "multi_modal_projector.linear_2.bias", "lambda_1"]
    side = tiny.SIDE
    run_case(m, out, "single", [tiny.internvl_row([4, ("img", 3), 7], g)], pixels(3), fg, None, feats, grids=[(3, side, side)])
    rows = [tiny.internvl_row([3, ("img", 1), 2, ("img", 3), 6], g), tiny.internvl_row([12], g), tiny.internvl_row([("img", 2), 8], g)]
    run_case(m, out, "batch", rows, pixels(6), fg, None, feats, grids=[(1, side, side), (3, side, side), (2, side, side)])


BF16 = torch.bfloat16
ALL = {
    "qwen3": compact(BF16, lambda o: qwen3(o, 61, False)),
    "qwen3_tied": compact(BF16, lambda o: qwen3(o, 62, True)),
    "qwen3_vl": compact(BF16, lambda o: qwen3_vl(o, 71, False)),
    "qwen3_vl_tied": compact(BF16, lambda o: qwen3_vl(o, 72, True)),
    "internvl3": compact(BF16, lambda o: internvl(o, 81, "qwen2", {"rope_type": "dynamic", "factor": 2.0})),
    "internvl3_5": compact(BF16, lambda o: internvl(o, 82, "qwen3", {})),
}
if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    for n in a.names or ALL:
        print(n)
        ALL[n](os.path.join(a.out, n))
