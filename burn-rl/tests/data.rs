//! Data files of every form, read as rows.
#![allow(clippy::unwrap_used)]

use burn::data::dataset::Dataset;
use burn_rl::data::{Columns, DataRow, OnError, RowDataset, RowFormat, RowKind, picture_bytes};
use burn_vlm::{
    image::{Alpha, decode},
    text::{Content, Message},
};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden/data")
        .join(name)
}

fn open(path: &Path, format: &RowFormat) -> Vec<DataRow> {
    let set = RowDataset::open(path, format, OnError::Error, RowKind::Prompt).unwrap();
    (0..set.len()).map(|i| set.get(i).unwrap()).collect()
}

/// The colour of a picture of one colour.
fn colour(path: &Path) -> [u8; 3] {
    let picture = decode("picture", &picture_bytes(path).unwrap(), Alpha::Drop).unwrap();
    assert_eq!(picture.dimensions(), (4, 3));
    picture.get_pixel(0, 0).0
}

fn text(text: &str) -> Content {
    Content::Text(text.into())
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[test]
fn parquet_with_one_picture_a_row() {
    let rows = open(&golden("image.parquet"), &RowFormat::default());
    let counts: Vec<usize> = rows.iter().map(|row| row.images.len()).collect();
    assert_eq!(counts, [1, 0, 1]);
    assert_eq!(colour(&rows[0].images[0]), RED);
    assert_eq!(
        colour(&rows[2].images[0]),
        BLUE,
        "from the second row group"
    );
    assert_eq!(
        rows[0].messages[0].content,
        [Content::Image, text("What colour?")]
    );
    assert_eq!(
        rows[2].messages[0].content,
        [text("And "), Content::Image, text(" this?")]
    );
    assert_eq!(rows[1].answer.as_deref(), Some("4"));
    let difficulty: Vec<_> = rows.iter().map(|row| row.difficulty).collect();
    assert_eq!(difficulty, [Some(-0.5), Some(-0.875), Some(-0.125)]);
    assert_eq!((rows[2].id.as_str(), rows[2].line), ("line-3", 3));
}

#[test]
fn a_picture_that_stands_beside_the_parquet_file_is_found_by_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("paths.parquet");
    std::fs::copy(golden("paths.parquet"), &file).unwrap();
    let beside = dir.path().join("red.png");
    let rows = open(&golden("image.parquet"), &RowFormat::default());
    std::fs::write(&beside, picture_bytes(&rows[0].images[0]).unwrap()).unwrap();
    let rows = open(&file, &RowFormat::default());
    assert_eq!(rows[0].images, [beside.as_path()]);
    assert_eq!(colour(&rows[1].images[0]), BLUE, "bytes win over the path");
    assert!(rows[2].images.is_empty());
    std::fs::remove_file(&beside).unwrap();
    let format = RowFormat::default();
    let set = RowDataset::open(&file, &format, OnError::Error, RowKind::Prompt);
    let message = set.err().unwrap().to_string();
    assert!(message.contains("paths.parquet:1: image"), "{message}");
}

#[test]
fn parquet_with_lists_of_pictures_and_conversations() {
    let format = RowFormat {
        columns: Columns {
            answer: "reward_model.ground_truth".into(),
            ..Columns::default()
        },
        ..RowFormat::default()
    };
    let rows = open(&golden("images.parquet"), &format);
    let colours = |row: &DataRow| row.images.iter().map(|p| colour(p)).collect::<Vec<_>>();
    assert_eq!(colours(&rows[0]), [RED, GREEN]);
    assert!(rows[1].images.is_empty());
    assert_eq!(colours(&rows[2]), [BLUE]);
    assert_eq!(rows[1].messages[0], Message::text("system", "S"));
    assert_eq!(rows[1].answer.as_deref(), Some("4"));
    let bare = open(&golden("sat.parquet"), &RowFormat::default());
    assert_eq!(colours(&bare[1]), [RED, GREEN]);
    assert_eq!(bare[0].answer.as_deref(), Some("left"));
}

#[test]
fn a_directory_is_its_parquet_files_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for (from, to) in [("image.parquet", "b.parquet"), ("sat.parquet", "a.parquet")] {
        std::fs::copy(golden(from), dir.path().join(to)).unwrap();
    }
    std::fs::write(dir.path().join("README.md"), "x").unwrap();
    let rows = open(dir.path(), &RowFormat::default());
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0].file.file_name().unwrap(), "a.parquet");
    assert_eq!(
        (rows[3].line, rows[3].answer.as_deref()),
        (1, Some("<answer> red </answer>"))
    );
}

#[test]
fn both_forms_of_conversation_name_their_pictures() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(golden("image.parquet"), dir.path().join("p.png")).unwrap();
    let message = r#"[{"role":"user","content":[{"type":"image","image":"p.png"},{"type":"text","text":"<image>?"}]}]"#;
    let url = r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"file://p.png"}}]}]"#;
    let lines = [
        serde_json::json!({"id": 7, "message": message, "answer": 2}),
        serde_json::json!({"message": url, "answer": "2"}),
        serde_json::json!({"messages": [{"from": "human", "value": "<image>b"}, {"from": "gpt", "value": "c"}], "images": ["p.png"]}),
    ];
    let path = dir.path().join("rows.jsonl");
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let rows = open(&path, &RowFormat::default());
    assert!(
        rows.iter()
            .all(|row| row.images == [dir.path().join("p.png")])
    );
    assert_eq!(
        rows[0].messages[0].content,
        [Content::Image, text("<image>?")]
    );
    assert_eq!(
        (rows[0].id.as_str(), rows[0].answer.as_deref()),
        ("7", Some("2"))
    );
    assert_eq!(rows[1].messages[0].content, [text("a"), Content::Image]);
    assert_eq!(rows[2].target.as_deref(), Some("c"));

    let list = dir.path().join("rows.json");
    std::fs::write(&list, format!("[{}]", lines.join(",\n"))).unwrap();
    let listed = open(&list, &RowFormat::default());
    assert_eq!(listed[2].messages, rows[2].messages);
}

#[test]
fn a_row_brings_its_own_switches_of_the_template() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let row = |kwargs: &str| format!("{{\"prompt\": \"p\"{kwargs}}}\n");
    let kwargs = [
        "",
        r#", "chat_template_kwargs": {"enable_thinking": false}"#,
        r#", "chat_template_kwargs": "{\"enable_thinking\": false}""#,
    ];
    std::fs::write(&path, kwargs.map(row).concat()).unwrap();
    let rows = open(&path, &RowFormat::default());
    assert!(rows[0].template_args.is_empty());
    for row in &rows[1..] {
        assert_eq!(row.template_args["enable_thinking"], false);
    }
    std::fs::write(&path, row(r#", "chat_template_kwargs": [1]"#)).unwrap();
    let format = RowFormat::default();
    let refused = RowDataset::open(&path, &format, OnError::Error, RowKind::Prompt);
    let message = refused.err().unwrap().to_string();
    assert!(
        message
            .ends_with("`chat_template_kwargs` is [1], expected an object of switches and values"),
        "{message}"
    );
}

#[test]
fn a_template_surrounds_the_question() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    std::fs::write(&path, r#"{"input": "1 + 1?", "answer": "2"}"#).unwrap();
    let format = RowFormat {
        template: "Solve: {question} Think first.".into(),
        ..RowFormat::default()
    };
    let rows = open(&path, &format);
    assert_eq!(
        rows[0].messages[0].content,
        [text("Solve: 1 + 1? Think first.")]
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let error = |content: &str, format: &RowFormat| {
        std::fs::write(&path, content).unwrap();
        let set = RowDataset::open(&path, format, OnError::Error, RowKind::Prompt);
        set.err().unwrap().to_string()
    };
    let plain = RowFormat::default();
    for (content, expected) in [
        (
            r#"{"text": "?", "answer": "1"}"#,
            "found the fields `text`, `answer`",
        ),
        ("[1, 2]", "found a number, expected a JSON object"),
        ("3", "found a number, expected a JSON object"),
        (
            r#"{"question": "?", "answer": {"value": 1}}"#,
            "`answer` is an object, expected a string, a number, true or false, or a list",
        ),
        (
            r#"{"question": "?", "answer": ["1", null]}"#,
            "`answer[1]` is null, expected a string",
        ),
        (
            r#"{"question": " ", "answer": "1"}"#,
            "`question` asks nothing",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "1?"}, {"role": "user", "content": ""}]}"#,
            "`messages` asks nothing",
        ),
        (
            r#"{"question": "?", "images": {"bytes": "iVBOR", "path": null}}"#,
            "`images`: a picture is an object with `bytes` and no `path`, expected a path",
        ),
        (
            r#"{"question": "?", "images": [""]}"#,
            "`images`: a picture is an empty text, expected a path",
        ),
        (
            r#"{"question": "?", "images": "https://example.org/a.png"}"#,
            "is on the web, expected the path of a file",
        ),
        (
            r#"{"question": "?", "answer": "1", "images": [{"bytes": null}]}"#,
            "`images`: a picture is an object, expected a path",
        ),
    ] {
        let message = error(content, &plain);
        assert!(
            message.contains("rows.jsonl:1: ") && message.contains(expected),
            "{message}"
        );
    }
    let gold = RowFormat {
        columns: Columns {
            answer: "gold.value".into(),
            ..Columns::default()
        },
        ..plain
    };
    let message = error(r#"{"question": "?", "gold": {}}"#, &gold);
    assert!(message.contains("the row has no `gold.value`"), "{message}");

    let damaged = dir.path().join("x.parquet");
    std::fs::write(&damaged, b"PAR1 and no more").unwrap();
    let set = RowDataset::open(&damaged, &gold, OnError::Error, RowKind::Prompt);
    let message = set.err().unwrap().to_string();
    assert!(message.contains("not readable as parquet"), "{message}");
}

#[test]
fn answers_as_people_write_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let row = |answer: &str| format!("{{\"question\": \"?\", \"answer\": {answer}}}\n");
    let answers = [
        r#""a""#,
        "5",
        "true",
        "null",
        r#"["a"]"#,
        r#"["a", 2, false]"#,
        "[]",
    ];
    std::fs::write(&path, answers.map(row).concat()).unwrap();
    let rows = open(&path, &RowFormat::default());
    let first: Vec<_> = rows.iter().map(|row| row.answer.as_deref()).collect();
    let expected = [
        Some("a"),
        Some("5"),
        Some("true"),
        None,
        Some("a"),
        Some("a"),
        None,
    ];
    assert_eq!(first, expected);
    let all: Vec<&[String]> = rows.iter().map(|row| &row.answers[..]).collect();
    assert_eq!(all[5], ["a", "2", "false"]);
    assert!(all[..5].iter().all(|list| list.is_empty()));
}

#[test]
fn pictures_are_beside_their_data_file_or_where_they_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (folder, file) in [("data/images", "in.png"), ("other", "out.png")] {
        std::fs::create_dir_all(at(folder)).unwrap();
        std::fs::write(at(folder).join(file), b"not looked at").unwrap();
    }
    let path = at("data/rows.jsonl");
    let found = |image: &str, roots: &[&str]| {
        let row = serde_json::json!({"question": "?", "images": [image]});
        std::fs::write(&path, row.to_string()).unwrap();
        let format = RowFormat {
            picture_roots: roots.iter().map(|root| at(root)).collect(),
            ..RowFormat::default()
        };
        let set = RowDataset::open(&path, &format, OnError::Error, RowKind::Prompt);
        set.map(|_| ()).map_err(|e| e.to_string())
    };
    let absolute = at("other/out.png").display().to_string();
    let address = format!("file://{absolute}");
    for inside in ["images/in.png", "./images/../images/in.png"] {
        assert_eq!(found(inside, &[]), Ok(()));
    }
    for outside in ["../other/out.png", &absolute, &address] {
        let message = found(outside, &[]).unwrap_err();
        let expected = "outside of the data file's directory: expected it inside, or its directory \
                        named in data.picture_roots";
        assert!(
            message.contains("rows.jsonl:1: ") && message.contains(expected),
            "{message}"
        );
        assert_eq!(found(outside, &["other"]), Ok(()));
        assert_eq!(found(outside, &["."]), Ok(()));
    }
    let message = found("images/in.png", &["nowhere"]).unwrap_err();
    assert!(message.contains("data.picture_roots names "), "{message}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(at("other/out.png"), at("data/images/link.png")).unwrap();
        assert!(found("images/link.png", &[]).is_err());
        assert_eq!(found("images/link.png", &["other"]), Ok(()));
        // A data file that is a link itself, as in the cache of the hub: both directories count.
        std::fs::rename(&path, at("other/rows")).unwrap();
        symlink(at("other/rows"), &path).unwrap();
        assert_eq!(found("images/link.png", &[]), Ok(()));
    }
}
