//! Llama ([arXiv:2302.13971](https://arxiv.org/abs/2302.13971)) and models of its shape, such as
//! SmolLM2: the decoder without any bias, unless the configuration asks for them.

pub mod config;
pub mod keys;
