#!/usr/bin/env python3
"""Small pictures in every mode that PNG, JPEG and WebP files have, and the RGB that Python makes of them.

    make_modes.py [--out DIR]

Writes modes/ into DIR (default: beside this script) and modes.safetensors with, for each picture,
`<name>/over_white` (transformers 5's convert_to_rgb) and `<name>/drop` (Pillow's convert("RGB")), both
`[h, w, 3]` bytes. Versions: see README.md.
"""
import argparse
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file
from transformers.image_transforms import convert_to_rgb

W, H = 13, 9


def rgb(seed=0):
    g = np.random.default_rng(seed)
    y, x = np.mgrid[0:H, 0:W]
    smooth = np.stack([x * 255 // (W - 1), y * 255 // (H - 1), (x + y) * 255 // (W + H - 2)], -1)
    return Image.fromarray((smooth + g.integers(-20, 20, (H, W, 3))).clip(0, 255).astype(np.uint8))


def alpha(seed=1):
    values = np.random.default_rng(seed).choice([0, 1, 64, 127, 128, 200, 254, 255], (H, W))
    return Image.fromarray(values.astype(np.uint8))


def with_alpha(image):
    image = image.copy()
    image.putalpha(alpha())
    return image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour_type, depth, rows, extra=b""):
    """A PNG that Pillow cannot write, from packed rows of bytes."""
    header = struct.pack(">IIBBBBB", W, H, depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def files():
    def save(image, kind, **options):
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    grey, palette = rgb().convert("L"), rgb().quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    made = {
        "rgb.png": save(rgb(), "PNG"),
        "grey.png": save(grey, "PNG"),
        "one_bit.png": save(rgb().convert("1"), "PNG"),
        "palette.png": save(palette, "PNG"),
        "palette_two.png": save(rgb().quantize(2), "PNG", bits=1),
        "palette_four.png": save(rgb().quantize(4), "PNG", bits=2),
        "palette_transparent_index.png": save(palette, "PNG", transparency=3),
        "palette_transparency.png": save(palette, "PNG", transparency=bytes([0, 255, 128, 64, 1, 254])),
        "rgb_transparent_colour.png": save(rgb(), "PNG", transparency=rgb().getpixel((4, 3))),
        "grey_transparent_level.png": save(grey, "PNG", transparency=grey.getpixel((4, 3))),
        "rgba.png": save(with_alpha(rgb()), "PNG"),
        "grey_alpha.png": save(with_alpha(grey), "PNG"),
        "grey16.png": save(Image.fromarray(np.asarray(grey).astype(np.uint16) * 100), "PNG"),
        "rgb_gamma.png": png(2, 8, [row.tobytes() for row in np.asarray(rgb())], chunk(b"gAMA", struct.pack(">I", 100000))),
        "interlaced.png": None,
        "oriented.png": save(rgb(), "PNG", exif=exif),
        "rgb.webp": save(rgb(), "WEBP", lossless=True, exact=True),
        "rgba.webp": save(with_alpha(rgb()), "WEBP", lossless=True, exact=True),
        "oriented.webp": save(rgb(), "WEBP", lossless=True, exif=exif),
        "lossy.webp": save(rgb().resize((32, 24)), "WEBP", quality=80),
        "animated.webp": save(rgb(), "WEBP", lossless=True, save_all=True, append_images=[rgb(5), rgb(6)]),
        "animated.png": save(rgb(), "PNG", save_all=True, append_images=[rgb(5), rgb(6)]),
        "grey.jpg": save(grey, "JPEG", quality=95),
        "oriented.jpg": save(rgb(), "JPEG", quality=95, subsampling=0, exif=exif),
        "progressive.jpg": save(rgb(), "JPEG", quality=95, subsampling=0, progressive=True),
        "cmyk.jpg": save(rgb().convert("CMYK"), "JPEG", quality=95),
    }
    deep = np.asarray(rgb()).astype(np.uint16) * 257 - 100
    made["rgb16.png"] = png(2, 16, [row.astype(">u2").tobytes() for row in deep])
    depth4 = [bytes((a << 4) | b for a, b in zip(row[::2], list(row[1::2]) + [0])) for row in (np.asarray(grey) >> 4)]
    made["grey4.png"] = png(0, 4, depth4)
    made["grey_transparent_1bit.png"] = png(0, 1, [bytes([0xA5, 0x38])] * H, chunk(b"tRNS", b"\0\1"))
    made["interlaced.png"] = interlaced()
    return made


def interlaced():
    """Adam7 by hand: seven passes over the same picture."""
    pixels = np.asarray(rgb())
    rows = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = pixels[y0::dy, x0::dx]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    header = struct.pack(">IIBBBBB", W, H, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    out = parser.parse_args().out
    (out / "modes").mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, data in sorted(files().items()):
        (out / "modes" / name).write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for kind, made in (("over_white", convert_to_rgb), ("drop", lambda image: image.convert("RGB"))):
                tensors[f"{name}/{kind}"] = torch.from_numpy(np.array(made(Image.open(out / "modes" / name))))
    save_file(tensors, out / "modes.safetensors")


if __name__ == "__main__":
    main()
