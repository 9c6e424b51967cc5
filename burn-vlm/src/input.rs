//! Rows of tokens and pictures as one padded batch.

use crate::{
    error::VlmError,
    image::ImagePatches,
    models::{ModelConfig, VisionFeatures},
    nn::{DecoderContext, Position, VisionPlan},
};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use std::{ops::Range, sync::Arc};

/// One sequence: its tokens, and the pictures whose placeholder tokens it begins with.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// Prompt, or prompt and response.
    pub tokens: &'a [u32],
    /// The pictures, in the order of their placeholders.
    pub images: &'a [Arc<ImagePatches>],
}

/// A batch padded on the left to its longest row, with everything the model needs to run it.
///
/// A picture that several rows share is encoded once.
#[derive(Debug, Clone)]
pub struct VlmInput {
    /// `[B, T]`
    pub tokens: Tensor<2, Int>,
    /// Rotations and mask of the decoder.
    pub ctx: DecoderContext,
    /// The pictures, unless there are none.
    pub vision: Option<VisionInput>,
    /// Length of each row without padding.
    pub lens: Vec<usize>,
    /// Position of the token after the end of each row.
    pub next_positions: Vec<u32>,
    /// T
    pub width: usize,
}

/// The pictures of a batch and where their features go.
#[derive(Debug, Clone)]
pub struct VisionInput {
    /// `[N, C·T·P·P]`, in the precision that the model computes in.
    pub patches: Tensor<2>,
    /// Shapes of the attention over them.
    pub plan: VisionPlan,
    /// Row of the features for each of the `B · T` positions; 0 (unused) for positions that are not
    /// image tokens.
    pub feature: Tensor<1, Int>,
    /// `[B, T, 1]`, true where a feature replaces the embedding.
    pub is_image: Tensor<3, Bool>,
    /// The pictures, in the order of their patches and features.
    pub images: Vec<Arc<ImagePatches>>,
    /// Their features, where they are known already: a tower that is not trained is then not run.
    pub features: Option<VisionFeatures>,
}

impl VlmInput {
    /// Builds the batch on `device`.
    ///
    /// # Errors
    /// No rows or an empty one, a token beyond the vocabulary, fewer placeholder tokens than the
    /// pictures have features, pictures that are not cut as the tower reads them, or pictures for
    /// a model without a tower. What a [`Processor`](crate::Processor) encoded has none of these.
    pub fn new(rows: &[Row<'_>], config: &ModelConfig, device: &Device) -> Result<Self, VlmError> {
        for (r, row) in rows.iter().enumerate() {
            check(row, config).map_err(|m| VlmError::Request(format!("row {r}: {m}")))?;
        }
        if rows.is_empty() {
            return Err(VlmError::Request("no rows, expected at least one".into()));
        }
        let (b, width) = (
            rows.len(),
            rows.iter().map(|r| r.tokens.len()).max().unwrap_or(0),
        );
        let mut tokens = Vec::with_capacity(b * width);
        let mut positions: Vec<Position> = Vec::with_capacity(b * width);
        let mut next_positions = Vec::with_capacity(b);
        for row in rows {
            let pad = width - row.tokens.len();
            tokens.extend(std::iter::repeat_n(0_i64, pad));
            tokens.extend(row.tokens.iter().map(|t| i64::from(*t)));
            let grids = row.images.iter().map(|image| image.grid);
            let (own, next) = config.positions(row.tokens, grids);
            positions.extend(std::iter::repeat_n([0; 3], pad));
            positions.extend(own);
            next_positions.push(next);
        }
        let lens: Vec<usize> = rows.iter().map(|r| r.tokens.len()).collect();
        Ok(Self {
            tokens: Tensor::from_data(TensorData::new(tokens, [b, width]), device),
            ctx: DecoderContext {
                rope: config.text.rope().table(&positions, b, device),
                mask: Some(causal_mask(&lens, width, device)),
            },
            vision: VisionInput::new(rows, width, config, device),
            lens,
            next_positions,
            width,
        })
    }

    /// B
    pub fn batch(&self) -> usize {
        self.lens.len()
    }
}

/// Whether a row is one that the model can read.
fn check(row: &Row<'_>, config: &ModelConfig) -> Result<(), String> {
    let vocab = config.text.vocab_size;
    if row.tokens.is_empty() {
        return Err("no tokens, expected at least one".into());
    }
    if let Some(id) = row.tokens.iter().find(|id| **id as usize >= vocab) {
        return Err(format!(
            "token {id}, expected less than the vocabulary's {vocab}"
        ));
    }
    if row.images.is_empty() {
        return Ok(());
    }
    let Some(vision) = &config.vision else {
        return Err("pictures, but the model has no vision tower".into());
    };
    for image in row.images {
        vision.check_picture(image)?;
    }
    let expected: usize = row.images.iter().map(|i| config.image_tokens(i.grid)).sum();
    let is_image = |token: &&u32| Some(**token) == config.image_token_id;
    let found = row.tokens.iter().filter(is_image).count();
    match found >= expected {
        true => Ok(()),
        false => Err(format!(
            "{found} placeholder tokens, expected {expected} for its pictures"
        )),
    }
}

impl VisionInput {
    fn new(rows: &[Row<'_>], width: usize, config: &ModelConfig, device: &Device) -> Option<Self> {
        let mut images: Vec<(&Arc<ImagePatches>, usize)> = vec![];
        let mut features = 0;
        let mut feature = vec![0_i64; rows.len() * width];
        let mut is_image = vec![false; rows.len() * width];
        for (r, row) in rows.iter().enumerate() {
            let first = r * width + width - row.tokens.len();
            let mut slots = (0..row.tokens.len())
                .filter(|t| Some(row.tokens[*t]) == config.image_token_id)
                .map(|t| first + t);
            for image in row.images {
                let known = images.iter().find(|(other, _)| Arc::ptr_eq(other, image));
                let start = known.map_or(features, |(_, start)| *start);
                let count = config.image_tokens(image.grid);
                if start == features {
                    images.push((image, start));
                    features += count;
                }
                // There are enough, as was checked.
                for (i, slot) in slots.by_ref().take(count).enumerate() {
                    feature[slot] = (start + i) as i64;
                    is_image[slot] = true;
                }
            }
        }
        let vision = config.vision.as_ref().filter(|_| !images.is_empty())?;
        let patch_len = vision.sizes().patch_len;
        let mut values = Vec::with_capacity(images.iter().map(|(i, _)| i.patches.len()).sum());
        for (image, _) in &images {
            values.extend_from_slice(&image.patches);
        }
        let grids: Vec<[usize; 3]> = images.iter().map(|(image, _)| image.grid).collect();
        let n = values.len() / patch_len;
        let slots = feature.len();
        Some(Self {
            patches: Tensor::<2>::from_data(TensorData::new(values, [n, patch_len]), device)
                .cast(config.compute.dtype()),
            plan: vision.plan(&grids, device),
            feature: Tensor::from_data(TensorData::new(feature, [slots]), device),
            is_image: Tensor::from_data(TensorData::new(is_image, [rows.len(), width, 1]), device),
            features: None,
            images: images.into_iter().map(|(image, _)| image.clone()).collect(),
        })
    }
}

/// `[B, 1, T, T]`, true above the diagonal and for padding on the left.
fn causal_mask(lens: &[usize], width: usize, device: &Device) -> Tensor<4, Bool> {
    let (b, t) = (lens.len(), width);
    let causal = Tensor::<2, Bool>::tril_mask([t, t], 0, device).reshape([1, 1, t, t]);
    let seen: Vec<Range<usize>> = lens.iter().map(|len| width - len..width).collect();
    match padding_mask(&seen, width, device) {
        Some(padding) => causal
            .expand([b, 1, t, t])
            .bool_or(padding.expand([b, 1, t, t])),
        None => causal,
    }
}

/// `[B, 1, 1, width]`, true for positions outside those that a row may see; none where all rows may
/// see all.
pub(crate) fn padding_mask(
    seen: &[Range<usize>],
    width: usize,
    device: &Device,
) -> Option<Tensor<4, Bool>> {
    if seen.iter().all(|seen| *seen == (0..width)) {
        return None;
    }
    let mask: Vec<bool> = seen
        .iter()
        .flat_map(|seen| (0..width).map(|t| !seen.contains(&t)))
        .collect();
    Some(Tensor::from_data(
        TensorData::new(mask, [seen.len(), 1, 1, width]),
        device,
    ))
}
