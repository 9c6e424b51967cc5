#!/usr/bin/env python3
"""What Pillow does to pictures that lie on their side, and to pictures much higher than wide.

    make_pillow12.py [--out DIR]

Writes into DIR (default: beside this script)
  orientations/, orientations.safetensors  pictures of 6x4 pixels whose files say an orientation in every
      place that Pillow looks at, and the bytes `[h, w, 3]` of `ImageOps.exif_transpose`
  tall.safetensors  `<name>/stored` and `<name>/resized`, both `[h, w, 3]`: pictures on both sides of 100
      times as high as wide, and what `resize(BICUBIC)` makes of them

Versions: see README.md. Pillow 12.2 or 12.3: others run the passes of a resize in another order.
"""
import argparse
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin
from safetensors.torch import save_file

TAG = 0x0112


def scene(w, h, seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8))


def smooth(w, h):
    y, x = np.mgrid[0:h, 0:w]
    return Image.fromarray(np.stack([x * 40 + 20, y * 50 + 20, x * 0 + 128], -1).astype(np.uint8))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def oriented():
    def save(image, kind, **options):
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    def exif(code, order="<", kind=3):
        size = {1: "Bxxx", 3: "Hxx", 4: "I"}[kind]
        return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IHHHI{size}I", 8, 1, TAG, kind, 1, code, 0)

    def text(image, name, value, packed=False):
        info = PngImagePlugin.PngInfo()
        (info.add_itxt if name.startswith("XML") else info.add_text)(name, value, zip=packed)
        return save(image, "PNG", pnginfo=info)

    def raw_profile(code):
        data = b"Exif\0\0" + exif(code)
        return f"\nexif\n{len(data):8}\n{data.hex()}\n"

    xmp = lambda code, form: '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description ' + (f'tiff:Orientation="{code}"/>' if form == "attribute" else f"><tiff:Orientation>{code}</tiff:Orientation></rdf:Description>") + "</x:xmpmeta>"
    image = scene(6, 4, 1)
    made = {f"exif_{code}.png": save(image, "PNG", exif=exif(code)) for code in range(1, 9)}
    made |= {f"exif_{code}.jpg": save(smooth(24, 16), "JPEG", quality=98, subsampling=0, exif=b"Exif\0\0" + exif(code, ">")) for code in (3, 6, 8)}
    made |= {f"exif_{code}.webp": save(image, "WEBP", lossless=True, exif=b"Exif\0\0" + exif(code)) for code in (2, 6)}
    made["out_of_range.png"] = save(image, "PNG", exif=exif(9))
    made["long.png"] = save(image, "PNG", exif=exif(6, ">", 4))
    made["byte.png"] = save(image, "PNG", exif=exif(8, ">", 1))
    made["grey_alpha.png"] = save(scene(6, 4, 2).convert("LA"), "PNG", exif=exif(5))
    made["profile.png"] = text(image, "Raw profile type exif", raw_profile(6))
    made["profile_packed.png"] = text(image, "Raw profile type exif", raw_profile(7), True)
    made["xmp.png"] = text(image, "XML:com.adobe.xmp", xmp(6, "attribute"))
    made["xmp_packed.png"] = text(image, "XML:com.adobe.xmp", xmp(8, "element"), True)
    made["xmp.jpg"] = save(smooth(24, 16), "JPEG", quality=98, subsampling=0, xmp=xmp(6, "element").encode())
    made["xmp.webp"] = save(image, "WEBP", lossless=True, xmp=xmp(3, "attribute").encode())
    # EXIF data without an orientation leave it to the XMP; with one, they win.
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp(6, "attribute"))
    made["xmp_beside_exif.png"] = save(image, "PNG", pnginfo=info, exif=exif(3))
    # As exiftool adds it: behind the picture.
    plain = save(image, "PNG")
    end = plain.index(b"IEND") - 4
    made["behind.png"] = plain[:end] + chunk(b"eXIf", exif(6)) + plain[end:]
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    out = parser.parse_args().out
    (out / "orientations").mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, data in sorted(oriented().items()):
        (out / "orientations" / name).write_bytes(data)
        image = ImageOps.exif_transpose(Image.open(out / "orientations" / name)).convert("RGB")
        tensors[name] = torch.from_numpy(np.array(image))
    save_file(tensors, out / "orientations.safetensors")
    tall = {}
    for i, (w, h, to) in enumerate([(3, 301, (28, 280)), (3, 300, (28, 280)), (2, 390, (14, 56)), (3, 310, (14, 322)), (5, 700, (3, 28)), (4, 404, (4, 99))]):
        image = scene(w, h, 10 + i)
        name = f"{w}x{h}_to_{to[0]}x{to[1]}"
        tall[f"{name}/stored"] = torch.from_numpy(np.array(image))
        tall[f"{name}/resized"] = torch.from_numpy(np.array(image.resize(to, Image.BICUBIC)))
    save_file(tall, out / "tall.safetensors")


if __name__ == "__main__":
    main()
