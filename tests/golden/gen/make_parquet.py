"""Parquet files as Hugging Face's `datasets` and SAT's authors write them, three pictures in all.

    python make_parquet.py ../data

Written with pyarrow 25.0 and Pillow 12.3.
"""

import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def png(color):
    out = io.BytesIO()
    Image.new("RGB", (4, 3), color).save(out, "PNG")
    return out.getvalue()


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    red, green, blue = png((255, 0, 0)), png((0, 255, 0)), png((0, 0, 255))

    # `datasets.Image()`: a struct of bytes and path; two row groups, one row without a picture.
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "image": pa.array(
                [{"bytes": red, "path": "a.png"}, None, {"bytes": blue, "path": None}], image
            ),
            "problem": ["What colour?", "What is 2 + 2?", "And <image> this?"],
            "solution": ["<answer> red </answer>", "4", "blue"],
            "pass_rate": [0.5, 0.875, 0.125],
        }
    )
    pq.write_table(table, out / "image.parquet", row_group_size=2)

    # A list of such structs, as multi-picture sets have, in one row group.
    table = pa.table(
        {
            "images": pa.array(
                [
                    [{"bytes": red, "path": "a.png"}, {"bytes": green, "path": "b.png"}],
                    [],
                    [{"bytes": blue, "path": "c.png"}],
                ],
                pa.list_(image),
            ),
            "prompt": [
                [{"role": "user", "content": "<image> or <image>?"}],
                [{"role": "system", "content": "S"}, {"role": "user", "content": "2 + 2?"}],
                [{"role": "user", "content": "?"}],
            ],
            "reward_model": [{"ground_truth": "a"}, {"ground_truth": "4"}, {"ground_truth": "b"}],
        }
    )
    pq.write_table(table, out / "images.parquet", compression="zstd")

    # Pictures that stand beside the file: no bytes, and in a list with one that has them.
    table = pa.table(
        {
            "image": pa.array(
                [{"bytes": None, "path": "red.png"}, {"bytes": blue, "path": "red.png"}, None], image
            ),
            "question": ["What colour?", "And this?", "What is 2 + 2?"],
            "answer": ["red", "blue", "4"],
        }
    )
    pq.write_table(table, out / "paths.parquet")

    # SAT: bare lists of bytes.
    table = pa.table(
        {
            "image_bytes": pa.array([[red], [red, green], [blue]], pa.list_(pa.binary())),
            "question": ["Where is the lamp?", "Did it move?", "Is the box, or the bag, nearer?"],
            "answers": [["left", "right"], ["yes", "no"], ["box, red", "bag", "neither"]],
            "question_type": ["obj_relation", "obj_movement", "depth"],
            "correct_answer": ["left", "yes", "bag"],
        }
    )
    pq.write_table(table, out / "sat.parquet")

    # CV-Bench: one struct and lettered choices.
    table = pa.table(
        {
            "idx": [0, 1],
            "type": ["2D", "3D"],
            "task": ["Count", "Depth"],
            "image": pa.array([{"bytes": red, "path": None}, {"bytes": blue, "path": None}], image),
            "question": ["How many?", "Which is nearer?"],
            "choices": [["3", "2"], ["box", "lamp"]],
            "answer": ["(B)", "(A)"],
            "prompt": [
                "How many? Select from the following choices.\n(A) 3\n(B) 2",
                "Which is nearer?\n(A) box\n(B) lamp",
            ],
            "source": ["ADE20K", "Omni3D"],
        }
    )
    pq.write_table(table, out / "cv_bench.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
