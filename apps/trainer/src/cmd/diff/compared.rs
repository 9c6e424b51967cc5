//! What was compared of one kind, and what was not.

use std::collections::BTreeSet;

/// The first difference of one kind.
pub struct Parting {
    /// After how many updates.
    pub step: u64,
    /// What differs, with both values.
    pub said: String,
}

/// What two runs have of one kind, by steps.
#[derive(Default)]
pub struct Compared {
    /// Steps of which both runs have something.
    pub both: usize,
    /// Steps of which the first or the second run alone has something.
    pub alone: [usize; 2],
    /// The first difference.
    pub first: Option<Parting>,
    /// What one run has beside it at a step of both, which is no difference.
    pub aside: Option<String>,
}

impl Compared {
    /// Of what each run has by step.
    pub fn of_steps<T, U>(a: &[(u64, T)], b: &[(u64, U)]) -> Self {
        let ours: BTreeSet<u64> = a.iter().map(|(step, _)| *step).collect();
        let theirs: BTreeSet<u64> = b.iter().map(|(step, _)| *step).collect();
        let both = ours.intersection(&theirs).count();
        Self {
            both,
            alone: [ours.len() - both, theirs.len() - both],
            ..Self::default()
        }
    }

    /// Takes note of another part of the same kind.
    pub fn and(self, other: Self) -> Self {
        let first = match (self.first, other.first) {
            (Some(one), Some(other)) if other.step < one.step => Some(other),
            (one, other) => one.or(other),
        };
        Self {
            both: self.both + other.both,
            alone: [0, 1].map(|run| self.alone[run] + other.alone[run]),
            first,
            aside: self.aside.or(other.aside),
        }
    }

    /// Whether a run has something of the kind and nothing of it could be compared.
    pub fn is_missing(&self) -> bool {
        self.both == 0 && self.alone != [0, 0]
    }

    /// One line about it.
    pub fn line(&self) -> String {
        let steps = |n: usize| if n == 1 { "step" } else { "steps" };
        let said = match (&self.first, self.both, self.alone) {
            (Some(Parting { step, said }), ..) => return format!("first at step {step}: {said}"),
            (None, 0, [0, 0]) => return "neither run has any".into(),
            (None, 0, [_, 0]) => return "not compared: the second run has none".into(),
            (None, 0, [0, _]) => return "not compared: the first run has none".into(),
            (None, 0, [a, b]) => {
                return format!(
                    "not compared: no step of both, {a} of the first and {b} of the second alone"
                );
            }
            (None, both, _) => format!("the same in {both} {}", steps(both)),
        };
        let alone = ["first", "second"].iter().zip(self.alone);
        let alone = alone.filter(|(_, n)| *n > 0);
        let alone = alone.map(|(run, n)| format!("; {n} {} in the {run} alone", steps(n)));
        let aside = self.aside.iter().map(|said| format!("; {said}"));
        said + &alone.chain(aside).collect::<String>()
    }
}
