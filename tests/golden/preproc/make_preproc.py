#!/usr/bin/env python3
"""Reference numbers for image and prompt preprocessing, from Pillow and transformers.

    make_preproc.py [--out DIR] [--tokenizers DIR] [--internvl]

Writes images/, qwen2_vl.safetensors and tables.json into DIR (default: beside this script);
with --tokenizers, a folder that holds qwen2_5/, internvl2_5_qwen2/ and internvl2_5_internlm2/
(each with tokenizer.json, tokenizer_config.json), also prompts.json; with --internvl also
internvl.safetensors. Versions: see README.md. Pillow must be 12.2 or 12.3: others run the passes of
a resize of tall pictures in another order.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from transformers import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

MIN_PIXELS, MAX_PIXELS = 56 * 56, 28 * 28 * 20  # small, so that the tensors stay small
FULL = ("square_64.png", "gray_70x42.png")  # pictures whose pixel values are kept whole
TILE, MAX_TILES = 56, 6


def scene(w, h, seed, mode="RGB"):
    """Waves, shapes and a noisy corner, which makes the first resize pass clip."""
    g = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    waves = np.stack([127 + 100 * np.sin(x / (5 + c) + y / (9 - c) + seed) for c in range(3)], -1)
    im = Image.fromarray(np.clip(waves, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(im)
    for _ in range(6):
        x0, y0 = int(g.integers(0, w)), int(g.integers(0, h))
        x1, y1 = x0 + int(g.integers(3, max(4, w // 2))), y0 + int(g.integers(3, max(4, h // 2)))
        shape = draw.rectangle if g.random() < 0.5 else draw.ellipse
        shape([x0, y0, x1, y1], fill=tuple(int(v) for v in g.integers(0, 256, 3)))
    arr = np.asarray(im).copy()
    noise = g.integers(0, 256, (h // 3 + 1, w // 3 + 1, 3), dtype=np.uint8)
    arr[: noise.shape[0], : noise.shape[1]] = noise
    im = Image.fromarray(arr)
    if mode == "L":
        return im.convert("L")
    if mode == "RGBA":
        im = im.convert("RGBA")
        im.putalpha(Image.fromarray((x * 255 / max(1, w - 1)).astype(np.uint8)))
    if mode == "P":
        return im.convert("P", palette=Image.ADAPTIVE, colors=64)
    return im


def write_images(folder):
    images = {
        "wide_97x41.png": scene(97, 41, 1),
        "tall_33x120.png": scene(33, 120, 2),
        "square_64.png": scene(64, 64, 3),
        "big_301x203.png": scene(301, 203, 4),
        "tiny_9x7.png": scene(9, 7, 5),
        "gray_70x42.png": scene(70, 42, 6, "L"),
        "rgba_60x48.png": scene(60, 48, 7, "RGBA"),
        "palette_84x56.png": scene(84, 56, 8, "P"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, im in images.items():
        im.save(folder / name)
    jpeg = folder / "photo_301x203.jpg"
    images["big_301x203.png"].save(jpeg, quality=90)
    Image.open(jpeg).convert("RGB").save(folder / "photo_301x203.jpg.decoded.png")
    return {name: Image.open(folder / name) for name in [*images, jpeg.name]}


def over_white(im):
    """transformers 5 composites alpha over white; 4 and InternVL's code drop it."""
    if im.mode != "RGBA":
        return im.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", im.size, (255, 255, 255)), im).convert("RGB")


def qwen2_vl(images):
    processor = Qwen2VLImageProcessorPil(min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS)
    fast = Qwen2VLImageProcessor(min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS)
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    tensors, report = {}, {}
    for name, im in images.items():
        out = processor(images=[im], return_tensors="pt")
        values, grid = out["pixel_values"], out["image_grid_thw"]
        h, w = int(grid[0, 1]) * 14, int(grid[0, 2]) * 14
        assert (h, w) == smart_resize(im.height, im.width, 28, MIN_PIXELS, MAX_PIXELS)
        resized = np.asarray(over_white(im).resize((w, h), Image.BICUBIC))
        # The patch order written out, held against the library.
        x = ((resized / 255.0 - mean) / std).transpose(2, 0, 1)
        p = x.reshape(3, h // 28, 2, 14, w // 28, 2, 14).transpose(1, 4, 2, 5, 0, 3, 6)
        p = np.repeat(p[:, :, :, :, :, None], 2, 5).reshape(-1, 1176)
        tensors[f"{name}/resized_u8"] = torch.from_numpy(resized.copy())
        tensors[f"{name}/grid_thw"] = grid
        tensors[f"{name}/pixel_values_sum"] = values.double().sum(-1)  # one number a patch
        tensors[f"{name}/pixel_values_head"] = values[:, ::49].contiguous()  # 24 of 1176 features
        if name in FULL:
            tensors[f"{name}/pixel_values"] = values.contiguous()
        torchvision = fast(images=[im], return_tensors="pt")["pixel_values"]
        report[name] = {
            "mode": im.mode,
            "size_wh": list(im.size),
            "grid": grid[0].tolist(),
            "formula_vs_hf_pil": float(np.abs(p - values.numpy()).max()),
            "torchvision_vs_pil_max": float((torchvision - values).abs().max()),
        }
    out = processor(images=[images["wide_97x41.png"], images["tall_33x120.png"]], return_tensors="pt")
    tensors["multi/grid_thw"] = out["image_grid_thw"]
    tensors["multi/pixel_values_sum"] = out["pixel_values"].double().sum(-1)
    return tensors, report


def ratios(low, high):
    """(columns, rows) by area; inside an area in the order of the set, as in InternVL's code."""
    pairs = {(i, j) for n in range(low, high + 1) for i in range(1, n + 1) for j in range(1, n + 1) if low <= i * j <= high}
    return sorted(pairs, key=lambda r: r[0] * r[1])


def closest(aspect, candidates, w, h, size):
    best_distance, best = float("inf"), (1, 1)
    for r in candidates:
        distance = abs(aspect - r[0] / r[1])
        if distance < best_distance:
            best_distance, best = distance, r
        elif distance == best_distance and w * h > 0.5 * size * size * r[0] * r[1]:
            best = r
    return best


def internvl(images):
    """InternVL's dynamic tiling with a thumbnail, alpha dropped."""
    tensors, report = {}, {}
    for name, im in images.items():
        im = im.convert("RGB")
        cols, rows = closest(im.width / im.height, ratios(1, MAX_TILES), im.width, im.height, TILE)
        big = im.resize((TILE * cols, TILE * rows), Image.BICUBIC)
        box = lambda i: [TILE * v for v in (i % cols, i // cols, i % cols + 1, i // cols + 1)]
        tiles = [big.crop(box(i)) for i in range(cols * rows)]
        if len(tiles) != 1:
            tiles.append(im.resize((TILE, TILE), Image.BICUBIC))
        u8 = np.stack([np.asarray(tile) for tile in tiles])
        values = ((u8 / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(0, 3, 1, 2).astype(np.float32)
        tensors[f"{name}/tiles_u8"] = torch.from_numpy(u8.copy())
        tensors[f"{name}/pixel_values_sum"] = torch.from_numpy(values.astype(np.float64).sum((2, 3)))
        report[name] = {"size_wh": list(im.size), "cols_rows": [cols, rows], "tiles": len(tiles)}
    return tensors, report


def tables():
    g = np.random.default_rng(0)
    sizes = [(28, 28), (42, 70), (70, 42), (14, 14), (98, 126), (100, 100), (1, 100), (5, 900), (1080, 1920), (4000, 3000), (224, 224), (447, 449), (294, 266)]
    sizes += [tuple(int(v) for v in g.integers(1, 3000, 2)) for _ in range(120)]
    resize = []
    for h, w in sizes:
        for low, high in ((3136, 12845056), (3136, 1003520), (256 * 784, 1280 * 784)):
            try:
                resize.append([h, w, 28, low, high, *smart_resize(h, w, 28, low, high)])
            except ValueError:
                resize.append([h, w, 28, low, high, -1, -1])
    sizes = [(448, 448), (896, 448), (448, 896), (800, 600), (1920, 1080), (100, 100), (336, 1344), (1000, 1000), (633, 633), (634, 634), (1, 100), (640, 480), (3000, 200)]
    sizes += [tuple(int(v) for v in g.integers(20, 3000, 2)) for _ in range(150)]
    tiling = []
    for w, h in sizes:
        for low, high in ((1, 12), (1, 6), (2, 6), (1, 1), (1, 24)):
            c, r = closest(w / h, ratios(low, high), w, h, 448)
            tiling.append([w, h, low, high, c, r, c * r + (c * r != 1)])
    return {
        "smart_resize [h,w,factor,min,max -> h',w' (-1: error, ratio > 200)]": resize,
        "dynamic_preprocess [w,h,min_num,max_num -> cols,rows,tiles incl. thumbnail] at 448": tiling,
    }


# Qwen2-VL's own chat template.
QWEN_VL_TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INTERNVL_SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
TEXTS = ["Hello world!", "What's 12345+678?\n\n  def f(x): return x**2", "你好，世界！ñandú ＡＢＣ", " leading  spaces\t\ttabs\r\n", "e\u0301 vs \u00e9 🎉👨‍👩‍👧", "I'LL we're  \n \n x", "<|im_start|>user\nHi<|im_end|>\n", "<think>a</think><answer>42</answer>", ""]


def prompts(folder):
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from tokenizers import Tokenizer

    load = lambda name: Tokenizer.from_file(str(folder / name / "tokenizer.json"))
    qwen, internvl_qwen, internvl_internlm = load("qwen2_5"), load("internvl2_5_qwen2"), load("internvl2_5_internlm2")
    qwen_template = json.loads((folder / "qwen2_5/tokenizer_config.json").read_text())["chat_template"]
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    render = lambda template, messages, **k: env.from_string(template).render(messages=messages, **k)
    rows = []
    for text in TEXTS:
        no_bos = internvl_internlm.encode(text, add_special_tokens=False).ids
        rows.append({"kind": "encode", "text": text, "qwen2_5": qwen.encode(text).ids, "internlm2": internvl_internlm.encode(text).ids, "internlm2_no_bos": no_bos})

    turn = lambda role, content: {"role": role, "content": content}
    for messages in ([turn("user", "What is 2+2?")], [turn("system", "Be brief."), turn("user", "Hi"), turn("assistant", "Hello!"), turn("user", "Bye\n")]):
        for generate in (True, False):
            text = render(qwen_template, messages, add_generation_prompt=generate, tools=None)
            rows.append({"kind": "qwen2_5_chat", "messages": messages, "add_generation_prompt": generate, "text": text, "ids": qwen.encode(text).ids})

    shown = [turn("user", [{"type": "image"}, {"type": "text", "text": "What colour?"}, {"type": "image"}])]
    grids = [[1, 4, 6], [1, 6, 4]]
    for messages in (shown, [turn("system", "S"), turn("user", "plain text"), turn("assistant", "ok"), *shown]):
        text = render(QWEN_VL_TEMPLATE, messages, add_generation_prompt=True)
        for t, h, w in grids:
            text = text.replace("<|image_pad|>", "<|placeholder|>" * (t * h * w // 4), 1)
        text = text.replace("<|placeholder|>", "<|image_pad|>")
        rows.append({"kind": "qwen_vl_chat", "messages": messages, "grids": grids, "add_generation_prompt": True, "text": text, "ids": qwen.encode(text).ids})

    for turns, tiles in (([("user", "<image>\nDescribe."), ("assistant", None)], [3]), ([("user", "Image-1: <image>\nImage-2: <image>\nCompare."), ("assistant", "Same."), ("user", "Sure?"), ("assistant", None)], [1, 2]), ([("user", "No image"), ("assistant", None)], [])):
        text = f"<|im_start|>system\n{INTERNVL_SYSTEM}<|im_end|>\n"
        for role, content in turns:
            text += f"<|im_start|>{role}\n" + (content + "<|im_end|>\n" if content is not None else "")
        for n in tiles:
            text = text.replace("<image>", "<img>" + "<IMG_CONTEXT>" * (4 * n) + "</img>", 1)
        rows.append({"kind": "internvl2_5", "turns": turns, "tiles": tiles, "tokens_per_tile": 4, "text": text, "ids_qwen2": internvl_qwen.encode(text).ids, "ids_internlm2": internvl_internlm.encode(text).ids})
    return {"qwen_vl_template": QWEN_VL_TEMPLATE, "prompts": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--tokenizers", type=Path)
    parser.add_argument("--internvl", action="store_true")
    args = parser.parse_args()
    images = write_images(args.out / "images")

    tensors, qwen_report = qwen2_vl(images)
    meta = {"pillow": PIL.__version__, "min_pixels": str(MIN_PIXELS), "max_pixels": str(MAX_PIXELS)}
    save_file({k: v.contiguous() for k, v in tensors.items()}, args.out / "qwen2_vl.safetensors", metadata=meta)
    tensors, internvl_report = internvl(images)
    if args.internvl:
        meta = {"pillow": PIL.__version__, "image_size": str(TILE), "min_num": "1", "max_num": str(MAX_TILES), "use_thumbnail": "true", "mean": "0.485 0.456 0.406", "std": "0.229 0.224 0.225"}
        save_file({k: v.contiguous() for k, v in tensors.items()}, args.out / "internvl.safetensors", metadata=meta)
    order = {f"{a}-{b}": ratios(a, b) for a, b in ((1, 6), (1, 12), (2, 6))}
    table = {**tables(), "internvl_ratio_order": order, "qwen_report": qwen_report, "internvl_report": internvl_report}
    (args.out / "tables.json").write_text(json.dumps(table))
    if args.tokenizers:
        text = json.dumps(prompts(args.tokenizers), ensure_ascii=False, indent=1)
        (args.out / "prompts.json").write_text(text)


if __name__ == "__main__":
    main()
