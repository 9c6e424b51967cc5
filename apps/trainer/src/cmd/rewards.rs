//! `trainer rewards`

use crate::{Extensions, output::Output};
use anyhow::Result;
use burn_rewards::Rule;
use serde_json::{Value, json};

/// Arguments of `trainer rewards`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// One rule; without a name, all are listed.
    pub name: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
}

/// Lists the rewards, or describes one.
///
/// # Errors
/// An unknown name.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let chosen: Vec<&Rule> = match &args.name {
        Some(name) => vec![extensions.rewards.find(name)?],
        None => extensions.rewards.rules().iter().collect(),
    };
    let mut out = Output::stdout();
    match (args.json, &args.name) {
        (true, None) => out.json(&chosen.iter().map(|r| describe(r)).collect::<Vec<_>>())?,
        (true, Some(_)) => out.json(&describe(chosen[0]))?,
        (false, None) => list(&mut out, &chosen)?,
        (false, Some(_)) => detail(&mut out, chosen[0])?,
    }
    out.finish()
}

fn range(rule: &Rule) -> String {
    let end = |value: f64| match value.is_finite() {
        true => value.to_string(),
        false => if value > 0.0 { "∞" } else { "−∞" }.to_owned(),
    };
    format!("{} … {}", end(rule.range.0), end(rule.range.1))
}

fn list(out: &mut Output, rules: &[&Rule]) -> std::io::Result<()> {
    let width = |column: fn(&Rule) -> String| {
        let lengths = rules.iter().map(|r| column(r).chars().count());
        lengths.max().unwrap_or(0)
    };
    let (name, ranges) = (width(|r| r.name.into()), width(range));
    let about = width(|r| r.about.into());
    for rule in rules {
        out.line(format_args!(
            "{:<name$}  {:<ranges$}  {:<about$}  {}",
            rule.name,
            range(rule),
            rule.about,
            rule.source
        ))?;
    }
    Ok(())
}

fn detail(out: &mut Output, rule: &Rule) -> std::io::Result<()> {
    out.line(format_args!("{} — {}", rule.name, rule.about))?;
    out.line(format_args!("{}\n", rule.source))?;
    out.line(format_args!("reward/{}: {}", rule.part, range(rule)))?;
    let defaults = (rule.defaults)();
    for (name, meaning) in rule.options {
        let default = defaults.get(*name).unwrap_or(&Value::Null);
        out.line(format_args!("options.{name} = {default}\n    {meaning}"))?;
    }
    Ok(())
}

fn describe(rule: &Rule) -> Value {
    // An end at infinity is null: JSON has no such number.
    json!({
        "name": rule.name,
        "about": rule.about,
        "paper": rule.source,
        "part": rule.part,
        "range": [rule.range.0, rule.range.1],
        "defaults": (rule.defaults)(),
        "options": rule.options.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
    })
}
