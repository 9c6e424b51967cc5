//! Reading the reference numbers of `tests/golden/preproc`.

use image::RgbImage;
use safetensors::SafeTensors;

use super::{Alpha, load};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/preproc");

/// The reference pictures that every decoder reads alike.
pub const PNGS: [&str; 8] = [
    "wide_97x41.png",
    "tall_33x120.png",
    "square_64.png",
    "big_301x203.png",
    "tiny_9x7.png",
    "gray_70x42.png",
    "rgba_60x48.png",
    "palette_84x56.png",
];

pub fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(DIR).join(name)
}

/// A reference picture, alpha composited over white.
pub fn picture(name: &str) -> RgbImage {
    picture_as(name, Alpha::OverWhite)
}

/// A reference picture.
pub fn picture_as(name: &str, alpha: Alpha) -> RgbImage {
    load(&path("images").join(name), alpha).unwrap()
}

pub struct Tensor {
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

fn read(file: &[u8], name: &str) -> Tensor {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let view = tensors.tensor(name).unwrap();
    Tensor {
        shape: view.shape().to_vec(),
        bytes: view.data().to_vec(),
    }
}

/// A number of Qwen2-VL's processor.
pub fn tensor(name: &str) -> Tensor {
    read(&std::fs::read(path("qwen2_vl.safetensors")).unwrap(), name)
}

/// The numbers of one processor.
pub struct Numbers(Vec<u8>);

impl Numbers {
    pub fn open(file: &str) -> Self {
        Self(std::fs::read(path(file)).unwrap())
    }

    pub fn tensor(&self, name: &str) -> Tensor {
        read(&self.0, name)
    }
}

impl Tensor {
    fn read<T, const N: usize>(&self, from: fn([u8; N]) -> T) -> Vec<T> {
        self.bytes
            .chunks_exact(N)
            .map(|b| from(b.try_into().unwrap()))
            .collect()
    }

    pub fn f32s(&self) -> Vec<f32> {
        self.read(f32::from_le_bytes)
    }

    pub fn f64s(&self) -> Vec<f64> {
        self.read(f64::from_le_bytes)
    }

    pub fn i64s(&self) -> Vec<i64> {
        self.read(i64::from_le_bytes)
    }
}

/// Every picture of `modes/`, by name, with its expected bytes over white and with alpha dropped.
pub fn modes() -> Vec<(String, [Tensor; 2])> {
    let file = std::fs::read(path("modes.safetensors")).unwrap();
    let expected = |name: &str, kind: &str| read(&file, &format!("{name}/{kind}"));
    let names = std::fs::read_dir(path("modes")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut modes: Vec<_> = names
        .map(|name| {
            let both = [expected(&name, "over_white"), expected(&name, "drop")];
            (name, both)
        })
        .collect();
    modes.sort_by(|a, b| a.0.cmp(&b.0));
    modes
}

/// Every picture of `orientations/`, by name, with its expected bytes.
pub fn orientations() -> Vec<(String, Tensor)> {
    let file = std::fs::read(path("orientations.safetensors")).unwrap();
    let names = std::fs::read_dir(path("orientations")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .map(|name| (name.clone(), read(&file, &name)))
        .collect()
}

/// Pictures much higher than wide, by name, with what they become.
pub fn tall() -> Vec<(String, RgbImage, Tensor)> {
    let file = std::fs::read(path("tall.safetensors")).unwrap();
    let names = SafeTensors::deserialize(&file).unwrap();
    let names = names
        .names()
        .into_iter()
        .filter_map(|name| name.strip_suffix("/stored"));
    let case = |name: &str| {
        let stored = read(&file, &format!("{name}/stored"));
        let [height, width, 3] = stored.shape[..] else {
            panic!("shape of {name}")
        };
        let image = RgbImage::from_raw(width as u32, height as u32, stored.bytes).unwrap();
        (
            name.to_owned(),
            image,
            read(&file, &format!("{name}/resized")),
        )
    };
    names.map(case).collect()
}

/// The rows of the table of `tables.json` whose title starts with `title`.
pub fn table(title: &str) -> Vec<Vec<i64>> {
    table_in("tables.json", title)
}

/// The rows of the table of a file whose title starts with `title`.
pub fn table_in(file: &str, title: &str) -> Vec<Vec<i64>> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (_, rows) = json
        .as_object()
        .unwrap()
        .iter()
        .find(|(k, _)| k.starts_with(title))
        .unwrap();
    serde_json::from_value(rows.clone()).unwrap()
}

pub fn assert_close(got: impl Iterator<Item = f32>, expected: &[f32], tolerance: f32, what: &str) {
    let mut count = 0;
    for (i, (got, want)) in got.zip(expected).enumerate() {
        assert!(
            (got - want).abs() <= tolerance,
            "{what}[{i}]: {got} instead of {want}"
        );
        count += 1;
    }
    assert_eq!(count, expected.len(), "{what}");
}
