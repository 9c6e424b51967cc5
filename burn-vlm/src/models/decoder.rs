//! The keys of `config.json` that describe a text decoder, alike in all families.

use super::{
    check::{MAX_VOCABULARY, check_divides, check_positive, check_size, check_sizes},
    rope,
};
use crate::{
    dir,
    nn::{DecoderConfig, RopeScaling},
};
use serde::Deserialize;
use serde_json::Value;

/// What `transformers` assumes when a file says nothing.
const INITIALIZER_RANGE: f64 = 0.02;
const RMS_NORM_EPS: f64 = 1e-6;
const ROPE_THETA: f64 = 10_000.0;

/// A decoder, and what its section says of the whole model.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSection {
    /// The decoder.
    pub decoder: DecoderConfig,
    /// Positions the model was trained on.
    pub max_position_embeddings: usize,
    /// Standard deviation of freshly drawn weights.
    pub initializer_range: f64,
    /// Whether the head is the embedding table, where the section says it.
    pub tie_word_embeddings: Option<bool>,
}

/// Which projections have biases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Biases {
    /// Of queries, keys and values.
    pub qkv: bool,
    /// After attention.
    pub o: bool,
    /// In the feed-forward layers.
    pub mlp: bool,
}

#[derive(Deserialize)]
struct Fields {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    max_position_embeddings: usize,
    initializer_range: Option<f64>,
    tie_word_embeddings: Option<bool>,
    #[serde(default)]
    use_sliding_window: bool,
    sliding_window: Option<usize>,
    max_window_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
}

impl TextSection {
    /// Reads the keys that all decoders have, in the form of the hub or of transformers 5. What a
    /// family assumes for keys that are left out is to be [filled in](super::KeyTable::filled)
    /// before.
    ///
    /// # Errors
    /// A key that is missing, mistyped or asks for what is not supported.
    pub fn read(json: &Value, biases: Biases) -> Result<Self, String> {
        let fields: Fields = dir::fields(json)?;
        match fields.hidden_act.as_deref() {
            None | Some("silu") => {}
            Some(other) => return Err(format!("hidden_act is `{other}`, expected `silu`")),
        }
        let positions = fields.max_position_embeddings;
        let rope = rope::read(json, ROPE_THETA, positions)?;
        refuse_sliding(&fields, rope.scaling.reach(positions))?;
        let heads = fields.num_attention_heads;
        Ok(Self {
            decoder: DecoderConfig {
                vocab_size: fields.vocab_size,
                hidden_size: fields.hidden_size,
                intermediate_size: fields.intermediate_size,
                num_hidden_layers: fields.num_hidden_layers,
                num_attention_heads: heads,
                num_key_value_heads: fields.num_key_value_heads.unwrap_or(heads),
                head_dim: fields.head_dim.unwrap_or(fields.hidden_size / heads.max(1)),
                rms_norm_eps: fields.rms_norm_eps.unwrap_or(RMS_NORM_EPS),
                rope_theta: rope.theta,
                rope_scaling: rope.scaling,
                qkv_bias: biases.qkv,
                o_bias: biases.o,
                mlp_bias: biases.mlp,
                qk_norm: false,
            },
            max_position_embeddings: positions,
            initializer_range: fields.initializer_range.unwrap_or(INITIALIZER_RANGE),
            tie_word_embeddings: fields.tie_word_embeddings,
        })
    }

    /// The same with a norm of each head of queries and keys.
    pub(super) fn with_qk_norm(mut self) -> Self {
        self.decoder.qk_norm = true;
        self
    }
}

/// Refuses layers that attend to a window of positions, where the window is shorter than the longest
/// row: `reach` positions.
///
/// Windows are those of layers from `max_window_layers` on, or of those that `layer_types` calls so.
fn refuse_sliding(fields: &Fields, reach: usize) -> Result<(), String> {
    const SLIDING: &str = "sliding_attention";
    const FULL: &str = "full_attention";
    if let Some(types) = &fields.layer_types {
        if let Some(other) = types
            .iter()
            .find(|t| ![SLIDING, FULL].contains(&t.as_str()))
        {
            return Err(format!(
                "layer_types has `{other}`, which is not supported, expected `{FULL}`"
            ));
        }
        if types.len() != fields.num_hidden_layers {
            return Err(format!(
                "layer_types has {} entries, expected num_hidden_layers, which is {}",
                types.len(),
                fields.num_hidden_layers
            ));
        }
    }
    let slides = match &fields.layer_types {
        Some(types) => types.iter().any(|kind| kind == SLIDING),
        None => {
            let first = fields.max_window_layers.unwrap_or(0);
            fields.use_sliding_window && first < fields.num_hidden_layers
        }
    };
    match fields.sliding_window {
        Some(window) if slides && window < reach => Err(format!(
            "sliding_window is {window}, which is not supported in a model of {reach} positions, \
             expected use_sliding_window false or no layer that slides (max_window_layers, \
             layer_types)"
        )),
        _ => Ok(()),
    }
}

impl DecoderConfig {
    /// Whether the sizes fit each other.
    pub(super) fn check(&self) -> Result<(), String> {
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        check_size("vocab_size", self.vocab_size, MAX_VOCABULARY)?;
        check_sizes(
            ("num_hidden_layers", self.num_hidden_layers),
            &[
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_attention_heads", heads),
                ("head_dim", self.head_dim),
            ],
        )?;
        check_positive("rms_norm_eps", self.rms_norm_eps)?;
        check_divides(
            "num_attention_heads by num_key_value_heads",
            heads,
            kv_heads,
        )?;
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "head_dim is {}, expected an even number",
                self.head_dim
            ));
        }
        if let RopeScaling::MRope { sections, .. } = &self.rope_scaling {
            let expected = self.head_dim / 2;
            let sum = sections
                .iter()
                .try_fold(0_usize, |sum, n| sum.checked_add(*n));
            if sum != Some(expected) {
                return Err(format!(
                    "mrope_section is {sections:?}, expected numbers whose sum is {expected}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(extra: Value) -> Result<TextSection, String> {
        let mut json = json!({
            "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 64, "max_window_layers": 28,
        });
        let extra = extra.as_object().unwrap().clone();
        json.as_object_mut().unwrap().extend(extra);
        let section = TextSection::read(&json, Biases::default())?;
        section.decoder.check().map(|()| section)
    }

    #[test]
    fn a_window_is_refused_only_where_a_layer_slides() {
        let types = |kinds: [&str; 2]| json!(kinds.map(|kind| format!("{kind}_attention")));
        for accepted in [
            json!({"use_sliding_window": false, "sliding_window": 4}),
            // All layers come before the first that slides.
            json!({"use_sliding_window": true, "sliding_window": 4}),
            json!({"use_sliding_window": true, "sliding_window": 4, "max_window_layers": 2}),
            // The window holds every row.
            json!({"use_sliding_window": true, "sliding_window": 64, "max_window_layers": 0}),
            json!({"use_sliding_window": true, "sliding_window": null, "max_window_layers": 0}),
            json!({"use_sliding_window": true, "sliding_window": 4, "max_window_layers": 0,
                "layer_types": types(["full", "full"])}),
        ] {
            assert!(
                read(accepted.clone()).is_ok(),
                "{accepted}: {:?}",
                read(accepted.clone()).err()
            );
        }
        for (refused, expected) in [
            (
                json!({"use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1}),
                "sliding_window is 4",
            ),
            (
                json!({"sliding_window": 4, "layer_types": types(["full", "sliding"])}),
                "sliding_window is 4",
            ),
            (
                json!({"layer_types": types(["full", "linear"])}),
                "layer_types has `linear_attention`",
            ),
            (
                json!({"layer_types": ["full_attention"]}),
                "layer_types has 1 entries, expected num_h",
            ),
            (
                json!({"use_sliding_window": null}),
                "use_sliding_window: invalid type",
            ),
        ] {
            let message = read(refused).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    /// Whatever number stands at a key, a configuration is read or refused.
    #[test]
    fn no_size_of_a_golden_configuration_panics() {
        fn places(json: &Value, at: &str, found: &mut Vec<String>) {
            let all: Vec<(String, &Value)> = match json {
                Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
                Value::Array(list) => list
                    .iter()
                    .enumerate()
                    .map(|(i, v)| (i.to_string(), v))
                    .collect(),
                _ => vec![],
            };
            for (key, value) in all {
                let at = format!("{at}/{key}");
                places(value, &at, found);
                found.push(at);
            }
        }
        for name in [
            "qwen2_vl/config.json",
            "qwen2_5_vl/config.hub.json",
            "internvl_internlm2/original/config.json",
            "internvl_qwen2_rms/config.json",
            "internlm2/config.json",
        ] {
            let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
            let text = std::fs::read(std::path::Path::new(golden).join(name)).unwrap();
            let raw: Value = serde_json::from_slice(&text).unwrap();
            let mut found = vec![];
            places(&raw, "", &mut found);
            assert!(found.len() > 20);
            for at in found {
                for value in [
                    json!(0),
                    json!(-1),
                    json!(1e15 as u64),
                    json!(u64::MAX),
                    json!(1e300),
                    json!([]),
                ] {
                    let mut raw = raw.clone();
                    *raw.pointer_mut(&at).unwrap() = value;
                    if let Ok(config) = crate::ModelConfig::from_json(&raw) {
                        let _ = (config.max_positions(), config.text.rope());
                        let _ = config.vision.as_ref().map(|vision| vision.sizes());
                    }
                }
            }
        }
    }

    #[test]
    fn sizes_that_no_model_has_are_refused_by_name() {
        for (extra, expected) in [
            (
                json!({"num_hidden_layers": 1_000_000_000}),
                "num_hidden_layers is 1000000000",
            ),
            (
                json!({"num_hidden_layers": 0}),
                "num_hidden_layers is 0, expected 1 to 10000",
            ),
            (json!({"hidden_size": 0}), "hidden_size is 0"),
            (
                json!({"vocab_size": u64::MAX}),
                "vocab_size is 18446744073709551615",
            ),
            (
                json!({"num_attention_heads": 0}),
                "num_attention_heads is 0",
            ),
            (json!({"rms_norm_eps": 0}), "rms_norm_eps is 0"),
            (
                json!({"rms_norm_eps": "1e-6"}),
                "rms_norm_eps: invalid type",
            ),
            (json!({"hidden_size": 64.0}), "hidden_size: invalid type"),
            (json!({"rms_norm_eps": 1e-60}), "rms_norm_eps is 0.000"),
            (
                json!({"rope_scaling": {"type": "mrope", "mrope_section": [u64::MAX, 1, 2]}}),
                "mrope_section is [18446744073709551615, 1, 2], expected numbers whose sum is 2",
            ),
            (
                json!({"num_key_value_heads": 0}),
                "num_attention_heads by num_key_value_heads",
            ),
        ] {
            let message = read(extra).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
