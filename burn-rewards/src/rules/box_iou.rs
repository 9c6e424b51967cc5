//! Overlap of boxes: intersection over union.

use super::{Options, numeric::numbers};
use crate::{Reward, RewardError, RewardFn, RewardInput, extract::stated};
use serde::{Deserialize, Serialize};

/// Boxes beyond this many in a response or a gold answer count as missed.
const MOST_BOXES: usize = 256;

/// Mean overlap of the boxes in the answer with those of the gold answer, 0 to 1.
///
/// A box is four numbers `[x1, y1, x2, y2]` in brackets, inside JSON or not. Boxes are paired
/// greedily, best overlap first; the sum of overlaps is divided by the larger number of boxes, so
/// that a missed box and one too many cost the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoxIou {
    /// If above 0, the value is 1 from this overlap on and 0 below.
    pub threshold: f64,
    /// From which overlap on the answer counts as right.
    pub correct_at: f64,
}

impl Default for BoxIou {
    fn default() -> Self {
        Self {
            threshold: 0.0,
            correct_at: 0.5,
        }
    }
}

impl Options for BoxIou {
    const NAME: &'static str = "box_iou";
    const PART: &'static str = "iou";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "overlap of the answer's boxes with the gold answer's";
    const SOURCE: &'static str =
        "Visual-RFT, arXiv:2503.01785, section 3.2; VLM-R1, arXiv:2504.07615, for one box";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "threshold",
            "if above 0, the value is 1 from this overlap on and 0 below",
        ),
        (
            "correct_at",
            "from which overlap on the answer counts as right",
        ),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        for (name, value) in [
            ("threshold", self.threshold),
            ("correct_at", self.correct_at),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("option `{name}` is {value}, expected 0 to 1"));
            }
        }
        Ok(Box::new(self))
    }
}

/// Corners with `x1 < x2` and `y1 < y2`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rect([f64; 4]);

impl Rect {
    fn area(self) -> f64 {
        let [x1, y1, x2, y2] = self.0;
        (x2 - x1) * (y2 - y1)
    }

    fn iou(self, other: Self) -> f64 {
        let ([a1, b1, a2, b2], [c1, d1, c2, d2]) = (self.0, other.0);
        let width = (a2.min(c2) - a1.max(c1)).max(0.0);
        let height = (b2.min(d2) - b1.max(d1)).max(0.0);
        let both = width * height;
        let either = self.area() + other.area() - both;
        if either > 0.0 && either.is_finite() {
            both / either
        } else {
            0.0
        }
    }
}

/// The boxes of a text; brackets with anything but four numbers are none.
fn boxes(text: &str) -> Vec<Rect> {
    let innermost = text.split('[').filter_map(|rest| rest.split_once(']'));
    let rect = |(inside, _): (&str, &str)| {
        let all: Vec<f64> = numbers(inside).take(5).collect();
        let four: [f64; 4] = all.try_into().ok()?;
        (four[0] < four[2] && four[1] < four[3]).then_some(Rect(four))
    };
    innermost.filter_map(rect).take(MOST_BOXES).collect()
}

fn overlap(found: &[Rect], gold: &[Rect]) -> f64 {
    let mut pairs = vec![];
    for (i, a) in found.iter().enumerate() {
        for (j, b) in gold.iter().enumerate() {
            pairs.push((a.iou(*b), i, j));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut left, mut right) = (vec![false; found.len()], vec![false; gold.len()]);
    let mut sum = 0.0;
    for (iou, i, j) in pairs {
        if !left[i] && !right[j] {
            (left[i], right[j]) = (true, true);
            sum += iou;
        }
    }
    sum / found.len().max(gold.len()) as f64
}

impl RewardFn for BoxIou {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let gold = boxes(input.answer);
        if gold.is_empty() {
            let expected = "expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2";
            return Err(RewardError::gold(Self::NAME, input.answer, expected));
        }
        let iou = overlap(&boxes(stated(input.response)), &gold);
        let value = match self.threshold > 0.0 {
            true => f64::from(u8::from(iou >= self.threshold)),
            false => iou,
        };
        let correct = iou >= self.correct_at;
        Ok(Reward::single(Self::PART, value, Some(correct)))
    }

    fn part_names(&self) -> Vec<String> {
        vec![Self::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(response: &str, gold: &str) -> f64 {
        let input = RewardInput::new(response, gold);
        BoxIou::default().score(&input).unwrap().value
    }

    #[test]
    fn one_box() {
        let gold = "[0, 0, 10, 10]";
        assert_eq!(value("<answer>[0,0,10,10]</answer>", gold), 1.0);
        assert_eq!(value("<answer>[5, 0, 15, 10]</answer>", gold), 1.0 / 3.0);
        let json = r#"<answer>```json [{"bbox_2d": [0, 0, 5, 10], "label": "2 dogs"}]```</answer>"#;
        assert_eq!(value(json, gold), 0.5);
        assert_eq!(value("<answer>[20,20,30,30]</answer>", gold), 0.0);
        for bad in [
            "",
            "<answer>[0,0,10]</answer>",
            "[10,10,0,0]",
            "[1,2,3,4,5]",
            "[[[",
            "[1e999,0,1,1]",
        ] {
            assert_eq!(value(bad, gold), 0.0, "{bad}");
        }
        assert!(BoxIou::default().check_gold("", "[3,3,1,1]").is_err());
    }

    #[test]
    fn several_boxes_pair_up_and_extra_ones_cost() {
        let gold = "[[0,0,10,10],[20,20,30,30]]";
        assert_eq!(value("[[20,20,30,30],[0,0,10,10]]", gold), 1.0);
        assert_eq!(value("[0,0,10,10]", gold), 0.5);
        assert_eq!(
            value("[0,0,10,10][20,20,30,30][0,0,1,1][2,2,3,3]", gold),
            0.5
        );
    }

    #[test]
    fn a_threshold_makes_it_all_or_nothing() {
        let rule = BoxIou {
            threshold: 0.5,
            ..BoxIou::default()
        };
        let input = RewardInput::new("[0,0,5,10]", "[0,0,10,10]");
        let scored = rule.score(&input).unwrap();
        assert_eq!((scored.value, scored.correct), (1.0, Some(true)));
    }
}
