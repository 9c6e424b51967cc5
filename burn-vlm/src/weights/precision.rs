//! The precision that `config.json` names.

use super::ExportDtype;
use serde_json::{Value, json};

/// Makes `config.json` name the precision of the weights beside it: transformers loads a model in
/// the precision its configuration names.
pub(crate) fn name_dtype(config: &mut Value, dtype: ExportDtype) {
    let name = match dtype {
        ExportDtype::F32 => "float32",
        ExportDtype::Bf16 => "bfloat16",
    };
    let mut named = false;
    let mut rename = |section: &mut Value| {
        for key in ["torch_dtype", "dtype"] {
            if section.get(key).is_some_and(|value| !value.is_null()) {
                section[key] = json!(name);
                named = true;
            }
        }
    };
    rename(config);
    for section in ["text_config", "llm_config", "vision_config"] {
        config.get_mut(section).into_iter().for_each(&mut rename);
    }
    if !named {
        config["torch_dtype"] = json!(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mention_of_the_precision_is_changed() {
        let mut nested = json!({"dtype": "bfloat16", "text_config": {"dtype": "bfloat16", "a": 1}});
        name_dtype(&mut nested, ExportDtype::F32);
        assert_eq!(
            nested,
            json!({"dtype": "float32", "text_config": {"dtype": "float32", "a": 1}})
        );
        let mut silent = json!({"text_config": {}});
        name_dtype(&mut silent, ExportDtype::Bf16);
        assert_eq!(
            silent,
            json!({"text_config": {}, "torch_dtype": "bfloat16"})
        );
    }
}
