//! What a picture shows, with answers that are letters or numbers.

use crate::benchmarks::{Bench, Gold, Judge, PLAIN, When, scores};
use serde_json::json;

pub(super) const SETS: &[Bench] = &[
    Bench {
        name: "mmmu",
        about: "college subjects, several pictures a question; the 30 configurations of \
                hf.co/datasets/MMMU/MMMU, lmms-lab/MMMU or MMMU_DEV_VAL.tsv",
        source: "MMMU (arXiv:2311.16502)",
        differs: "the authors draw a random letter where they find none; here such a response is \
                  wrong. Open answers are compared by our verifier",
        splits: &[("validation", 900)],
        options: &["options"],
        pictures: &["image_*", "image"],
        gold: Gold::LetterOrOneOf,
        judges: &[Judge::when(When::Options, "choice"), Judge::all("math")],
        by: &["subfield", "question_type"],
        ..PLAIN
    },
    Bench {
        name: "mmstar",
        about: "questions that need the picture, six categories; hf.co/datasets/Lin-Chen/MMStar or \
                MMStar.tsv",
        source: "MMStar (arXiv:2403.20330): the mean over its categories",
        differs: "VLMEvalKit has GPT match what its rule cannot",
        splits: &[("val", 1500)],
        options: &["options"],
        gold: Gold::Letter,
        judges: &[Judge::all("choice")],
        by: &["category"],
        score: Some(scores::mmstar),
        ..PLAIN
    },
    Bench {
        name: "ai2d",
        about: "school diagrams, multiple choice; hf.co/datasets/lmms-lab/ai2d",
        source: "AI2D (arXiv:1603.07396), layout of lmms-eval",
        differs: "lmms-eval compares the whole response with the letter",
        splits: &[("test", 3088)],
        options: &["options"],
        gold: Gold::Index,
        judges: &[Judge::all("choice")],
        ..PLAIN
    },
    Bench {
        name: "countbenchqa",
        about: "counting; hf.co/datasets/vikhyatk/CountBenchQA",
        source: "PaliGemma (arXiv:2407.07726)",
        differs: "the number may have words beside it",
        answer: &["number", "answer"],
        judges: &[Judge {
            when: When::All,
            rule: "numeric",
            options: |_| json!({ "rel_tol": 0.0 }),
        }],
        ..PLAIN
    },
];
