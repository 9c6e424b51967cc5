//! One rule a file, and the table that lists them.
//!
//! A rule from outside implements [`Options`] and joins a [`Registry`].

mod answer_exact;
mod answer_format;
mod box_iou;
mod boxes;
mod chat_judge;
mod choice;
mod command;
mod cosine_length;
mod cv_bench;
mod entry;
mod http;
mod length;
mod lmms_reasoning;
mod math;
mod mathvista;
mod mm_eureka;
mod ngram_repetition;
mod numeric;
mod olympiadbench;
mod r1v;
mod simple_rl_box;
mod simple_rl_zoo;
mod soft_overlong;
mod thought;
mod visual_thinker;

pub use answer_exact::AnswerExact;
pub use answer_format::AnswerFormat;
pub use box_iou::{BoxIou, WrittenIn};
pub use chat_judge::{ChatJudge, ScoreForm};
pub use choice::Choice;
pub use command::Command;
pub use cosine_length::CosineLength;
pub use cv_bench::CvBench;
pub use entry::{Options, Registry, Rule};
pub use http::Http;
pub use length::{Length, LengthUnit};
pub use lmms_reasoning::LmmsReasoning;
pub use math::{AnswerIn, Math};
pub use mathvista::MathVista;
pub use mm_eureka::{
    MmEurekaFormat, MmEurekaInstructAccuracy, MmEurekaQwenAccuracy, MmEurekaZeroAccuracy,
    MmEurekaZeroFormat,
};
pub use ngram_repetition::NgramRepetition;
pub use numeric::Numeric;
pub use olympiadbench::OlympiadBench;
pub use r1v::{R1vAccuracy, R1vFormat};
pub use simple_rl_box::SimpleRlBox;
pub use simple_rl_zoo::{SimpleRlZoo, ZooMode};
pub use soft_overlong::SoftOverlong;
pub use visual_thinker::{VisualThinkerAccuracy, VisualThinkerFormat};

use crate::RewardError;
use entry::entry;

/// Every rule of this crate. A new one is one file and one entry; a [`Registry`] has these and
/// those from outside.
pub const RULES: &[Rule] = &[
    entry::<Math>(),
    entry::<AnswerExact>(),
    entry::<AnswerFormat>(),
    entry::<Numeric>(),
    entry::<BoxIou>(),
    entry::<CvBench>(),
    entry::<Choice>(),
    entry::<MathVista>(),
    entry::<OlympiadBench>(),
    entry::<LmmsReasoning>(),
    entry::<MmEurekaInstructAccuracy>(),
    entry::<MmEurekaFormat>(),
    entry::<MmEurekaQwenAccuracy>(),
    MmEurekaFormat::QWEN,
    entry::<MmEurekaZeroAccuracy>(),
    entry::<MmEurekaZeroFormat>(),
    entry::<VisualThinkerAccuracy>(),
    entry::<VisualThinkerFormat>(),
    entry::<R1vAccuracy>(),
    entry::<R1vFormat>(),
    entry::<SimpleRlBox>(),
    entry::<SimpleRlZoo>(),
    entry::<Length>(),
    entry::<CosineLength>(),
    entry::<SoftOverlong>(),
    entry::<NgramRepetition>(),
    entry::<Command>(),
    entry::<Http>(),
    entry::<ChatJudge>(),
];

/// Looks a rule of this crate up.
///
/// # Errors
/// An unknown name; the message has the nearest one.
pub fn find(name: &str) -> Result<&'static Rule, RewardError> {
    entry::lookup(RULES, name)
}

/// Refuses a number that is not finite or below `low`.
fn at_least(name: &str, value: f64, low: f64) -> Result<(), String> {
    match value.is_finite() && value >= low {
        true => Ok(()),
        false => Err(format!(
            "option `{name}` is {value}, expected {low} or more"
        )),
    }
}
