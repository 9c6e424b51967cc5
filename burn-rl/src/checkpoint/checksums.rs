//! Checksums of a checkpoint's files, by which a damaged one is found before it is learned from.

use super::state::STATE;
use crate::error::RlError;
use run_log::files::list;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// The file of them.
pub(super) const CHECKSUMS: &str = "checksums.json";

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// What a file must be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    bytes: u64,
    /// 8 hexadecimal digits.
    crc32c: String,
}

/// Writes down what every file below `dir` is.
///
/// # Errors
/// Anything the file system refuses.
pub(super) fn write(dir: &Path) -> Result<(), RlError> {
    let mut sums = BTreeMap::new();
    for path in files(dir)? {
        let name = path.strip_prefix(dir).unwrap_or(&path);
        let sum = sum(&path).map_err(|e| RlError::io(&path, e))?;
        sums.insert(name.to_string_lossy().into_owned(), sum);
    }
    let path = dir.join(CHECKSUMS);
    let json = serde_json::to_string_pretty(&sums).map_err(std::io::Error::other);
    json.and_then(|json| fs::write(&path, json))
        .map_err(|e| RlError::io(&path, e))
}

/// What is wrong with the files of a checkpoint; nothing where they are as they were written.
pub(super) fn damage(dir: &Path) -> Option<String> {
    if !dir.is_dir() {
        return Some("the checkpoint is missing".into());
    }
    let sums = fs::read(dir.join(CHECKSUMS))
        .map_err(|e| e.to_string())
        .and_then(|bytes| {
            serde_json::from_slice::<BTreeMap<String, Sum>>(&bytes).map_err(|e| e.to_string())
        });
    let sums = match sums {
        Ok(sums) => sums,
        Err(error) => {
            return Some(format!(
                "{CHECKSUMS}: {error}, so nothing says that its files are whole"
            ));
        }
    };
    let files = match files(dir) {
        Ok(files) => files,
        Err(error) => return Some(error.to_string()),
    };
    let names = files.iter().filter_map(|path| path.strip_prefix(dir).ok());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let read = |name: &String| name == STATE || name.ends_with(".safetensors");
    let unknown = |name: &String| !sums.contains_key(name);
    if let Some(name) = names.filter(read).find(unknown) {
        return Some(format!("{name} is not in {CHECKSUMS}"));
    }
    if !sums.contains_key(STATE) {
        return Some(format!("{STATE} is missing"));
    }
    let wrong = |(name, expected): (&String, &Sum)| match sum(&dir.join(name)) {
        Err(error) => Some(format!("{name}: {error}")),
        Ok(found) if found.bytes != expected.bytes => Some(format!(
            "{name} has {} bytes, expected the {} that were written",
            found.bytes, expected.bytes
        )),
        Ok(found) if found != *expected => Some(format!(
            "{name} has checksum {}, expected {}: its bytes have changed since they were written",
            found.crc32c, expected.crc32c
        )),
        Ok(_) => None,
    };
    sums.iter().find_map(wrong)
}

/// All files below a directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>, RlError> {
    let mut found = vec![];
    for path in list(dir)? {
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

fn sum(path: &Path) -> std::io::Result<Sum> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    let (mut bytes, mut crc) = (0, 0);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => {
                crc = crc32c::crc32c_append(crc, &chunk[..n]);
                bytes += n as u64;
            }
        }
    }
    let crc32c = format!("{crc:08x}");
    Ok(Sum { bytes, crc32c })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_missing_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("critic")).unwrap();
        fs::write(at("a.bin"), b"123456789").unwrap();
        fs::write(at("critic/b.bin"), [7; 3]).unwrap();
        let nowhere = damage(&at("nowhere")).unwrap();
        assert_eq!(nowhere, "the checkpoint is missing");
        let unsaid = damage(dir.path()).unwrap();
        assert!(unsaid.starts_with(CHECKSUMS), "{unsaid}");
        write(dir.path()).unwrap();
        assert_eq!(damage(dir.path()).unwrap(), "trainer_state.json is missing");
        fs::write(at(STATE), "{}").unwrap();
        assert_eq!(
            damage(dir.path()).unwrap(),
            "trainer_state.json is not in checksums.json"
        );
        fs::remove_file(at(CHECKSUMS)).unwrap();
        write(dir.path()).unwrap();
        // Nobody reads it.
        fs::write(at("notes.txt"), "mine").unwrap();
        assert_eq!(damage(dir.path()), None);
        // The check value of CRC-32C.
        let text = fs::read_to_string(at(CHECKSUMS)).unwrap();
        assert!(text.contains("e3069283"), "{text}");
        for bit in 0..72 {
            let mut bytes = b"123456789".to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(at("a.bin"), bytes).unwrap();
            assert!(
                damage(dir.path())
                    .unwrap()
                    .starts_with("a.bin has checksum")
            );
        }
        fs::write(at("a.bin"), b"12345678").unwrap();
        assert!(
            damage(dir.path())
                .unwrap()
                .contains("8 bytes, expected the 9")
        );
        fs::write(at("a.bin"), b"123456789").unwrap();
        fs::remove_file(at("critic/b.bin")).unwrap();
        assert!(damage(dir.path()).unwrap().starts_with("critic/b.bin"));
        fs::write(at("critic/b.bin"), [7; 3]).unwrap();
        fs::write(at("critic/c.safetensors"), [7; 3]).unwrap();
        assert!(
            damage(dir.path())
                .unwrap()
                .starts_with("critic/c.safetensors is not in")
        );
        fs::write(at(CHECKSUMS), "{").unwrap();
        assert!(damage(dir.path()).unwrap().starts_with(CHECKSUMS));
    }
}
