//! Which positions are predicted, and how they line up as `[B, R]`.

use crate::{error::VlmError, input::VlmInput};
use burn::tensor::{Device, Int, Tensor, TensorData};

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
        let r = counts.iter().copied().max().unwrap_or(0);
        let total: usize = counts.iter().sum();
        let (mut ids, mut hidden, mut slots) = (vec![], vec![], vec![]);
        let mut unslot = vec![total as i64; rows.len() * r];
        for (b, (row, count)) in rows.iter().zip(counts).enumerate() {
            for i in 0..*count {
                unslot[b * r + i] = ids.len() as i64;
                ids.push(i64::from(row[row.len() - count + i]));
                hidden.push((b * width + width - count + i - 1) as i64);
                slots.push((b * r + i) as i64);
            }
        }
        let int = |values: Vec<i64>| {
            let len = values.len();
            Tensor::from_data(TensorData::new(values, [len]), device)
        };
        Ok(Self {
            ids: int(ids),
            hidden: int(hidden),
            slots: int(slots),
            unslot: int(unslot),
            shape: [rows.len(), r],
        })
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
