#!/usr/bin/env python3
"""The keys that a config.json of each family may hold, with what the configuration class of transformers assumes for those
that are left out.

    make_config_keys.py [--check]

Writes burn-vlm/src/models/<family>/keys.json: by section (`text`, `vision`, `top`) every key of the class and of the
published files, each with its mark:
  used      it is read, and refused where it asks for what is not supported
  none      it changes no number that is computed here
  refused   it would change numbers: only the values of `only` are accepted
and the class's default. With --check nothing is written and the exit status is 1 if a file differs.
Versions: see ../README.md. InternVL's own layout and InternLM2 have their classes in the files of their models
(configuration_internvl_chat.py, configuration_intern_vit.py, configuration_internlm2.py of OpenGVLab/InternVL2_5-8B),
whose fields stand below.
"""
import argparse
import dataclasses
import json
import sys
from pathlib import Path

import transformers
from transformers import (
    InternVLConfig, InternVLVisionConfig, LlamaConfig, PreTrainedConfig, Qwen2_5_VLConfig, Qwen2Config, Qwen2VLConfig,
    Qwen3Config, Qwen3VLConfig, SmolVLMConfig, SmolVLMVisionConfig,
)
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLTextConfig, Qwen2_5_VLVisionConfig
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLTextConfig, Qwen3VLVisionConfig
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLTextConfig, Qwen2VLVisionConfig

MODELS = Path(__file__).resolve().parents[3] / "burn-vlm/src/models"
ROPE = {"rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor"}
SLIDING = {"use_sliding_window", "sliding_window", "max_window_layers", "layer_types"}
TEXT = {
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_act",
    "max_position_embeddings", "initializer_range", "rms_norm_eps", "tie_word_embeddings", "eos_token_id", "model_type",
} | ROPE
QWEN_VISION = {
    "depth", "embed_dim", "hidden_size", "hidden_act", "mlp_ratio", "num_heads", "in_channels", "patch_size", "spatial_merge_size", "temporal_patch_size",
    "intermediate_size", "out_hidden_size", "window_size", "fullatt_block_indexes", "rope_parameters", "rope_scaling", "rope_theta",
}
INTERN_VISION = {
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "image_size", "patch_size", "num_channels", "hidden_act", "norm_type",
    "layer_norm_eps", "qkv_bias", "attention_bias", "qk_normalization", "use_qk_norm", "use_mean_pooling", "use_absolute_position_embeddings",
}
# Values that change nothing of keys that would change numbers.
REFUSED = {"use_mask_token": [False], "flash_mode": [None, False], "flash_relative_threshold": [None], "flash_absolute_threshold": [None]}
# The same of keys that the configuration of any model may have.
REFUSED_ANYWHERE = {"quantization_config": [None], "compression_config": [None], "transformers_weights": [None]}
# Keys of published files that no class has any more, or that only name things.
TEXT_MORE = ["head_dim", "rope_scaling", "rope_theta", "partial_rotary_factor", "model_type"]
QWEN_VISION_MORE = ["in_chans", "spatial_patch_size", "rope_scaling", "rope_theta"]
# Of InternVL's own classes: key and default. (InternLM2Config, InternVisionConfig, InternVLChatConfig.)
INTERNLM2 = {
    "vocab_size": 103168, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": None,
    "hidden_act": "silu", "max_position_embeddings": 2048, "initializer_range": 0.02, "rms_norm_eps": 1e-6, "use_cache": True, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False, "bias": True, "rope_theta": 10000, "rope_scaling": None,
    "attn_implementation": "eager", "pretraining_tp": 1,
}
INTERN_VIT = {
    "num_channels": 3, "patch_size": 14, "image_size": 224, "qkv_bias": False, "hidden_size": 3200, "num_attention_heads": 25, "intermediate_size": 12800,
    "qk_normalization": True, "num_hidden_layers": 48, "use_flash_attn": True, "hidden_act": "gelu", "norm_type": "rms_norm", "layer_norm_eps": 1e-6,
    "dropout": 0.0, "drop_path_rate": 0.0, "attention_dropout": 0.0, "initializer_range": 0.02, "initializer_factor": 0.1, "torch_dtype": None,
}
INTERNVL_CHAT = {
    "use_backbone_lora": 0, "use_llm_lora": 0, "select_layer": -1, "force_image_size": None, "downsample_ratio": 0.5, "template": None,
    "dynamic_image_size": False, "use_thumbnail": False, "ps_version": "v1", "min_dynamic_patch": 1, "max_dynamic_patch": 6, "pad2square": None,
    "hidden_size": None, "system_message": None, "tie_word_embeddings": None, "img_context_token_id": None, "image_token_id": None, "image_fold": None,
    "vision_config": None, "llm_config": None,
}
INTERNVL_TOP = {
    "select_layer", "downsample_ratio", "template", "dynamic_image_size", "use_thumbnail", "ps_version", "min_dynamic_patch", "max_dynamic_patch", "pad2square",
    "img_context_token_id", "image_token_id", "vision_config", "llm_config", "text_config", "force_image_size", "tie_word_embeddings", "vision_feature_layer",
    "vision_feature_select_strategy", "projector_hidden_act", "eos_token_id", "model_type",
}
# Of the -Flash models, whose tiles have one of two resolutions.
FLASH = ["flash_mode", "flash_relative_threshold", "flash_absolute_threshold"]
SMOL_VISION = {
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size", "patch_size", "hidden_act", "layer_norm_eps",
}
VL_TOP = {"text_config", "vision_config", "image_token_id", "tie_word_embeddings", "eos_token_id", "model_type"}


def class_fields(cls):
    """Own fields with their defaults; those of the base class are the general ones."""
    general = {f.name for f in dataclasses.fields(PreTrainedConfig)}
    found = {}
    for field in dataclasses.fields(cls):
        if field.name in general and field.name not in ("bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings"):
            continue
        if field.default is not dataclasses.MISSING:
            found[field.name] = list(field.default) if isinstance(field.default, tuple) else field.default
    if "rope_parameters" in found and getattr(cls, "default_theta", None):
        found["rope_theta"] = cls.default_theta
    return found


def section(fields, used, more=(), refused=REFUSED):
    rows = {}
    for key in sorted({*fields, *more}):
        row = {"mark": "used" if key in used else "none"}
        if key in refused:
            row = {"mark": "refused", "only": refused[key]}
        if key in fields:
            row["default"] = fields[key]
        rows[key] = row
    return rows


def general():
    keys = {f.name for f in dataclasses.fields(PreTrainedConfig)} - {"tie_word_embeddings"}
    keys |= set(transformers.GenerationConfig._get_default_generation_params())
    keys |= {
        "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "add_cross_attention", "attn_implementation", "auto_map",
        "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "cross_attention_hidden_size", "decoder_start_token_id", "dtype", "eos_token_id",
        "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "is_decoder", "model_type", "pad_token_id",
        "prefix", "pruned_heads", "remove_invalid_values", "sep_token_id", "suppress_tokens", "task_specific_params", "tf_legacy_loss",
        "tie_encoder_decoder", "tokenizer_class", "torch_dtype", "torchscript", "transformers_version", "typical_p", "unsloth_fixed", "unsloth_version",
        "use_bfloat16", "use_cache", "vision_end_token_id", "vision_start_token_id", "vision_token_id", "video_token_id",
    }
    return {"any": section({}, {"eos_token_id", "model_type"}, [*keys, *REFUSED_ANYWHERE], REFUSED_ANYWHERE)}


def tables():
    qwen_text = lambda cls: section(class_fields(cls), TEXT | SLIDING, [*TEXT_MORE, "tie_word_embeddings"])
    vl_top = lambda cls: section(class_fields(cls), VL_TOP)
    return {
        ".": general(),
        "qwen2": {"text": qwen_text(Qwen2Config)},
        "qwen3": {"text": section(class_fields(Qwen3Config), TEXT | SLIDING | {"attention_bias"}, [*TEXT_MORE, "tie_word_embeddings"])},
        "llama": {"text": section(class_fields(LlamaConfig), TEXT | {"attention_bias", "mlp_bias"}, TEXT_MORE)},
        "internlm2": {"text": section(INTERNLM2, TEXT | {"bias"}, TEXT_MORE)},
        "qwen2_vl": {
            "text": qwen_text(Qwen2VLTextConfig),
            "vision": section({**class_fields(Qwen2VLVisionConfig), "rope_theta": 10000.0}, QWEN_VISION, QWEN_VISION_MORE),
            "top": vl_top(Qwen2VLConfig),
        },
        "qwen2_5_vl": {
            "text": qwen_text(Qwen2_5_VLTextConfig),
            "vision": section({**class_fields(Qwen2_5_VLVisionConfig), "rope_theta": 10000.0}, QWEN_VISION, QWEN_VISION_MORE),
            "top": vl_top(Qwen2_5_VLConfig),
        },
        "qwen3_vl": {
            "text": section({**class_fields(Qwen3VLTextConfig), "rope_theta": Qwen3VLTextConfig.default_theta}, TEXT | SLIDING | {"attention_bias"}, [*TEXT_MORE, *SLIDING, "tie_word_embeddings"]),
            "vision": section({**class_fields(Qwen3VLVisionConfig), "rope_theta": 10000.0}, QWEN_VISION | {"num_position_embeddings", "deepstack_visual_indexes"},
                              ["rope_scaling", "rope_theta"]),
            "top": vl_top(Qwen3VLConfig),
        },
        "smolvlm": {
            "text": section({}, set(), ["qk_layer_norms", "use_resampler", "pixel_shuffle_factor", "is_llama_config", "neftune_noise_alpha", "perceiver_config", "transformers.js_config"],
                            {"qk_layer_norms": [False], "use_resampler": [False]}),
            "vision": section(class_fields(SmolVLMVisionConfig), SMOL_VISION, ["max_image_size", "size", "use_base_siglip", "tie_word_embeddings"]),
            "top": section(class_fields(SmolVLMConfig), VL_TOP | {"scale_factor"}, ["_pad_token_id", "perceiver_config", "transformers.js_config"]),
        },
        "internvl": {
            "vision": section(class_fields(InternVLVisionConfig), INTERN_VISION),
            "top": section(class_fields(InternVLConfig), INTERNVL_TOP, ["image_seq_length", *FLASH]),
            "own_vision": section(INTERN_VIT, INTERN_VISION, ["use_mean_pooling", "use_absolute_position_embeddings"]),
            "own_top": section(INTERNVL_CHAT, INTERNVL_TOP, ["vision_feature_layer", "vision_feature_select_strategy", "projector_hidden_act", *FLASH]),
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    differs = False
    for family, found in tables().items():
        rows = lambda keys: ",\n".join(f"    {json.dumps(key)}: {json.dumps(row)}" for key, row in keys.items())
        sections = ",\n".join(f"  {json.dumps(name)}: {{\n{rows(keys)}\n  }}" for name, keys in found.items())
        text = f"{{\n{sections}\n}}\n"
        path = MODELS / family / "keys.json"
        if check:
            differs |= not path.exists() or path.read_text() != text
        else:
            path.write_text(text)
    sys.exit(differs)


if __name__ == "__main__":
    main()
