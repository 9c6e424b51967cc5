"""Rows made up in the layouts in which benchmarks are published: none is a row of theirs.

    python make_benchmark_rows.py        # writes ../benchmarks/rows

Columns are those of the Hugging Face sets (parquet as `datasets` writes it), of the authors' JSON
and of VLMEvalKit's TSV. Written with pyarrow 26.0, pandas 3.1 and Pillow 12.3.
"""

import base64
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

OUT = Path(__file__).parents[1] / "benchmarks" / "rows"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(shade):
    out = io.BytesIO()
    Image.effect_noise((12, 8), shade).save(out, "PNG")
    return out.getvalue()


PICTURES = [png(10), png(20)]


def picture(n):
    return {"bytes": PICTURES[n], "path": None}


def base(n):
    return base64.b64encode(PICTURES[n]).decode()


def parquet(name, rows, pictures=(), lists=()):
    table = {}
    for column in rows[0]:
        values = [row[column] for row in rows]
        kind = IMAGE if column in pictures else pa.list_(IMAGE) if column in lists else None
        table[column] = pa.array(values, kind)
    pq.write_table(pa.table(table), OUT / f"{name}.parquet")


def tsv(name, rows):
    pd.DataFrame(rows).to_csv(OUT / f"{name}.tsv", sep="\t", index=False)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "images").mkdir(exist_ok=True)
    for n, data in enumerate(PICTURES, 1):
        (OUT / "images" / f"{n}.png").write_bytes(data)

    parquet(
        "geometry3k",
        [
            {"images": [picture(0)], "problem": "<image>Find x.", "answer": "3 \\sqrt { 2 }"},
            {"images": [picture(1)], "problem": "<image>Find y.", "answer": "24"},
        ],
        lists=["images"],
    )

    meta = {"split": "testmini", "task": "figure question answering", "skills": ["arithmetic"]}
    mathvista = [
        {"pid": "1", "question": "Which?", "image": "images/1.png", "decoded_image": picture(0),
         "choices": ["3/11", "8/11"], "unit": None, "precision": None, "answer": "8/11",
         "question_type": "multi_choice", "answer_type": "text",
         "query": "Hint: give the letter.\nQuestion: Which?\nChoices:\n(A) 3/11\n(B) 8/11",
         "metadata": meta},
        {"pid": "2", "question": "How far?", "image": "images/2.png", "decoded_image": picture(1),
         "choices": None, "unit": "m", "precision": 1.0, "answer": "1.2",
         "question_type": "free_form", "answer_type": "float",
         "query": "Hint: one decimal.\nQuestion: How far?", "metadata": meta},
    ]
    parquet("mathvista", mathvista, ["decoded_image"])
    tsv("mathvista", [
        {"index": row["pid"], "image": base(n), "question": row["query"],
         "choices": repr(row["choices"] or []), "precision": row["precision"],
         "answer": row["answer"], "question_type": row["question_type"],
         "answer_type": row["answer_type"], "task": meta["task"], "skills": "['arithmetic']"}
        for n, row in enumerate(mathvista)
    ])

    about = {"split": "testmini", "source": "s", "subject": "Plane Geometry", "subfield": "Angle"}
    mathverse = [
        {"sample_index": "1", "problem_index": "1", "problem_version": "Text Dominant",
         "question": "Find angle 1.\nChoices:\nA:30\nB:60", "image": picture(0), "answer": "B",
         "question_type": "multi-choice", "metadata": about, "query_wo": "Directly: find angle 1.",
         "query_cot": "Reason first. Find angle 1.\nChoices:\nA:30\nB:60",
         "question_for_eval": "Find angle 1.\nChoices:\nA:30\nB:60"},
        {"sample_index": "2", "problem_index": "1", "problem_version": "Vision Only",
         "question": "", "image": picture(1), "answer": "12.5", "question_type": "free-form",
         "metadata": about, "query_wo": "Directly:", "query_cot": "Reason first. Question:",
         "question_for_eval": "Find x."},
    ]
    parquet("mathverse", mathverse, ["image"])
    paths = [{**row, "image": f"images/{n}.png"} for n, row in enumerate(mathverse, 1)]
    (OUT / "mathverse.json").write_text(json.dumps(paths, indent=1))
    flat = [{**row, **row["metadata"], "index": n, "image": base(n)} for n, row in enumerate(mathverse)]
    tsv("mathverse", [{k: v for k, v in row.items() if k != "metadata"} for row in flat])

    mathvision = [
        {"id": "4", "question": "How many?\n<image1>", "options": [], "image": "images/1.png",
         "decoded_image": picture(0), "answer": "6", "solution": None, "level": 1,
         "subject": "counting"},
        {"id": "5", "question": "Which one?\n<image1>", "options": ["a cube", "a cone"],
         "image": "images/2.png", "decoded_image": picture(1), "answer": "A", "solution": None,
         "level": 5, "subject": "solid geometry"},
    ]
    parquet("mathvision", mathvision, ["decoded_image"])
    lines = [{k: v for k, v in row.items() if k != "decoded_image"} for row in mathvision]
    (OUT / "mathvision.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tsv("mathvision", [
        {"index": row["id"], "image": base(n), "question": row["question"],
         "choices": repr(row["options"]), "answer": row["answer"], "level": row["level"],
         "subject": row["subject"]}
        for n, row in enumerate(mathvision)
    ])

    parquet(
        "mmk12",
        [
            {"id": "m1", "question": "<image>Which is right? A. 1 B. 2", "answer": "B",
             "subject": "math", "image": picture(0)},
            {"id": "p1", "question": "Which is larger? A. heat B. work", "answer": "A",
             "subject": "physics", "image": picture(1)},
        ],
        ["image"],
    )

    wemath = [
        {"ID": "7", "split": "testmini", "knowledge concept": "area", "question": question,
         "option": "A. 4; B. 6; C. No correct answer", "answer": answer,
         "image_path": picture(n % 2), "key": key, "question number": n}
        for n, (key, question, answer) in enumerate([
            ("2steps_1", "How wide?", "A"), ("2steps_2", "How high?", "B"),
            ("2steps_multi", "How large?", "C"),
        ])
    ]
    parquet("wemath", wemath, ["image_path"])
    paths = [{**row, "image_path": f"images/{1 + n % 2}.png"} for n, row in enumerate(wemath)]
    (OUT / "wemath.json").write_text(json.dumps(paths))
    tsv("wemath", [
        {"index": n, "image": base(0) if n == 0 else base(1) if n == 1 else 0, "ID": row["ID"],
         "key": row["key"], "question": row["question"], "A": "4", "B": "6",
         "C": "No correct answer", "D": None, "answer": row["answer"]}
        for n, row in enumerate(wemath)
    ])

    olympiad = {"solution": ["s"], "context": None, "image_1": None, "image_2": None,
                "modality": "Multimodal", "difficulty": "Competition", "is_multiple_answer": False,
                "unit": None, "answer_type": "Numerical", "error": None, "question_type": "Open-ended",
                "subfield": "Geometry", "subject": "Math", "language": "English"}
    parquet(
        "olympiadbench",
        [
            {**olympiad, "id": 1606, "question": "Find $x$ in <image_2> and <image_1>.",
             "final_answer": ["2,3"], "image_1": picture(0), "image_2": picture(1),
             "is_multiple_answer": True},
            {**olympiad, "id": 1607, "question": "How fast?", "context": "A ball falls.",
             "final_answer": ["3.14"], "error": "1e-2", "image_1": picture(0)},
        ],
        ["image_1", "image_2"],
    )

    logicvista = [
        {"question": "Which fits?", "image": picture(0), "answer": "B", "skill": "inductive"},
        {"question": "Which two?", "image": picture(1), "answer": "A, D", "skill": "spatial"},
    ]
    parquet("logicvista", logicvista, ["image"])
    tsv("logicvista", [{"index": n, **row, "image": base(n)} for n, row in enumerate(logicvista)])

    mmmu = [
        {"id": "validation_Art_1", "question": "Is <image 2> older than <image 1>?",
         "options": "['Yes', \"No, it isn't\"]", "answer": "B", "question_type": "multiple-choice",
         "image_1": picture(0), "image_2": picture(1), "subfield": "History"},
        {"id": "validation_Art_2", "question": "How many are in <image 1>?", "options": "[]",
         "answer": "['12', 'twelve']", "question_type": "open", "image_1": picture(1),
         "image_2": None, "subfield": "History"},
    ]
    parquet("mmmu", mmmu, ["image_1", "image_2"])
    tsv("mmmu", [
        {"index": 1, "id": "validation_Art_1", "image": repr([base(0), base(1)]),
         "question": mmmu[0]["question"], "A": "Yes", "B": "No, it isn't", "answer": "B",
         "question_type": "multiple-choice", "subfield": "History"},
        {"index": 2, "id": "validation_Art_2", "image": base(1), "question": mmmu[1]["question"],
         "A": None, "B": None, "answer": mmmu[1]["answer"], "question_type": "open",
         "subfield": "History"},
    ])

    mmstar = [
        {"index": 0, "question": "What is it?\nOptions: A: a pen, B: a cup", "image": picture(0),
         "answer": "B", "category": "coarse perception", "l2_category": "scene"},
        {"index": 1, "question": "What colour?\nOptions: A: red, B: blue", "image": picture(1),
         "answer": "A", "category": "math", "l2_category": "geometry"},
    ]
    parquet("mmstar", mmstar, ["image"])
    tsv("mmstar", [
        {**row, "image": base(n), "question": row["question"].split("\n")[0], "A": a, "B": b}
        for n, (row, a, b) in enumerate(zip(mmstar, ["a pen", "red"], ["a cup", "blue"]))
    ])

    parquet(
        "ai2d",
        [{"question": "Which eats grass?", "options": ["fox", "hare"], "answer": "1", "image": picture(0)}],
        ["image"],
    )
    parquet("countbenchqa", [{"image": picture(0), "question": "How many cups?", "number": 7}], ["image"])


if __name__ == "__main__":
    main()
