//! What the first systems of reinforcement learning on vision-language models were measured on.

use crate::benchmarks::{Bench, DIRECT, Judge, PLAIN, When, scores};
use serde_json::json;

pub(super) const SETS: &[Bench] = &[
    Bench {
        name: "cv_bench",
        about: "spatial understanding, multiple choice; hf.co/datasets/nyu-visionx/CV-Bench",
        source: "Cambrian-1 (arXiv:2406.16860); prompts of VisualThinker-R1-Zero",
        differs: "VisualThinker takes letter or text in the first `<answer>`, else in the response",
        splits: &[("test", 2638)],
        question: &["prompt"],
        reasoning: "{question}\nOutput the thinking process in <think> </think> and final answer \
                    in <answer> </answer> tags.",
        judges: &[Judge::all("cv_bench")],
        by: &["task", "source"],
        score: Some(scores::cv_bench),
        max_new_tokens: 1024,
        ..PLAIN
    },
    Bench {
        name: "superclevr",
        about: "counting; superclevr_test200_counting_problems.jsonl of R1-V",
        source: "R1-V, src/eval/test_qwen2vl_counting_superclevr.py",
        differs: "R1-V wants a whole number and nothing else in `<answer>`; here it may stand in a \
                  box or have words beside it",
        splits: &[("superclevr_test200_counting_problems", 200)],
        question: &["question"],
        answer: &["ground_truth"],
        pictures: &["image_path"],
        reasoning: "{question} First output the thinking process in <think> </think> and final \
                    answer (number) in <answer> </answer> tags.",
        judges: &[Judge {
            when: When::All,
            rule: "numeric",
            // A model that is asked for the number alone is not told of the tag.
            options: |direct| json!({ "rel_tol": 0.0, "anywhere": direct }),
        }],
        max_new_tokens: 256,
        ..PLAIN
    },
    Bench {
        name: "geoqa",
        about: "geometry; geoqa_test_prompts.jsonl of R1-V",
        source: "R1-V, src/eval/test_qwen2vl_geoqa.py",
        differs: "R1-V asks the Python library, here our verifier is asked (math-verifier.md)",
        splits: &[("geoqa_test_prompts", 754)],
        question: &["question"],
        answer: &["ground_truth"],
        pictures: &["image_path"],
        reasoning: "{question} Output the thinking process in <think> </think> and final answer \
                    (number) in <answer> </answer> tags.",
        max_new_tokens: 1024,
        ..PLAIN
    },
    Bench {
        name: "math",
        about: "problems of your own with gold answers, in the fields of any data row (data.md)",
        source: "SimpleRL-Reason, eval/sh/eval.sh, template qwen25-math-cot",
        differs: "Qwen2.5-Math's grader also takes an answer a hundred times off for a percentage",
        question: &[],
        reasoning: DIRECT,
        system: "Please reason step by step, and put your final answer within \\boxed{}.",
        by: &["subject", "level"],
        max_new_tokens: 3000,
        ..PLAIN
    },
];
