//! One algorithm a file: its equation, its source, a config whose defaults are the paper's, and the
//! recipe of parts.
//!
//! An algorithm has options of its own and [`Settings`] that all algorithms share; in a configuration
//! both stand side by side under `[algo]`. One from outside implements [`Algorithm`] and is made known
//! by a [`Registry`].

mod adora;
mod cispo;
mod clip;
mod clip_cov;
mod compose;
mod cpgd;
mod dapo;
mod dppo;
mod dr_grpo;
mod gmpo;
mod gpg;
mod grpo;
mod gspo;
mod kl_cov;
mod lite_ppo;
mod luspo;
mod max_rl;
mod mm_eureka;
mod mm_eureka_rloo;
mod on_policy_distillation;
mod opo;
mod ppo;
mod registry;
mod reinforce;
mod reinforce_pp;
mod reinforce_pp_baseline;
mod remax;
mod rloo;
mod sapo;
mod settings;
mod sft;

pub use adora::Adora;
pub use cispo::Cispo;
pub use clip::Clip;
pub use clip_cov::ClipCov;
pub use cpgd::Cpgd;
pub use dapo::Dapo;
pub use dppo::Dppo;
pub use dr_grpo::DrGrpo;
pub use gmpo::Gmpo;
pub use gpg::Gpg;
pub use grpo::Grpo;
pub use gspo::Gspo;
pub use kl_cov::KlCov;
pub use lite_ppo::LitePpo;
pub use luspo::Luspo;
pub use max_rl::MaxRl;
pub use mm_eureka::MmEureka;
pub use mm_eureka_rloo::MmEurekaRloo;
pub use on_policy_distillation::OnPolicyDistillation;
pub use opo::Opo;
pub use ppo::Ppo;
pub use registry::{Entry, Registry, entry, find};
pub use reinforce::Reinforce;
pub use reinforce_pp::ReinforcePp;
pub use reinforce_pp_baseline::ReinforcePpBaseline;
pub use remax::ReMax;
pub use rloo::Rloo;
pub use sapo::Sapo;
pub use settings::{
    AdvantageSettings, FilterSettings, KlPlacement, KlSettings, LossSettings, RatioSettings,
    RewardSettings, Settings, SettingsGroup,
};
pub use sft::Sft;

use crate::{error::RlError, recipe::RecipeBuilder};
use serde::{Serialize, de::DeserializeOwned};

/// A named algorithm: the options of its own, and what it makes of the settings that all share.
///
/// The type is a struct of options whose `Default` is the paper's choice; names of fields are those of
/// the configuration. An option that is a number and may be off has 0 for that.
pub trait Algorithm: Serialize + DeserializeOwned + Default {
    /// Name in the configuration.
    const NAME: &'static str;
    /// Other spellings of the name; case, `-`, `_` and blanks never matter.
    const ALIASES: &'static [&'static str] = &[];
    /// One sentence: what differs from its neighbours.
    const ABOUT: &'static str = "";
    /// What is minimised, on one line.
    const EQUATION: &'static str = "";
    /// Where it is from.
    const PAPER: &'static str = "";
    /// Groups of settings that the algorithm reads; a setting of another group is refused.
    const USES: &'static [SettingsGroup] = SettingsGroup::ALL;

    /// Changes the settings that the paper has otherwise than the defaults.
    fn settings(_settings: &mut Settings) {}

    /// Its parts, with settings that a configuration may have changed.
    ///
    /// # Errors
    /// A value that makes no sense, by name.
    fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError>;
}

/// Every algorithm there is. A new one is one file and one line here.
pub const ALGORITHMS: &[Entry] = &[
    entry::<Grpo>(),
    entry::<DrGrpo>(),
    entry::<Dapo>(),
    entry::<Gspo>(),
    entry::<Gmpo>(),
    entry::<Luspo>(),
    entry::<Cispo>(),
    entry::<Sapo>(),
    entry::<Dppo>(),
    entry::<ClipCov>(),
    entry::<KlCov>(),
    entry::<LitePpo>(),
    entry::<MaxRl>(),
    entry::<Gpg>(),
    entry::<Opo>(),
    entry::<Cpgd>(),
    entry::<Adora>(),
    entry::<MmEureka>(),
    entry::<MmEurekaRloo>(),
    entry::<Ppo>(),
    entry::<Reinforce>(),
    entry::<ReinforcePp>(),
    entry::<ReinforcePpBaseline>(),
    entry::<Rloo>(),
    entry::<ReMax>(),
    entry::<OnPolicyDistillation>(),
    entry::<Sft>(),
];
