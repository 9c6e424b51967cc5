//! Rows of a TSV file with its pictures in base64, as VLMEvalKit publishes benchmarks.
//!
//! A picture is read when its row comes, by a reference that looks like a path: `set.tsv#120.4096`
//! is 4,096 characters of base64 from byte 120. The column `image` holds one picture, a list of
//! pictures, or the `index` of another row, whose pictures are then this one's too.

use super::record::Record;
use crate::error::RlError;
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

/// The column that holds pictures.
const IMAGE: &str = "image";
/// The column that names rows.
const INDEX: &str = "index";
/// An `image` of at most this many characters is the index of another row: VLMEvalKit's rule
/// (`vlmeval/dataset/image_base.py`).
const LONGEST_INDEX: usize = 64;

/// A line of the file: where its cells stand, without the quotes around them.
struct Line {
    number: usize,
    cells: Vec<Cell>,
}

struct Cell {
    at: Range<usize>,
    quoted: bool,
}

/// The rows of the file `path`, which holds `bytes`, each with its own error.
///
/// # Errors
/// A file without a header, or whose quotes do not close.
pub(super) fn records(path: &Path, bytes: &[u8]) -> Result<Vec<Result<Record, RlError>>, RlError> {
    let refuse = |line, message| RlError::Data {
        path: path.into(),
        line,
        message,
    };
    let start = if bytes.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let mut lines = lines(bytes, start).map_err(|(line, message)| refuse(line, message))?;
    if lines.is_empty() {
        return Err(refuse(
            1,
            "the file is empty, expected names of columns".into(),
        ));
    }
    let header = lines.remove(0);
    let names = header.cells.iter().map(|cell| text(bytes, cell));
    let names: Vec<String> = names
        .collect::<Result<_, _>>()
        .map_err(|message| refuse(header.number, message))?;
    let column = |wanted: &str| names.iter().position(|name| name == wanted);
    let (image, index) = (column(IMAGE), column(INDEX));
    let shown = shown(path, bytes, &lines, image, index);
    let record = |line: Line| {
        let number = line.number;
        of_line(bytes, &names, &line, image, &shown).map_err(|message| refuse(number, message))
    };
    Ok(lines.into_iter().map(record).collect())
}

/// The pictures of the rows that hold their own, by index.
fn shown(
    path: &Path,
    bytes: &[u8],
    lines: &[Line],
    image: Option<usize>,
    index: Option<usize>,
) -> HashMap<String, Vec<PathBuf>> {
    let mut shown = HashMap::new();
    let Some(image) = image else {
        return shown;
    };
    for line in lines {
        let Some(cell) = line.cells.get(image) else {
            continue;
        };
        let found = pictures(path, bytes, &cell.at);
        if found.is_empty() {
            continue;
        }
        let named = index.and_then(|at| text(bytes, line.cells.get(at)?).ok());
        if let Some(name) = named {
            shown.insert(name, found.clone());
        }
        shown.insert(own(line.number), found);
    }
    shown
}

/// The name of a line's own pictures; no index begins with a line break.
fn own(line: usize) -> String {
    format!("\n{line}")
}

fn of_line(
    bytes: &[u8],
    names: &[String],
    line: &Line,
    image: Option<usize>,
    shown: &HashMap<String, Vec<PathBuf>>,
) -> Result<Record, String> {
    if line.cells.len() != names.len() {
        return Err(format!(
            "the row has {} cells, expected {}, one for each column",
            line.cells.len(),
            names.len()
        ));
    }
    let mut record = Record {
        fields: Map::new(),
        pictures: vec![],
        line: line.number,
    };
    for (at, (name, cell)) in names.iter().zip(&line.cells).enumerate() {
        if image == Some(at) && !cell.at.is_empty() {
            let found = match shown.get(&own(line.number)) {
                Some(own) => own,
                None => {
                    let other = text(bytes, cell)?;
                    shown.get(&other).ok_or_else(|| {
                        format!(
                            "`{IMAGE}` is `{other}`, expected a picture in base64, or the \
                             `{INDEX}` of a row that has one"
                        )
                    })?
                }
            };
            record.pictures.push((name.clone(), found.clone()));
            continue;
        }
        let value = match cell.at.is_empty() {
            true => Value::Null,
            false => text(bytes, cell)?.into(),
        };
        record.fields.insert(name.clone(), value);
    }
    Ok(record)
}

/// The lines of cells, quoted as Python's `csv` does it: a cell that begins with `"` ends at the
/// next one that is not doubled, whatever stands between.
fn lines(bytes: &[u8], start: usize) -> Result<Vec<Line>, (usize, String)> {
    let (mut lines, mut cells) = (vec![], vec![]);
    let (mut at, mut number) = (start, 1);
    let mut first = number;
    while at < bytes.len() {
        let quoted = bytes[at] == b'"';
        let from = at + usize::from(quoted);
        let mut to = from;
        if quoted {
            loop {
                match bytes.get(to) {
                    None => {
                        return Err((first, "a quoted cell does not end, expected `\"`".into()));
                    }
                    Some(b'"') if bytes.get(to + 1) == Some(&b'"') => to += 2,
                    Some(b'"') => break,
                    Some(byte) => {
                        number += usize::from(*byte == b'\n');
                        to += 1;
                    }
                }
            }
            at = to + 1;
        } else {
            while !matches!(bytes.get(to), None | Some(b'\t' | b'\n')) {
                to += 1;
            }
            at = to;
            let ends = bytes.get(at) != Some(&b'\t');
            if ends && to > from && bytes[to - 1] == b'\r' {
                to -= 1;
            }
        }
        cells.push(Cell {
            at: from..to,
            quoted,
        });
        if bytes.get(at) == Some(&b'\r') && bytes.get(at + 1) == Some(&b'\n') {
            at += 1;
        }
        match bytes.get(at) {
            Some(b'\t') => {
                at += 1;
                // A last cell that is empty.
                if matches!(bytes.get(at), None | Some(b'\n')) {
                    cells.push(Cell {
                        at: at..at,
                        quoted: false,
                    });
                } else {
                    continue;
                }
            }
            None | Some(b'\n') => {}
            Some(_) => {
                let message = "something stands after a quoted cell, expected a tab";
                return Err((first, message.into()));
            }
        }
        at += 1;
        number += 1;
        let blank = cells.len() == 1 && cells[0].at.is_empty();
        let cells = std::mem::take(&mut cells);
        if !blank {
            lines.push(Line {
                number: first,
                cells,
            });
        }
        first = number;
    }
    Ok(lines)
}

fn text(bytes: &[u8], cell: &Cell) -> Result<String, String> {
    let text = std::str::from_utf8(&bytes[cell.at.clone()]);
    let text = text.map_err(|_| "a cell is not UTF-8, expected UTF-8".to_owned())?;
    Ok(match cell.quoted {
        true => text.replace("\"\"", "\""),
        false => text.into(),
    })
}

/// References to the pictures in a cell: its runs of base64, however a list of them is written.
fn pictures(path: &Path, bytes: &[u8], cell: &Range<usize>) -> Vec<PathBuf> {
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
    let mut found = vec![];
    let mut at = cell.start;
    for run in bytes[cell.clone()].split(|b| !is_base64(b)) {
        if run.len() > LONGEST_INDEX {
            found.push(PathBuf::from(format!(
                "{}#{at}.{}",
                path.display(),
                run.len()
            )));
        }
        at += run.len() + 1;
    }
    found
}

/// The bytes of the picture that a reference names; none for an ordinary path.
pub(super) fn read_picture(path: &Path) -> Option<Result<Vec<u8>, String>> {
    let (file, place) = path.to_str()?.rsplit_once('#')?;
    let (at, len) = place.split_once('.')?;
    let (at, len): (u64, usize) = (at.parse().ok()?, len.parse().ok()?);
    if !is_tsv(Path::new(file)) {
        return None;
    }
    let read = || {
        let mut text = vec![0; len];
        let mut file = File::open(file).map_err(|e| e.to_string())?;
        file.seek(SeekFrom::Start(at)).map_err(|e| e.to_string())?;
        file.read_exact(&mut text).map_err(|e| e.to_string())?;
        decode(&text).ok_or_else(|| "not base64".to_owned())
    };
    Some(read())
}

/// Whether a file is read as TSV.
pub(super) fn is_tsv(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "tsv")
}

/// Base64 of RFC 4648 with or without padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|b| *b != b'=')? + 1;
    let mut out = Vec::with_capacity(end * 3 / 4);
    for group in text[..end].chunks(4) {
        let mut bits = 0_u32;
        for byte in group {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * (4 - group.len());
        let bytes = bits.to_be_bytes();
        let whole = match group.len() {
            1 => return None,
            n => n - 1,
        };
        out.extend_from_slice(&bytes[1..=whole]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_of_the_standard() {
        for (text, bytes) in [
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap(), bytes.as_bytes());
        }
        assert!(decode(b"Zm9v!").is_none() && decode(b"Z").is_none());
    }

    fn read(text: &str) -> Result<Vec<Record>, String> {
        let rows = records(Path::new("f.tsv"), text.as_bytes()).map_err(|e| e.to_string())?;
        let rows: Result<Vec<_>, _> = rows.into_iter().collect();
        rows.map_err(|e| e.to_string())
    }

    #[test]
    fn cells_as_pandas_writes_them() {
        let rows =
            read("index\tquestion\tanswer\r\n0\t\"a \"\"b\"\"\tc\nd\"\t\r\n\n1\te\tf").unwrap();
        assert_eq!(rows[0].fields["question"], "a \"b\"\tc\nd");
        assert_eq!(rows[0].fields["answer"], Value::Null);
        assert_eq!(
            (rows[1].fields["answer"].as_str(), rows[1].line),
            (Some("f"), 5)
        );
    }

    #[test]
    fn pictures_are_one_or_several_or_those_of_another_row() {
        let picture = "QUJD".repeat(20);
        let text =
            format!("index\timage\n7\t{picture}\n8\t7\n9\t\"['{picture}', '{picture}']\"\n10\t\n");
        let rows = read(&text).unwrap();
        let of = |row: usize| rows[row].pictures.first().map(|(_, list)| list.clone());
        let first = PathBuf::from("f.tsv#14.80");
        assert_eq!(&text[14..94], picture);
        assert_eq!(
            (of(0), of(1)),
            (Some(vec![first.clone()]), Some(vec![first]))
        );
        assert_eq!((of(2).unwrap().len(), of(3)), (2, None));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f.tsv");
        std::fs::write(&file, &text).unwrap();
        let reference = PathBuf::from(format!("{}#14.80", file.display()));
        let bytes = read_picture(&reference).unwrap().unwrap();
        assert_eq!(bytes, "ABC".repeat(20).as_bytes());
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_line() {
        for (text, expected) in [
            ("", "f.tsv:1: the file is empty"),
            ("a\tb\n1\t2\n3", "f.tsv:3: the row has 1 cells, expected 2"),
            ("a\n\"b", "f.tsv:2: a quoted cell does not end"),
            ("a\n\"b\"c", "f.tsv:2: something stands after a quoted cell"),
            (
                "index\timage\n1\t2",
                "f.tsv:2: `image` is `2`, expected a picture",
            ),
        ] {
            let message = read(text).unwrap_err();
            assert!(
                message.contains(expected),
                "{message} instead of {expected}"
            );
        }
    }
}
