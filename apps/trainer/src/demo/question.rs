//! Questions about a scene, their answers, and the two ways of answering.

use super::scene::{Colour, MAX_ITEMS, Place, Scene, Shape};
use super::{Draws, Purpose, Split};

/// What a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// How many shapes there are.
    Count,
    /// The colour at a given, occupied place.
    ColourAtPlace,
    /// The shape at a given, occupied place.
    ShapeAtPlace,
}

impl Kind {
    /// Every kind; they are asked equally often.
    pub const ALL: [Self; 3] = [Self::Count, Self::ColourAtPlace, Self::ShapeAtPlace];

    /// The answers a question of this kind can have.
    pub fn answers(self) -> &'static [&'static str] {
        match self {
            Self::Count => &COUNTS,
            Self::ColourAtPlace => &COLOURS,
            Self::ShapeAtPlace => &SHAPES,
        }
    }
}

const COUNTS: [&str; MAX_ITEMS] = ["1", "2", "3"];
const COLOURS: [&str; Colour::ALL.len()] = ["red", "green", "blue", "yellow", "purple"];
const SHAPES: [&str; Shape::ALL.len()] = ["circle", "square", "triangle", "cross"];

/// A question with its one right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked for.
    pub kind: Kind,
    /// The sentence.
    pub text: String,
    /// The right answer: one or two words.
    pub answer: &'static str,
}

impl Question {
    /// The question of a sample: kind and item are uniform.
    pub fn draw(scene: &Scene, seed: u64, split: Split, index: u64) -> Self {
        let mut draws = Draws::new(seed, split, index, Purpose::Question);
        let kind = draws.pick(&Kind::ALL);
        let item = draws.pick(scene.items());
        let (text, answer) = match kind {
            Kind::Count => (count_text(), COUNTS[scene.items().len() - 1]),
            Kind::ColourAtPlace => (colour_at_text(item.place), item.colour.name()),
            Kind::ShapeAtPlace => (shape_at_text(item.place), item.shape.name()),
        };
        Self { kind, text, answer }
    }
}

/// Every sentence a question can be.
pub fn all_texts() -> Vec<String> {
    let mut texts = vec![count_text()];
    texts.extend(Place::ALL.map(colour_at_text));
    texts.extend(Place::ALL.map(shape_at_text));
    texts
}

fn count_text() -> String {
    "How many shapes are there?".to_owned()
}

fn colour_at_text(place: Place) -> String {
    format!("What colour is the shape at the {}?", place.name())
}

fn shape_at_text(place: Place) -> String {
    format!("Which shape is at the {}?", place.name())
}

/// How a completion of the supervised data comes to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// A guess among the answers such a question can have, made without the picture.
    Quick,
    /// What stands where, then the right answer.
    Looking,
}

impl Habit {
    /// The habit of a sample: looking with probability `looking_share`. A sample that looks at one
    /// share looks at every greater one.
    pub fn draw(looking_share: f64, seed: u64, split: Split, index: u64) -> Self {
        let mut draws = Draws::new(seed, split, index, Purpose::Habit);
        if draws.unit() < looking_share {
            Self::Looking
        } else {
            Self::Quick
        }
    }

    /// The completion of a sample in this habit, without the end-of-turn token.
    pub fn complete(
        self,
        scene: &Scene,
        question: &Question,
        seed: u64,
        split: Split,
        index: u64,
    ) -> String {
        match self {
            Self::Quick => {
                let mut draws = Draws::new(seed, split, index, Purpose::Guess);
                format!("<answer>{}</answer>", draws.pick(question.kind.answers()))
            }
            Self::Looking => format!(
                "<think>{}</think><answer>{}</answer>",
                scene.description(),
                question.answer
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn samples(split: Split, count: u64) -> Vec<(Scene, Question)> {
        (0..count)
            .map(|index| {
                let scene = Scene::draw(0, split, index);
                let question = Question::draw(&scene, 0, split, index);
                (scene, question)
            })
            .collect()
    }

    #[test]
    fn answer_lists_are_the_names_of_the_world() {
        assert_eq!(COLOURS, Colour::ALL.map(Colour::name));
        assert_eq!(SHAPES, Shape::ALL.map(Shape::name));
    }

    #[test]
    fn the_answer_can_be_read_off_the_description() {
        for (scene, question) in samples(Split::Train, 2000) {
            let description = scene.description();
            let phrases: Vec<&str> = description.split(", ").collect();
            if question.kind == Kind::Count {
                assert_eq!(question.answer, phrases.len().to_string());
                continue;
            }
            // The one phrase about the place asked for holds the answer.
            let place = Place::ALL
                .iter()
                .find(|p| question.text.contains(p.name()))
                .unwrap();
            let about: Vec<&&str> = phrases
                .iter()
                .filter(|p| p.ends_with(place.name()))
                .collect();
            assert_eq!(about.len(), 1, "{}", question.text);
            assert!(about[0].contains(question.answer), "{}", question.text);
            assert!(question.kind.answers().contains(&question.answer));
        }
    }

    #[test]
    fn guessing_without_looking_is_mostly_wrong() {
        for split in [Split::Train, Split::Eval] {
            let samples = samples(split, 4000);
            let mut tally: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
            for (_, question) in &samples {
                let answers = tally.entry(&question.text).or_default();
                *answers.entry(question.answer).or_default() += 1;
            }
            let right: usize = tally
                .values()
                .filter_map(|answers| answers.values().max())
                .sum();
            let share = right as f64 / samples.len() as f64;
            // (1/3 + 1/4 + 1/5) / 3 = 0.261, plus what fitting the sample itself gains.
            assert!((0.24..0.32).contains(&share), "{}: {share}", split.name());
        }
    }

    #[test]
    fn every_sentence_is_asked() {
        let asked: HashSet<String> = samples(Split::Train, 2000)
            .into_iter()
            .map(|(_, question)| question.text)
            .collect();
        assert_eq!(asked, all_texts().into_iter().collect());
    }

    #[test]
    fn quick_guesses_are_right_by_chance_only_and_looking_always() {
        let samples = samples(Split::Sft, 6000);
        let mut right = 0;
        for (index, (scene, question)) in (0..).zip(&samples) {
            let quick = Habit::Quick.complete(scene, question, 0, Split::Sft, index);
            let looking = Habit::Looking.complete(scene, question, 0, Split::Sft, index);
            let answer = format!("<answer>{}</answer>", question.answer);
            right += usize::from(quick == answer);
            assert_eq!(
                looking,
                format!("<think>{}</think>{answer}", scene.description())
            );
        }
        let share = right as f64 / samples.len() as f64;
        // 0.261 expected, standard deviation 0.0057.
        assert!((0.240..0.285).contains(&share), "{share}");
    }

    #[test]
    fn habits_come_in_the_share_asked_for() {
        let looking = |share: f64| -> HashSet<u64> {
            (0..5000)
                .filter(|&index| Habit::draw(share, 0, Split::Sft, index) == Habit::Looking)
                .collect()
        };
        assert_eq!(looking(0.0).len(), 0);
        assert_eq!(looking(1.0).len(), 5000);
        assert!((1400..1600).contains(&looking(0.3).len()));
        assert!(looking(0.3).is_subset(&looking(0.6)));
    }
}
