//! A model between memory and its directory: loading, saving, and going on with a training.

mod load;
mod reload;
mod save;

pub use load::LoadOptions;
