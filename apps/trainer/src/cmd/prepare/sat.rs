//! SAT, as VisualThinker-R1-Zero prepares it, but from the parquet itself and with a seed: its own
//! script goes through CSV text, splits options at every comma and shuffles them without a seed.

use super::SatArgs;
use anyhow::{Context, Result};
use burn_rl::{
    RlError,
    data::{Record, picture_bytes, read_records},
};
use burn_vlm::rng::mix;
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Reads the rows and writes `sat.jsonl` and `images/`; the directory appears when it is whole.
pub(super) fn prepare(args: &SatArgs) -> Result<()> {
    let records = read_records(&args.parquet)?;
    let read = args.rows.unwrap_or(usize::MAX).min(records.len());
    let name = args.out.file_name().unwrap_or_default().to_string_lossy();
    let beside = args.out.with_file_name(format!(".{name}.tmp"));
    let at = |path: &Path| path.display().to_string();
    if beside.exists() {
        // Left over from a preparation that was killed.
        fs::remove_dir_all(&beside).with_context(|| at(&beside))?;
    }
    fs::create_dir_all(beside.join("images")).with_context(|| at(&beside))?;
    let written = write(&records[..read], args, &beside)
        .and_then(|kept| Ok((kept, fs::rename(&beside, &args.out)?)));
    let (kept, ()) = written.inspect_err(|_| {
        // The first error is the one to report, whether or not the remains can be removed.
        let _ = fs::remove_dir_all(&beside);
    })?;
    say!(
        "{kept} rows in {}; left out {} of {read} rows that have not exactly one picture",
        args.out.join("sat.jsonl").display(),
        read - kept
    );
    Ok(())
}

fn write(records: &[Record], args: &SatArgs, dir: &Path) -> Result<usize> {
    let mut lines = fs::File::create(dir.join("sat.jsonl")).map(std::io::BufWriter::new)?;
    let mut kept = 0;
    for record in records {
        let pictures: Vec<&PathBuf> = record.pictures.iter().flat_map(|(_, list)| list).collect();
        let [picture] = pictures[..] else { continue };
        let refuse = |message: String| RlError::Data {
            path: args.parquet.clone(),
            line: record.line,
            message,
        };
        let row = record.line - 1;
        let bytes = picture_bytes(picture)?;
        let extension = extension(&bytes)
            .ok_or_else(|| refuse("the picture is neither PNG, JPEG nor WebP".into()))?;
        let image = format!("images/{row}_0.{extension}");
        fs::write(dir.join(&image), bytes).with_context(|| image.clone())?;
        let row = line(record, row, &image, args.seed).map_err(refuse)?;
        writeln!(lines, "{row}")?;
        kept += 1;
    }
    lines.flush()?;
    Ok(kept)
}

/// The row as a conversation whose last turn is the correct answer: what supervised training
/// imitates and reinforcement learning compares with.
fn line(record: &Record, row: usize, image: &str, seed: u64) -> Result<Value, String> {
    let text = |key: &str| {
        let value = record.fields.get(key).and_then(Value::as_str);
        value.ok_or_else(|| format!("the row has no text `{key}`"))
    };
    let options = record.fields.get("answers").and_then(Value::as_array);
    let options = options.ok_or("the row has no list `answers`")?;
    let mut options: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
    let (question, answer) = (text("question")?, text("correct_answer")?);
    if !options.contains(&answer) {
        return Err(format!(
            "the correct answer `{answer}` is not among {options:?}"
        ));
    }
    let key = mix(mix(0x5a7, seed), row as u64);
    for i in (1..options.len()).rev() {
        let j = (u128::from(mix(key, i as u64)) * (i as u128 + 1)) >> 64;
        options.swap(i, j as usize);
    }
    let question = format!(
        "<image> Answer in natural language. {question} Choose between the following options: {}",
        joined(&options)
    );
    Ok(json!({
        "id": format!("sat-{row}"),
        "conversations": [
            { "role": "user", "content": question },
            { "role": "assistant", "content": answer },
        ],
        "answer": answer,
        "question_type": record.fields.get("question_type"),
        "image_urls": [image],
    }))
}

/// `a, b or c`
fn joined(options: &[&str]) -> String {
    match options {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn extension(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpg"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("webp"),
        _ => None,
    }
}
