//! Features of pictures that are known before a pass over the tokens around them.

use crate::{
    Vlm, VlmInput, freeze::is_trainable, image::ImagePatches, models::VisionFeatures,
    weights::shapes,
};
use burn::{
    module::ParamId,
    tensor::{Device, Tensor, TensorData},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Most patches that are encoded together; a picture of more is encoded alone.
pub(crate) const PATCHES: usize = 16_384;

/// The features of some pictures under one vision tower, each picture encoded once.
///
/// A group of completions shares its picture, and every pass over them would encode it again. They
/// hold as long as the tower does not change, and no gradient goes through them.
#[derive(Debug, Clone)]
pub struct ImageFeatures {
    /// Parameters of the tower that encoded them.
    tower: Vec<ParamId>,
    /// Where it is.
    device: Device,
    /// By the address of the picture, which is kept so that the address stays its own.
    known: HashMap<usize, (Arc<ImagePatches>, VisionFeatures)>,
}

impl ImageFeatures {
    /// Encodes each of `images` once; none where the model has no tower or trains it.
    pub fn of_frozen<'a>(
        model: &Vlm,
        images: impl IntoIterator<Item = &'a Arc<ImagePatches>>,
    ) -> Option<Self> {
        let tower = model.visual.as_ref()?;
        match is_trainable(tower) {
            true => None,
            false => Self::of(model, images),
        }
    }

    /// Encodes each of `images` once, as many together as a device has room for; none where the
    /// model has no tower.
    pub fn of<'a>(
        model: &Vlm,
        images: impl IntoIterator<Item = &'a Arc<ImagePatches>>,
    ) -> Option<Self> {
        let tower = model.visual.as_ref()?;
        let mut found = Self {
            tower: shapes(tower).into_iter().map(|p| p.id).collect(),
            device: model.device(),
            known: HashMap::new(),
        };
        let mut batch: Vec<&Arc<ImagePatches>> = vec![];
        let mut seen = HashSet::new();
        let mut patches = 0;
        for image in images {
            // One that the tower cannot read stays unknown, and is refused where it is used.
            let fits = model.config().vision.as_ref();
            let fits = fits.is_some_and(|vision| vision.check_picture(image).is_ok());
            if !fits || !seen.insert(address(image)) {
                continue;
            }
            let n = image.grid.iter().product::<usize>();
            if !batch.is_empty() && patches + n > PATCHES {
                found.encode(model, &batch);
                batch.clear();
                patches = 0;
            }
            batch.push(image);
            patches += n;
        }
        found.encode(model, &batch);
        Some(found)
    }

    fn encode(&mut self, model: &Vlm, images: &[&Arc<ImagePatches>]) {
        let config = model.config();
        let (Some(tower), Some(sizes)) = (&model.visual, &config.vision) else {
            return;
        };
        let Some(first) = images.first() else { return };
        let mut values = Vec::new();
        images
            .iter()
            .for_each(|image| values.extend_from_slice(&image.patches));
        let shape = [values.len() / first.patch_len(), first.patch_len()];
        let device = self.device.clone();
        let patches = TensorData::new(values, shape);
        let patches = Tensor::<2>::from_data(patches, &device).cast(config.compute.dtype());
        let grids: Vec<[usize; 3]> = images.iter().map(|image| image.grid).collect();
        let features = tower.forward(patches, &sizes.plan(&grids, &device));
        let mut start = 0;
        for image in images {
            let n = config.image_tokens(image.grid);
            let own = features.narrow(start, n);
            let entry = (Arc::clone(image), own);
            self.known.insert(address(image), entry);
            start += n;
        }
    }

    /// Gives `input`, which `model` will run, the features of its pictures, if they are all known
    /// and of this model's tower on its device, and it has none yet.
    pub fn give(&self, model: &Vlm, input: &mut VlmInput) {
        let (Some(vision), Some(tower)) = (&mut input.vision, &model.visual) else {
            return;
        };
        let same = shapes(tower)
            .iter()
            .map(|p| p.id)
            .eq(self.tower.iter().copied());
        let here = self.device == model.device();
        if vision.features.is_some() || !same || !here {
            return;
        }
        let known = |image| self.known.get(&address(image)).map(|(_, own)| own.clone());
        let found: Option<Vec<VisionFeatures>> = vision.images.iter().map(known).collect();
        if let Some(found) = found {
            vision.features = Some(VisionFeatures::cat(&found));
        }
    }
}

fn address(image: &Arc<ImagePatches>) -> usize {
    Arc::as_ptr(image) as usize
}
