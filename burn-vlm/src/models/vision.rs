//! Vision towers behind one face: what a family gives, and what models, tapes and caches use.

use super::{
    module::{AnyTower, Mapper, Visitor},
    tower::{Tap, VisionTower},
};
use crate::{
    image::ImagePatches,
    nn::{Linear, Linears, VisionPlan},
};
use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::{Device, Tensor},
};
use std::{
    fmt::{self, Debug, Formatter},
    ops::Deref,
    sync::Arc,
};

/// Sizes of a vision tower, and what is known of it without weights.
pub trait VisionConfig: Debug + Send + Sync {
    /// A tower of this size, not yet loaded.
    fn init(&self, device: &Device) -> Vision;

    /// Plans the attention of a batch of pictures; `grids` are `[t, h, w]` in patches.
    fn plan(&self, grids: &[[usize; 3]], device: &Device) -> VisionPlan;

    /// What all towers have.
    fn sizes(&self) -> VisionSizes;

    /// Whether the sizes fit each other and a decoder `text_width` wide.
    ///
    /// # Errors
    /// The key of `config.json`, what it is and what was expected.
    fn check(&self, text_width: usize) -> Result<(), String>;

    /// Whether a picture is cut as the tower reads it.
    ///
    /// # Errors
    /// Its size, and what was expected.
    fn check_picture(&self, picture: &ImagePatches) -> Result<(), String> {
        let (sizes, grid) = (self.sizes(), picture.grid);
        let (merge, len) = (sizes.merge_size.max(1), sizes.patch_len);
        let found = picture.patches.len();
        let expected = grid
            .iter()
            .try_fold(len, |all, side| all.checked_mul(*side));
        if Some(found) != expected {
            return Err(format!(
                "a picture of {found} values for a grid of {grid:?}, expected {len} a patch"
            ));
        }
        let [t, h, w] = grid;
        let whole = |side: usize| side > 0 && side.is_multiple_of(merge);
        let expected = match self.tile() {
            Some([_, rows, columns]) if [h, w] != [rows, columns] => {
                format!("tiles of {rows} × {columns}")
            }
            _ if t == 0 || !whole(h) || !whole(w) => format!("sides that are multiples of {merge}"),
            _ => return Ok(()),
        };
        Err(format!(
            "a picture's grid is {grid:?} patches, expected {expected}"
        ))
    }

    /// Where features leave the tower early and enter the decoder late (Qwen3-VL's DeepStack).
    fn taps(&self) -> &[Tap] {
        &[]
    }

    /// Image features that a picture of `grid` patches becomes.
    fn image_tokens(&self, [t, h, w]: [usize; 3]) -> usize {
        t * h * w / self.sizes().merge_size.pow(2).max(1)
    }

    /// How many segments of patches a picture is, each attending to itself, and the length of one.
    fn segments(&self, [t, h, w]: [usize; 3]) -> [usize; 2] {
        [1, t * h * w]
    }

    /// The patches of a tile, `[1, h, w]`, where pictures are cut into tiles of one size.
    fn tile(&self) -> Option<[usize; 3]> {
        None
    }

    /// Parameters whose shape in a file differs from ours, with the file's shape.
    fn file_shapes(&self) -> Vec<(String, Vec<usize>)> {
        vec![]
    }
}

/// What all towers have, for people and for checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisionSizes {
    /// Number of blocks.
    pub depth: usize,
    /// Width of a patch embedding.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward layers.
    pub inner: usize,
    /// Values of a patch.
    pub patch_len: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side of a merged group in patches.
    pub merge_size: usize,
    /// Frames in a patch.
    pub temporal_patch_size: usize,
}

/// What a tower makes of pictures.
#[derive(Debug, Clone)]
pub struct VisionFeatures {
    /// `[N / merge², D]`, in place of the embeddings of image tokens.
    pub tokens: Tensor<2>,
    /// `[N / merge², D]` for each tap.
    pub taps: Vec<Tensor<2>>,
}

impl VisionFeatures {
    /// `count` features from number `start`.
    pub(crate) fn narrow(&self, start: usize, count: usize) -> Self {
        let part = |x: &Tensor<2>| x.clone().narrow(0, start, count);
        Self {
            tokens: part(&self.tokens),
            taps: self.taps.iter().map(part).collect(),
        }
    }

    /// Those of several pictures, one after the other.
    pub(crate) fn cat(all: &[Self]) -> Self {
        let tokens = all.iter().map(|own| own.tokens.clone()).collect();
        let taps = all.first().map_or(0, |own| own.taps.len());
        let tap = |i: usize| Tensor::cat(all.iter().map(|own| own.taps[i].clone()).collect(), 0);
        Self {
            tokens: Tensor::cat(tokens, 0),
            taps: (0..taps).map(tap).collect(),
        }
    }
}

/// A tower of any family, as a part of a model.
pub struct Vision {
    tower: Box<dyn AnyTower>,
    taps: Arc<[Tap]>,
}

impl Vision {
    /// The tower as a part of a model, without taps.
    pub fn new<T: VisionTower + Module + ModuleDisplay + 'static>(tower: T) -> Self {
        Self {
            tower: Box::new(tower),
            taps: Arc::new([]),
        }
    }

    /// The same with the taps that its configuration has.
    pub(crate) fn with_taps(self, taps: &[Tap]) -> Self {
        Self {
            taps: taps.into(),
            ..self
        }
    }

    /// The same with another tower in its place.
    fn with_tower(self, tower: impl FnOnce(Box<dyn AnyTower>) -> Box<dyn AnyTower>) -> Self {
        Self {
            tower: tower(self.tower),
            ..self
        }
    }

    /// Where features leave the tower early and enter the decoder late.
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// The whole tower.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    pub fn forward(&self, patches: Tensor<2>, plan: &VisionPlan) -> VisionFeatures {
        let mut x = self.stem(patches, plan);
        let mut taps = vec![None; self.taps().len()];
        for (i, block) in self.blocks().iter().enumerate() {
            x = block.forward(x, plan);
            for (index, _) in self.taps_of_block(i) {
                taps[index] = Some(self.tap(index, x.clone(), plan));
            }
        }
        VisionFeatures {
            tokens: self.finish(x, plan),
            taps: taps.into_iter().flatten().collect(),
        }
    }

    /// The taps that read block `block`, with their numbers.
    pub(crate) fn taps_of_block(&self, block: usize) -> impl Iterator<Item = (usize, Tap)> {
        let taps = self.taps().iter().copied().enumerate();
        taps.filter(move |(_, tap)| tap.block == block)
    }

    /// The taps that are added after decoder block `layer`, with their numbers.
    pub(crate) fn taps_at_layer(&self, layer: usize) -> impl Iterator<Item = (usize, Tap)> {
        let taps = self.taps().iter().copied().enumerate();
        taps.filter(move |(_, tap)| tap.layer == layer)
    }
}

impl Deref for Vision {
    type Target = dyn VisionTower;

    fn deref(&self) -> &Self::Target {
        &*self.tower
    }
}

impl Clone for Vision {
    fn clone(&self) -> Self {
        Self {
            tower: self.tower.cloned(),
            taps: self.taps.clone(),
        }
    }
}

impl Debug for Vision {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.tower.fmt(f)
    }
}

impl Linears for Vision {
    fn each_linear(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        self.tower.each_linear(path, visit);
    }
}

impl Module for Vision {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.tower.devices_after(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.with_tower(|tower| tower.forked(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.with_tower(|tower| tower.moved(device))
    }

    fn train(self) -> Self {
        self.with_tower(|tower| tower.training())
    }

    fn valid(&self) -> Self {
        Self {
            tower: self.tower.validating(),
            taps: self.taps.clone(),
        }
    }

    fn materialize(self) -> Self {
        self.with_tower(|tower| tower.materialized())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.tower.visited(&mut Visitor(visitor));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.with_tower(|tower| tower.mapped(&mut Mapper(mapper)))
    }
}

impl ModuleDisplayDefault for Vision {
    fn content(&self, content: Content) -> Option<Content> {
        self.tower.shown(content)
    }

    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for Vision {}
