//! `report.html`: the curves and completions of a run on one page that opens offline.
//!
//! The page holds everything it shows (styles, SVG charts, pictures as `data:` addresses), asks no
//! server for anything, and needs no script. It is made from the files of the run directory alone,
//! so it can be written again at any time.

mod chart;
mod curve;
mod panels;
mod picture;
mod samples;
mod text;

use std::path::{Path, PathBuf};

use serde_json::Value;

use self::chart::Unit;
use self::picture::Pictures;
use self::text::{duration, escape, number, signed, thousands};
use crate::completions::{Evaluation, evaluations, first_middle_last};
use crate::config_file::{self, ConfigFile};
use crate::diagnostics::{Diagnostics, Warning};
use crate::error::LogError;
use crate::files::{read_text, write_atomic};
use crate::history::{History, Point};
use crate::metric_help;
use crate::run_dir::RunDir;

const STYLE: &str = include_str!("style.css");

/// Evaluation sets whose samples are shown.
const MAX_SETS: usize = 3;

/// Reads the encoded bytes of a picture that a record names, relative paths made absolute:
/// `&|path| std::fs::read(path)` where every picture is a file of its own.
pub type ReadPicture<'a> = &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>;

/// Writes the report of a run, finished or not, and returns its path.
///
/// # Errors
/// As [`html`].
pub fn write_report(run: &RunDir, read_picture: ReadPicture<'_>) -> Result<PathBuf, LogError> {
    let path = run.report();
    write_atomic(&path, html(run, read_picture)?.as_bytes())?;
    Ok(path)
}

/// The report of a run, finished or not, as one HTML page.
///
/// Reads `metrics.jsonl`, `config.toml`, `summary.json`, `rollouts/` and `eval/`; each may be
/// absent. Pictures that cannot be read are shown as missing.
///
/// # Errors
/// [`LogError::Line`] with the line of a file that is not what it should be; [`LogError::Io`].
pub fn html(run: &RunDir, read_picture: ReadPicture<'_>) -> Result<String, LogError> {
    let history = History::load(&run.metrics())?;
    let evaluations = evaluations(run)?;
    let rollouts = first_middle_last(run)?;
    let config = config_file::read(&run.config())?;
    let summary = read_text(&run.summary())?;
    let mut pictures = Pictures::new(run.root(), read_picture);

    let (_, warnings) = Diagnostics::of_run(&run.metrics())?;
    let mut body = header(&run.name(), &history, config.as_ref());
    body += &warned(&warnings);
    body += &charts(&history);
    body += &held_out(&evaluations, &mut pictures);
    if !rollouts.is_empty() {
        body += "<section><h2>Rollouts</h2><p class=\"lead\">What the policy said while training, at \
                 the first, a middle and the last step.</p>\n";
        for (step, records) in &rollouts {
            body += &samples::step(*step, records, &mut pictures);
        }
        body += "</section>\n";
    }
    body += "<section><h2>Details</h2>\n";
    body += &table(&history);
    body += &summary.as_deref().map(facts).unwrap_or_default();
    if let Some(config) = config {
        body += &format!(
            "<details><summary>Configuration</summary><pre class=\"code\">{}</pre></details>\n",
            escape(&config.text)
        );
    }
    body += "</section>\n";
    Ok(page(&run.name(), &body))
}

fn page(name: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\n\
         <title>{name} · training report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {body}</main>\n<footer>Made from the files of this run. The page is complete in itself and \
         opens without a network.</footer>\n</body>\n</html>\n",
        name = escape(name)
    )
}

/// Title, the result in one sentence, and the figures behind it.
fn header(name: &str, history: &History, config: Option<&ConfigFile>) -> String {
    let set = history.eval_sets("pass@1").first().map(|s| (*s).to_owned());
    let metric = |what: &str| {
        let set = set.as_deref()?;
        history.ends(&format!("eval/{set}/{what}"))
    };
    let mut tiles = String::new();
    let mut tile = |label: &str, unit: Unit, ends: Option<(Point, Point)>| {
        if let Some((first, last)) = ends {
            tiles += &figure(label, unit, first, last);
        }
    };
    tile("Held-out accuracy", Unit::Share, metric("pass@1"));
    tile("Held-out response length", Unit::Tokens, metric("tokens"));
    tile("Training reward", Unit::Plain, history.ends("reward/mean"));
    let steps = history.steps().map_or(0.0, |(_, last)| last);
    let seconds: f64 = history
        .get("time/step_s")
        .iter()
        .map(|p| p.1)
        .filter(|s| s.is_finite())
        .sum();
    tiles += &format!(
        "<div class=\"tile\"><h3>Steps</h3><p class=\"big\">{}</p><p>{}</p></div>",
        thousands(steps),
        if seconds > 0.0 {
            format!("in {}", duration(seconds))
        } else {
            String::new()
        }
    );
    format!(
        "<header><p class=\"kicker\">Training report</p><h1>{}</h1><p class=\"made\">{}</p>\
         <p class=\"headline\">{}</p><div class=\"tiles\">{tiles}</div></header>\n",
        escape(name),
        escape(&config.map(made_with).unwrap_or_default()),
        escape(&headline(metric("pass@1"), metric("tokens"), history)),
    )
}

/// What was trained how, and by which versions, as far as the configuration says it.
fn made_with(config: &ConfigFile) -> String {
    let text = |key: &str| config.get(key).and_then(|value| value.as_str());
    let model = text("model.path").and_then(|path| Path::new(path).file_name()?.to_str());
    let what = match (text("algo.name"), model) {
        (Some(algorithm), Some(model)) => Some(format!("{algorithm} on {model}")),
        (algorithm, model) => algorithm.or(model).map(str::to_owned),
    };
    let seed = config.get("seed").map(|seed| format!("seed {seed}"));
    let versions = config.comments().next().map(str::to_owned);
    let parts: Vec<String> = [what, seed, versions].into_iter().flatten().collect();
    parts.join(" · ")
}

fn headline(
    accuracy: Option<(Point, Point)>,
    tokens: Option<(Point, Point)>,
    history: &History,
) -> String {
    let moved = |unit: Unit, (first, last): (Point, Point), up: &str, down: &str| {
        let (a, b) = unit.show_two(first.1, last.1);
        match (unit.show(first.1) == b, last.1 > first.1) {
            (true, _) => format!("stayed at {b}"),
            (false, true) => format!("{up} from {a} to {b}"),
            (false, false) => format!("{down} from {a} to {b}"),
        }
    };
    match (accuracy, tokens) {
        (Some((first, last)), _) if first.0 == last.0 => {
            format!(
                "Held-out accuracy is {} at step {}.",
                Unit::Share.show(last.1),
                last.0
            )
        }
        (Some(accuracy), tokens) => {
            let length = tokens.map_or(String::new(), |tokens| {
                format!(
                    " Mean response length {}.",
                    moved(Unit::Tokens, tokens, "grew", "shrank")
                )
            });
            format!(
                "In {} steps, accuracy on held-out questions {}.{length}",
                thousands(accuracy.1.0 - accuracy.0.0),
                moved(Unit::Share, accuracy, "rose", "fell"),
            )
        }
        (None, _) => match history.ends("reward/mean") {
            Some(reward) => {
                format!(
                    "Mean reward {}.",
                    moved(Unit::Plain, reward, "rose", "fell")
                )
            }
            None => "No step has been recorded yet.".to_owned(),
        },
    }
}

/// A figure before and after.
fn figure(label: &str, unit: Unit, first: Point, last: Point) -> String {
    let change = match unit {
        _ if first.0 == last.0 => format!("at step {}", thousands(last.0)),
        _ if unit.show(first.1) == unit.show(last.1) => "unchanged".to_owned(),
        Unit::Share => format!(
            "{} points",
            signed(((last.1 - first.1) * 1000.0).round() / 10.0)
        ),
        _ if first.1 > 0.0 && last.1 > 0.0 => format!("× {}", number(last.1 / first.1)),
        _ => signed(last.1 - first.1),
    };
    let (before, after) = unit.show_two(first.1, last.1);
    let before = match first.0 == last.0 {
        true => String::new(),
        false => format!("<span>{} → </span>", escape(&before)),
    };
    format!(
        "<div class=\"tile\"><h3>{label}</h3><p class=\"big\">{before}{}</p><p>{}</p></div>",
        escape(&after),
        escape(&change)
    )
}

/// Known failure patterns that the numbers show, each with what to do.
fn warned(warnings: &[Warning]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let item = |w: &Warning| {
        format!(
            "<li><b>Step {}: {}.</b> {}.</li>\n",
            thousands(w.step as f64),
            escape(&w.finding),
            escape(w.advice)
        )
    };
    let items: String = warnings.iter().map(item).collect();
    format!("<section class=\"warnings\"><h2>Warnings</h2><ul>\n{items}</ul></section>\n")
}

fn charts(history: &History) -> String {
    let Some(steps) = history.steps() else {
        return String::new();
    };
    let section = |(heading, charts): (&str, Vec<chart::Chart>)| {
        let charts: String = charts.iter().map(|c| c.render(steps)).collect();
        format!("<section><h2>{heading}</h2>\n<div class=\"grid\">\n{charts}</div></section>\n")
    };
    panels::panels(history).into_iter().map(section).collect()
}

fn held_out(evaluations: &[Evaluation], pictures: &mut Pictures<'_>) -> String {
    let mut out = String::new();
    for evaluation in evaluations.iter().take(MAX_SETS) {
        out += &format!(
            "<section><h2>Held-out questions{}</h2><p class=\"lead\">The first questions of each \
             outcome, in the order of the set.</p>\n{}</section>\n",
            match evaluation.set.as_str() {
                "held_out" => String::new(),
                set => format!(": {}", escape(set)),
            },
            samples::evaluation(evaluation, pictures)
        );
    }
    out
}

/// Every number of the run in one line each.
fn table(history: &History) -> String {
    let row = |name: &str| {
        let finite = || {
            history
                .get(name)
                .iter()
                .map(|p| p.1)
                .filter(|v| v.is_finite())
        };
        let (first, last) = history.ends(name)?;
        let (low, high) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
        let cells: String = [first.1, last.1, low, high]
            .map(|v| format!("<td>{}</td>", number(v)))
            .concat();
        let help = escape(metric_help(name).unwrap_or_default());
        Some(format!(
            "<tr><th>{}<small>{help}</small></th>{cells}</tr>\n",
            escape(name)
        ))
    };
    let rows: String = history.names().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>All numbers</summary><div class=\"scroll\"><table><thead><tr><th>metric</th>\
         <th>first</th><th>last</th><th>lowest</th><th>highest</th></tr></thead><tbody>\n{rows}</tbody>\
         </table></div></details>\n"
    )
}

/// `summary.json` as a table; whatever is in it.
fn facts(summary: &str) -> String {
    fn flatten(prefix: &str, value: &Value, rows: &mut Vec<(String, String)>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let name = if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    };
                    flatten(&name, value, rows);
                }
            }
            Value::String(text) => rows.push((prefix.to_owned(), text.clone())),
            value => rows.push((prefix.to_owned(), value.to_string())),
        }
    }
    let mut rows = Vec::new();
    if let Ok(value) = serde_json::from_str(summary) {
        flatten("", &value, &mut rows);
    }
    if rows.is_empty() {
        return String::new();
    }
    let row = |(name, value): &(String, String)| {
        format!(
            "<tr><th>{}</th><td>{}</td></tr>\n",
            escape(name),
            escape(value)
        )
    };
    format!(
        "<details><summary>Summary</summary><div class=\"scroll\"><table class=\"plain\"><tbody>\n{}\
         </tbody></table></div></details>\n",
        rows.iter().map(row).collect::<String>()
    )
}

#[cfg(test)]
mod tests;
