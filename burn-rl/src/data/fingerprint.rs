//! What a walk over data goes over, in a few characters: a place in it means nothing beside others.

use super::Curriculum;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The rows of a set as they stand in their files, those that cannot be used included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFingerprint {
    /// The name of the file or directory, for people: what counts is what is in it.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// 16 hexadecimal digits of their fields, in order. Pictures count by the names they go by.
    pub digest: String,
}

/// The sets of a walk and the order in which their rows come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFingerprint {
    /// The sets, in the order of the configuration.
    pub sets: Vec<SetFingerprint>,
    /// How often each is drawn from, relative to the others.
    pub weights: Vec<f64>,
    /// Whether each epoch is in an order of its own.
    pub shuffle: bool,
    /// What epochs are sorted by.
    pub curriculum: Curriculum,
}

impl DataFingerprint {
    /// What is no longer as it was: what stood there and what stands there now.
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self.sets.len() != now.sets.len() {
            let (was, is) = (self.sets.len(), now.sets.len());
            return Some(format!("{was} data sets were drawn from, now {is} are"));
        }
        let pairs = self.sets.iter().zip(&now.sets);
        let other = |(was, is): &(&SetFingerprint, &SetFingerprint)| {
            (was.rows, &was.digest) != (is.rows, &is.digest)
        };
        if let Some((was, is)) = pairs.clone().find(other) {
            return Some(format!("the rows were {was}, now they are {is}"));
        }
        if self.weights != now.weights {
            let (was, is) = (&self.weights, &now.weights);
            return Some(format!("the weights of the sets were {was:?}, now {is:?}"));
        }
        if self.shuffle != now.shuffle {
            let (was, is) = (self.shuffle, now.shuffle);
            return Some(format!("data.shuffle was {was}, now it is {is}"));
        }
        (self.curriculum != now.curriculum).then(|| {
            let (was, is) = (self.curriculum, now.curriculum);
            format!("data.curriculum was {was:?}, now it is {is:?}")
        })
    }
}

impl fmt::Display for SetFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rows, digest } = self;
        write!(f, "{name} ({rows} rows, digest {digest})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: usize, digest: &str) -> DataFingerprint {
        let name = "rows.jsonl".into();
        let digest = digest.into();
        DataFingerprint {
            sets: vec![SetFingerprint { name, rows, digest }],
            weights: vec![1.0],
            shuffle: true,
            curriculum: Curriculum::None,
        }
    }

    #[test]
    fn everything_but_the_name_counts() {
        let was = of(3, "a");
        let mut moved = was.clone();
        moved.sets[0].name = "elsewhere.jsonl".into();
        assert_eq!(was.difference(&moved), None);
        let said = was.difference(&of(2, "b")).unwrap();
        assert!(
            said.contains("3 rows, digest a") && said.contains("2 rows"),
            "{said}"
        );
        assert!(was.difference(&of(3, "b")).is_some());
        type Change = fn(&mut DataFingerprint);
        let changes: [(Change, &str); 4] = [
            (|x| x.shuffle = false, "data.shuffle"),
            (|x| x.curriculum = Curriculum::EasyFirst, "data.curriculum"),
            (|x| x.weights = vec![2.0], "weights"),
            (|x| x.sets.clear(), "1 data sets"),
        ];
        for (change, part) in changes {
            let mut now = was.clone();
            change(&mut now);
            assert!(was.difference(&now).unwrap().contains(part));
        }
    }
}
