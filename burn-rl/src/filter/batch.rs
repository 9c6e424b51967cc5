//! A batch that fills with kept groups, rollout after rollout.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, mem};

/// What becomes of a batch in which a filter has left gaps.
///
/// The last three are MM-Eureka's: its InternVL branch has a varying number of updates, its Qwen
/// branch refills and carries what is too much into the next update, and its last release refills
/// and throws that away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShortBatch {
    /// As many updates as ever, each on fewer groups; none if no group is left.
    #[default]
    Smaller,
    /// Mini-batches of full size, and fewer of them, maybe none; what fills no mini-batch is
    /// thrown away.
    FewerUpdates,
    /// Sampling goes on until the batch is full; what is too much waits for the next one.
    RefillCarry,
    /// Sampling goes on until the batch is full; what is too much is thrown away.
    RefillDiscard,
}

impl ShortBatch {
    /// Whether sampling goes on until the batch is full.
    pub fn refills(self) -> bool {
        matches!(self, Self::RefillCarry | Self::RefillDiscard)
    }
}

/// Groups on their way into an update. `T` is a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupBuffer<T> {
    policy: ShortBatch,
    /// Groups of a full batch.
    size: usize,
    /// Groups of a mini-batch.
    mini_batch: usize,
    waiting: Vec<T>,
    refills: RefillCount,
}

/// Rollouts since the last update, and what became of their groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefillCount {
    /// Rollouts.
    pub rounds: usize,
    /// Groups that were sampled in them.
    pub sampled: usize,
    /// Groups that were dropped, by reason.
    pub dropped: BTreeMap<String, usize>,
}

/// A batch for an update.
#[derive(Debug, Clone, PartialEq)]
pub struct FilledBatch<T> {
    /// The groups, oldest first.
    pub groups: Vec<T>,
    /// Groups that passed the filters and are thrown away, by reason.
    pub thrown_away: Option<(&'static str, usize)>,
}

impl<T> GroupBuffer<T> {
    /// An empty batch of `size` groups, which is a multiple of `mini_batch`.
    pub fn new(policy: ShortBatch, size: usize, mini_batch: usize) -> Self {
        Self {
            policy,
            size,
            mini_batch,
            waiting: vec![],
            refills: RefillCount::default(),
        }
    }

    /// Takes the groups of one rollout that passed the filters, and the reasons of those that did
    /// not.
    pub fn add(&mut self, kept: Vec<T>, dropped: &[&'static str]) {
        self.refills.rounds += 1;
        self.refills.sampled += kept.len() + dropped.len();
        for reason in dropped {
            *self.refills.dropped.entry((*reason).into()).or_default() += 1;
        }
        self.waiting.extend(kept);
    }

    /// The next batch, if there is one: the rollouts since the last are then counted anew.
    pub fn take(&mut self) -> Option<FilledBatch<T>> {
        let waiting = self.waiting.len();
        let used = match self.policy {
            ShortBatch::Smaller => waiting,
            ShortBatch::FewerUpdates => waiting - waiting % self.mini_batch,
            _ if waiting >= self.size => self.size,
            _ => 0,
        };
        let reason = match self.policy {
            ShortBatch::RefillDiscard if used > 0 => Some("surplus"),
            ShortBatch::FewerUpdates => Some("incomplete"),
            _ => None,
        };
        let rest = self.waiting.split_off(used);
        let groups = mem::take(&mut self.waiting);
        let thrown_away = reason.map(|r| (r, rest.len())).filter(|(_, n)| *n > 0);
        match reason {
            Some(reason) if used == 0 => {
                let dropped = &mut self.refills.dropped;
                *dropped.entry(reason.into()).or_default() += rest.len();
            }
            Some(_) => {}
            None => self.waiting = rest,
        }
        if used == 0 {
            return None;
        }
        self.refills = RefillCount::default();
        Some(FilledBatch {
            groups,
            thrown_away,
        })
    }

    /// Groups that wait for an update.
    pub fn waiting(&self) -> &[T] {
        &self.waiting
    }

    /// The same, to be changed in place.
    pub fn waiting_mut(&mut self) -> &mut [T] {
        &mut self.waiting
    }

    /// Rollouts since the last update.
    pub fn refills(&self) -> &RefillCount {
        &self.refills
    }

    /// Continues with what waited and with the rollouts since the last update.
    pub fn restore(&mut self, waiting: Vec<T>, refills: RefillCount) {
        self.waiting = waiting;
        self.refills = refills;
    }
}

impl RefillCount {
    /// Why there was no update for so long, and what can be done; `size` are the groups of a batch.
    pub fn message(&self, waiting: usize, size: usize) -> String {
        let dropped: usize = self.dropped.values().sum();
        let mut reasons: Vec<(&String, &usize)> = self.dropped.iter().collect();
        reasons.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let reasons: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} {r}")).collect();
        let what = match waiting {
            0 => "the filters emptied every batch".to_owned(),
            kept => {
                format!("only {kept} of the {size} groups that an update takes passed the filters")
            }
        };
        format!(
            "no update in {} rollouts in a row: {what}; {dropped} of {} groups were dropped ({}). \
             Widen the bounds of the filters, draw more completions of each prompt, choose prompts of \
             another difficulty, or raise filter.max_rounds",
            self.rounds,
            self.sampled,
            reasons.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of four groups in mini-batches of two; groups are called by numbers.
    fn batch(policy: ShortBatch) -> GroupBuffer<u32> {
        GroupBuffer::new(policy, 4, 2)
    }

    /// What each of these rollouts makes of the batch: the groups of the update after it, if any.
    fn updates(batch: &mut GroupBuffer<u32>, rollouts: &[&[u32]]) -> Vec<Option<Vec<u32>>> {
        let update = |kept: &&[u32]| {
            batch.add(kept.to_vec(), &vec!["too_hard"; 4 - kept.len()]);
            batch.take().map(|filled| filled.groups)
        };
        rollouts.iter().map(update).collect()
    }

    const ROLLOUTS: [&[u32]; 4] = [&[1, 2, 3], &[4, 5, 6], &[], &[7, 8, 9]];

    #[test]
    fn a_smaller_batch_is_what_is_there() {
        let found = updates(&mut batch(ShortBatch::Smaller), &ROLLOUTS);
        let expected = [
            Some(vec![1, 2, 3]),
            Some(vec![4, 5, 6]),
            None,
            Some(vec![7, 8, 9]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn without_refill_the_number_of_updates_varies() {
        // MM-Eureka, InternVL branch: truncated to a multiple of the mini-batch.
        let mut batch = batch(ShortBatch::FewerUpdates);
        let found = updates(&mut batch, &ROLLOUTS);
        assert_eq!(
            found,
            [Some(vec![1, 2]), Some(vec![4, 5]), None, Some(vec![7, 8])]
        );
        batch.add(vec![1], &["too_easy"; 3]);
        assert_eq!(batch.take(), None);
        assert_eq!(batch.refills().dropped["incomplete"], 1);
        assert!(batch.waiting().is_empty());
    }

    #[test]
    fn refilling_carries_what_is_too_much() {
        // MM-Eureka, Qwen branch: the buffer is full at the second rollout; 5 and 6 come first in
        // the next update.
        let mut batch = batch(ShortBatch::RefillCarry);
        let found = updates(&mut batch, &ROLLOUTS);
        assert_eq!(
            found,
            [None, Some(vec![1, 2, 3, 4]), None, Some(vec![5, 6, 7, 8])]
        );
        assert_eq!(batch.waiting(), [9]);
    }

    #[test]
    fn refilling_discards_what_is_too_much() {
        // MM-Eureka's report, algorithm 1: the buffer is emptied after every update.
        let mut batch = batch(ShortBatch::RefillDiscard);
        batch.add(vec![1, 2, 3], &["too_hard"]);
        assert_eq!(batch.take(), None);
        batch.add(vec![4, 5, 6], &["too_hard"]);
        let filled = batch.take().unwrap();
        assert_eq!(filled.groups, [1, 2, 3, 4]);
        assert_eq!(filled.thrown_away, Some(("surplus", 2)));
        assert_eq!(updates(&mut batch, &[&[], &[7, 8, 9]]), [None, None]);
        assert_eq!(batch.waiting(), [7, 8, 9]);
    }

    #[test]
    fn a_drought_says_how_long_it_lasts_and_why() {
        let mut batch = batch(ShortBatch::RefillCarry);
        updates(&mut batch, &[&[], &[1]]);
        assert_eq!(batch.refills().rounds, 2);
        let message = batch.refills().message(batch.waiting().len(), 4);
        assert!(message.contains("in 2 rollouts in a row"), "{message}");
        assert!(message.contains("only 1 of the 4 groups"), "{message}");
        assert!(
            message.contains("7 of 8 groups were dropped (7 too_hard)"),
            "{message}"
        );
        updates(&mut batch, &[&[2, 3, 4]]);
        assert_eq!(*batch.refills(), RefillCount::default());
    }
}
