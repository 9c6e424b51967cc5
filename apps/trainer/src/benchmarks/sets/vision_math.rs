//! Mathematics and science with pictures.

use crate::benchmarks::{Bench, Gold, Judge, PLAIN, When, scores};

/// Options as letters where the row has them, mathematics elsewhere.
const CHOICE_OR_MATH: &[Judge] = &[Judge::when(When::Options, "choice"), Judge::all("math")];

pub(super) const SETS: &[Bench] = &[
    Bench {
        name: "geometry3k",
        about: "geometry, open answers; hf.co/datasets/hiyouga/geometry3k",
        source: "EasyR1 and NoisyRollout (arXiv:2504.13055)",
        differs: "EasyR1 and NoisyRollout ask mathruler, here our verifier is asked",
        splits: &[("test", 601), ("validation", 300), ("train", 2101)],
        question: &["problem", "question"],
        ..PLAIN
    },
    Bench {
        name: "mathvista",
        about: "mathematics in figures; hf.co/datasets/AI4Math/MathVista or MathVista_MINI.tsv",
        source: "MathVista, evaluation/calculate_score.py (arXiv:2310.02255)",
        differs: "published numbers have GPT extract the answer; here it stands in a tag, a box or \
                  after \"answer is\", and a response without is wrong",
        splits: &[("testmini", 1000)],
        id: &["pid", "index"],
        question: &["query", "question"],
        judges: &[Judge::all("mathvista")],
        by: &["task", "question_type"],
        ..PLAIN
    },
    Bench {
        name: "mathverse",
        about: "problems in six versions, from all in text to all in the picture; \
                hf.co/datasets/AI4Math/MathVerse, CaraJ/MathVerse-lmmseval or MathVerse_MINI.tsv",
        source: "MathVerse (arXiv:2403.14624), its `query_cot` prompts; rule of lmms-eval's \
                 reasoning task",
        differs: "published numbers have GPT extract and judge; here options count by letter",
        splits: &[("testmini", 3940), ("one version", 788)],
        id: &["sample_index", "index"],
        question: &["query_cot", "query_wo", "question_for_eval", "question"],
        judges: &[
            Judge::when(When::Is("question_type", &["multi-choice"]), "choice"),
            Judge::when(When::Is("question_type", &["free-form"]), "math"),
        ],
        by: &["problem_version", "subfield", "question_type"],
        ..PLAIN
    },
    Bench {
        name: "mathvision",
        about: "competition problems with pictures; hf.co/datasets/MathLLMs/MathVision, MATH-V's \
                test.jsonl or MathVision.tsv",
        source: "MATH-V (arXiv:2402.14804), evaluation/evaluate.py",
        differs: "VLMEvalKit has GPT extract; the authors compare numbers at two decimals, here \
                  our verifier compares them",
        splits: &[("test", 3040), ("testmini", 304)],
        options: &["options", "choices"],
        gold: Gold::Letter,
        judges: CHOICE_OR_MATH,
        by: &["level", "subject"],
        ..PLAIN
    },
    Bench {
        name: "mmk12",
        about: "school mathematics, physics, chemistry and biology, multiple choice; \
                hf.co/datasets/FanqingM/MMK12",
        source: "MM-Eureka (arXiv:2503.07365)",
        differs: "MM-Eureka has GPT-4o judge; all answers are letters, so here they are compared",
        splits: &[("test", 2000)],
        judges: &[Judge::all("choice")],
        by: &["subject"],
        ..PLAIN
    },
    Bench {
        name: "wemath",
        about: "problems and the steps they are made of, multiple choice; \
                hf.co/datasets/We-Math/We-Math or WeMath.tsv",
        source: "We-Math (arXiv:2407.01284), four_dimensional_metrics.py",
        differs: "the authors read the first letter after the last \"Answer\"; here the tag or \
                  the box is read first. Papers give the strict score",
        splits: &[("testmini", 1740)],
        id: &["index"],
        options: &["option"],
        gold: Gold::Letter,
        judges: &[Judge::all("choice")],
        by: &["key"],
        keep: &["ID"],
        score: Some(scores::wemath),
        ..PLAIN
    },
    Bench {
        name: "olympiadbench",
        about: "olympiad problems in text and pictures; hf.co/datasets/Hothan/OlympiadBench, one \
                of its configurations OE_…, or lscpku/OlympiadBench-image",
        source: "OlympiadBench (arXiv:2402.14008), eval/auto_scoring_judge.py",
        differs: "the authors compare with sympy, here our verifier compares; proofs (TP_…) have no \
                  gold answers and are refused",
        before: &["context"],
        pictures: &["image_*", "images", "image"],
        answer: &["final_answer"],
        gold: Gold::Joined,
        judges: &[Judge::all("olympiadbench")],
        by: &["subfield", "answer_type", "language"],
        ..PLAIN
    },
    Bench {
        name: "logicvista",
        about: "logic in figures, one or several letters; hf.co/datasets/lscpku/LogicVista or \
                LogicVista.tsv",
        source: "LogicVista (arXiv:2407.04973)",
        differs: "published numbers have GPT extract the letters",
        splits: &[("test", 448)],
        judges: &[Judge::all("choice")],
        by: &["skill"],
        ..PLAIN
    },
];
