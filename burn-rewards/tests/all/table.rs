//! The table of rules: what is listed is what there is.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{PartConfig, RULES, RewardError, RewardInput, Rule, rules};
use serde_json::{Map, Value, json};
use std::{fmt::Write, fs, path::PathBuf};

const BEGIN: &str = "<!-- rules: begin -->\n";
const END: &str = "<!-- rules: end -->";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/rewards.md")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "∞".into(),
        f64::NEG_INFINITY => "−∞".into(),
        value => value.to_string().replace('-', "−"),
    }
}

/// The tables of the documentation page.
fn tables() -> String {
    let mut text =
        "| rule | part | range | what it judges | source |\n|---|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let (low, high) = rule.range;
        writeln!(
            text,
            "| `{}` | `{}` | {} … {} | {} | {} |",
            rule.name,
            rule.part,
            number(low),
            number(high),
            cell(rule.about),
            cell(rule.source)
        )
        .unwrap();
    }
    text += "\n| key of `[[reward.parts]]` | meaning |\n|---|---|\n";
    for (key, meaning) in PartConfig::KEYS {
        writeln!(text, "| `{key}` | {} |", cell(meaning)).unwrap();
    }
    text += "\n| rule | option | default | meaning |\n|---|---|---|---|\n";
    for rule in RULES {
        let defaults = (rule.defaults)();
        for (name, meaning) in rule.options {
            writeln!(
                text,
                "| `{}` | `{name}` | `{}` | {} |",
                rule.name,
                defaults[*name],
                cell(meaning)
            )
            .unwrap();
        }
    }
    text
}

/// Run with `UPDATE_DOCS=1` to write the tables into the page.
#[test]
fn the_documentation_has_the_rules_there_are() {
    let text = fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(page(), format!("{before}{BEGIN}{}{END}{after}", tables())).unwrap();
        return;
    }
    assert_eq!(
        found,
        tables(),
        "UPDATE_DOCS=1 cargo test -p burn-rewards --test all table"
    );
}

#[test]
fn names_are_unique_and_options_are_described() {
    for (i, rule) in RULES.iter().enumerate() {
        assert!(
            RULES[..i].iter().all(|other| other.name != rule.name),
            "{}",
            rule.name
        );
        let described: Vec<&str> = rule.options.iter().map(|(name, _)| *name).collect();
        let defaults = (rule.defaults)();
        let there: Vec<&str> = defaults.keys().map(String::as_str).collect();
        assert_eq!(described.len(), there.len(), "{}: {there:?}", rule.name);
        assert!(
            there.iter().all(|name| described.contains(name)),
            "{}: {there:?}",
            rule.name
        );
        assert!(
            defaults.values().all(|v| !v.is_null()),
            "TOML has no null: {}",
            rule.name
        );
        assert!(rule.range.0 <= rule.range.1);
    }
}

#[test]
fn the_keys_of_a_part_are_those_that_are_described() {
    let all = json!({"rule": "numeric", "name": "n", "weight": 2, "gate": "g", "clip": [0, 1],
        "when": {"set": "s"}, "from_step": 1, "until_step": 2, "options": {"abs_tol": 1}});
    let part: PartConfig = serde_json::from_value(all).unwrap();
    let written = serde_json::to_value(part).unwrap();
    let keys: Vec<&str> = written
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let described: Vec<&str> = PartConfig::KEYS.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, described);
}

/// Options without which a rule cannot be built.
fn needed(rule: &Rule) -> Map<String, Value> {
    let options = match rule.name {
        "command" => json!({"command": ["true"]}),
        "http" => json!({"url": "http://127.0.0.1:9/"}),
        "chat_judge" => json!({"url": "http://127.0.0.1:9/", "model": "m"}),
        _ => json!({}),
    };
    options.as_object().unwrap().clone()
}

#[test]
fn the_listed_part_is_the_part_that_is_produced() {
    for rule in RULES {
        let built = rule.reward(&needed(rule)).unwrap();
        assert_eq!(built.part_names(), [rule.part], "{}", rule.name);
    }
}

#[test]
fn options_refuse_what_they_do_not_know() {
    for rule in RULES {
        let mut options = needed(rule);
        options.insert("colour".into(), json!("red"));
        let message = rule.reward(&options).err().unwrap().to_string();
        assert!(
            message.contains(rule.name) && message.contains("`colour`"),
            "{message}"
        );
        for (name, _) in rule.options {
            let mut options = needed(rule);
            options.insert((*name).to_owned(), json!({"no": ["such", "type"]}));
            if ["accuracy_options", "body"].contains(name) {
                continue;
            }
            let message = rule.reward(&options).err().unwrap().to_string();
            assert!(message.contains(&format!("option `{name}`")), "{message}");
        }
    }
}

#[test]
fn values_stay_in_their_range_and_blank_gold_answers_are_refused_early() {
    let long = "so ".repeat(2000);
    let texts = [
        "",
        "<answer>2</answer>",
        r"<think>a</think><answer>\boxed{2}</answer>",
        "[0,0,1,1]",
        &long,
    ];
    let local = RULES
        .iter()
        .filter(|rule| !["command", "http", "chat_judge"].contains(&rule.name));
    for rule in local {
        let built = rule.reward(&Map::new()).unwrap();
        for gold in ["2", "B", "[0,0,1,1]", "", " "] {
            for text in texts {
                let input = RewardInput::new(text, gold).with_response_tokens(text.len());
                match built.score(&input) {
                    Ok(scored) => {
                        let range = rule.range.0..=rule.range.1;
                        assert!(
                            range.contains(&scored.value),
                            "{} {}",
                            rule.name,
                            scored.value
                        );
                    }
                    Err(RewardError::Gold { .. }) => {
                        assert!(
                            built.check_gold(&RewardInput::new("", gold)).is_err(),
                            "{}: `{gold}`",
                            rule.name
                        );
                    }
                    Err(error) => panic!("{}: {error}", rule.name),
                }
            }
        }
    }
}

#[test]
fn rules_that_compare_need_a_gold_answer_and_no_others_do() {
    let free = [
        "answer_format",
        "length",
        "soft_overlong",
        "ngram_repetition",
        "command",
        "http",
    ];
    for rule in RULES.iter() {
        let mut options = match rule.name {
            "command" => json!({"command": ["true"]}),
            "http" => json!({"url": "http://localhost:1"}),
            "chat_judge" => json!({"url": "http://localhost:1", "model": "m"}),
            _ => json!({}),
        };
        let of_form = free.contains(&rule.name) || rule.name.ends_with("_format");
        let row = RewardInput::new("", "");
        let needs = |options: &Value| {
            let built = rule.reward(options.as_object().unwrap()).unwrap();
            built.needs_answer(&row)
        };
        assert_eq!(needs(&options), !of_form, "{}", rule.name);
        if (rule.defaults)().contains_key("compat") {
            options["compat"] = json!(true);
            assert_eq!(needs(&options), !of_form, "{} as the original", rule.name);
        }
    }
    let asks_for_form =
        json!({"url": "http://localhost:1", "model": "m", "template": "{response}"});
    let judge = rules::find("chat_judge").unwrap();
    let judge = judge.reward(asks_for_form.as_object().unwrap()).unwrap();
    assert!(!judge.needs_answer(&RewardInput::new("", "")));
}
