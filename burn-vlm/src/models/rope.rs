//! The keys of `config.json` that say how positions are rotated.
//!
//! They stand at the top of the section, in `rope_scaling`, or in `rope_parameters`, as which version
//! of transformers wrote it. What counts is what transformers 5.23 makes of them:
//!
//! 1. `rope_scaling`, unless it is missing, null or empty; else `rope_parameters`;
//! 2. `rope_theta` inside that, else beside it, else the family's;
//! 3. `rope_type` inside that, else `type`.

use super::check::check_positive;
use crate::{dir, nn::RopeScaling};
use serde::Deserialize;
use serde_json::Value;

/// How positions are rotated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RopeSettings {
    /// Base of the frequencies.
    pub theta: f64,
    /// What is done to them.
    pub scaling: RopeScaling,
}

#[derive(Default, Deserialize)]
struct Fields {
    rope_type: Option<String>,
    r#type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
    mrope_section: Option<[usize; 3]>,
    #[serde(default)]
    mrope_interleaved: bool,
}

/// What stands beside that object.
#[derive(Deserialize)]
struct Beside {
    partial_rotary_factor: Option<f64>,
    rope_theta: Option<f64>,
}

/// Reads the settings of a section; `theta` is the family's, for a section that says none.
///
/// # Errors
/// A key that is mistyped, or asks for what is not supported.
pub(super) fn read(json: &Value, theta: f64, max_positions: usize) -> Result<RopeSettings, String> {
    let (key, fields) = fields(json)?;
    let wrong = |name: &str, found: &str, expected: &str| {
        format!("{key}.{name} is {found}, expected {expected}")
    };
    let Beside {
        partial_rotary_factor,
        rope_theta,
    } = dir::fields(json)?;
    for partial in [partial_rotary_factor, fields.partial_rotary_factor] {
        if let Some(found) = partial.filter(|found| *found != 1.0) {
            return Err(format!(
                "partial_rotary_factor is {found}, which is not supported, expected 1"
            ));
        }
    }
    let theta = fields.rope_theta.or(rope_theta).unwrap_or(theta);
    check_positive("rope_theta", theta)?;
    let kind = fields.rope_type.as_deref().or(fields.r#type.as_deref());
    let positive = |name: &str, value: Option<f64>| {
        let value = value.ok_or_else(|| wrong(name, "missing", "a number greater than 0"))?;
        check_positive(&format!("{key}.{name}"), value).map(|()| value)
    };
    let factor = || match positive("factor", fields.factor)? {
        factor if factor < 1.0 => Err(wrong("factor", &factor.to_string(), "at least 1")),
        factor => Ok(factor),
    };
    let original = || {
        let found = fields.original_max_position_embeddings;
        let found = found.or(Some(max_positions as f64));
        positive("original_max_position_embeddings", found)
    };
    let scaling = match kind.unwrap_or("default") {
        "default" | "mrope" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: factor()? },
        "dynamic" => RopeScaling::Dynamic {
            factor: factor()?,
            max_positions,
        },
        "llama3" => {
            let low_freq_factor = positive("low_freq_factor", fields.low_freq_factor)?;
            let high_freq_factor = positive("high_freq_factor", fields.high_freq_factor)?;
            if high_freq_factor <= low_freq_factor {
                let expected = format!("more than low_freq_factor, which is {low_freq_factor}");
                let found = high_freq_factor.to_string();
                return Err(wrong("high_freq_factor", &found, &expected));
            }
            RopeScaling::Llama3 {
                factor: factor()?,
                low_freq_factor,
                high_freq_factor,
                original_max_positions: original()?,
            }
        }
        "yarn" if theta <= 1.0 => {
            return Err(format!(
                "rope_theta is {theta}, expected more than 1 where {key}.rope_type is `yarn`"
            ));
        }
        "yarn" => {
            let factor = factor()?;
            let or =
                |value: Option<f64>, default: f64| value.filter(|v| *v != 0.0).or(Some(default));
            let attention = fields
                .attention_factor
                .or(Some(yarn_attention(&fields, factor)));
            RopeScaling::Yarn {
                factor,
                original_max_positions: original()?,
                beta_fast: positive("beta_fast", or(fields.beta_fast, 32.0))?,
                beta_slow: positive("beta_slow", or(fields.beta_slow, 1.0))?,
                attention_factor: positive("attention_factor", attention)?,
                truncate: fields.truncate.unwrap_or(true),
            }
        }
        other => {
            let expected = "one of: default, mrope, linear, dynamic, llama3, yarn";
            return Err(wrong("rope_type", &format!("`{other}`"), expected));
        }
    };
    let scaling = match fields.mrope_section {
        Some(sections) => mrope(sections, fields.mrope_interleaved, scaling, key)?,
        None if kind == Some("mrope") => return Err(format!("{key}.mrope_section is missing")),
        None => scaling,
    };
    Ok(RopeSettings { theta, scaling })
}

/// The object that counts, and its name.
fn fields(json: &Value) -> Result<(&'static str, Fields), String> {
    for key in ["rope_scaling", "rope_parameters"] {
        match &json[key] {
            Value::Null => {}
            Value::Object(found) if found.is_empty() => {}
            Value::Object(found) => {
                if let Some((layers, _)) = found.iter().find(|(_, value)| value.is_object()) {
                    return Err(format!(
                        "{key}.{layers} is an object: other rotations for some layers are not \
                         supported, expected one for all"
                    ));
                }
                let read = dir::fields(&json[key]).map_err(|e| format!("{key}.{e}"));
                return Ok((key, read?));
            }
            other => return Err(format!("{key} is {other}, expected an object or null")),
        }
    }
    Ok(("rope_parameters", Fields::default()))
}

/// What cosines and sines are multiplied by where the file does not say it.
fn yarn_attention(fields: &Fields, factor: f64) -> f64 {
    let grown = |scale: f64| match factor <= 1.0 {
        true => 1.0,
        false => 0.1 * scale * factor.ln() + 1.0,
    };
    match (fields.mscale, fields.mscale_all_dim) {
        (Some(scale), Some(all)) if scale != 0.0 && all != 0.0 => grown(scale) / grown(all),
        _ => grown(1.0),
    }
}

fn mrope(
    sections: [usize; 3],
    interleaved: bool,
    base: RopeScaling,
    key: &str,
) -> Result<RopeScaling, String> {
    if matches!(base, RopeScaling::Dynamic { .. }) {
        return Err(format!(
            "{key}.rope_type is `dynamic` beside mrope_section, supported there: default, mrope, \
             linear, llama3, yarn"
        ));
    }
    Ok(RopeScaling::MRope {
        sections,
        interleaved,
        base: Box::new(base),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Rope;
    use serde_json::json;

    const MAX_POSITIONS: usize = 4096;

    #[derive(Deserialize)]
    struct Case {
        section: Value,
        default_theta: f64,
        theta: f64,
        rope_type: String,
        head_dim: usize,
        inv_freq: Vec<f32>,
        attention: f32,
    }

    /// What transformers 5.23 makes of every combination of places and kinds, one by one
    /// (`tests/golden/gen/make_rope.py`).
    #[test]
    fn every_section_is_read_as_transformers_reads_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/rope.json");
        let text = std::fs::read_to_string(path).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 29);
        for case in cases {
            let found = read(&case.section, case.default_theta, MAX_POSITIONS).unwrap();
            assert_eq!(found.theta, case.theta, "{}", case.section);
            let kind = match &found.scaling {
                RopeScaling::MRope { base, .. } => base,
                own => own,
            };
            let name = match kind {
                RopeScaling::Linear { .. } => "linear",
                RopeScaling::Dynamic { .. } => "dynamic",
                RopeScaling::Llama3 { .. } => "llama3",
                RopeScaling::Yarn { .. } => "yarn",
                _ => "default",
            };
            assert_eq!(name, case.rope_type, "{}", case.section);
            let rope = Rope::new(case.head_dim, found.theta, &found.scaling);
            assert!(
                (rope.attention() - case.attention).abs() < 1e-6,
                "{}",
                case.section
            );
            assert_eq!(rope.frequencies().len(), case.inv_freq.len());
            for (a, b) in rope.frequencies().iter().zip(&case.inv_freq) {
                assert!((a - b).abs() <= 2e-6 * b.abs(), "{a} {b}: {}", case.section);
            }
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (section, expected) in [
            (
                json!({"rope_scaling": {"type": "longrope"}}),
                "rope_scaling.rope_type is `longrope`",
            ),
            (
                json!({"rope_scaling": {"type": "linear"}}),
                "rope_scaling.factor is missing",
            ),
            (
                json!({"rope_scaling": {"type": "yarn", "factor": 0.0}}),
                "rope_scaling.factor is 0",
            ),
            (
                json!({"rope_scaling": {"type": "yarn", "factor": "4"}}),
                "rope_scaling.factor: invalid",
            ),
            (
                json!({"rope_parameters": {"rope_theta": 0}}),
                "rope_theta is 0",
            ),
            (
                json!({"rope_theta": "1e6"}),
                "rope_theta: invalid type: string \"1e6\", expected a number",
            ),
            (json!({"rope_theta": 1e300}), "rope_theta is 1"),
            (
                json!({"rope_scaling": "linear"}),
                "rope_scaling is \"linear\"",
            ),
            (
                json!({"partial_rotary_factor": 0.5}),
                "partial_rotary_factor is 0.5",
            ),
            (
                json!({"partial_rotary_factor": "0.5"}),
                "partial_rotary_factor: invalid type: string \"0.5\", expected a number",
            ),
            (
                json!({"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}),
                "rope_parameters.full_attention is an object",
            ),
            (
                json!({"rope_scaling": {"type": "mrope"}}),
                "mrope_section is missing",
            ),
            (
                json!({"rope_scaling": {"type": "dynamic", "factor": 2, "mrope_section": [1, 1, 2]}}),
                "`dynamic` beside mrope_section",
            ),
            (
                json!({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4,
                    "high_freq_factor": 4}}),
                "high_freq_factor is 4, expected more than low_freq_factor",
            ),
        ] {
            let message = read(&section, 1e4, MAX_POSITIONS).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
