//! Rows made ready for the model.

use super::{
    Blend, Curriculum, DataCheck, DataFingerprint, DataRow, Drawn, Encoder, OnError, Order,
    PromptSource, RowDataset, RowFormat, RowKind,
};
use crate::{error::RlError, types::Prompt};
use burn::data::dataset::Dataset;
use burn_rewards::{OnUnparsableGold, RewardFn};
use burn_vlm::rng::{hash_text, mix};
use rayon::prelude::*;
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A file of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowSource {
    /// JSONL, a JSON list, parquet, or a directory of parquet files.
    pub path: PathBuf,
    /// How often a prompt is from it, relative to the others.
    pub weight: f64,
    /// Which field of a row means what.
    pub format: RowFormat,
}

/// In which order rows come, and what becomes of those that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walk {
    /// What a row that cannot be used does.
    pub on_error: OnError,
    /// Whether each epoch is in an order of its own; else rows come as they stand in the file.
    pub shuffle: bool,
    /// Whether an epoch goes by how hard its rows are.
    pub curriculum: Curriculum,
    /// What the order of epochs and of sets depends on.
    pub seed: u64,
    /// How closely rows are looked at. Where unusable rows are skipped, all are read unless this is
    /// [`DataCheck::None`].
    pub check: DataCheck,
}

/// One data set, or several blended, as prompts.
pub struct PromptSet {
    parts: Vec<Part>,
    blend: Blend,
    encoder: Encoder,
    skipped: Vec<RlError>,
    fingerprint: DataFingerprint,
}

struct Part {
    dataset: RowDataset,
    /// Over all rows of the files.
    order: Order,
    /// Which of the usable rows stands at each place of the files.
    usable: Vec<Option<usize>>,
}

impl PromptSet {
    /// Opens the sets and looks at their rows as [`Walk::check`] says. What only shows behind the
    /// header of a picture (a cut-off file, a prompt that is too long with it) ends the run when the
    /// row's turn comes, unless all rows are read.
    ///
    /// # Errors
    /// As [`RowDataset::open`]; a row without difficulty where the order is by difficulty; a gold
    /// answer that does not pass `golds`.
    pub fn open(
        sets: &[RowSource],
        kind: RowKind,
        encoder: Encoder,
        walk: Walk,
        golds: Option<&GoldCheck<'_>>,
    ) -> Result<Self, RlError> {
        let open = |set: &RowSource| {
            let rows = RowDataset::open(&set.path, &set.format, walk.on_error, kind)?;
            Ok((rows, set.weight))
        };
        let sets: Vec<_> = sets.iter().map(open).collect::<Result<_, RlError>>()?;
        Self::new(sets, encoder, walk, golds)
    }

    /// The same of rows that are read already, each set with its weight.
    ///
    /// # Errors
    /// As [`open`](Self::open); no set, or a set without rows.
    pub fn new(
        sets: Vec<(RowDataset, f64)>,
        encoder: Encoder,
        walk: Walk,
        golds: Option<&GoldCheck<'_>>,
    ) -> Result<Self, RlError> {
        if sets.is_empty() {
            let message = "no data set, expected at least one";
            return Err(RlError::Config(message.into()));
        }
        let (mut parts, mut skipped) = (vec![], vec![]);
        let weights: Vec<f64> = sets.iter().map(|(_, weight)| *weight).collect();
        for (i, (mut dataset, _)) in sets.into_iter().enumerate() {
            dataset.check_not_empty()?;
            check_rows(&mut dataset, &encoder, walk)?;
            if let Some(golds) = golds {
                golds.check(&mut dataset)?;
            }
            skipped.append(&mut dataset.skipped);
            let seed = match i {
                0 => walk.seed,
                _ => mix(walk.seed, i as u64),
            };
            let mut order = Order::new(dataset.total(), walk.shuffle, seed);
            if walk.curriculum != Curriculum::None {
                order = order.ranked(ranks(&dataset, walk.curriculum)?);
            }
            let mut usable = vec![None; dataset.total()];
            for (index, place) in dataset.places().iter().enumerate() {
                usable[*place] = Some(index);
            }
            parts.push(Part {
                dataset,
                order,
                usable,
            });
        }
        Ok(Self {
            fingerprint: DataFingerprint {
                sets: parts
                    .iter()
                    .map(|part| part.dataset.fingerprint())
                    .collect(),
                weights: weights.clone(),
                shuffle: walk.shuffle,
                curriculum: walk.curriculum,
            },
            parts,
            blend: Blend::new(&weights, walk.seed),
            encoder,
            skipped,
        })
    }

    /// The first `n` rows as they stand, set after set; all for 0.
    ///
    /// # Errors
    /// A row that cannot be used, with its line.
    pub fn first(&self, n: usize) -> Result<Vec<Arc<Prompt>>, RlError> {
        let n = if n == 0 { self.len() } else { n };
        let rows = self.parts.iter().enumerate();
        let rows = rows.flat_map(|(p, part)| (0..part.dataset.len()).map(move |row| (p, row)));
        self.encode(&rows.take(n).collect::<Vec<_>>())
    }

    fn encode(&self, rows: &[(usize, usize)]) -> Result<Vec<Arc<Prompt>>, RlError> {
        rows.par_iter()
            .map(|(part, index)| {
                let row = self.parts[*part].dataset.get(*index)?;
                let encoded = self.encoder.encode(&row);
                let mut prompt = encoded.map_err(|e| row.error(e))?;
                if self.parts.len() > 1 {
                    // Ids need to be unique only in their file.
                    prompt.id = format!("{part}:{}", row.id);
                    prompt.key = hash_text(&prompt.id);
                }
                Ok(Arc::new(prompt))
            })
            .collect()
    }

    /// Refuses a set of which some row ends without a response to learn from.
    ///
    /// # Errors
    /// The first such row, with its line.
    pub fn check_demonstrations(&self) -> Result<(), RlError> {
        let mut rows = self.parts.iter().flat_map(|part| part.dataset.rows());
        let silent = rows.find(|row| row.target.is_none());
        silent.map_or(Ok(()), |row| {
            Err(row.error("the row ends without an assistant turn to learn from"))
        })
    }

    /// Names of the fields that some row has.
    pub fn field_names(&self) -> BTreeSet<&str> {
        let rows = self.parts.iter().flat_map(|part| part.dataset.rows());
        rows.flat_map(|row| row.fields.keys().map(String::as_str))
            .collect()
    }

    /// Number of usable rows.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.dataset.len()).sum()
    }

    /// Whether there are none, which [`open`](Self::open) refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows left out, each with its reason.
    pub fn skipped(&self) -> &[RlError] {
        &self.skipped
    }
}

impl PromptSource for PromptSet {
    /// The rows are encoded in parallel. Every set has a usable row, so the walk finds `n`.
    fn draw(&mut self, first: u64, n: usize) -> Result<Vec<Drawn>, RlError> {
        let (mut rows, mut positions) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for position in first.. {
            if rows.len() == n {
                break;
            }
            let (part, index) = self.blend.at(position);
            let Part { order, usable, .. } = &mut self.parts[part];
            if let Some(row) = usable[order.row(index)] {
                rows.push((part, row));
                positions.push(position);
            }
        }
        let prompts = positions.into_iter().zip(self.encode(&rows)?);
        Ok(prompts
            .map(|(position, prompt)| Drawn { position, prompt })
            .collect())
    }

    fn fingerprint(&self) -> Option<DataFingerprint> {
        Some(self.fingerprint.clone())
    }
}

/// What is said of a row that lacks what its reward compares with.
const NO_ANSWER: &str = "the row has no `answer`, which its reward compares responses with (or \
                         another of the usual names, or what data.columns.answer names)";

/// Asks the reward about every gold answer before anything is sampled.
pub struct GoldCheck<'a> {
    /// The reward that will need them.
    pub reward: &'a dyn RewardFn,
    /// What one that it cannot use does.
    pub policy: OnUnparsableGold,
    /// What a row does that has none, where the reward needs one.
    pub on_error: OnError,
}

impl GoldCheck<'_> {
    /// Refuses the first row of a gold answer that cannot be used, or that has none where the
    /// reward needs one, or leaves out every such row.
    ///
    /// # Errors
    /// That row, with its line; a set of which no row is left.
    pub fn check(&self, dataset: &mut RowDataset) -> Result<(), RlError> {
        let refusal = |row: &DataRow| {
            let question = row.question();
            let input = row.reward_input(&question);
            if !row.has_answer() && self.reward.needs_answer(&input) {
                let skipped = self.on_error == OnError::Skip;
                return Some((skipped, row.error(NO_ANSWER)));
            }
            let refused = self.reward.check_gold(&input).err()?;
            Some((false, row.error(refused)))
        };
        let all_skipped = self.policy == OnUnparsableGold::Skip;
        let mut found: Vec<_> = dataset.rows().par_iter().map(refusal).collect();
        let is_fatal = |found: &&mut Option<(bool, RlError)>| {
            let skipped = found.as_ref().map(|(skipped, _)| *skipped);
            skipped.is_some_and(|skipped| !skipped && !all_skipped)
        };
        if let Some((_, error)) = found.iter_mut().find(is_fatal).and_then(Option::take) {
            return Err(error);
        }
        let mut found = found.into_iter();
        let mut next = || found.next().flatten().map_or(Ok(()), |(_, e)| Err(e));
        dataset.retain(|_| next());
        dataset.check_not_empty()
    }
}

/// Looks at every row; the first that cannot be used is an error, or all such rows are left out.
fn check_rows(dataset: &mut RowDataset, encoder: &Encoder, walk: Walk) -> Result<(), RlError> {
    if walk.check == DataCheck::None {
        return Ok(());
    }
    let skips = walk.on_error == OnError::Skip;
    let look = |row: &DataRow| match (walk.check, skips) {
        (DataCheck::Headers, false) => encoder.check_quickly(row),
        _ => encoder.encode(row).map(|_| ()),
    };
    let (done, total) = (AtomicUsize::new(0), dataset.rows().len());
    let refusal = |row: &DataRow| {
        if encoder.stop_flag.is_requested() {
            return Some(RlError::Stopped);
        }
        if let Some(tell) = &encoder.progress {
            tell(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        }
        Some(row.error(look(row).err()?))
    };
    if !skips {
        let bad = dataset.rows().par_iter().find_map_first(refusal);
        return bad.map_or(Ok(()), Err);
    }
    let found: Vec<_> = dataset.rows().par_iter().map(refusal).collect();
    if encoder.stop_flag.is_requested() {
        return Err(RlError::Stopped);
    }
    let mut found = found.into_iter();
    dataset.retain(|_| found.next().flatten().map_or(Ok(()), Err));
    dataset.check_not_empty()
}

/// What an epoch is sorted by: a number for every row of the files.
fn ranks(dataset: &RowDataset, curriculum: Curriculum) -> Result<Vec<f64>, RlError> {
    let rank = |row: &DataRow| -> Result<f64, RlError> {
        let difficulty = row.difficulty.ok_or_else(|| {
            row.error(
                "the row has no `difficulty` or `pass_rate` (or data.columns.difficulty), \
                 which data.curriculum needs",
            )
        })?;
        Ok(match curriculum {
            Curriculum::HardFirst => -difficulty,
            _ => difficulty,
        })
    };
    // Rows that are left out are passed over wherever they stand.
    let mut ranks = vec![0.0; dataset.total()];
    for (row, place) in dataset.rows().iter().zip(dataset.places()) {
        ranks[*place] = rank(row)?;
    }
    Ok(ranks)
}
