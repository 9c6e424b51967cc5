//! Environments as one value.

use super::env::Joined;
use crate::math::config::Normalization;
use crate::math::formula;
use crate::math::parsed::Reading;
use crate::math::parsed::Unparsed;
use crate::math::tree::Expr;

/// Reads one environment, or several as one list.
pub(super) fn read_envs(text: &str, joined: &Joined, normalization: &Normalization) -> Reading {
    if joined.rest.is_empty() {
        let env = &joined.first;
        let mut reading = formula::read(&text[env.from..env.to], normalization);
        if env.percent {
            reading.values = reading.values.map(as_percent);
        }
        return reading;
    }
    let mut elements = Vec::new();
    let mut texts = Vec::new();
    let mut first = None;
    let mut failed = false;
    for env in std::iter::once(&joined.first).chain(&joined.rest) {
        let reading = formula::read(&text[env.from..env.to], normalization);
        texts.push(reading.text);
        let values = reading.values.map(|values| {
            if env.percent {
                as_percent(values)
            } else {
                values
            }
        });
        if first.is_none() {
            first = Some(values.clone());
        }
        match values.map(|values| values.into_iter().next()) {
            Ok(Some(Expr::List(items) | Expr::Set(items))) => elements.extend(items),
            Ok(Some(value)) => elements.push(value),
            Ok(None) | Err(_) => failed = true,
        }
    }
    if failed {
        // The first stands for all, as the Python library has it.
        return Reading {
            values: first.unwrap_or(Err(Unparsed::Syntax)),
            text: texts.swap_remove(0),
        };
    }
    Reading {
        values: Ok(vec![Expr::List(elements)]),
        text: texts.join(","),
    }
}

/// A percent sign after an environment applies to all of it.
pub(super) fn as_percent(values: Vec<Expr>) -> Vec<Expr> {
    values
        .into_iter()
        .map(|value| match value {
            Expr::Percent(_) => value,
            value => Expr::Percent(Box::new(value)),
        })
        .collect()
}
