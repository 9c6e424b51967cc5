#!/usr/bin/env python3
"""Model directories with real weights, put together from a small language model and a vision tower.

    assemble_real.py --lm DIR [--vit DIR] --out DIR [--image-size 224]

--lm is a Llama directory (SmolLM2-135M-Instruct), --vit a DINOv2 one (dinov2-small), both as
transformers writes them. Writes into OUT

* internlm2/        the language model under InternLM2's names, q, k and v fused;
* internvl/         with --vit: InternVL's own layout (InternVLChatModel), the projector drawn;
* internvl_native/  the same weights in the layout of transformers.

A DINOv2 block is InternViT's, and a Llama block InternLM2's, so nothing is retrained: the towers keep
what they know, and only the projector means nothing.
"""

import argparse
import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer

IMAGE_TOKENS = ["<img>", "</img>", "<IMG_CONTEXT>"]


def read(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    return json.loads((folder / "config.json").read_text()), tensors


def write(folder, config, tensors, tokenizer, settings):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    half = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in tensors.items()}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def as_internlm2(config, tensors):
    """q, k and v of each key-value group in one matrix: the group's queries, its key, its value."""
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    size = config["hidden_size"] // heads
    named = {"model.tok_embeddings.weight": tensors["model.embed_tokens.weight"], "model.norm.weight": tensors["model.norm.weight"]}
    named["output.weight"] = tensors.get("lm_head.weight", tensors["model.embed_tokens.weight"]).clone()
    renamed = {"self_attn.o_proj": "attention.wo", "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
               "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2"}
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        q, k, v = (tensors[f"{at}self_attn.{part}_proj.weight"] for part in "qkv")
        parts = [part.view(groups, -1, size, part.shape[-1]) for part in (q, k, v)]
        named[f"{at}attention.wqkv.weight"] = torch.cat(parts, 1).reshape(-1, q.shape[-1])
        for old, new in renamed.items():
            named[f"{at}{new}.weight"] = tensors[f"{at}{old}.weight"]
    kept = {key: value for key, value in config.items() if key not in ("architectures", "model_type")}
    # InternLM2 has a head of its own.
    extra = {"architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2", "bias": False, "tie_word_embeddings": False, "rope_scaling": None}
    return kept | extra, named


def as_intern_vit(config, tensors, image_size):
    """DINOv2 under InternViT's names; its last norm has no place there."""
    layer = re.compile(r"encoder\.layer\.(\d+)\.(.*)")
    parts = {"norm1": "norm1", "norm2": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2", "attention.output.dense": "attn.proj"}
    named = {
        "embeddings.class_embedding": tensors["embeddings.cls_token"],
        "embeddings.patch_embedding.weight": tensors["embeddings.patch_embeddings.projection.weight"],
        "embeddings.patch_embedding.bias": tensors["embeddings.patch_embeddings.projection.bias"],
        "embeddings.position_embedding": resized(tensors["embeddings.position_embeddings"], image_size // config["patch_size"]),
    }
    for name, tensor in tensors.items():
        found = layer.fullmatch(name)
        if not found:
            continue
        index, rest = found.groups()
        at = f"encoder.layers.{index}."
        if rest.startswith("layer_scale"):
            named[f"{at}ls{rest[11]}"] = tensor
        elif rest.startswith("attention.attention.query."):
            kind = rest.rsplit(".", 1)[1]
            qkv = [tensors[name.replace("query", part)] for part in ("query", "key", "value")]
            named[f"{at}attn.qkv.{kind}"] = torch.cat(qkv)
        else:
            for old, new in parts.items():
                if rest.startswith(f"{old}."):
                    named[f"{at}{new}{rest[len(old):]}"] = tensor
    sizes = {key: config[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "patch_size", "layer_norm_eps")}
    return sizes | {
        "model_type": "intern_vit_6b", "architectures": ["InternVisionModel"], "hidden_act": "gelu", "image_size": image_size,
        "intermediate_size": named["encoder.layers.0.mlp.fc1.weight"].shape[0], "num_channels": 3, "norm_type": "layer_norm",
        "qkv_bias": True, "qk_normalization": False, "initializer_range": 0.02, "drop_path_rate": 0.0,
    }, named


def resized(positions, side):
    """Learned positions at another resolution."""
    old = round((positions.shape[1] - 1) ** 0.5)
    if old == side:
        return positions
    grid = positions[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid.float(), size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], grid.permute(0, 2, 3, 1).reshape(1, side * side, -1)], 1)


def projector(vision_width, text_width):
    draw = torch.Generator().manual_seed(0)
    weight = lambda rows, columns: 0.02 * torch.randn(rows, columns, generator=draw)
    return {
        "mlp1.0.weight": torch.ones(4 * vision_width), "mlp1.0.bias": torch.zeros(4 * vision_width),
        "mlp1.1.weight": weight(text_width, 4 * vision_width), "mlp1.1.bias": torch.zeros(text_width),
        "mlp1.3.weight": weight(text_width, text_width), "mlp1.3.bias": torch.zeros(text_width),
    }


def with_image_tokens(tokenizer, tensors):
    """Rows for the image tokens: the mean embedding and a little noise."""
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in IMAGE_TOKENS])
    rows = tensors["model.embed_tokens.weight"].float()
    missing = max(map(tokenizer.token_to_id, IMAGE_TOKENS)) + 1 - rows.shape[0]
    if missing > 0:
        draw = torch.Generator().manual_seed(1)
        rows = torch.cat([rows, rows.mean(0, keepdim=True) + 0.02 * torch.randn(missing, rows.shape[1], generator=draw)])
    return tensors | {"model.embed_tokens.weight": rows.to(torch.bfloat16)}


def native_names(vit, mlp, lm):
    """InternVL's own names to those of transformers."""
    named = {f"language_model.{name}": tensor for name, tensor in lm.items()}
    for old, new in (("0", "layer_norm"), ("1", "linear_1"), ("3", "linear_2")):
        for kind in ("weight", "bias"):
            named[f"multi_modal_projector.{new}.{kind}"] = mlp[f"mlp1.{old}.{kind}"]
    swaps = [("class_embedding", "cls_token"), ("patch_embedding.", "patch_embeddings.projection."), ("position_embedding", "position_embeddings"), ("encoder.layers.", "encoder.layer."),
             ("attn.proj.", "attention.projection_layer."), (".norm1.", ".layernorm_before."), (".norm2.", ".layernorm_after."), (".ls1", ".lambda_1"), (".ls2", ".lambda_2")]
    for name, tensor in vit.items():
        for old, new in swaps:
            name = name.replace(old, new)
        if "attn.qkv" not in name:
            named[f"vision_tower.{name}"] = tensor
            continue
        for part, third in zip("qkv", tensor.chunk(3)):
            named["vision_tower." + name.replace("attn.qkv", f"attention.{part}_proj")] = third
    return named


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lm", type=Path, required=True)
    parser.add_argument("--vit", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--image-size", type=int, default=224)
    args = parser.parse_args()

    lm_config, lm = read(args.lm)
    tokenizer = Tokenizer.from_file(str(args.lm / "tokenizer.json"))
    settings = json.loads((args.lm / "tokenizer_config.json").read_text())
    config, named = as_internlm2(lm_config, lm)
    write(args.out / "internlm2", config, named, tokenizer, settings)
    if not args.vit:
        return

    vit_config, vit = as_intern_vit(*read(args.vit), args.image_size)
    lm = with_image_tokens(tokenizer, lm)
    rows = lm["model.embed_tokens.weight"].shape[0]
    llm_config, llm = as_internlm2(lm_config | {"vocab_size": rows}, lm)
    mlp = projector(vit_config["hidden_size"], lm_config["hidden_size"])
    tiling = {"force_image_size": args.image_size, "dynamic_image_size": True, "min_dynamic_patch": 1, "max_dynamic_patch": 6, "use_thumbnail": True, "pad2square": False}
    original = {"architectures": ["InternVLChatModel"], "model_type": "internvl_chat", "template": "internvl2_5", "downsample_ratio": 0.5, "ps_version": "v2", "select_layer": -1,
                "llm_config": llm_config, "vision_config": vit_config, "torch_dtype": "bfloat16"} | tiling
    tensors = {f"vision_model.{name}": tensor for name, tensor in vit.items()} | mlp | {f"language_model.{name}": tensor for name, tensor in llm.items()}
    write(args.out / "internvl", original, tensors, tokenizer, settings)

    text = {key: value for key, value in lm_config.items() if key not in ("torch_dtype", "rope_scaling")} | {"vocab_size": rows, "tie_word_embeddings": False}
    sizes = {key: vit_config[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "layer_norm_eps", "norm_type", "hidden_act")}
    vision = sizes | {"model_type": "internvl_vision", "image_size": [args.image_size] * 2, "patch_size": [vit_config["patch_size"]] * 2, "attention_bias": True, "use_qk_norm": False, "use_mean_pooling": True}
    native = {"architectures": ["InternVLForConditionalGeneration"], "model_type": "internvl", "downsample_ratio": 0.5, "image_seq_length": (args.image_size // vit_config["patch_size"] // 2) ** 2,
              "image_token_id": tokenizer.token_to_id("<IMG_CONTEXT>"), "projector_hidden_act": "gelu", "vision_feature_layer": -1, "vision_feature_select_strategy": "default",
              "tie_word_embeddings": False, "text_config": text, "vision_config": vision, "dtype": "bfloat16"}
    head = lm.get("lm_head.weight", lm["model.embed_tokens.weight"]).clone()
    write(args.out / "internvl_native", native, native_names(vit, mlp, lm | {"lm_head.weight": head}), tokenizer, settings)


if __name__ == "__main__":
    main()
