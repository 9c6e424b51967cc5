//! Rewards from a child process: order, restarts, silence, and its end.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.
#![cfg(unix)]

use burn_rewards::{BoxCoordinates, ImageSize, RewardError, RewardFn, RewardInput, rules};
use serde_json::{Value, json};
use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// What every program below begins with: `id line` prints the id of a request, `ok id value` a
/// reply.
const PRELUDE: &str = r#"
id() { rest=${1#*'"id":'}; echo "${rest%%[,\}]*}"; }
ok() { printf '{"id":%s,"reward":%s}\n' "$1" "$2"; }
"#;

fn program(body: &str, options: Value) -> Box<dyn RewardFn> {
    let mut all = json!({"command": ["sh", "-c", format!("{PRELUDE}{body}")]});
    let (Some(all_map), Value::Object(more)) = (all.as_object_mut(), options) else {
        panic!("options are an object");
    };
    all_map.extend(more);
    let rule = rules::find("command").unwrap();
    rule.reward(all.as_object().unwrap()).unwrap()
}

fn values(reward: &dyn RewardFn, n: usize) -> Vec<f64> {
    let inputs = vec![RewardInput::new("r", "a"); n];
    let scored = reward.score_batch(&inputs).into_iter();
    scored.map(|s| s.unwrap().value).collect()
}

fn message(reward: &dyn RewardFn) -> String {
    let error = reward.score(&RewardInput::new("r", "a")).unwrap_err();
    assert!(matches!(error, RewardError::Service { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn a_reward_that_is_no_number_of_json_is_called_so() {
    for value in ["NaN", "1e999", "-Infinity"] {
        let body = format!(r#"while read -r line; do ok "$(id "$line")" {value}; done"#);
        let message = message(&*program(&body, json!({"restarts": 0})));
        let expected = "JSON has no NaN and no infinity, and a reward must be a finite number";
        assert!(message.contains(expected), "{value}: {message}");
    }
}

#[test]
fn replies_may_come_in_any_order() {
    let body = r#"
while read -r first; do
    read -r second || { ok "$(id "$first")" 0; exit; }
    a=$(id "$first") b=$(id "$second")
    ok "$b" "$b"; ok "$a" "$a"
done"#;
    let reward = program(body, json!({}));
    let expected: Vec<f64> = (0..20).map(f64::from).collect();
    assert_eq!(values(&*reward, 20), expected);
}

#[test]
fn a_request_is_one_line_whatever_the_response_holds() {
    let body = r#"
while read -r line; do
    case $line in *'line\nfeed \"and\" more'*) v=1;; *) v=0;; esac
    printf '{"id":%s,"reward":%s,"correct":true,"parts":{"style":0.5}}\n' "$(id "$line")" $v
done"#;
    let reward = program(body, json!({"parts": ["style"]}));
    assert_eq!(reward.part_names(), ["command", "style"]);
    let scored = reward.score(&RewardInput::new("line\nfeed \"and\" more", "a"));
    let scored = scored.unwrap();
    assert_eq!(
        (scored.value, scored.part("style"), scored.correct),
        (1.0, Some(0.5), Some(true))
    );
}

#[test]
fn neither_side_waits_for_the_other_to_read() {
    // Writes more to both its outputs than a pipe holds before it reads, then for each request.
    let body = r#"
big=$(head -c 200000 /dev/zero | tr '\0' x)
echo "$big" >&2
while read -r line; do
    printf '{"id":%s,"reward":1,"note":"%s"}\n' "$(id "$line")" "$big"
done"#;
    let reward = program(body, json!({}));
    let long = "r".repeat(8_000);
    let inputs = vec![RewardInput::new(&long, "a"); 30];
    assert!(reward.score_batch(&inputs).iter().all(Result::is_ok));
}

#[test]
fn a_program_that_ends_early_is_started_again() {
    let body = r#"read -r line; ok "$(id "$line")" 1; exit 3"#;
    let reward = program(body, json!({"restarts": 4}));
    assert_eq!(values(&*reward, 5), [1.0; 5]);
    let notices = reward.take_notices();
    let last = notices.last().unwrap();
    assert_eq!((notices.len(), last.rule.as_str()), (4, "command"));
    let expected = "it ended with exit status: 3; it is started again (restart 4 of 4 in this run)";
    assert!(last.message.contains(expected), "{}", last.message);
    assert!(reward.take_notices().is_empty(), "told once");
    // The limit is that of the run: an answer in between does not begin it anew.
    let message = message(&*reward);
    assert!(message.contains("(started 5 times in vain)"), "{message}");
}

#[test]
fn a_program_that_keeps_ending_is_an_error_with_its_last_words() {
    let reward = program("echo 'no such module' >&2; exit 3", json!({"restarts": 1}));
    let message = message(&*reward);
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(
        message.contains("no such module") && message.contains("2 times"),
        "{message}"
    );
}

#[test]
fn silence_is_an_error_and_never_a_zero() {
    let reward = program("cat > /dev/null", json!({"timeout_s": 0.05, "restarts": 0}));
    let scored = reward.score_batch(&[RewardInput::new("r", "a"); 3]);
    for error in scored {
        let message = error.unwrap_err().to_string();
        assert!(message.contains("no reply within 0.05 s"), "{message}");
    }
}

#[test]
fn what_is_no_reply_is_quoted() {
    for (line, expected) in [
        (
            "hello",
            "`hello` to standard output, expected a JSON object",
        ),
        (
            r#"{"id":99,"reward":1}"#,
            "expected the `id` of a request that waits",
        ),
        (r#"{"id":0}"#, "expected a number as `reward`"),
        (r#"{"id":0,"reward":"x"}"#, "expected a number as `reward`"),
        (
            r#"{"id":0,"reward":1,"parts":[]}"#,
            "expected an object as `parts`",
        ),
        (
            r#"{"id":0,"error":"out of tokens"}"#,
            "it reports: out of tokens",
        ),
    ] {
        let reward = program(
            &format!("read -r line; echo '{line}'; cat > /dev/null"),
            json!({}),
        );
        let message = message(&*reward);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_gold_answer_may_be_refused() {
    let body = r#"read -r line; echo '{"id":0,"gold_error":"expected a colour"}'"#;
    let error = program(body, json!({}))
        .score(&RewardInput::new("r", "a"))
        .unwrap_err();
    assert!(matches!(error, RewardError::Gold { .. }), "{error:?}");
}

#[test]
fn a_program_is_told_all_that_is_known_and_may_leave_a_row_out() {
    // It leaves out every row but those that have all of the keys.
    let body = r#"
while read -r line; do
    i=$(id "$line")
    case $line in
        '{"version":2,'*'"row_id":"r-9","set":"geo","step":7,"fields":{"level":[1]},"prompt_end":"<think>\n","images":[{"original":[4,3],"resized":[2,1]}],"coordinates":"thousandths"'*) ok "$i" 1;;
        *) printf '{"id":%s,"applies":false}\n' "$i";;
    esac
done"#;
    let reward = program(body, json!({}));
    let fields = json!({"level": [1]});
    let images = [ImageSize {
        original: [4, 3],
        resized: [2, 1],
    }];
    let input = RewardInput::new("r", "a");
    let known = input
        .with_set("geo")
        .with_row_id("r-9")
        .with_step(7)
        .with_fields(fields.as_object().unwrap())
        .with_prompt_end("<think>\n")
        .with_images(&images)
        .with_coordinates(BoxCoordinates::Thousandths);
    let scored = reward.score_batch(&[known, input]);
    assert_eq!(scored[0].as_ref().unwrap().value, 1.0);
    let left_out = matches!(scored[1], Err(RewardError::NotApplicable { .. }));
    assert!(left_out, "{:?}", scored[1]);
}

#[test]
fn a_second_reply_to_a_request_is_not_taken_for_one_of_the_next_batch() {
    let body = r#"
while read -r line; do i=$(id "$line"); ok "$i" 1; ok "$i" 9; done"#;
    let reward = program(body, json!({}));
    assert_eq!(values(&*reward, 1), [1.0]);
    let message = message(&*reward);
    assert!(message.contains("a request that waits"), "{message}");
}

#[test]
fn ids_count_up_over_batches() {
    let body = r#"while read -r line; do i=$(id "$line"); ok "$i" "$i"; done"#;
    let reward = program(body, json!({}));
    assert_eq!(values(&*reward, 3), [0.0, 1.0, 2.0]);
    assert_eq!(values(&*reward, 2), [3.0, 4.0]);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let rule = rules::find("command").unwrap();
    let options = json!({"command": ["/no/such/program"]});
    let reward = rule.reward(options.as_object().unwrap()).unwrap();
    assert!(message(&*reward).contains("cannot start `/no/such/program`"));
    for wrong in [
        json!({}),
        json!({"command": [], "processes": 0}),
        json!({"command": ["x"], "timeout_s": 0}),
    ] {
        assert!(rule.reward(wrong.as_object().unwrap()).is_err(), "{wrong}");
    }
}

fn is_running(pid: f64) -> bool {
    let mut kill = Command::new("kill");
    kill.args(["-0", &format!("{pid}")]).stderr(Stdio::null());
    kill.status().unwrap().success()
}

#[test]
fn processes_end_with_the_reward() {
    let body = r#"while read -r line; do ok "$(id "$line")" $$; done"#;
    let reward = program(body, json!({"processes": 3}));
    let mut pids = values(&*reward, 9);
    pids.dedup();
    assert_eq!(pids.len(), 3, "three processes, a share of the batch each");
    assert!(pids.iter().all(|pid| is_running(*pid)));
    drop(reward);
    assert!(!pids.iter().any(|pid| is_running(*pid)));
}

#[test]
fn a_program_that_hangs_goes_with_what_it_started() {
    let body = r#"
sleep 1000 & child=$!
read -r line; ok "$(id "$line")" $child
cat > /dev/null"#;
    let reward = program(body, json!({"timeout_s": 0.5, "restarts": 0}));
    let child = values(&*reward, 1)[0];
    assert!(is_running(child));
    message(&*reward);
    ends(child);
}

#[test]
fn what_a_program_started_ends_with_it() {
    let body = r#"
sleep 1000 & child=$!
while read -r line; do ok "$(id "$line")" $child; done"#;
    let reward = program(body, json!({}));
    let child = values(&*reward, 1)[0];
    assert!(is_running(child));
    drop(reward);
    ends(child);
}

/// Fails unless the process is gone soon; it was killed, and the system may take a moment.
fn ends(pid: f64) {
    let start = Instant::now();
    while is_running(pid) && start.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert!(!is_running(pid));
}

#[test]
fn a_program_is_not_waited_for_once_nobody_wants_its_answer() {
    let body = r#"sleep 1000 & echo $! >&2; read -r line; cat > /dev/null"#;
    let reward = program(body, json!({"timeout_s": 1000}));
    let cancel = AtomicBool::new(false);
    let input = RewardInput::new("r", "a").with_cancel(&cancel);
    let scored = std::thread::scope(|scope| {
        let scored = scope.spawn(|| reward.score_batch(&[input; 3]));
        cancel.store(true, Ordering::Relaxed);
        scored.join().unwrap()
    });
    for error in scored {
        let message = error.unwrap_err().to_string();
        assert!(message.contains("nobody waits for it"), "{message}");
    }
    assert!(reward.take_notices().is_empty(), "it is not started again");
}

#[test]
fn a_program_is_sent_every_accepted_answer_and_the_files_of_pictures() {
    let picture = tempfile::NamedTempFile::new().unwrap();
    let path = picture.path().to_path_buf();
    let body = format!(
        r#"
while read -r line; do
    case $line in
        *'"answer":["a","b"],'*'"images":[{{"path":"{}"}}]'*) ok "$(id "$line")" 1;;
        *'"answer":null,'*'"images":[{{}}]'*) ok "$(id "$line")" 2;;
        *) ok "$(id "$line")" 0;;
    esac
done"#,
        path.display()
    );
    let reward = program(&body, json!({}));
    let answers = ["a".to_owned(), "b".to_owned()];
    let files = [path, "x.parquet#0.0.0.0".into()];
    let one = RewardInput::new("r", "a").with_answers(&answers);
    let known = one.with_image_files(&files[..1]);
    // What is inside of a table is no file.
    let none = RewardInput::new("r", "").with_image_files(&files[1..]);
    let scored = reward.score_batch(&[known, none]);
    let values: Vec<f64> = scored.into_iter().map(|s| s.unwrap().value).collect();
    assert_eq!(values, [1.0, 2.0]);
    assert!(!reward.needs_answer(&none) && reward.reads_all_answers());
}
