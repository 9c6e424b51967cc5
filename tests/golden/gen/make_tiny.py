#!/usr/bin/env python3
"""Tiny random checkpoints of Qwen2, Qwen2-VL, Qwen2.5-VL, Llama / InternLM2 and InternVL (Qwen2 / InternLM2 LLM)
with the numbers HF transformers (5.23, torch CPU f32, eager attention) computes from them.

    venv/bin/python make_tiny.py [--out fixtures] [name ...]

Each fixtures/<name>/ holds config.json (+ config.hub.json, the flat form real hub checkpoints use),
model.safetensors with the hub's tensor names (original/: the files of InternVLChatModel or InternLM2) and
  case_<case>.safetensors : inputs, and every output named below
  grads_<case>.safetensors: "norm/<param>" = L2 norm of d loss / d param, "grad/<param>" = a few full gradients
Outputs of a case (B samples, S tokens, V vocab; pads on the LEFT; rows where attention_mask = 0 are zeroed):
  input_ids, attention_mask, mm_token_type_ids (B,S) i64; pixel_values f32; image_grid_thw (N,3) i64 (Qwen)
  position_ids (B,S) or (3,B,S) i64 as fed to the rotary embedding, rope_deltas (B,1)
  image_features (tokens, hidden)  what replaces the image placeholder embeddings
  logits (B,S,V), of a compact checkpoint only the last TAIL positions;  logprobs (B,S-1) = log p(input_ids[t+1] | ..t);  entropy (B,S-1)
  loss_mask (B,S-1) f32 (the completion = last 6 targets); loss = sum(-logprobs*mask)/sum(mask)
  generated (B,16) greedy continuation (no penalty, nothing suppressed) with KV cache, no eos stop;  gen_logprobs (B,16) of those tokens
A compact checkpoint is small enough for a repository: its weights are bf16 or f16 numbers, and instead of pixel_values,
which are noise(), there is image_grid_thw, for InternVL (tiles, rows, columns) a picture; patches are in the order of
the patch rows (N, C * T * P * P), as the processors give them.
metadata: min_margin = smallest top1-top2 logit gap met while decoding (argmax is safe well below it).
"""
import argparse, copy, json, math, os, shutil
import torch
import torch.nn.functional as F
from safetensors.torch import save_file, load_file
import transformers
from transformers import (Qwen2Config, Qwen2ForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2VLConfig,
                          Qwen2VLForConditionalGeneration, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration,
                          InternVLConfig, InternVLForConditionalGeneration, GenerationConfig)
transformers.logging.set_verbosity_error(); transformers.logging.disable_progress_bar()
torch.set_num_threads(2)
NEW = 16
TAIL = 4
COMPACT = None                                                               # dtype of the weights of a compact checkpoint
VOCAB, HID, INTER, LAYERS, HEADS, KV = 320, 64, 112, 2, 4, 2
PAD, IM_START, IM_END, VSTART, VEND, IMG, VID = 300, 301, 302, 303, 304, 305, 306      # inside the tiny vocab


def reinit(model, seed, tied=False):
    """Weights big enough that every parameter matters and the logits are well separated."""
    g = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        r = torch.randn(p.shape, generator=g)
        if p.ndim >= 2 and "embed" in name and "patch" not in name and "position" not in name and "cls" not in name:
            p.data = r * (0.25 if tied else 0.8)                                  # token embeddings
        elif "lm_head" in name:
            p.data = r * 0.35
        elif "position_embedding" in name or "cls_token" in name:
            p.data = r * 0.3
        elif "lambda" in name:
            p.data = 0.4 + 0.1 * r
        elif p.ndim >= 2:
            p.data = r * (1.0 / math.sqrt(p[0].numel()))                           # fan-in
        elif "norm" in name or "ln_q" in name:
            p.data = (1.0 + 0.15 * r) if name.endswith("weight") else 0.1 * r
        else:
            p.data = 0.15 * r                                                    # biases
    if COMPACT:
        for p in model.parameters():
            p.data = p.data.to(COMPACT).float()                              # numbers that the file holds exactly
    return model.eval()


def noise(n, m):
    """(n, m) numbers in [-1, 1) that any language computes: a hash of the index, as 32 bits."""
    h = torch.arange(n * m, dtype=torch.int64)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h = ((h ^ (h >> shift)) * factor) & 0xFFFFFFFF
    h ^= h >> 16
    return (h.double() / 2 ** 31 - 1).float().reshape(n, m)


def text(n, g):
    return torch.randint(0, PAD, (n,), generator=g).tolist()


def left_pad(rows):
    S = max(map(len, rows))
    ids = torch.tensor([[PAD] * (S - len(r)) + r for r in rows])
    mask = torch.tensor([[0] * (S - len(r)) + [1] * len(r) for r in rows])
    return ids, mask


def run_case(model, out, case, rows, extra, full_grads, position_ids=None, image_features=None, check=True, grids=None):
    ids, mask = left_pad(rows)
    t = {"input_ids": ids, "attention_mask": mask}
    if position_ids is None:
        position_ids = (mask.cumsum(-1) - 1).clamp(min=0)
    else:
        position_ids, deltas = position_ids(ids, mask)
        t["rope_deltas"] = deltas.reshape(-1, 1).contiguous()
    t["position_ids"] = position_ids.contiguous()
    fwd = dict(extra)
    if "image_grid_thw" in extra:
        fwd["mm_token_type_ids"] = (ids == IMG).int()
        t["mm_token_type_ids"] = (ids == IMG).long()
    model.zero_grad()
    logits = model(input_ids=ids, attention_mask=mask, position_ids=position_ids, use_cache=False, **fwd).logits
    lp_all = F.log_softmax(logits.float(), -1)
    lp = lp_all[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    ent = -(lp_all.exp() * lp_all).sum(-1)[:, :-1]
    valid = (mask[:, 1:] * mask[:, :-1]).float()
    lmask = torch.zeros_like(valid); lmask[:, -6:] = 1.0; lmask *= valid
    loss = -(lp * lmask).sum() / lmask.sum()
    loss.backward()
    t |= {"logits": (logits * mask[..., None]).detach(), "logprobs": (lp * valid).detach(), "entropy": (ent * valid).detach(),
          "loss_mask": lmask, "loss": loss.detach().reshape(1)}
    if image_features is not None and extra:
        with torch.no_grad():
            t["image_features"] = image_features(extra)
    t |= {k: v for k, v in extra.items()}
    if COMPACT:
        t["logits"] = t["logits"][:, -TAIL:]
        for unused in ("pixel_values", "position_ids", "rope_deltas", "mm_token_type_ids"):
            t.pop(unused, None)
        if grids is not None:
            t["image_grid_thw"] = torch.tensor(grids)
        full_grads = [n for n in full_grads if "embed_tokens" not in n and "down_proj" not in n]
    grads, params = {}, dict(model.named_parameters(remove_duplicate=True))
    for n, p in params.items():
        n = hub_name(model, n)
        gr = p.grad if p.grad is not None else torch.zeros_like(p)
        grads["norm/" + n] = gr.norm().reshape(1)
        if case in ("batch",) and any(s in n for s in full_grads):
            grads["grad/" + n] = gr.clone()
    with torch.no_grad():
        model.generation_config = GenerationConfig()               # else generate() takes the file's penalty, and its eos ids to suppress
        gc = GenerationConfig(max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=PAD,
                              return_dict_in_generate=True, output_logits=True)
        gen_in = dict(fwd)
        o = model.generate(input_ids=ids, attention_mask=mask, generation_config=gc, **gen_in)
        new = o.sequences[:, ids.shape[1]:]
        gl = torch.stack(o.logits, 1).float()
        t["generated"] = new.contiguous()
        t["gen_logprobs"] = F.log_softmax(gl, -1).gather(-1, new[..., None])[..., 0].contiguous()
        top = gl.topk(2, -1).values
        margin = float((top[..., 0] - top[..., 1]).min())
    if check:
        with torch.no_grad():
            full = torch.cat([ids, new], 1); fm = torch.cat([mask, torch.ones_like(new)], 1)
            f2 = dict(fwd)
            if "mm_token_type_ids" in f2:
                f2["mm_token_type_ids"] = (torch.cat([ids, torch.zeros_like(new)], 1) == IMG).int()
                f2["position_ids"] = torch.cat([position_ids, position_ids[..., -1:] + 1 + torch.arange(NEW)], -1)
            else:
                f2["position_ids"] = (fm.cumsum(-1) - 1).clamp(min=0)
            emb = torch.where(torch.zeros_like(full).bool(), full, full)
            l2 = model(input_ids=emb, attention_mask=fm, use_cache=False, **f2).logits[:, ids.shape[1] - 1:-1] if not (new == IMG).any() else gl
            d = float((l2 - gl).abs().max()); assert d < 2e-3, d
    meta = {"format": "pt", "min_margin": f"{margin:.6f}", "loss": f"{float(loss.detach()):.9f}", "transformers": transformers.__version__, "torch": torch.__version__}
    save_file({k: v.contiguous().clone() for k, v in t.items()}, os.path.join(out, f"case_{case}.safetensors"), metadata=meta)
    save_file({k: v.contiguous() for k, v in grads.items()}, os.path.join(out, f"grads_{case}.safetensors"), metadata={"format": "pt"})
    print(f"   {case}: B{ids.shape[0]} S{ids.shape[1]} loss {float(loss.detach()):.5f} ent {float((ent.detach()*valid).sum()/valid.sum()):.3f} margin {margin:.4f} gen0 {new[0][:6].tolist()}")
    return margin


def hub_name(model, n):
    """module path -> the tensor name the checkpoint file uses"""
    k = type(model).__name__
    if k.startswith("Qwen2VL") or k.startswith("Qwen2_5"):
        n = n.replace("model.visual.", "visual.").replace("model.language_model.", "model.")
    if k.startswith("InternVL"):
        n = n.replace("model.vision_tower.", "vision_tower.").replace("model.multi_modal_projector.", "multi_modal_projector.")
        n = n.replace("model.language_model.", "language_model.model.")
        n = "language_model." + n if n.startswith("lm_head") else n
    return n


def save_model(model, out, hub_config, pre=None, shards=None):
    shutil.rmtree(out, ignore_errors=True); os.makedirs(out)
    model.generation_config = GenerationConfig(eos_token_id=[IM_END, PAD], pad_token_id=PAD, do_sample=True, temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05)
    file = model
    if COMPACT:
        file = copy.deepcopy(model).to(COMPACT)                              # the model's own buffers stay f32
        hub_config["torch_dtype"] = str(COMPACT).split(".")[1]
    file.save_pretrained(out, **({"max_shard_size": shards} if shards else {}))
    if COMPACT:
        os.remove(out + "/generation_config.json")
    json.dump(hub_config, open(os.path.join(out, "config.hub.json"), "w"), indent=2)
    if pre and not COMPACT:
        json.dump(pre, open(os.path.join(out, "preprocessor_config.json"), "w"), indent=2)


COMMON = dict(vocab_size=VOCAB, hidden_size=HID, intermediate_size=INTER, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
              num_key_value_heads=KV, rms_norm_eps=1e-6, bos_token_id=PAD, eos_token_id=IM_END, hidden_act="silu")
PATCH = 14
QWEN_PRE = {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": PATCH, "temporal_patch_size": 2, "merge_size": 2,
            "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
            "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor"}
INTERN_PRE = {"crop_size": 448, "do_center_crop": True, "do_normalize": True, "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
              "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 448}


def qwen2(out, seed, tied, shards=None):
    torch.manual_seed(seed)
    cfg = Qwen2Config(**COMMON, tie_word_embeddings=tied, rope_theta=1000000.0, max_position_embeddings=4096, attn_implementation="eager")
    m = reinit(Qwen2ForCausalLM(cfg), seed, tied)
    hub = dict(COMMON, architectures=["Qwen2ForCausalLM"], model_type="qwen2", tie_word_embeddings=tied, rope_theta=1000000.0, max_position_embeddings=4096,
               max_window_layers=LAYERS, sliding_window=4096, use_sliding_window=False, attention_dropout=0.0, torch_dtype="float32", use_cache=True, initializer_range=0.02)
    save_model(m, out, hub, shards=shards)
    g = torch.Generator().manual_seed(seed + 1)
    fg = ["embed_tokens", "layers.0.self_attn.q_proj", "layers.1.mlp.down_proj", "layers.1.input_layernorm"]
    run_case(m, out, "single", [text(21, g)], {}, fg)
    run_case(m, out, "batch", [text(9, g), text(17, g), text(13, g)], {}, fg)


def grid_pixels(grids, g):
    n = sum(t * h * w for t, h, w in grids)
    pixels = noise(n, 3 * 2 * PATCH * PATCH) if COMPACT else torch.randn(n, 3 * 2 * PATCH * PATCH, generator=g)
    return {"pixel_values": pixels, "image_grid_thw": torch.tensor(grids)}


def tile_pixels(tiles, g):
    side = IMG_SIZE // PATCH
    if not COMPACT:
        return {"pixel_values": torch.randn(tiles, 3, IMG_SIZE, IMG_SIZE, generator=g)}
    x = noise(tiles * side * side, 3 * PATCH * PATCH).view(tiles, side, side, 3, PATCH, PATCH)
    return {"pixel_values": x.permute(0, 3, 1, 4, 2, 5).reshape(tiles, 3, IMG_SIZE, IMG_SIZE)}


def vl_row(parts, g):
    """parts: ints = that many text tokens, (h, w) patch grids = an image"""
    row = [IM_START]
    for p in parts:
        row += text(p, g) if isinstance(p, int) else [VSTART] + [IMG] * (p[0] * p[1] // 4) + [VEND]
    return row + [IM_END]


def qwen_vl(out, seed, kind, tied):
    torch.manual_seed(seed)
    txt = dict(COMMON, rope_theta=1000000.0, max_position_embeddings=4096, tie_word_embeddings=tied)
    rope = {"type": "mrope", "mrope_section": [2, 3, 3]}                     # head_dim 16 -> 8 frequencies
    ids = dict(image_token_id=IMG, video_token_id=VID, vision_start_token_id=VSTART, vision_end_token_id=VEND)
    if kind == "qwen2_vl":
        vis = dict(depth=3, embed_dim=32, num_heads=2, hidden_size=HID, mlp_ratio=4, patch_size=PATCH, spatial_merge_size=2, temporal_patch_size=2, hidden_act="quick_gelu")
        cfg = Qwen2VLConfig(text_config=dict(txt, rope_parameters={"rope_type": "default", "rope_theta": 1e6, **rope}), vision_config=vis, tie_word_embeddings=tied, **ids, attn_implementation="eager")
        m = Qwen2VLForConditionalGeneration(cfg)
        hub_vis = dict(vis, in_chans=3, spatial_patch_size=PATCH)
    else:
        vis = dict(depth=4, hidden_size=32, num_heads=2, intermediate_size=52, out_hidden_size=HID, patch_size=PATCH, spatial_merge_size=2, temporal_patch_size=2,
                   window_size=56, fullatt_block_indexes=[1, 3], hidden_act="silu", tokens_per_second=2)
        cfg = Qwen2_5_VLConfig(text_config=dict(txt, rope_parameters={"rope_type": "default", "rope_theta": 1e6, **rope}), vision_config=vis, tie_word_embeddings=tied, **ids, attn_implementation="eager")
        m = Qwen2_5_VLForConditionalGeneration(cfg)
        hub_vis = dict(vis, in_chans=3, spatial_patch_size=PATCH)
    reinit(m, seed, tied)
    if tied:
        m.tie_weights()
    hub = dict(COMMON, architectures=[type(m).__name__], model_type=kind, rope_theta=1000000.0, max_position_embeddings=4096, tie_word_embeddings=tied, use_sliding_window=False,
               sliding_window=4096, max_window_layers=LAYERS, attention_dropout=0.0, torch_dtype="float32", use_cache=True, vision_token_id=VID + 1, rope_scaling=rope, vision_config=hub_vis, **ids)
    save_model(m, out, hub, QWEN_PRE)
    pos = lambda grids: (lambda i, a: m.model.get_rope_index(i, (i == IMG).int(), image_grid_thw=torch.tensor(grids) if grids else None, attention_mask=a))
    feats = lambda e: torch.cat(list(m.get_image_features(pixel_values=e["pixel_values"], image_grid_thw=e["image_grid_thw"]).pooler_output))
    g = torch.Generator().manual_seed(seed + 1)
    fg = ["embed_tokens", "layers.0.self_attn.k_proj", "visual.blocks.0.attn.qkv.bias", "visual.merger.mlp.2.weight", "visual.merger.ln_q"]
    a = [(1, 6, 10)]                                                         # 84 x 140 px, windows of 4x4 patches: partial ones
    run_case(m, out, "single", [vl_row([5, a[0][1:], 7], g)], grid_pixels(a, g), fg, pos(a), feats)
    b = [(1, 4, 6), (1, 6, 4), (1, 10, 4)]                                    # two images in row 0, one in row 2; row 1 text only
    rows = [vl_row([3, b[0][1:], 2, b[1][1:], 6], g), vl_row([11], g), vl_row([b[2][1:], 9], g)]
    run_case(m, out, "batch", rows, grid_pixels(b, g), fg, pos(b), feats)


IMG_SIZE, SIDE, SEQ = 56, 4, 4                                                         # 4x4 patches -> pixel shuffle -> 2x2 tokens a tile
ICTX, ISTART, IEND = IMG, VSTART, VEND


def hub_dtype(out):
    """the precision of a compact checkpoint, everywhere its original configuration names one"""
    path = out + "/original/config.json"
    text = open(path).read()
    if COMPACT:
        text = text.replace('"torch_dtype": "float32"', f'"torch_dtype": "{str(COMPACT).split(".")[1]}"')
    open(path, "w").write(text)


def only_image_token(out):
    """the one thing that InternVL's own configuration leaves to its tokenizer"""
    json.dump({"added_tokens": [{"id": ICTX, "content": "<IMG_CONTEXT>", "special": True}]}, open(out + "/original/tokenizer.json", "w"))


def internvl_row(parts, g):
    """parts: ints = text, ("img", tiles)"""
    row = [IM_START]
    for p in parts:
        row += text(p, g) if isinstance(p, int) else [ISTART] + [ICTX] * (SEQ * p[1]) + [IEND]
    return row + [IM_END]


def llm_to_internlm2(sd, prefix_in, prefix_out, heads, kv, hd):
    """LLaMA-style tensors -> InternLM2's names and its fused wqkv: for each kv group [q_0 .. q_{g-1}, k, v], each head_dim rows."""
    out, grp, done = {}, heads // kv, set()
    for n, w in sd.items():
        if not n.startswith(prefix_in):
            continue
        k = n[len(prefix_in):]
        if k == "model.embed_tokens.weight": o = "model.tok_embeddings.weight"
        elif k == "lm_head.weight": o = "output.weight"
        elif k == "model.norm.weight": o = k
        else:
            _, _, i, rest = k.split(".", 3)
            base = f"model.layers.{i}."
            if rest.startswith("self_attn.") and rest.split(".")[1] in ("q_proj", "k_proj", "v_proj"):
                if i in done:
                    continue
                done.add(i)
                P = f"{prefix_in}model.layers.{i}.self_attn."
                q = sd[P + "q_proj.weight"].view(kv, grp, hd, -1); kk = sd[P + "k_proj.weight"].view(kv, 1, hd, -1); v = sd[P + "v_proj.weight"].view(kv, 1, hd, -1)
                out[prefix_out + base + "attention.wqkv.weight"] = torch.cat([q, kk, v], 1).reshape((heads + 2 * kv) * hd, -1).contiguous()
                continue
            o = base + {"self_attn.o_proj.weight": "attention.wo.weight", "input_layernorm.weight": "attention_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
                        "mlp.gate_proj.weight": "feed_forward.w1.weight", "mlp.up_proj.weight": "feed_forward.w3.weight", "mlp.down_proj.weight": "feed_forward.w2.weight"}[rest]
        out[prefix_out + o] = w.contiguous()
    return out


def to_original_internvl(sd, llm, heads, kv, hd):
    """HF-native InternVL names -> the InternVLChatModel names real InternVL2.5 checkpoints use"""
    out = {}
    for n, w in sd.items():
        if n.startswith("language_model."):
            if llm == "qwen2":
                out[n] = w
            continue
        if n.startswith("multi_modal_projector."):
            out[n.replace("multi_modal_projector.layer_norm", "mlp1.0").replace("multi_modal_projector.linear_1", "mlp1.1").replace("multi_modal_projector.linear_2", "mlp1.3")] = w
            continue
        k = n.replace("vision_tower.", "vision_model.").replace("embeddings.cls_token", "embeddings.class_embedding").replace("embeddings.patch_embeddings.projection", "embeddings.patch_embedding")
        k = k.replace("embeddings.position_embeddings", "embeddings.position_embedding").replace("encoder.layer.", "encoder.layers.").replace(".attention.", ".attn.").replace(".projection_layer.", ".proj.")
        k = k.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2").replace("lambda_1", "ls1").replace("lambda_2", "ls2")
        if ".attn.q_proj." in k:
            out[k.replace("q_proj", "qkv")] = torch.cat([sd[n.replace("q_proj", x)] for x in ("q_proj", "k_proj", "v_proj")])
        elif ".attn.k_proj." in k or ".attn.v_proj." in k:
            pass
        else:
            out[k] = w
    if llm == "internlm2":
        out |= llm_to_internlm2(sd, "language_model.", "language_model.", heads, kv, hd)
    return {k: v.contiguous() for k, v in out.items()}


def internvl(out, seed, llm, rms=False):
    torch.manual_seed(seed)
    rope = {"rope_type": "default", "rope_theta": 1e6} if llm == "qwen2" else {"rope_type": "dynamic", "rope_theta": 1e6, "factor": 2.0}
    txt = dict(COMMON, model_type="qwen2" if llm == "qwen2" else "llama", rope_parameters=rope, max_position_embeddings=4096, tie_word_embeddings=False)
    if llm != "qwen2":
        txt |= dict(attention_bias=False, mlp_bias=False, rms_norm_eps=1e-5)
    vis = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, image_size=[IMG_SIZE, IMG_SIZE], patch_size=[PATCH, PATCH],
               attention_bias=not rms, use_qk_norm=rms, norm_type="rms_norm" if rms else "layer_norm", layer_norm_eps=1e-6, use_mean_pooling=True, hidden_act="gelu")
    cfg = InternVLConfig(vision_config=vis, text_config=txt, image_token_id=ICTX, image_seq_length=SEQ, downsample_ratio=0.5, tie_word_embeddings=False, attn_implementation="eager")
    m = reinit(InternVLForConditionalGeneration(cfg), seed)
    llm_cfg = dict(COMMON, model_type=llm, architectures=["Qwen2ForCausalLM" if llm == "qwen2" else "InternLM2ForCausalLM"], tie_word_embeddings=False, rope_theta=1000000.0, max_position_embeddings=4096,
                   use_cache=True, torch_dtype="float32")
    if llm == "qwen2":
        llm_cfg |= dict(use_sliding_window=False, attention_dropout=0.0)
    else:
        llm_cfg |= dict(bias=False, rope_scaling={"factor": 2.0, "type": "dynamic"}, rms_norm_eps=1e-5, attn_implementation="eager", pad_token_id=PAD)
    hub = dict(architectures=["InternVLChatModel"], model_type="internvl_chat", auto_map={}, downsample_ratio=0.5, dynamic_image_size=True, force_image_size=IMG_SIZE, llm_config=llm_cfg,
               max_dynamic_patch=12, min_dynamic_patch=1, pad2square=False, ps_version="v2", select_layer=-1, template="internvl2_5", torch_dtype="float32", use_thumbnail=True, use_backbone_lora=0, use_llm_lora=0,
               vision_config=dict(architectures=["InternVisionModel"], model_type="intern_vit_6b", hidden_act="gelu", hidden_size=32, image_size=IMG_SIZE, patch_size=PATCH, num_channels=3, num_hidden_layers=3,
                                  num_attention_heads=2, intermediate_size=64, qkv_bias=not rms, qk_normalization=rms, norm_type="rms_norm" if rms else "layer_norm", layer_norm_eps=1e-6,
                                  attention_dropout=0.0, dropout=0.0, drop_path_rate=0.0, initializer_factor=1.0, initializer_range=0.02, torch_dtype="float32", use_flash_attn=False))
    save_model(m, out, hub, INTERN_PRE)
    os.makedirs(out + "/original", exist_ok=True)
    sd = load_file(out + "/model.safetensors")
    save_file(to_original_internvl(sd, llm, HEADS, KV, HID // HEADS), out + "/original/model.safetensors", metadata={"format": "pt"})
    os.replace(out + "/config.hub.json", out + "/original/config.json")
    if not COMPACT:
        shutil.copy(out + "/preprocessor_config.json", out + "/original/")
    hub_dtype(out)
    only_image_token(out)
    feats = lambda e: m.get_image_features(pixel_values=e["pixel_values"]).pooler_output.reshape(-1, HID)
    g = torch.Generator().manual_seed(seed + 1)
    fg = ["embed_tokens", "layers.0.self_attn.k_proj", "vision_tower.encoder.layer.0.attention.q_proj.bias", "multi_modal_projector.linear_2.weight", "lambda_1", "cls_token"]
    run_case(m, out, "single", [internvl_row([4, ("img", 3), 7], g)], tile_pixels(3, g), fg, None, feats, grids=[(3, SIDE, SIDE)])
    rows = [internvl_row([3, ("img", 1), 2, ("img", 3), 6], g), internvl_row([12], g), internvl_row([("img", 2), 8], g)]
    run_case(m, out, "batch", rows, tile_pixels(6, g), fg, None, feats, grids=[(1, SIDE, SIDE), (3, SIDE, SIDE), (2, SIDE, SIDE)])


def internlm2(out, seed):
    """text only InternLM2, both below and above max_position_embeddings (dynamic NTK)"""
    torch.manual_seed(seed)
    cfg = LlamaConfig(**dict(COMMON, rms_norm_eps=1e-5), rope_parameters={"rope_type": "dynamic", "rope_theta": 1e6, "factor": 2.0}, max_position_embeddings=32, tie_word_embeddings=False, attn_implementation="eager")
    m = reinit(LlamaForCausalLM(cfg), seed)
    hub = dict(COMMON, rms_norm_eps=1e-5, architectures=["InternLM2ForCausalLM"], model_type="internlm2", bias=False, rope_theta=1000000.0, rope_scaling={"factor": 2.0, "type": "dynamic"},
               max_position_embeddings=32, tie_word_embeddings=False, torch_dtype="float32", use_cache=True, pad_token_id=PAD, attn_implementation="eager")
    save_model(m, out, hub)
    sd = load_file(out + "/model.safetensors")
    os.makedirs(out + "/original", exist_ok=True)
    save_file(llm_to_internlm2(sd, "", "", HEADS, KV, HID // HEADS), out + "/original/model.safetensors", metadata={"format": "pt"})
    os.replace(out + "/config.hub.json", out + "/original/config.json")
    hub_dtype(out)
    g = torch.Generator().manual_seed(seed + 1)
    fg = ["layers.0.self_attn.k_proj"]
    run_case(m, out, "short", [text(12, g)], {}, fg)
    run_case(m, out, "long", [text(48, g)], {}, fg, check=False)                             # 48 > 32: NTK base
    run_case(m, out, "batch", [text(6, g), text(11, g), text(9, g)], {}, fg)      # stays below 32 incl. the 16 new tokens


def compact(dtype, make):
    def made(out):
        global COMPACT
        COMPACT = dtype
        make(out)
        COMPACT = None
    return made


BF16, F16 = torch.bfloat16, torch.float16
ALL = {
    "qwen2_tied": compact(F16, lambda o: qwen2(o, 11, True)),
    "qwen2_sharded": compact(BF16, lambda o: qwen2(o, 12, False, shards="100KB")),
    "qwen2_vl": compact(BF16, lambda o: qwen_vl(o, 21, "qwen2_vl", False)),
    "qwen2_5_vl": lambda o: qwen_vl(o, 31, "qwen2_5_vl", False),
    "qwen2_5_vl_tied": lambda o: qwen_vl(o, 35, "qwen2_5_vl", True),
    "internvl_internlm2": compact(BF16, lambda o: internvl(o, 42, "internlm2")),
    "internvl_qwen2_rms": compact(BF16, lambda o: internvl(o, 43, "qwen2", rms=True)),     # InternViT-6B style vision: RMSNorm, qk norm, no qkv bias
    "internlm2": compact(BF16, lambda o: internlm2(o, 51)),                                 # Llama in the directory, InternLM2 in original/
}
if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")); ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    for n in a.names or ALL:
        print(n); ALL[n](os.path.join(a.out, n))
        print("   size", sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(os.path.join(a.out, n)) for f in fs))
