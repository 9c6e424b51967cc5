//! Which positions are predicted, and how they line up as `[B, R]`.

use crate::{
    error::VlmError,
    input::{PromptRow, VlmInput},
    nn::int_tensor,
};
use burn::tensor::{Device, Int, Tensor};

/// The last tokens of every row as prediction targets.
///
/// Row `b` of a `[B, R]` tensor holds its targets from the left; what follows them is padding.
#[derive(Debug, Clone)]
pub struct Targets {
    ids: Tensor<1, Int>,
    /// Flat `B · T` position whose hidden state predicts each target.
    hidden: Tensor<1, Int>,
    /// Flat `B · R` slot of each target.
    slots: Tensor<1, Int>,
    /// Target of each `B · R` slot; the number of targets where there is none.
    unslot: Tensor<1, Int>,
    shape: [usize; 2],
}

impl Targets {
    /// The last `counts[b]` tokens of each row of a batch `width` wide and padded on the left.
    ///
    /// `rows[b]` are the tokens of row `b` without padding.
    ///
    /// # Errors
    /// Another number of counts than of rows, a row wider than the batch, or one whose first token
    /// would be a target: nothing is before it to predict it.
    pub fn new(
        rows: &[&[u32]],
        counts: &[usize],
        width: usize,
        device: &Device,
    ) -> Result<Self, VlmError> {
        let refuse = |message: String| Err(VlmError::Request(message));
        if rows.len() != counts.len() {
            let (found, expected) = (counts.len(), rows.len());
            return refuse(format!(
                "{found} counts of targets, expected {expected}, one a row"
            ));
        }
        for (b, (row, count)) in rows.iter().zip(counts).enumerate() {
            let len = row.len();
            if len > width || *count >= len.max(1) {
                return refuse(format!(
                    "row {b} has {len} tokens and {count} targets, expected at most {width} tokens \
                     and fewer targets than tokens"
                ));
            }
        }
        let targets = rows.iter().zip(counts).enumerate();
        let targets = targets.map(|(b, (row, count))| {
            let end = (b + 1) * width - 1;
            (&row[row.len() - count..], end - count..end)
        });
        Ok(Self::from_rows(targets, device))
    }

    /// The responses of a batch [of prompts](VlmInput::of_prompts), row by row.
    ///
    /// # Errors
    /// A batch that was padded, or of another number of rows.
    pub fn of_prompts(
        rows: &[PromptRow<'_>],
        input: &VlmInput,
        device: &Device,
    ) -> Result<Self, VlmError> {
        let refuse = |message: String| VlmError::Request(message);
        let shared = input.shared.as_ref();
        let places = &shared
            .ok_or_else(|| refuse("a padded batch, expected one of prompts".into()))?
            .rows;
        if places.len() != rows.len() {
            let (found, expected) = (places.len(), rows.len());
            return Err(refuse(format!(
                "a batch of {found} rows, expected {expected}"
            )));
        }
        let targets = rows.iter().zip(places).map(|(row, place)| {
            // The first token is predicted from the prompt's last, each other from the one before.
            let before = std::iter::once(place.prompt.end - 1).chain(place.response.clone());
            (row.response, before)
        });
        Ok(Self::from_rows(targets, device))
    }

    /// The targets of each row, with the position of the hidden state that predicts each.
    fn from_rows<'a>(
        rows: impl ExactSizeIterator<Item = (&'a [u32], impl Iterator<Item = usize>)>,
        device: &Device,
    ) -> Self {
        let b = rows.len();
        let rows: Vec<(&[u32], Vec<usize>)> = rows
            .map(|(tokens, before)| (tokens, before.take(tokens.len()).collect()))
            .collect();
        let r = rows.iter().map(|(tokens, _)| tokens.len()).max();
        let r = r.unwrap_or(0);
        let total: usize = rows.iter().map(|(tokens, _)| tokens.len()).sum();
        let (mut ids, mut hidden, mut slots) = (vec![], vec![], vec![]);
        let mut unslot = vec![total as i64; b * r];
        for (b, (tokens, before)) in rows.iter().enumerate() {
            for (i, (token, before)) in tokens.iter().zip(before).enumerate() {
                unslot[b * r + i] = ids.len() as i64;
                ids.push(i64::from(*token));
                hidden.push(*before as i64);
                slots.push((b * r + i) as i64);
            }
        }
        Self {
            ids: int_tensor(ids, device),
            hidden: int_tensor(hidden, device),
            slots: int_tensor(slots, device),
            unslot: int_tensor(unslot, device),
            shape: [b, r],
        }
    }

    /// `[B, R]`
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    pub(super) fn ids(&self) -> &Tensor<1, Int> {
        &self.ids
    }

    /// `[B, T, D] → [N, D]`
    pub(super) fn select(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [b, t, d] = hidden.dims();
        hidden.reshape([b * t, d]).select(0, self.hidden.clone())
    }

    /// The reverse of [`select`](Self::select), zero elsewhere.
    pub(super) fn unselect(&self, selected: Tensor<2>, input: &VlmInput) -> Tensor<3> {
        let d = selected.dims()[1];
        let (b, t) = (input.batch(), input.width);
        let options = (&selected.device(), selected.dtype());
        Tensor::zeros([b * t, d], options)
            .select_assign(
                0,
                self.hidden.clone(),
                selected,
                burn::tensor::IndexingUpdateOp::Add,
            )
            .reshape([b, t, d])
    }

    /// `[N] → [B, R]`
    pub(super) fn unflatten(&self, flat: Tensor<1>) -> Tensor<2> {
        let padding = Tensor::zeros([1], &flat.device());
        Tensor::cat(vec![flat, padding], 0)
            .select(0, self.unslot.clone())
            .reshape(self.shape)
    }

    /// `[B, R] → [N]`
    pub(super) fn flatten(&self, padded: Tensor<2>) -> Tensor<1> {
        padded
            .reshape([self.shape[0] * self.shape[1]])
            .select(0, self.slots.clone())
    }
}
