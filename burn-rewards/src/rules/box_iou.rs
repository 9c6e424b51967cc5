//! Overlap of boxes: intersection over union.

use super::{
    Options,
    boxes::{Corners, boxes},
};
use crate::{
    BoxCoordinates, Reward, RewardError, RewardFn, RewardInput,
    extract::{last_answer_tag, last_box},
};
use serde::{Deserialize, Serialize};

/// A gold box may reach beyond the picture by this share of it: some data sets count to its edge.
const BEYOND: f64 = 0.01;

/// Mean overlap of the boxes in the answer with those of the gold answer, 0 to 1.
///
/// Boxes are paired greedily, best overlap first; the sum of overlaps is divided by the larger
/// number of boxes, so that a missed box and one too many cost the same. They are looked for in the
/// last `<answer>`, else in the last `\boxed{}`, else in what follows the thought; there in the
/// last block between code fences that has some.
///
/// The two sides may count in different coordinates: see [`BoxCoordinates`]. They are then compared
/// as shares of the picture, for which its sizes must be known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoxIou {
    /// If above 0, the value is 1 from this overlap on and 0 below.
    pub threshold: f64,
    /// From which overlap on the answer counts as right.
    pub correct_at: f64,
    /// What the model's boxes are counted in.
    pub coordinates: WrittenIn,
    /// What the gold answers' boxes are counted in.
    pub gold_coordinates: BoxCoordinates,
    /// Which of the row's pictures the boxes are in, from 1.
    pub picture: usize,
}

/// What a model's boxes are counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenIn {
    /// What models of its family write, where model and picture are known; else the same as the
    /// gold answer.
    #[default]
    Model,
    /// Pixels of the picture in its file.
    Pixels,
    /// Pixels of the picture as the model saw it.
    Resized,
    /// Thousandths of width and height.
    Thousandths,
    /// Shares of width and height.
    Unit,
}

impl WrittenIn {
    /// None where it is the model's own.
    fn fixed(self) -> Option<BoxCoordinates> {
        match self {
            Self::Model => None,
            Self::Pixels => Some(BoxCoordinates::Pixels),
            Self::Resized => Some(BoxCoordinates::Resized),
            Self::Thousandths => Some(BoxCoordinates::Thousandths),
            Self::Unit => Some(BoxCoordinates::Unit),
        }
    }
}

impl Default for BoxIou {
    fn default() -> Self {
        Self {
            threshold: 0.0,
            correct_at: 0.5,
            coordinates: WrittenIn::Model,
            gold_coordinates: BoxCoordinates::Pixels,
            picture: 1,
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
        (
            "coordinates",
            "what the model counts in: `pixels` of the file, `resized` pixels as the model saw \
             them, `thousandths` or `unit` shares of width and height, or `model`: as its family \
             does",
        ),
        (
            "gold_coordinates",
            "what the gold answers count in: `pixels`, `resized`, `thousandths` or `unit`",
        ),
        (
            "picture",
            "which of the row's pictures the boxes are in, from 1",
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
        match self.picture {
            0 => Err("option `picture` is 0, expected 1 or more".into()),
            _ => Ok(Box::new(self)),
        }
    }
}

/// Corners with `x1 < x2` and `y1 < y2`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rect(Corners);

impl Rect {
    fn scaled(self, [x, y]: [f64; 2]) -> Self {
        let [x1, y1, x2, y2] = self.0;
        Self([x1 * x, y1 * y, x2 * x, y2 * y])
    }

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

/// The boxes that a response states.
fn stated(response: &str) -> Vec<Rect> {
    let after_thought = || {
        response
            .rsplit_once("</think>")
            .map_or(response, |(_, r)| r)
    };
    let text = last_answer_tag(response)
        .or_else(|| last_box(response).map(|(_, content)| content))
        .unwrap_or_else(after_thought);
    let fenced = text.split("```").skip(1).step_by(2).map(boxes);
    let fenced = fenced.filter(|boxes| !boxes.is_empty()).last();
    let found = fenced.unwrap_or_else(|| boxes(text));
    found.into_iter().map(Rect).collect()
}

/// A response's boxes and the gold answer's, in the same coordinates.
struct Sides {
    found: Vec<Rect>,
    gold: Vec<Rect>,
    written: BoxCoordinates,
}

impl BoxIou {
    /// The gold answer's boxes, as they are written.
    fn gold(&self, input: &RewardInput<'_>) -> Result<Vec<Rect>, RewardError> {
        let refuse = |expected: String| RewardError::gold(Self::NAME, input.answer, expected);
        let gold: Vec<Rect> = boxes(input.answer).into_iter().map(Rect).collect();
        if gold.is_empty() {
            let expected = "expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2";
            return Err(refuse(expected.into()));
        }
        if let Some([width, height]) = self.size(self.gold_coordinates, input) {
            let most = 1.0 + BEYOND;
            let inside = |r: &Rect| r.0[2] <= width * most && r.0[3] <= height * most;
            if !gold.iter().all(inside) {
                return Err(refuse(format!(
                    "expected a box within {width} x {height}, as `gold_coordinates` is {}",
                    name(self.gold_coordinates)
                )));
            }
        }
        Ok(gold)
    }

    fn sides(&self, input: &RewardInput<'_>) -> Result<Sides, RewardError> {
        let gold = self.gold(input)?;
        let found = stated(input.response);
        let own = input.coordinates.filter(|_| !input.images.is_empty());
        let written = self.coordinates.fixed().or(own);
        let written = written.unwrap_or(self.gold_coordinates);
        if written == self.gold_coordinates {
            return Ok(Sides {
                found,
                gold,
                written,
            });
        }
        let shares = |boxes: Vec<Rect>, unit: BoxCoordinates| -> Result<Vec<Rect>, RewardError> {
            let size = self.size(unit, input).ok_or_else(|| RewardError::Input {
                rule: Self::NAME.into(),
                message: format!(
                    "the size of picture {} to compare boxes in {} with gold answers in {}, and \
                     the row has {} pictures",
                    self.picture,
                    name(written),
                    name(self.gold_coordinates),
                    input.images.len()
                ),
            })?;
            let scale = size.map(|side| 1.0 / side);
            Ok(boxes.into_iter().map(|r| r.scaled(scale)).collect())
        };
        Ok(Sides {
            found: shares(found, written)?,
            gold: shares(gold, self.gold_coordinates)?,
            written,
        })
    }

    /// What width and height of the picture are in `unit`, if that is known.
    fn size(&self, unit: BoxCoordinates, input: &RewardInput<'_>) -> Option<[f64; 2]> {
        let picture = self.picture.checked_sub(1);
        let picture = picture.and_then(|at| input.images.get(at));
        match unit {
            BoxCoordinates::Pixels => picture.map(|p| p.original.map(f64::from)),
            BoxCoordinates::Resized => picture.map(|p| p.resized.map(f64::from)),
            BoxCoordinates::Thousandths => Some([1000.0; 2]),
            BoxCoordinates::Unit => Some([1.0; 2]),
        }
    }
}

fn name(unit: BoxCoordinates) -> &'static str {
    match unit {
        BoxCoordinates::Pixels => "pixels",
        BoxCoordinates::Resized => "resized pixels",
        BoxCoordinates::Thousandths => "thousandths",
        BoxCoordinates::Unit => "shares",
    }
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
        let sides = self.sides(input)?;
        let iou = overlap(&sides.found, &sides.gold);
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

    fn check_gold(&self, row: &RewardInput<'_>) -> Result<(), RewardError> {
        self.gold(row).map(|_| ())
    }

    fn explain(&self, input: &RewardInput<'_>) -> Vec<String> {
        let list = |boxes: &[Corners]| {
            let all: Vec<String> = boxes.iter().map(|b| format!("{b:?}")).collect();
            all.join(" ")
        };
        let found: Vec<Corners> = stated(input.response).into_iter().map(|r| r.0).collect();
        let gold = boxes(input.answer);
        let written = match self.sides(input) {
            Ok(sides) => name(sides.written),
            Err(error) => return vec![error.to_string()],
        };
        vec![
            format!(
                "gold boxes in {}: {}",
                name(self.gold_coordinates),
                list(&gold)
            ),
            format!("boxes of the answer in {written}: {}", list(&found)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageSize;

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
        assert!(
            BoxIou::default()
                .check_gold(&RewardInput::new("", "[3,3,1,1]"))
                .is_err()
        );
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

    const PICTURE: [ImageSize; 1] = [ImageSize {
        original: [2000, 500],
        resized: [1000, 400],
    }];

    /// The box of a fifth to half of the width and a tenth to four fifths of the height.
    fn written(unit: BoxCoordinates) -> &'static str {
        match unit {
            BoxCoordinates::Pixels => "[400,50,1000,400]",
            BoxCoordinates::Resized => "[200,40,500,320]",
            BoxCoordinates::Thousandths => "(200,100),(500,800)",
            BoxCoordinates::Unit => r#"{"bbox_2d":[0.2,0.1,0.5,0.8]}"#,
        }
    }

    const UNITS: [BoxCoordinates; 4] = [
        BoxCoordinates::Pixels,
        BoxCoordinates::Resized,
        BoxCoordinates::Thousandths,
        BoxCoordinates::Unit,
    ];

    #[test]
    fn every_pair_of_coordinates_is_compared_in_the_picture() {
        for gold_unit in UNITS {
            for unit in UNITS {
                let rule = BoxIou {
                    gold_coordinates: gold_unit,
                    ..BoxIou::default()
                };
                let input = RewardInput::new(written(unit), written(gold_unit));
                let seen = input.with_images(&PICTURE).with_coordinates(unit);
                let iou = rule.score(&seen).unwrap().value;
                assert!((iou - 1.0).abs() < 1e-12, "{unit:?} {gold_unit:?}: {iou}");
                // An option is stronger than what the engine says of its family.
                let option = serde_json::from_value(serde_json::to_value(unit).unwrap()).unwrap();
                let fixed = BoxIou {
                    coordinates: option,
                    ..rule.clone()
                };
                for other in UNITS {
                    let seen = input.with_images(&PICTURE).with_coordinates(other);
                    let iou = fixed.score(&seen).unwrap().value;
                    assert!((iou - 1.0).abs() < 1e-12, "{unit:?} {gold_unit:?}");
                }
                // Where nothing is known of the model both sides are taken to be the same.
                let plain = rule.score(&input).unwrap().value;
                assert_eq!(plain > 0.99, unit == gold_unit, "{unit:?} {gold_unit:?}");
            }
        }
    }

    #[test]
    fn a_size_that_is_needed_and_not_known_is_no_zero() {
        let rule = BoxIou {
            coordinates: WrittenIn::Thousandths,
            ..BoxIou::default()
        };
        let input = RewardInput::new("[1,2,3,4]", "[1,2,3,4]");
        let message = rule.score(&input).unwrap_err().to_string();
        assert!(message.contains("the size of picture 1"), "{message}");
        let second = BoxIou { picture: 2, ..rule };
        let message = second
            .score(&input.with_images(&PICTURE))
            .unwrap_err()
            .to_string();
        assert!(message.contains("the row has 1 pictures"), "{message}");
    }

    #[test]
    fn a_gold_box_beyond_the_picture_is_refused() {
        let check = |gold| {
            let row = RewardInput::new("", gold).with_images(&PICTURE);
            BoxIou::default().check_gold(&row)
        };
        assert!(check("[0, 0, 2000, 500]").is_ok());
        let message = check("[0, 0, 900, 980]").unwrap_err().to_string();
        assert!(message.contains("within 2000 x 500"), "{message}");
    }

    #[test]
    fn the_stated_boxes_are_those_that_count() {
        let gold = "[0,0,10,10]";
        assert_eq!(value("<think>[5,5,9,9]?</think>[0,0,10,10]", gold), 1.0);
        let fenced = "The dog is at [0,0,10,10].\n```json\n[{\"bbox_2d\":[0,0,10,10]}]\n```";
        assert_eq!(value(fenced, gold), 1.0);
        assert_eq!(value("[0,0,10,10] <answer>none</answer>", gold), 0.0);
        assert_eq!(value(r"so \boxed{0,0,10,10}", gold), 1.0);
    }
}
