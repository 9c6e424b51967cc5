#!/usr/bin/env python3
"""Reference numbers of picture processing of Qwen3-VL and SmolVLM, from the PIL processors of transformers.

    make_preproc_2026.py            (after make_preproc.py, whose pictures it reads)

Writes qwen3_vl.safetensors: for every picture of images/ its grid (grid_thw) and the sum of each patch (pixel_values_sum).
Writes smolvlm.safetensors: the tiles of every picture (tiles_u8, cut as the tower reads them), the sums of each tile's channels
(pixel_values_sum) and the rows and columns (grid).
Writes tables_2026.json: sizes, and what they become.
Versions: see README.md.
"""
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

HERE = Path(__file__).resolve().parent
PNGS = ["wide_97x41.png", "tall_33x120.png", "square_64.png", "big_301x203.png", "tiny_9x7.png", "gray_70x42.png", "rgba_60x48.png", "palette_84x56.png"]


def qwen3_vl():
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 64 * 64, "longest_edge": 32 * 32 * 20}, patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    tensors = {}
    for name in PNGS:
        out = processor(images=[Image.open(HERE / "images" / name)], return_tensors="pt")
        tensors[f"{name}/grid_thw"] = out["image_grid_thw"]
        tensors[f"{name}/pixel_values_sum"] = out["pixel_values"].double().sum(-1)
    return tensors


def smolvlm():
    """Tiles of 28 pixels of pictures whose longer side becomes 50."""
    processor = SmolVLMImageProcessorPil(size={"longest_edge": 50}, max_image_size={"longest_edge": 28})
    raw = SmolVLMImageProcessorPil(size={"longest_edge": 50}, max_image_size={"longest_edge": 28}, do_rescale=False, do_normalize=False)
    tensors = {}
    for name in PNGS:
        image = Image.open(HERE / "images" / name)
        out = processor(images=[[image]], return_tensors="pt", return_row_col_info=True)
        u8 = raw(images=[[image]], return_tensors="pt")["pixel_values"][0]
        assert u8.float().eq(u8.float().round()).all()
        tensors[f"{name}/tiles_u8"] = u8.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        tensors[f"{name}/pixel_values_sum"] = out["pixel_values"][0].double().sum((2, 3))
        tensors[f"{name}/grid"] = torch.tensor([out["rows"][0][0], out["cols"][0][0]])
    single = SmolVLMImageProcessorPil(size={"longest_edge": 50}, max_image_size={"longest_edge": 28}, do_image_splitting=False, do_rescale=False, do_normalize=False)
    for name in PNGS[:2]:
        u8 = single(images=[[Image.open(HERE / "images" / name)]], return_tensors="pt")["pixel_values"][0]
        tensors[f"{name}/single_u8"] = u8.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return tensors


def sizes(count, low, high):
    g = np.random.default_rng(26)
    fixed = [(512, 512), (513, 512), (511, 513), (1, 1), (64, 64), (2048, 2048), (2049, 100), (1920, 1080), (1080, 1920), (640, 480), (300, 7), (7, 300), (4000, 3000)]
    return fixed + [tuple(int(v) for v in g.integers(low, high, 2)) for _ in range(count - len(fixed))]


def tables():
    qwen = []
    for h, w in sizes(200, 1, 3000):
        for low, high in ((65536, 16777216), (256 * 1024, 1280 * 1024)):
            try:
                qwen.append([h, w, 32, low, high, *smart_resize(h, w, 32, low, high)])
            except ValueError:
                qwen.append([h, w, 32, low, high, -1, -1])
    smol = []
    for longest, tile in ((2048, 512), (512, 512), (1536, 384), (1456, 364)):
        processor = SmolVLMImageProcessorPil(size={"longest_edge": longest}, max_image_size={"longest_edge": tile})
        # Sizes alone: an image that is never resized in truth.
        processor.__class__.__mro__[1].resize = lambda self, image, size, resample=None, **_: np.zeros((3, size.height, size.width), np.uint8)
        for w, h in sizes(100, 1, 3000):
            first = processor.resize(np.zeros((3, h, w), np.uint8), size=processor.size)
            second = processor.resize_for_vision_encoder(first, tile)
            _, rows, cols = processor.split_images(second, processor.max_image_size)
            smol.append([w, h, longest, tile, first.shape[2], first.shape[1], second.shape[2], second.shape[1], cols, rows])
    return {"smart_resize 32": qwen, "smolvlm [w,h,longest edge,tile -> resized w,h, canvas w,h, columns, rows (0: one tile)]": smol}


def main():
    save_file(qwen3_vl(), HERE / "qwen3_vl.safetensors")
    save_file(smolvlm(), HERE / "smolvlm.safetensors")
    (HERE / "tables_2026.json").write_text(json.dumps(tables()))


if __name__ == "__main__":
    main()
