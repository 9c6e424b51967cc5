//! Benchmarks by name: where the question stands in a row, how it is put, and what is right.

use burn_rl::data::{Columns, RowFormat};
use serde_json::{Map, Value, json};

/// A benchmark whose rows its authors publish.
pub struct Bench {
    /// Name on the command line.
    pub name: &'static str,
    /// What it measures, and what its data are.
    pub about: &'static str,
    /// Who scores it so.
    pub source: &'static str,
    /// Fields of prompt, gold answer and pictures.
    columns: [&'static str; 3],
    /// How the question is put to a model that reasons.
    reasoning: &'static str,
    /// How it is put to one that answers at once.
    direct: &'static str,
    /// A system message, where the benchmark has one.
    pub system: &'static str,
    /// The reward rule that judges.
    pub rule: &'static str,
    /// Options of the rule, by whether the model reasons.
    options: fn(direct: bool) -> Value,
    /// Fields that results are grouped by.
    pub by: &'static [&'static str],
    /// Tokens after which a completion is cut.
    pub max_new_tokens: usize,
}

/// Every benchmark there is.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "cv_bench",
        about: "spatial understanding, 2,638 multiple-choice questions; \
                hf.co/datasets/nyu-visionx/CV-Bench (parquet)",
        source: "Cambrian-1 (arXiv:2406.16860); prompts of VisualThinker-R1-Zero",
        columns: ["prompt", "answer", "image"],
        reasoning: "{question}\nOutput the thinking process in <think> </think> and final answer \
                    in <answer> </answer> tags.",
        direct: "{question}",
        system: "",
        rule: "cv_bench",
        options: |_| json!({}),
        by: &["task", "source"],
        max_new_tokens: 1024,
    },
    Bench {
        name: "superclevr",
        about: "counting, 200 questions; superclevr_test200_counting_problems.jsonl of R1-V",
        source: "R1-V, src/eval/test_qwen2vl_counting_superclevr.py",
        columns: ["question", "ground_truth", "image_path"],
        reasoning: "{question} First output the thinking process in <think> </think> and final \
                    answer (number) in <answer> </answer> tags.",
        direct: "{question}",
        system: "",
        rule: "numeric",
        // A model that is asked for the number alone is not told of the tag.
        options: |direct| json!({ "rel_tol": 0.0, "anywhere": direct }),
        by: &[],
        max_new_tokens: 256,
    },
    Bench {
        name: "geoqa",
        about: "geometry, 754 questions; geoqa_test_prompts.jsonl of R1-V",
        source: "R1-V, src/eval/test_qwen2vl_geoqa.py",
        columns: ["question", "ground_truth", "image_path"],
        reasoning: "{question} Output the thinking process in <think> </think> and final answer \
                    (number) in <answer> </answer> tags.",
        direct: "{question}",
        system: "",
        rule: "math",
        options: |_| json!({}),
        by: &[],
        max_new_tokens: 1024,
    },
    Bench {
        name: "math",
        about: "problems in text with gold answers: GSM8K, MATH-500, AIME, AMC, Minerva, \
                OlympiadBench and others as Qwen2.5-Math's evaluation keeps them (JSONL)",
        source: "SimpleRL-Reason, eval/sh/eval.sh, template qwen25-math-cot",
        columns: ["", "", ""],
        reasoning: "",
        direct: "",
        system: "Please reason step by step, and put your final answer within \\boxed{}.",
        rule: "math",
        options: |_| json!({}),
        by: &["subject", "level"],
        max_new_tokens: 3000,
    },
];

impl Bench {
    /// Options of its rule.
    pub fn options(&self, direct: bool) -> Map<String, Value> {
        match (self.options)(direct) {
            Value::Object(options) => options,
            _ => Map::new(),
        }
    }

    /// How its rows are read.
    pub fn format(&self, direct: bool) -> RowFormat {
        let [prompt, answer, images] = self.columns.map(str::to_owned);
        RowFormat {
            columns: Columns {
                prompt,
                answer,
                images,
                ..Columns::default()
            },
            template: if direct { self.direct } else { self.reasoning }.into(),
            keep: self.by.iter().map(|field| (*field).to_owned()).collect(),
            set: self.name.into(),
            picture_roots: vec![],
        }
    }
}

/// CV-Bench's own score of accuracies by source: `2D` is the mean over ADE20K and COCO, `3D` is
/// Omni3D's, the score is the mean of the two. None unless all three sources are there.
pub fn cv_bench_score(by_source: &[(String, f64)]) -> Option<[f64; 3]> {
    let of = |name: &str| {
        let found = by_source
            .iter()
            .find(|(source, _)| source.eq_ignore_ascii_case(name));
        found.map(|(_, accuracy)| *accuracy)
    };
    let flat = (of("ADE20K")? + of("COCO")?) / 2.0;
    let deep = of("Omni3D")?;
    Some([flat, deep, (flat + deep) / 2.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_exists() {
        for bench in BENCHES {
            let known = burn_rewards::RULES
                .iter()
                .any(|rule| rule.name == bench.rule);
            assert!(known, "{}: {}", bench.name, bench.rule);
        }
    }

    /// Whether a benchmark counts `response` as right.
    fn is_right(name: &str, direct: bool, response: &str, gold: &str) -> bool {
        let bench = BENCHES.iter().find(|bench| bench.name == name).unwrap();
        let rule = burn_rewards::rules::find(bench.rule).unwrap();
        let rule = rule.reward(&bench.options(direct)).unwrap();
        let input = burn_rewards::RewardInput::new(response, gold);
        rule.score(&input).unwrap().correct == Some(true)
    }

    #[test]
    fn a_count_is_right_or_wrong_and_stands_in_the_tag() {
        let count = |response| is_right("superclevr", false, response, "20");
        assert!(count("<think>19?</think><answer> 20 </answer>"));
        assert!(!count("<answer>21</answer>"));
        assert!(!count("<answer>19</answer>"));
        assert!(!count("There are 20"));
        assert!(is_right("superclevr", true, "There are 20", "20"));
        assert!(!is_right("superclevr", true, "There are 21", "20"));
    }

    #[test]
    fn a_measure_is_read_from_all_of_the_response() {
        let measure = |response| is_right("geoqa", false, response, "140°");
        assert!(measure("<think>180-40</think><answer>140</answer>"));
        assert!(measure(r"so the angle is $140^\circ$"));
        assert!(!measure("<answer>40</answer>"));
    }

    #[test]
    fn the_score_weighs_flat_and_deep_alike() {
        let sources = [("ADE20K", 0.5), ("COCO", 0.7), ("Omni3D", 0.8)];
        let sources = sources.map(|(name, accuracy)| (name.to_owned(), accuracy));
        let [flat, deep, score] = cv_bench_score(&sources).unwrap();
        assert!((flat - 0.6).abs() < 1e-12 && (deep - 0.8).abs() < 1e-12);
        assert!((score - 0.7).abs() < 1e-12);
        assert_eq!(cv_bench_score(&sources[..2]), None);
    }
}
