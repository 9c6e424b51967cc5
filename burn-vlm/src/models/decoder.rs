//! The keys of `config.json` that describe a text decoder, alike in all families.

use crate::nn::{DecoderConfig, RopeScaling};
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
    rope_theta: Option<f64>,
    rope_parameters: Option<RopeFields>,
    rope_scaling: Option<RopeFields>,
    #[serde(default)]
    use_sliding_window: bool,
}

#[derive(Deserialize)]
struct RopeFields {
    rope_type: Option<String>,
    r#type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    mrope_section: Option<[usize; 3]>,
    #[serde(default)]
    mrope_interleaved: bool,
}

impl TextSection {
    /// Reads the keys that all decoders have, in the form of the hub or of transformers 5.
    ///
    /// # Errors
    /// A key that is missing, mistyped or asks for what is not supported.
    pub fn read(json: &Value, biases: Biases) -> Result<Self, String> {
        let fields: Fields = serde_json::from_value(json.clone()).map_err(|e| e.to_string())?;
        match fields.hidden_act.as_deref() {
            None | Some("silu") => {}
            Some(other) => return Err(format!("hidden_act is `{other}`, expected `silu`")),
        }
        if fields.use_sliding_window {
            return Err("use_sliding_window is true, which is not supported".into());
        }
        let rope = fields.rope_parameters.or(fields.rope_scaling);
        let rope_theta = fields
            .rope_theta
            .or_else(|| rope.as_ref().and_then(|rope| rope.rope_theta));
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
                rope_theta: rope_theta.unwrap_or(ROPE_THETA),
                rope_scaling: scaling(rope, fields.max_position_embeddings)?,
                qkv_bias: biases.qkv,
                o_bias: biases.o,
                mlp_bias: biases.mlp,
            },
            max_position_embeddings: fields.max_position_embeddings,
            initializer_range: fields.initializer_range.unwrap_or(INITIALIZER_RANGE),
            tie_word_embeddings: fields.tie_word_embeddings,
        })
    }
}

fn scaling(rope: Option<RopeFields>, max_positions: usize) -> Result<RopeScaling, String> {
    let Some(rope) = rope else {
        return Ok(RopeScaling::None);
    };
    if let Some(sections) = rope.mrope_section {
        // Files of some versions name it twice, as what it is and as what it is based on.
        let kinds = [rope.rope_type, rope.r#type];
        let scaled = |kind: &String| !["default", "mrope"].contains(&kind.as_str());
        return match kinds.into_iter().flatten().find(scaled) {
            None => Ok(RopeScaling::MRope {
                sections,
                interleaved: rope.mrope_interleaved,
            }),
            Some(other) => Err(format!(
                "rope_scaling.type is `{other}` beside mrope_section, supported there: default, \
                 mrope"
            )),
        };
    }
    let kind = rope.rope_type.or(rope.r#type);
    let factor = || {
        let found = rope.factor.filter(|factor| *factor >= 1.0);
        found.ok_or("rope_scaling.factor is missing or less than 1")
    };
    match kind.as_deref().unwrap_or("default") {
        "default" => Ok(RopeScaling::None),
        "mrope" => Err("rope_scaling.mrope_section is missing".into()),
        "linear" => Ok(RopeScaling::Linear { factor: factor()? }),
        "dynamic" => Ok(RopeScaling::Dynamic {
            factor: factor()?,
            max_positions,
        }),
        other => Err(format!(
            "rope_scaling.type is `{other}`, supported: default, mrope, linear, dynamic"
        )),
    }
}

impl DecoderConfig {
    /// Whether the sizes fit each other.
    pub(super) fn check(&self) -> Result<(), String> {
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(format!(
                "num_attention_heads by num_key_value_heads: {heads} is not a multiple of {kv_heads}"
            ));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "head_dim is {}, expected an even number",
                self.head_dim
            ));
        }
        if let RopeScaling::MRope { sections, .. } = &self.rope_scaling {
            let (found, expected) = (sections.iter().sum::<usize>(), self.head_dim / 2);
            if found != expected {
                return Err(format!(
                    "sum of mrope_section is {found}, expected {expected}"
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

    fn scaling_of(rope: Value) -> Result<RopeScaling, String> {
        scaling(serde_json::from_value(rope).unwrap(), 32_768)
    }

    #[test]
    fn sections_are_read_beside_no_other_scaling() {
        let sections = [16, 24, 24];
        for kinds in [
            json!({}),
            json!({ "type": "mrope" }),
            json!({ "rope_type": "default", "type": "default" }),
            json!({ "rope_type": "default", "type": "mrope" }),
        ] {
            let mut rope = kinds;
            rope["mrope_section"] = json!(sections);
            let read = |interleaved| {
                Ok(RopeScaling::MRope {
                    sections,
                    interleaved,
                })
            };
            assert_eq!(scaling_of(rope.clone()), read(false));
            rope["mrope_interleaved"] = json!(true);
            assert_eq!(scaling_of(rope), read(true));
        }
        for kinds in [
            json!({ "type": "yarn", "factor": 4.0 }),
            json!({ "rope_type": "yarn", "factor": 4.0 }),
            json!({ "rope_type": "default", "type": "linear", "factor": 2.0 }),
        ] {
            let mut rope = kinds;
            rope["mrope_section"] = json!(sections);
            let message = scaling_of(rope).unwrap_err();
            assert!(
                message.contains("beside mrope_section, supported there: default, mrope"),
                "{message}"
            );
        }
    }
}
