//! A judge behind a chat server: what it is asked, how it is read, what is kept, and plain errors.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.
#![cfg(feature = "http")]

use crate::server::serve;
use burn_rewards::{RewardError, RewardFn, RewardInput, rules};
use serde_json::{Value, json};
use std::{fs, net::TcpListener};

fn judge(url: &str, options: Value) -> Box<dyn RewardFn> {
    let mut all = json!({"url": url, "model": "judge-1", "pause_s": 0.0});
    all.as_object_mut()
        .unwrap()
        .extend(options.as_object().unwrap().clone());
    let rule = rules::find("chat_judge").unwrap();
    rule.reward(all.as_object().unwrap()).unwrap()
}

fn completion(text: &str) -> (u16, String) {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}});
    (
        200,
        json!({"object": "chat.completion", "choices": [choice]}).to_string(),
    )
}

/// The last word of the question: a score.
fn echo(_: usize, body: &Value) -> (u16, String) {
    let asked = body["messages"].as_array().unwrap().last().unwrap()["content"]
        .as_str()
        .unwrap();
    completion(&format!(
        "Score: {}",
        asked.split_whitespace().last().unwrap()
    ))
}

fn message(judge: &dyn RewardFn, input: &RewardInput<'_>) -> String {
    let error = judge.score(input).unwrap_err();
    assert!(matches!(error, RewardError::Service { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn it_is_asked_what_the_template_says() {
    let server = serve(Box::new(|_, _| completion("Fine.\nScore: 8/10")));
    let options = json!({
        "system": "You grade.",
        "template": "{question}|{gold}|{response}|{field.meta.rubric}|{answer}|\\boxed{1}",
        "correct_at": 0.8, "max_tokens": 64, "token_env": "PATH",
        "body": {"chat_template_kwargs": {"enable_thinking": false}},
    });
    let judge = judge(&server.url, options);
    let fields = json!({"meta": {"rubric": "be strict"}});
    let input = RewardInput::new("{gold}", "4")
        .with_prompt("2+2?")
        .with_fields(fields.as_object().unwrap());
    let scored = judge.score(&input).unwrap();
    assert_eq!((scored.value, scored.correct), (0.8, Some(true)));
    assert_eq!(scored.parts, [("judge".into(), 0.8)]);
    let told = judge.explain(&input).join("\n");
    assert!(told.contains("Score: 8/10"), "{told}");
    let (body, token) = server.seen.lock().unwrap()[0].clone();
    let expected = json!({
        "model": "judge-1", "temperature": 0, "max_tokens": 64,
        "chat_template_kwargs": {"enable_thinking": false},
        "messages": [
            {"role": "system", "content": "You grade."},
            {"role": "user", "content": "2+2?|4|{gold}|be strict|{answer}|\\boxed{1}"},
        ],
    });
    assert_eq!(body, expected);
    assert_eq!(token, format!("Bearer {}", std::env::var("PATH").unwrap()));
}

#[test]
fn a_batch_comes_back_in_order_and_the_same_is_asked_once() {
    let server = serve(Box::new(echo));
    let judge = judge(
        &server.url,
        json!({"template": "{response}", "connections": 4}),
    );
    let texts: Vec<String> = (0..40).map(|i| (i % 11).to_string()).collect();
    let inputs: Vec<_> = texts.iter().map(|t| RewardInput::new(t, "")).collect();
    for (i, scored) in judge.score_batch(&inputs).into_iter().enumerate() {
        let scored = scored.unwrap();
        assert_eq!(
            (scored.value, scored.correct),
            ((i % 11) as f64 / 10.0, None)
        );
    }
    assert_eq!(server.seen.lock().unwrap().len(), 11);
}

#[test]
fn what_was_answered_is_not_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = json!({"template": "{response}", "cache_dir": dir.path().join("c")});
    let server = serve(Box::new(echo));
    let score = |url: &str, text: &str| {
        let judge = judge(url, cache.clone());
        judge
            .score(&RewardInput::new(text, ""))
            .map(|scored| scored.value)
    };
    assert_eq!(score(&server.url, "7"), Ok(0.7));
    assert_eq!(score(&server.url, "7"), Ok(0.7));
    assert_eq!(server.seen.lock().unwrap().len(), 1);
    // Another run finds it while the server is down; what is new is an error.
    let down = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let down = format!("http://{down}");
    assert_eq!(score(&down, "7"), Ok(0.7));
    assert!(score(&down, "8").is_err());
    // A request that differs in anything is another one.
    let mut strict = cache.clone();
    strict["system"] = "Be strict.".into();
    let judge = judge(&server.url, strict);
    judge.score(&RewardInput::new("7", "")).unwrap();
    assert_eq!(server.seen.lock().unwrap().len(), 2);
}

#[test]
fn a_reply_without_a_score_is_an_error_and_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    for (score, reply, expected) in [
        (
            "number",
            "I cannot say.",
            "`I cannot say.`, expected a number after `Score:`",
        ),
        (
            "number",
            "Score: 11",
            "expected a score from 0 to 10, not 11",
        ),
        (
            "json",
            "Score: 5",
            "expected a JSON object with a number as `score`",
        ),
        ("yes_no", "perhaps", "expected `yes` or `no`"),
    ] {
        let server = serve(Box::new(move |_, _| completion(reply)));
        let options = json!({"score": score, "cache_dir": dir.path()});
        let judge = judge(&server.url, options);
        let message = message(&*judge, &RewardInput::new("r", "a"));
        assert!(
            message.contains(expected) && message.contains(&server.url),
            "{message}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    for (status, body, expected) in [
        (
            200,
            r#"{"choices":[]}"#,
            "expected a text at choices[0].message.content",
        ),
        (401, "no key", "401"),
    ] {
        let server = serve(Box::new(move |_, _| (status, body.into())));
        let message = message(&*judge(&server.url, json!({})), &RewardInput::new("r", "a"));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_judge_that_stumbles_is_asked_again_and_one_that_is_down_is_an_error() {
    let server = serve(Box::new(|n, body| match n {
        1 => (503, "later".into()),
        2 => (0, String::new()),
        _ => echo(n, body),
    }));
    let options = json!({"template": "{response}"});
    let patient = judge(&server.url, options);
    assert_eq!(
        patient.score(&RewardInput::new("5", "")).unwrap().value,
        0.5
    );
    assert_eq!(server.seen.lock().unwrap().len(), 3);

    let server = serve(Box::new(|_, _| (503, "busy".into())));
    let options = json!({"template": "{response}", "tries": 2, "connections": 1});
    let judge = judge(&server.url, options);
    let texts: Vec<String> = (0..20).map(|i| i.to_string()).collect();
    let inputs: Vec<_> = texts.iter().map(|t| RewardInput::new(t, "")).collect();
    let all = judge.score_batch(&inputs);
    assert!(all.len() == 20 && all.iter().all(|s| *s == all[0] && s.is_err()));
    assert_eq!(
        server.seen.lock().unwrap().len(),
        2,
        "nothing more is asked"
    );
}

#[test]
fn an_address_may_be_that_of_the_server() {
    let rule = rules::find("chat_judge").unwrap();
    for (url, expected) in [
        (
            "http://127.0.0.1:9",
            "http://127.0.0.1:9/v1/chat/completions",
        ),
        (
            "http://127.0.0.1:9/v1/",
            "http://127.0.0.1:9/v1/chat/completions",
        ),
        (
            "http://127.0.0.1:9/x/v1/chat/completions",
            "http://127.0.0.1:9/x/v1/chat/completions:",
        ),
    ] {
        let options = json!({"url": url, "model": "m", "tries": 1});
        let judge = rule.reward(options.as_object().unwrap()).unwrap();
        let message = message(&*judge, &RewardInput::new("r", "a"));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn gold_answers_and_options_are_checked_before_anything_is_asked() {
    let judge = judge("http://127.0.0.1:9", json!({}));
    let error = judge.check_gold(&RewardInput::new("", " ")).unwrap_err();
    assert!(matches!(error, RewardError::Gold { .. }), "{error:?}");
    let rule = rules::find("chat_judge").unwrap();
    for (options, expected) in [
        (json!({"url": "localhost"}), "option `url` is `localhost`"),
        (json!({"model": ""}), "option `model` is empty"),
        (
            json!({"template": "{question}"}),
            "expected {response} in it",
        ),
        (
            json!({"template": "{response} {questoin}"}),
            "did you mean {question}?",
        ),
        (json!({"low": 5, "high": 5}), "option `high` is 5"),
        (json!({"correct_at": 7}), "option `correct_at` is 7"),
        (json!({"tries": 0}), "option `tries` is 0"),
        (json!({"score": "yesno"}), "option `score`"),
        (
            json!({"body": {"temperature": 1}}),
            "option `body`: `temperature`",
        ),
        (
            json!({"token_env": "NO_SUCH_VARIABLE_HERE"}),
            "NO_SUCH_VARIABLE_HERE",
        ),
        (json!({"retries": 3}), "did you mean `tries`?"),
    ] {
        let mut all = json!({"url": "http://127.0.0.1:9", "model": "m"});
        all.as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        let error = rule.reward(all.as_object().unwrap()).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
