//! Rows of tokens and pictures as one batch: padded, or one after the other with prompts once.

use crate::{
    error::VlmError,
    image::ImagePatches,
    models::{ModelConfig, VisionFeatures},
    nn::{DecoderContext, DecoderLayer, Position, Segment, Segments, VisionPlan},
    text::EncodedPrompt,
};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use std::{borrow::Cow, ops::Range, sync::Arc};

/// One sequence: its tokens, and the pictures whose placeholder tokens it begins with.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// Prompt, or prompt and response.
    pub tokens: &'a [u32],
    /// The pictures, in the order of their placeholders.
    pub images: &'a [Arc<ImagePatches>],
}

/// A prompt, and a response to it.
#[derive(Debug, Clone, Copy)]
pub struct PromptRow<'a> {
    /// What the model read. Neighbouring rows share it if it is the same [`Arc`].
    pub prompt: &'a Arc<EncodedPrompt>,
    /// What it answered, or is taken to have answered.
    pub response: &'a [u32],
}

/// What the dropout of a row depends on, beside the update and the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowKey {
    /// The number of its prompt.
    pub prompt: usize,
    /// The number of its sample.
    pub sample: usize,
}

/// A batch with everything the model needs to run it: rows padded on the left to the longest
/// ([`new`](Self::new)), or one after the other without padding, a prompt once for all of its
/// responses ([`of_prompts`](Self::of_prompts)), which is B = 1 and T = N, the number of all tokens.
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
    /// Where prompts and responses are, if they are one after the other.
    pub shared: Option<SharedRows>,
}

/// Prompts and responses one after the other.
#[derive(Debug, Clone)]
pub struct SharedRows {
    /// What sees what.
    pub segments: Segments,
    /// Where each row is.
    pub rows: Vec<RowPlace>,
}

/// Where a row is among all tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlace {
    /// Its prompt, which other rows may share.
    pub prompt: Range<usize>,
    /// Its response, but for the last token: nothing is predicted from it.
    pub response: Range<usize>,
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
            vision: VisionInput::new(
                rows.iter()
                    .enumerate()
                    .map(|(r, row)| (r * width + width - row.tokens.len(), row)),
                [b, width],
                config,
                device,
            ),
            lens,
            next_positions,
            width,
            shared: None,
        })
    }

    /// Rows one after the other on `device`: neighbours of one prompt are run with it once. A prompt
    /// whose positions or rotations depend on what follows is not shared.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_prompts(
        rows: &[PromptRow<'_>],
        config: &ModelConfig,
        device: &Device,
    ) -> Result<Self, VlmError> {
        let layout = Layout::new(rows, config)?;
        let n = layout.tokens.len();
        let ids = layout.tokens.iter().map(|t| i64::from(*t)).collect();
        let prompts = layout.prompts.iter().map(|(at, tokens)| Row {
            tokens,
            images: &rows[*at].prompt.images,
        });
        let prompts: Vec<Row<'_>> = prompts.collect();
        let starts = layout
            .prompts
            .iter()
            .map(|(at, _)| layout.rows[*at].prompt.start);
        let heads = config.text.num_attention_heads;
        Ok(Self {
            tokens: Tensor::from_data(TensorData::new(ids, [1, n]), device),
            ctx: DecoderContext {
                rope: config.text.rope().table_of(&layout.angles, [1, n], device),
                mask: None,
            },
            vision: VisionInput::new(starts.zip(&prompts), [1, n], config, device),
            lens: vec![n],
            next_positions: vec![],
            width: n,
            shared: Some(SharedRows {
                segments: Segments::new(&layout.segments, heads, device),
                rows: layout.rows,
            }),
        })
    }

    /// A block of the decoder on hidden states of this batch.
    ///
    /// # Shapes
    /// - x and output: `[B, T, D]`
    pub(crate) fn through(&self, layer: &DecoderLayer, x: Tensor<3>) -> Tensor<3> {
        match &self.shared {
            Some(shared) => layer.forward_segments(x, &self.ctx.rope, &shared.segments),
            None => layer.forward(x, &self.ctx),
        }
    }

    /// B
    pub fn batch(&self) -> usize {
        self.lens.len()
    }
}

/// Prompts and responses one after the other, on the host.
struct Layout<'a> {
    tokens: Vec<u32>,
    /// A rotary angle for each token and frequency.
    angles: Vec<f32>,
    segments: Vec<Segment>,
    rows: Vec<RowPlace>,
    /// The first row of each prompt, and what of it may be image tokens.
    prompts: Vec<(usize, Cow<'a, [u32]>)>,
}

/// What a row alone says of its tokens.
struct RowAlone<'a> {
    tokens: Vec<u32>,
    positions: Vec<Position>,
    frequencies: Cow<'a, [f32]>,
}

impl<'a> Layout<'a> {
    fn new(rows: &[PromptRow<'a>], config: &ModelConfig) -> Result<Self, VlmError> {
        if rows.is_empty() {
            return Err(VlmError::Request("no rows, expected at least one".into()));
        }
        let rope = config.text.rope();
        let alone = |row: &PromptRow<'_>| {
            let tokens = [&row.prompt.tokens[..], row.response].concat();
            let grids = row.prompt.images.iter().map(|image| image.grid);
            let (positions, _) = config.positions(&tokens, grids);
            let frequencies = rope.frequencies_of(&positions);
            RowAlone {
                frequencies,
                tokens,
                positions,
            }
        };
        let mut found = Self {
            tokens: vec![],
            angles: vec![],
            segments: vec![],
            rows: vec![],
            prompts: vec![],
        };
        let mut r = 0;
        while r < rows.len() {
            let (prompt, first) = (rows[r].prompt, alone(&rows[r]));
            let len = prompt.tokens.len();
            let whole = Row {
                tokens: &first.tokens,
                images: &prompt.images,
            };
            let refuse = |r: usize, m| VlmError::Request(format!("row {r}: {m}"));
            if prompt.tokens.is_empty() {
                return Err(refuse(r, "no prompt, expected at least one token".into()));
            }
            check(&whole, config).map_err(|m| refuse(r, m))?;
            let prompt_alone = Row {
                tokens: &prompt.tokens,
                images: &prompt.images,
            };
            // Else a response has placeholders of the prompt's pictures.
            let is_whole = check(&prompt_alone, config).is_ok();
            let mut others = vec![];
            for (i, row) in rows.iter().enumerate().skip(r + 1) {
                if !is_whole || !Arc::ptr_eq(row.prompt, prompt) {
                    break;
                }
                let other = alone(row);
                if other.positions[..len] != first.positions[..len]
                    || other.frequencies != first.frequencies
                {
                    break;
                }
                let response = Row {
                    tokens: &other.tokens,
                    images: &prompt.images,
                };
                check(&response, config).map_err(|m| refuse(i, m))?;
                others.push(other);
            }
            let start = found.tokens.len();
            let mut push = |alone: &RowAlone<'_>, part: Range<usize>| {
                found.tokens.extend_from_slice(&alone.tokens[part.clone()]);
                let (positions, angles) = (&alone.positions[part], &mut found.angles);
                rope.push_angles(positions, &alone.frequencies, angles);
                found.tokens.len()
            };
            let last = |alone: &RowAlone<'_>| len.max(alone.tokens.len() - 1);
            if others.is_empty() {
                // Its prompt is nobody else's: one sequence.
                let end = push(&first, 0..last(&first));
                found.segments.push(Segment {
                    context: None,
                    own: start..end,
                });
                found.rows.push(RowPlace {
                    prompt: start..start + len,
                    response: start + len..end,
                });
                found.prompts.push((r, Cow::Owned(first.tokens)));
            } else {
                let prompt_end = push(&first, 0..len);
                let shared = start..prompt_end;
                found.segments.push(Segment {
                    context: None,
                    own: shared.clone(),
                });
                let mut start = prompt_end;
                for row in [&first].into_iter().chain(&others) {
                    let end = push(row, len..last(row));
                    found.segments.push(Segment {
                        context: Some(shared.clone()),
                        own: start..end,
                    });
                    found.rows.push(RowPlace {
                        prompt: shared.clone(),
                        response: start..end,
                    });
                    start = end;
                }
                found.prompts.push((r, Cow::Borrowed(&prompt.tokens)));
            }
            r += 1 + others.len();
        }
        Ok(found)
    }
}

/// Whether a row is one that the model can read.
pub(crate) fn check(row: &Row<'_>, config: &ModelConfig) -> Result<(), String> {
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
    /// `rows` come with the place of their first token among the `B · T` positions.
    fn new<'a>(
        rows: impl Iterator<Item = (usize, &'a Row<'a>)>,
        [b, t]: [usize; 2],
        config: &ModelConfig,
        device: &Device,
    ) -> Option<Self> {
        let mut images: Vec<(&Arc<ImagePatches>, usize)> = vec![];
        let mut features = 0;
        let mut feature = vec![0_i64; b * t];
        let mut is_image = vec![false; b * t];
        for (first, row) in rows {
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
            is_image: Tensor::from_data(TensorData::new(is_image, [b, t, 1]), device),
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
fn padding_mask(seen: &[Range<usize>], width: usize, device: &Device) -> Option<Tensor<4, Bool>> {
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
