//! Adapters onto a model, off it again, and between a model and the files of PEFT.

mod attach;
mod load;
mod names;
mod save;
