//! InternLM2 ([arXiv:2403.17297](https://arxiv.org/abs/2403.17297)): the Llama decoder under other
//! names, with queries, keys and values in one tensor.

pub mod config;
pub mod keys;
