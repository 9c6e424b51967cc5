//! Mathematics in text.

use crate::benchmarks::{Bench, Gold, Judge, PLAIN};

/// What all of these have.
const TEXT: Bench = Bench {
    source: "Qwen2.5-Math's evaluation data (arXiv:2409.12122), JSONL",
    differs: "Qwen2.5-Math's grader also takes an answer a hundred times off for a percentage",
    pictures: &[],
    id: &["unique_id", "id", "ID", "idx"],
    question: &["problem", "question", "Problem", "Question"],
    answer: &["answer", "Answer"],
    max_new_tokens: 4096,
    ..PLAIN
};

/// Answers are whole numbers from 0 to 999.
const AIME: Bench = Bench {
    differs: "papers give avg@32 or avg@64 of draws at a temperature: `-n 32 --temperature 0.6`",
    max_new_tokens: 16_384,
    ..TEXT
};

pub(super) const SETS: &[Bench] = &[
    Bench {
        name: "math500",
        about: "500 problems of MATH's test set; hf.co/datasets/HuggingFaceH4/MATH-500",
        splits: &[("test", 500)],
        by: &["subject", "level"],
        ..TEXT
    },
    Bench {
        name: "aime24",
        about: "AIME 2024; hf.co/datasets/HuggingFaceH4/aime_2024, Maxwell-Jia/AIME_2024",
        splits: &[("test", 30)],
        ..AIME
    },
    Bench {
        name: "aime25",
        about: "AIME 2025; hf.co/datasets/math-ai/aime25, opencompass/AIME2025",
        splits: &[("test", 30), ("one of two papers", 15)],
        ..AIME
    },
    Bench {
        name: "amc23",
        about: "AMC 2023; hf.co/datasets/math-ai/amc23",
        splits: &[("test", 40)],
        ..AIME
    },
    Bench {
        name: "gsm8k",
        about: "school problems; hf.co/datasets/openai/gsm8k",
        splits: &[("test", 1319), ("train", 7473)],
        gold: Gold::AfterHashes,
        ..TEXT
    },
    Bench {
        name: "minerva",
        about: "university science; minerva_math/test.jsonl of Qwen2.5-Math",
        splits: &[("test", 272)],
        answer: &["solution"],
        gold: Gold::LastBox,
        by: &["type"],
        ..TEXT
    },
    Bench {
        name: "olympiadbench_text",
        about: "the open English mathematics of OlympiadBench; olympiadbench/test.jsonl of \
                Qwen2.5-Math, or OE_TO_maths_en_COMP of hf.co/datasets/Hothan/OlympiadBench",
        source: "OlympiadBench (arXiv:2402.14008), eval/auto_scoring_judge.py",
        differs: "Qwen2.5-Math compares the first answer with its own grader",
        splits: &[("test", 675)],
        before: &["context"],
        question: &["question"],
        answer: &["final_answer"],
        gold: Gold::Joined,
        judges: &[Judge::all("olympiadbench")],
        by: &["subfield", "answer_type"],
        ..TEXT
    },
    Bench {
        name: "gaokao2023en",
        about: "Chinese university entrance, in English; gaokao2023en/test.jsonl of Qwen2.5-Math",
        splits: &[("test", 385)],
        ..TEXT
    },
    Bench {
        name: "collegemath",
        about: "college mathematics; college_math/test.jsonl of Qwen2.5-Math",
        splits: &[("test", 2818)],
        ..TEXT
    },
];
