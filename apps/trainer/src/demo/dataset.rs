//! Writing demo data: PNG files beside a JSONL file, in the format any other data takes.

use super::Split;
use super::picture::paint;
use super::question::{Habit, Question};
use super::scene::Scene;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use rayon::prelude::*;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What the rows of a file are for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rows {
    /// A question a row, to be answered by the model.
    Questions,
    /// A question and a completion a row, to be imitated.
    Sft {
        /// Probability that a row's completion is [`Habit::Looking`]; the others are
        /// [`Habit::Quick`].
        looking_share: f64,
    },
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    conversations: Vec<Turn>,
    answer: &'a str,
    image_urls: [&'a str; 1],
}

#[derive(Serialize)]
struct Turn {
    role: &'static str,
    content: String,
}

/// Writes the samples `range` of a split into `dir` and returns the path of `<split>.jsonl`.
///
/// Pictures go to `images/<split>-<index>.png`, so splits can share a directory. A file that is
/// there already is replaced. Questions are rows
/// `{"id", "conversations": [{"role": "user", "content": "<image>…"}], "answer", "image_urls"}`;
/// [`Rows::Sft`] adds the completion as a turn of the assistant.
///
/// # Errors
/// The directory or one of its files could not be written; the message names it.
pub fn write_dataset(
    dir: &Path,
    split: Split,
    seed: u64,
    range: Range<u64>,
    rows: Rows,
) -> io::Result<PathBuf> {
    let images = dir.join("images");
    fs::create_dir_all(&images).map_err(|error| at(&images, error))?;
    let lines: Vec<String> = range
        .into_par_iter()
        .map(|index| write_sample(dir, split, seed, index, rows))
        .collect::<io::Result<_>>()?;
    let path = dir.join(format!("{}.jsonl", split.name()));
    write_lines(&path, &lines).map_err(|error| at(&path, error))?;
    Ok(path)
}

/// Writes the picture of one sample and returns its row.
fn write_sample(dir: &Path, split: Split, seed: u64, index: u64, rows: Rows) -> io::Result<String> {
    let scene = Scene::draw(seed, split, index);
    let question = Question::draw(&scene, seed, split, index);
    let id = format!("{}-{index:06}", split.name());
    let image_url = format!("images/{id}.png");
    let path = dir.join(&image_url);
    write_png(&path, &scene, seed, split, index).map_err(|error| at(&path, error))?;

    let mut conversations = vec![Turn {
        role: "user",
        content: format!("<image>{}", question.text),
    }];
    if let Rows::Sft { looking_share } = rows {
        let habit = Habit::draw(looking_share, seed, split, index);
        conversations.push(Turn {
            role: "assistant",
            content: habit.complete(&scene, &question, seed, split, index),
        });
    }
    Ok(serde_json::to_string(&Row {
        id,
        conversations,
        answer: question.answer,
        image_urls: [&image_url],
    })?)
}

fn write_png(path: &Path, scene: &Scene, seed: u64, split: Split, index: u64) -> io::Result<()> {
    let picture = paint(scene, seed, split, index);
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(PngEncoder::new_with_quality(
            &mut bytes,
            CompressionType::Fast,
            FilterType::Adaptive,
        ))
        .map_err(io::Error::other)?;
    fs::write(path, bytes)
}

fn write_lines(path: &Path, lines: &[String]) -> io::Result<()> {
    let mut file = io::BufWriter::new(fs::File::create(path)?);
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.flush()
}

/// Puts the path into the message and keeps the kind of the error.
fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rows_of(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn questions_have_the_row_format_and_a_readable_picture() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_dataset(dir.path(), Split::Eval, 4, 0..20, Rows::Questions).unwrap();
        assert_eq!(path, dir.path().join("eval.jsonl"));
        let rows = rows_of(&path);
        assert_eq!(rows.len(), 20);
        for (index, row) in (0..).zip(&rows) {
            let scene = Scene::draw(4, Split::Eval, index);
            let question = Question::draw(&scene, 4, Split::Eval, index);
            let url = format!("images/eval-{index:06}.png");
            let expected = json!({
                "id": format!("eval-{index:06}"),
                "conversations": [{"role": "user", "content": format!("<image>{}", question.text)}],
                "answer": question.answer,
                "image_urls": [url],
            });
            assert_eq!(row, &expected);
            let picture = image::open(dir.path().join(url)).unwrap().into_rgb8();
            assert_eq!(picture, paint(&scene, 4, Split::Eval, index));
        }
    }

    #[test]
    fn sft_rows_end_with_the_completion() {
        let dir = tempfile::tempdir().unwrap();
        for (share, opening) in [(0.0, "<answer>"), (1.0, "<think>")] {
            let rows = Rows::Sft {
                looking_share: share,
            };
            let path = write_dataset(dir.path(), Split::Sft, 0, 0..30, rows).unwrap();
            for row in rows_of(&path) {
                let last = &row["conversations"][1];
                assert_eq!(last["role"], "assistant");
                let content = last["content"].as_str().unwrap();
                assert!(content.starts_with(opening) && content.ends_with("</answer>"));
                assert!(row["answer"].is_string());
            }
        }
    }

    #[test]
    fn a_sample_does_not_depend_on_the_range_it_is_written_in() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let whole = write_dataset(one.path(), Split::Train, 1, 0..40, Rows::Questions).unwrap();
        let part = write_dataset(other.path(), Split::Train, 1, 30..40, Rows::Questions).unwrap();
        assert_eq!(rows_of(&whole)[30..], rows_of(&part)[..]);
        let picture = "images/train-000035.png";
        assert_eq!(
            fs::read(one.path().join(picture)).unwrap(),
            fs::read(other.path().join(picture)).unwrap()
        );
    }

    #[test]
    fn an_unwritable_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("occupied");
        fs::write(&file, "").unwrap();
        let error = write_dataset(&file, Split::Train, 0, 0..1, Rows::Questions).unwrap_err();
        assert!(error.to_string().contains("occupied"), "{error}");
    }
}
