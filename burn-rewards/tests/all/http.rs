//! Rewards from a server: the contract, order, patience, and plain errors.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.
#![cfg(feature = "http")]

use crate::server::serve;
use burn_rewards::{RewardError, RewardFn, RewardInput, rules};
use serde_json::{Value, json};
use std::{net::TcpListener, sync::Mutex};

fn reward(url: &str, options: Value) -> Box<dyn RewardFn> {
    let mut all = json!({"url": url, "pause_s": 0.0});
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), options) {
        all.extend(more);
    }
    let rule = rules::find("http").unwrap();
    rule.reward(all.as_object().unwrap()).unwrap()
}

/// A reward for each response: the number in it.
fn echo(_: usize, body: &Value) -> (u16, String) {
    let numbers: Vec<f64> = body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r.as_str().unwrap().parse().unwrap())
        .collect();
    let right: Vec<bool> = numbers.iter().map(|n| *n > 2.0).collect();
    (
        200,
        json!({"rewards": numbers, "accuracy_rewards": right, "status": "fine"}).to_string(),
    )
}

fn message(reward: &dyn RewardFn) -> String {
    let error = reward.score(&RewardInput::new("1", "a")).unwrap_err();
    assert!(matches!(error, RewardError::Service { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn batches_come_back_in_order_with_extra_keys_as_parts() {
    let server = serve(Box::new(echo));
    let options = json!({"batch": 3, "parts": ["accuracy_rewards"], "correct": "accuracy_rewards"});
    let reward = reward(&server.url, options);
    assert_eq!(reward.part_names(), ["http", "accuracy_rewards"]);
    let texts: Vec<String> = (0..20).map(|i| i.to_string()).collect();
    let inputs: Vec<_> = texts.iter().map(|t| RewardInput::new(t, "gold")).collect();
    let scored = reward.score_batch(&inputs);
    assert_eq!(scored.len(), 20);
    for (i, scored) in scored.into_iter().enumerate() {
        let scored = scored.unwrap();
        assert_eq!(scored.value, i as f64);
        assert_eq!(scored.correct, Some(i > 2));
        assert_eq!(
            scored.part("accuracy_rewards"),
            Some(f64::from(u8::from(i > 2)))
        );
        assert_eq!(scored.parts.len(), 2, "a text is no part");
    }
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|(body, _)| body["labels"][0] == "gold"));
}

#[test]
fn the_request_is_that_of_remote_reward_models() {
    let server = serve(Box::new(|_, _| {
        (200, json!({"rewards": [1], "extra": [0.5]}).to_string())
    }));
    let options = json!({"query": "<u>{prompt}<a>{response}{x}", "token_env": "PATH"});
    let reward = reward(&server.url, options);
    let fields = json!({"level": 3});
    let input = RewardInput::new("3", "4")
        .with_prompt("2 {response}")
        .with_set("geo")
        .with_step(7)
        .with_fields(fields.as_object().unwrap());
    let scored = reward.score(&input).unwrap();
    assert_eq!(scored.parts, [("http".into(), 1.0), ("extra".into(), 0.5)]);
    let (body, token) = &server.seen.lock().unwrap()[0];
    let expected = json!({"query": ["<u>2 {response}<a>3{x}"], "prompts": ["2 {response}"],
        "labels": ["4"], "responses": ["3"], "version": 2, "inputs": [{
            "response_tokens": null, "truncated": false, "row_id": "", "set": "geo", "step": 7,
            "fields": {"level": 3}, "prompt_end": "", "images": [], "coordinates": null}]});
    assert_eq!(*body, expected);
    assert_eq!(*token, format!("Bearer {}", std::env::var("PATH").unwrap()));
}

#[test]
fn a_server_that_stumbles_is_asked_again() {
    let server = serve(Box::new(|n, body| match n {
        1 => (503, "later".into()),
        2 => (0, String::new()),
        _ => echo(n, body),
    }));
    let reward = reward(&server.url, json!({}));
    assert_eq!(
        reward.score(&RewardInput::new("5", "a")).unwrap().value,
        5.0
    );
    assert_eq!(server.seen.lock().unwrap().len(), 3);
}

#[test]
fn a_server_that_is_down_is_an_error_and_never_a_zero() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{unused}/");
    let reward = reward(&url, json!({"tries": 2}));
    let message = message(&*reward);
    assert!(
        message.contains(&url) && message.contains("tried 2 times"),
        "{message}"
    );
    let all = reward.score_batch(&[RewardInput::new("1", "a"); 130]);
    assert!(all.len() == 130 && all.iter().all(Result::is_err));
}

#[test]
fn a_server_that_fails_for_good_is_not_asked_again() {
    for (status, tries, expected) in [(404, 5, 1), (503, 3, 3)] {
        let server = serve(Box::new(move |_, _| (status, "no".into())));
        let options = json!({"batch": 1, "connections": 1, "tries": tries});
        let reward = reward(&server.url, options);
        let all = reward.score_batch(&[RewardInput::new("1", "a"); 20]);
        assert!(all.len() == 20 && all.iter().all(|s| *s == all[0] && s.is_err()));
        assert_eq!(server.seen.lock().unwrap().len(), expected);
    }
}

#[test]
fn a_server_that_does_not_answer_in_time_is_an_error() {
    let (never, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = serve(Box::new(move |n, body| {
        let _ = wait.lock().unwrap().recv();
        echo(n, body)
    }));
    let reward = reward(&server.url, json!({"timeout_s": 0.05, "tries": 1}));
    let message = message(&*reward);
    assert!(message.contains("timeout"), "{message}");
    drop(never);
}

#[test]
fn answers_that_make_no_sense_are_quoted_and_not_asked_for_again() {
    for (status, text, expected) in [
        (404, "no such path", "404"),
        (200, "<html>", "`<html>`, expected a JSON object"),
        (
            200,
            r#"{"rewards":[1,2]}"#,
            "expected `rewards` with 1 numbers",
        ),
        (
            200,
            r#"{"rewards":[null]}"#,
            "expected `rewards` with 1 numbers",
        ),
        (200, r#"{"scores":[1]}"#, "whose keys are: scores"),
        (200, r#"{"rewards":[1]}"#, "expected `needed`"),
    ] {
        let text = text.to_owned();
        let server = serve(Box::new(move |_, _| (status, text.clone())));
        let reward = reward(&server.url, json!({"parts": ["needed"]}));
        let message = message(&*reward);
        assert!(message.contains(expected), "{message}");
        assert_eq!(server.seen.lock().unwrap().len(), 1, "{message}");
    }
}

#[test]
fn options_are_checked_before_anything_is_asked() {
    let rule = rules::find("http").unwrap();
    for (options, expected) in [
        (json!({}), "option `url` is ``"),
        (json!({"url": "localhost:80"}), "option `url`"),
        (
            json!({"url": "http://x", "tries": 0}),
            "option `tries` is 0",
        ),
        (
            json!({"url": "http://x", "timeout_s": -1}),
            "option `timeout_s` is -1",
        ),
        (
            json!({"url": "http://x", "token_env": "NO_SUCH_VARIABLE_HERE"}),
            "NO_SUCH_VARIABLE_HERE",
        ),
        (
            json!({"url": "http://x", "retries": 3}),
            "did you mean `tries`?",
        ),
    ] {
        let error = rule.reward(options.as_object().unwrap()).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
