//! Boxes on generated pictures: every way to write them, in every coordinates, and near misses.
#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

use burn_rewards::{BoxCoordinates, ImageSize, RewardInput, rules};
use serde_json::json;

/// xorshift64*
struct Dice(u64);

impl Dice {
    /// A number from `low` to `high`, both included.
    fn roll(&mut self, low: u32, high: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as u32;
        low + random % (high - low + 1)
    }
}

const UNITS: [(&str, BoxCoordinates); 4] = [
    ("pixels", BoxCoordinates::Pixels),
    ("resized", BoxCoordinates::Resized),
    ("thousandths", BoxCoordinates::Thousandths),
    ("unit", BoxCoordinates::Unit),
];

/// Ways to write a box of which the corners are `{a}` to `{d}`.
const FORMS: [&str; 12] = [
    "[{a},{b},{c},{d}]",
    "[{a}, {b}, {c}, {d}]",
    "<answer>({a},{b}),({c},{d})</answer>",
    "<answer>[[{a}, {b}], [{c}, {d}]]</answer>",
    "```json\n[{\"bbox_2d\": [{a}, {b}, {c}, {d}], \"label\": \"2 dogs\"}]\n```",
    "<think>perhaps [1,2,3,4]?</think>\n{\"bbox_2d\":[{a},{b},{c},{d}]}",
    "The <ref>dog</ref><box>({a},{b}),({c},{d})</box>",
    "dog<box>[[{a},{b},{c},{d}]]</box>",
    "\\boxed{[{a},{b},{c},{d}]}",
    "<answer>{a}, {b}, {c}, {d}</answer>",
    "{\"x1\": {a}, \"y1\": {b}, \"x2\": {c}, \"y2\": {d}}",
    "from ({a}, {b}) to ({c}, {d})",
];

fn written(form: &str, corners: [f64; 4]) -> String {
    let names = ["{a}", "{b}", "{c}", "{d}"];
    let pairs = names.iter().zip(corners);
    pairs.fold(form.to_owned(), |text, (name, x)| {
        text.replace(name, &format!("{x}"))
    })
}

/// The shares of a picture in other coordinates, as a model rounds them.
fn in_unit(shares: [f64; 4], unit: BoxCoordinates, picture: ImageSize) -> [f64; 4] {
    let [width, height] = match unit {
        BoxCoordinates::Pixels => picture.original.map(f64::from),
        BoxCoordinates::Resized => picture.resized.map(f64::from),
        BoxCoordinates::Thousandths => [1000.0; 2],
        BoxCoordinates::Unit => return shares.map(|x| (x * 1e4).round() / 1e4),
    };
    let [a, b, c, d] = shares;
    [a * width, b * height, c * width, d * height].map(f64::round)
}

#[test]
fn a_box_is_the_same_in_every_form_and_every_coordinates() {
    let mut dice = Dice(0xb0c5);
    for i in 0..600 {
        let picture = ImageSize {
            original: [dice.roll(400, 4000), dice.roll(400, 4000)],
            resized: [dice.roll(10, 60) * 28, dice.roll(10, 60) * 28],
        };
        let (x, y) = (dice.roll(0, 500), dice.roll(0, 500));
        let (w, h) = (dice.roll(150, 490), dice.roll(150, 490));
        let shares = [x, y, x + w, y + h].map(|n| f64::from(n) / 1000.0);
        let (gold_name, gold_unit) = UNITS[i % 4];
        let (_, unit) = UNITS[i / 4 % 4];
        let gold = written("[{a}, {b}, {c}, {d}]", in_unit(shares, gold_unit, picture));
        let corners = in_unit(shares, unit, picture);
        let response = written(FORMS[i % FORMS.len()], corners);
        let options = json!({"gold_coordinates": gold_name});
        let rule = rules::find("box_iou").unwrap();
        let rule = rule.reward(options.as_object().unwrap()).unwrap();
        let iou = |response: &str| {
            let input = RewardInput::new(response, &gold).with_coordinates(unit);
            rule.score(&input.with_images(&[picture])).unwrap().value
        };
        // Rounding to a pixel or a thousandth moves each side by at most a half of 1/280 of it.
        assert!(
            iou(&response) > 0.94,
            "{response} {gold} {unit:?} {gold_unit:?} {picture:?}"
        );

        let [a, b, c, d] = corners;
        let half = written(FORMS[i % FORMS.len()], [a, b, (a + c) / 2.0, d]);
        assert!((iou(&half) - 0.5).abs() < 0.04, "{half} {gold}: half of it");
        for miss in [
            format!("<answer>[{a},{b},{c}]</answer>"),
            format!("<answer>[{c},{d},{a},{b}]</answer>"),
            format!("<answer>[{a},{b},{c},{d},{d}]</answer>"),
            format!("<answer>({a},{b})</answer>"),
            format!("<answer>no box</answer>[{a},{b},{c},{d}]"),
        ] {
            assert_eq!(iou(&miss), 0.0, "{miss}");
        }
        let twice = format!("<answer>[{a},{b},{c},{d}] [{a},{b},{c},{d}]</answer>");
        assert!(iou(&twice) <= 0.5, "one too many costs: {twice}");
    }
}

/// Whatever their order, each box is paired with the one it is.
#[test]
fn several_boxes_are_matched_one_to_one() {
    let mut dice = Dice(0x5e7);
    let rule = rules::find("box_iou")
        .unwrap()
        .reward(&Default::default())
        .unwrap();
    for _ in 0..200 {
        let n = dice.roll(2, 6);
        let mut boxes: Vec<String> = (0..n)
            .map(|i| {
                let (x, w) = (i * 200, dice.roll(50, 150));
                format!(
                    "[{x},{},{},{}]",
                    dice.roll(0, 50),
                    x + w,
                    dice.roll(100, 300)
                )
            })
            .collect();
        let gold = format!("[{}]", boxes.join(","));
        let turn = dice.roll(0, n - 1) as usize;
        boxes.rotate_left(turn);
        let value = |boxes: &[String]| {
            let response = format!("<answer>[{}]</answer>", boxes.join(", "));
            rule.score(&RewardInput::new(&response, &gold))
                .unwrap()
                .value
        };
        assert!((value(&boxes) - 1.0).abs() < 1e-12, "{boxes:?} {gold}");
        let all = f64::from(n);
        assert!(
            (value(&boxes[1..]) - (all - 1.0) / all).abs() < 1e-12,
            "one is missing"
        );
        boxes.push("[5000,0,5010,10]".into());
        assert!(
            (value(&boxes) - all / (all + 1.0)).abs() < 1e-12,
            "one too many"
        );
    }
}
