//! One algorithm a file: its equation, its source, a config whose defaults are the paper's, and the
//! recipe of parts.
//!
//! An algorithm has options of its own and [`Settings`] that all algorithms share; in a configuration
//! both stand side by side under `[algo]`. One from outside implements [`Algorithm`] and is made known
//! by a [`Registry`].

mod clip;
mod compose;
mod idle;
mod registry;
mod settings;

pub use clip::Clip;
pub use registry::{Entry, Registry, entry, find};
pub use settings::{
    AdvantageSettings, FilterSettings, KlPlacement, KlSettings, LossSettings, RatioSettings,
    RewardSettings, Settings, SettingsGroup,
};

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

/// Declares the files of algorithms and lists them. Files that only a macro names are not seen by
/// `cargo fmt`: `.ci/run` has rustfmt look at this folder.
macro_rules! algorithms {
    ($($file:ident :: $name:ident,)*) => {
        $(mod $file; pub use $file::$name;)*

        /// Every algorithm of this crate.
        pub const ALGORITHMS: &[Entry] = &[$(entry::<$name>(),)*];
    };
}

// A new one is one file and one line here.
algorithms! {
    grpo::Grpo,
    dr_grpo::DrGrpo,
    dapo::Dapo,
    gspo::Gspo,
    gmpo::Gmpo,
    luspo::Luspo,
    cispo::Cispo,
    sapo::Sapo,
    dppo::Dppo,
    clip_cov::ClipCov,
    kl_cov::KlCov,
    lite_ppo::LitePpo,
    max_rl::MaxRl,
    gpg::Gpg,
    opo::Opo,
    cpgd::Cpgd,
    adora::Adora,
    mm_eureka::MmEureka,
    mm_eureka_rloo::MmEurekaRloo,
    ppo::Ppo,
    reinforce::Reinforce,
    reinforce_pp::ReinforcePp,
    reinforce_pp_baseline::ReinforcePpBaseline,
    rloo::Rloo,
    remax::ReMax,
    on_policy_distillation::OnPolicyDistillation,
    sft::Sft,
}
