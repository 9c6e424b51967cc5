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
    let set = RowDataset::open(path, format, OnError::Error, RowKind::Training).unwrap();
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
        let set = RowDataset::open(&path, format, OnError::Error, RowKind::Training);
        set.err().unwrap().to_string()
    };
    let plain = RowFormat::default();
    for (content, expected) in [
        (
            r#"{"text": "?", "answer": "1"}"#,
            "found the fields `text`, `answer`",
        ),
        ("[1, 2]", "not a JSON list of data rows"),
        ("3", "found a number, expected a JSON object"),
        (
            r#"{"question": "?", "answer": ["1"]}"#,
            "`answer` is a list, expected a string",
        ),
        (
            r#"{"question": "?", "answer": "1", "images": [{"bytes": null}]}"#,
            "a picture is an object, expected a path",
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
    let set = RowDataset::open(&damaged, &gold, OnError::Error, RowKind::Training);
    let message = set.err().unwrap().to_string();
    assert!(message.contains("not readable as parquet"), "{message}");
}
