//! Golden cases: inputs, and the numbers transformers computed from them.

#![allow(dead_code)] // Each test binary uses a part of it.

use burn::tensor::{Device, TensorData};
use burn_vlm::{
    EncodedPrompt, ModelConfig, Row, Vlm,
    generate::{Request, SampleKey},
    image::ImagePatches,
    tape::{Grads, Targets},
    weights::{FileTensor, KeyMap, NamedShape, Piece, shapes},
};
use safetensors::{Dtype, SafeTensors};
use std::{collections::HashMap, path::PathBuf, sync::Arc};

/// A directory of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

/// A checkpoint of `tests/golden`: its directory, the one its cases are in, and their names.
pub struct Checkpoint {
    pub dir: &'static str,
    pub cases_in: &'static str,
    pub cases: &'static [&'static str],
}

const fn checkpoint(dir: &'static str, cases_in: &'static str) -> Checkpoint {
    Checkpoint {
        dir,
        cases_in,
        cases: &["single", "batch"],
    }
}

const fn internlm2(dir: &'static str) -> Checkpoint {
    Checkpoint {
        dir,
        cases_in: "internlm2",
        // The long one is longer than the positions the model was trained on.
        cases: &["short", "long", "batch"],
    }
}

/// Every family, in every layout and precision.
pub const CHECKPOINTS: &[Checkpoint] = &[
    checkpoint("qwen2_tied", "qwen2_tied"),
    checkpoint("qwen2_sharded", "qwen2_sharded"),
    checkpoint("qwen3", "qwen3"),
    checkpoint("qwen3_tied", "qwen3_tied"),
    internlm2("internlm2"),
    internlm2("internlm2/original"),
    checkpoint("qwen2_vl", "qwen2_vl"),
    checkpoint("qwen2_5_vl", "qwen2_5_vl"),
    checkpoint("qwen2_5_vl_tied", "qwen2_5_vl_tied"),
    checkpoint("qwen3_vl", "qwen3_vl"),
    checkpoint("qwen3_vl_tied", "qwen3_vl_tied"),
    checkpoint("internvl_internlm2", "internvl_internlm2"),
    checkpoint("internvl_internlm2/original", "internvl_internlm2"),
    checkpoint("internvl_qwen2_rms", "internvl_qwen2_rms"),
    checkpoint("internvl_qwen2_rms/original", "internvl_qwen2_rms"),
    checkpoint("internvl3", "internvl3"),
    checkpoint("internvl3/original", "internvl3"),
    checkpoint("internvl3_5", "internvl3_5"),
    checkpoint("internvl3_5/original", "internvl3_5"),
    checkpoint("smolvlm2", "smolvlm2"),
    checkpoint("smolvlm_idefics3", "smolvlm_idefics3"),
];

/// Calls `check` with every case of every checkpoint and its name.
pub fn each_case(check: impl Fn(&Vlm, &Case, &str)) {
    for checkpoint in CHECKPOINTS {
        let model = Vlm::from_dir(&golden(checkpoint.dir), &Device::flex()).unwrap();
        for name in checkpoint.cases {
            let case = Case::load(checkpoint.cases_in, name, model.config());
            check(&model, &case, &format!("{}/{name}", checkpoint.dir));
        }
    }
}

/// Rows without their padding, their pictures, and the reference's outputs.
pub struct Case {
    pub tokens: Vec<Vec<u32>>,
    pub images: Vec<Vec<Arc<ImagePatches>>>,
    /// Names of the checkpoint that the reference loaded.
    pub native_keys: KeyMap,
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

/// The pixels of a compact checkpoint: numbers in [-1, 1) from a hash of their index, as the
/// generator makes them.
fn noise(n: usize) -> Vec<f32> {
    (0..n as u64)
        .map(|index| {
            let mut h = index;
            for (shift, factor) in [(16, 0x7FEB_352D), (15, 0x846C_A68B)] {
                h = ((h ^ (h >> shift)) * factor) & 0xFFFF_FFFF;
            }
            h ^= h >> 16;
            (h as f64 / f64::from(1_u32 << 31) - 1.0) as f32
        })
        .collect()
}

/// The patches of tiles `[N, 3, side, side]`, as transformers takes them.
fn tile_patches(tiles: &[f32], side: usize, patch: usize) -> Vec<f32> {
    let grid = side / patch;
    let mut patches = Vec::with_capacity(tiles.len());
    for tile in tiles.chunks_exact(3 * side * side) {
        for place in 0..grid * grid {
            let (top, left) = (place / grid * patch, place % grid * patch);
            for line in 0..3 * patch {
                let start = (line / patch * side + top + line % patch) * side + left;
                patches.extend_from_slice(&tile[start..start + patch]);
            }
        }
    }
    patches
}

impl Case {
    /// Each row as a prompt of which one completion is drawn.
    pub fn requests(&self) -> Vec<Request> {
        let rows = self.tokens.iter().zip(&self.images);
        let request = |(tokens, images): (&Vec<u32>, &Vec<_>)| Request {
            prompt: Arc::new(EncodedPrompt {
                tokens: tokens.clone(),
                images: images.clone(),
            }),
            key: SampleKey::default(),
        };
        rows.map(request).collect()
    }

    /// The case `name` of a directory of `tests/golden`.
    pub fn load(dir: &str, name: &str, config: &ModelConfig) -> Self {
        let (mut floats, ints, shapes) = read(golden(dir).join(format!("case_{name}.safetensors")));
        let (grads, ..) = read(golden(dir).join(format!("grads_{name}.safetensors")));
        let [b, t] = shapes["input_ids"][..] else {
            panic!("input_ids is not [B, T]")
        };
        let grids = ints.get("image_grid_thw").map_or(&[][..], Vec::as_slice);
        let grids = grids.chunks_exact(3);
        let mut grids: Vec<[usize; 3]> = grids.map(|g| [0, 1, 2].map(|i| g[i] as usize)).collect();
        let vision = config.vision.as_ref();
        if let (Some(&[_, _, side, _]), Some(tile)) = (
            shapes.get("pixel_values").map(Vec::as_slice),
            vision.and_then(|vision| vision.tile()),
        ) {
            let (image, [_, grid, _]) = (config.image_token_id, tile);
            let tile = config.image_tokens(tile);
            let runs = ints["input_ids"].chunk_by(|a, b| a == b);
            let runs = runs.filter(|run| Some(run[0] as u32) == image);
            grids = runs.map(|run| [run.len() / tile, grid, grid]).collect();
            let pixels = floats.get_mut("pixel_values").unwrap();
            let patch = vision.map_or(0, |vision| vision.sizes().patch_size);
            *pixels = tile_patches(pixels, side, patch);
        }
        let patches: usize = grids
            .iter()
            .map(|grid| grid.iter().product::<usize>())
            .sum();
        let sizes = vision.map(|vision| vision.sizes());
        let patch_len = sizes.map_or(0, |s| 3 * s.temporal_patch_size * s.patch_size.pow(2));
        let pixels = floats.get("pixel_values").cloned();
        let pixels = pixels.unwrap_or_else(|| noise(patches * patch_len));
        let (mut pixels, mut grids) = (pixels.as_slice(), grids.into_iter());
        let (mut tokens, mut images) = (vec![], vec![]);
        for row in 0..b {
            let real = (row * t..(row + 1) * t).filter(|i| ints["attention_mask"][*i] == 1);
            let real: Vec<u32> = real.map(|i| ints["input_ids"][i] as u32).collect();
            let is_image = |t: &&u32| Some(**t) == config.image_token_id;
            let mut expected = real.iter().filter(is_image).count();
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
            native_keys: ModelConfig::from_dir(&golden(dir)).unwrap().keys(),
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
        Targets::new(&rows, counts, width, &Device::flex()).unwrap()
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

/// Every gradient under the names of `keys`, whose tensors are cut and joined as those of its files
/// are.
pub fn gradients(grads: &Grads, model: &Vlm, keys: &KeyMap) -> Vec<(String, Vec<f32>)> {
    let all = shapes(model);
    let of = |param: &NamedShape| -> Option<Vec<f32>> {
        Some(match param.shape.len() {
            1 => grads.get::<1>(param.id)?.into_data().iter().collect(),
            _ => grads.get::<2>(param.id)?.into_data().iter().collect(),
        })
    };
    let of = |param: &NamedShape| of(param).unwrap_or_else(|| vec![0.0; param.len()]);
    let parameters: HashMap<String, Vec<f32>> = all
        .iter()
        .map(|param| (param.path.clone(), of(param)))
        .collect();
    let rows_of = |tensor: &FileTensor| {
        let rows: usize = tensor.pieces.iter().map(|piece| piece.rows.len()).sum();
        let width = tensor.shape.iter().product::<usize>() / rows;
        let piece = |piece: &Piece| {
            parameters[&piece.path][piece.rows.start * width..piece.rows.end * width].to_vec()
        };
        tensor.pieces.iter().flat_map(piece).collect()
    };
    let tensors = keys.file_tensors(&all).into_iter();
    tensors
        .map(|tensor| (tensor.name.clone(), rows_of(&tensor)))
        .collect()
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
