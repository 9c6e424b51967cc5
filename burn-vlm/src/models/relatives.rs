//! Models that are near to those here, and what they have that is not here.

/// Mixtures of experts, by the values of `model_type`.
const EXPERTS: &[&str] = &[
    "qwen2_moe",
    "qwen3_moe",
    "qwen3_vl_moe",
    "qwen3_vl_moe_text",
    "qwen3_5_moe",
    "qwen3_5_moe_text",
    "qwen3_omni_moe",
    "mixtral",
];

/// Blocks with a recurrent state.
const DELTA: &[&str] = &["qwen3_5", "qwen3_5_text", "qwen3_next"];

/// What a model of this type needs that is not supported; none where it is not known.
pub(super) fn missing(model_type: &str) -> Option<&'static str> {
    let has = |names: &[&str]| names.contains(&model_type);
    match model_type {
        _ if has(EXPERTS) => Some("mixtures of experts"),
        _ if has(DELTA) => Some("Gated DeltaNet, blocks with a recurrent state"),
        "gpt_oss" => Some("mixtures of experts, attention sinks"),
        "internlm3" => Some("InternLM3's biases and tokenizer"),
        "internvl_flash" => Some("tiles of two resolutions (ViR)"),
        _ => None,
    }
}
