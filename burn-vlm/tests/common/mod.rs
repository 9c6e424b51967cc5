//! Golden cases: inputs, and the numbers transformers computed from them.

#![allow(dead_code)] // Each test binary uses a part of it.

use burn::tensor::{Device, TensorData};
use burn_vlm::{ModelConfig, Row, image::ImagePatches, tape::Targets};
use safetensors::{Dtype, SafeTensors};
use std::{collections::HashMap, path::PathBuf, sync::Arc};

/// A directory of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

/// Rows without their padding, their pictures, and the reference's outputs.
pub struct Case {
    pub tokens: Vec<Vec<u32>>,
    pub images: Vec<Vec<Arc<ImagePatches>>>,
    floats: HashMap<String, Vec<f32>>,
    ints: HashMap<String, Vec<i64>>,
    grads: HashMap<String, Vec<f32>>,
}

type Tensors = (
    HashMap<String, Vec<f32>>,
    HashMap<String, Vec<i64>>,
    HashMap<String, Vec<usize>>,
);

fn read(path: PathBuf) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (mut floats, mut ints, mut shapes) = (HashMap::new(), HashMap::new(), HashMap::new());
    for (name, view) in file.iter() {
        shapes.insert(name.to_owned(), view.shape().to_vec());
        let data = view.data();
        match view.dtype() {
            Dtype::F32 => {
                let values = data
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                floats.insert(name.to_owned(), values.collect());
            }
            Dtype::I64 => {
                let values = data
                    .chunks_exact(8)
                    .map(|b| i64::from_le_bytes(b.try_into().unwrap()));
                ints.insert(name.to_owned(), values.collect());
            }
            other => panic!("{name} is {other:?}"),
        }
    }
    (floats, ints, shapes)
}

impl Case {
    pub fn load(dir: &str, name: &str, config: &ModelConfig) -> Self {
        let (floats, ints, shapes) = read(golden(dir).join(format!("case_{name}.safetensors")));
        let (grads, ..) = read(golden(dir).join(format!("grads_{name}.safetensors")));
        let [b, t] = shapes["input_ids"][..] else {
            panic!("input_ids is not [B, T]")
        };
        let patch_len = shapes["pixel_values"][1];
        let mut grids = ints["image_grid_thw"]
            .chunks_exact(3)
            .map(|g| [0, 1, 2].map(|i| g[i] as usize));
        let mut pixels = floats["pixel_values"].as_slice();
        let (mut tokens, mut images) = (vec![], vec![]);
        for row in 0..b {
            let real = (row * t..(row + 1) * t).filter(|i| ints["attention_mask"][*i] == 1);
            let real: Vec<u32> = real.map(|i| ints["input_ids"][i] as u32).collect();
            let mut expected = real
                .iter()
                .filter(|t| Some(**t) == config.image_token_id)
                .count();
            let mut row_images = vec![];
            while expected > 0 {
                let grid: [usize; 3] = grids.next().unwrap();
                let (patches, rest) = pixels.split_at(grid.iter().product::<usize>() * patch_len);
                pixels = rest;
                expected -= config.image_tokens(grid);
                row_images.push(Arc::new(ImagePatches {
                    patches: patches.to_vec(),
                    grid,
                }));
            }
            tokens.push(real);
            images.push(row_images);
        }
        assert!(pixels.is_empty() && grids.next().is_none());
        Self {
            tokens,
            images,
            floats,
            ints,
            grads,
        }
    }

    pub fn rows(&self) -> Vec<Row<'_>> {
        let pairs = self.tokens.iter().zip(&self.images);
        pairs
            .map(|(tokens, images)| Row { tokens, images })
            .collect()
    }

    pub fn targets(&self, counts: &[usize], width: usize) -> Targets {
        let rows: Vec<&[u32]> = self.tokens.iter().map(Vec::as_slice).collect();
        Targets::new(&rows, counts, width, &Device::flex())
    }

    pub fn f32(&self, name: &str) -> &[f32] {
        &self.floats[name]
    }

    pub fn i64(&self, name: &str) -> &[i64] {
        &self.ints[name]
    }

    pub fn grad(&self, name: &str) -> Option<&[f32]> {
        self.grads.get(name).map(Vec::as_slice)
    }

    pub fn grad_norms(&self) -> usize {
        self.grads
            .keys()
            .filter(|name| name.starts_with("norm/"))
            .count()
    }
}

/// Compares element by element and names the worst one.
#[track_caller]
pub fn assert_close(got: &TensorData, expected: &[f32], tolerance: f32, at: &str) {
    let got: Vec<f32> = got.iter().collect();
    assert_eq!(got.len(), expected.len(), "{at}: number of values");
    let worst = got
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .enumerate();
    let (index, error) = worst.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert!(
        error <= tolerance,
        "{at}: {} vs {} at {index}, off by {error}",
        got[index],
        expected[index]
    );
}
