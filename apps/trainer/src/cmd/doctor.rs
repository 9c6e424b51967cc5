//! `trainer doctor`: whether a device computes what the CPU does.

mod cases;
mod measure;

use crate::{
    Extensions,
    device::{self, DeviceArgs},
    input_error::InputError,
    output::Output,
};
use anyhow::{Result, bail};
use burn_vlm::{Compute, Precision};
use measure::{Gap, Numbers};
use serde_json::json;

/// Arguments of `trainer doctor`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The device that is tried; with `--dtype auto` in both f32 and bf16.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Prints one JSON object a row instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// How far a device may be from the CPU in f32.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Of a value; of a logit, relative to the largest one where that is above 1. No precision
    /// holds an absolute error over logits of any size: between 16 and 32, bf16 has steps of 1/8.
    numbers: f32,
    /// Of the gradient, relative to its length.
    gradient: f64,
}

impl Limits {
    /// f32 leaves room for TF32, whose products have eleven bits; bf16 has eight.
    fn of(compute: Compute) -> Self {
        match compute {
            Compute::F32 => Self {
                numbers: 2e-3,
                gradient: 1e-2,
            },
            Compute::Bf16 => Self {
                numbers: 5e-2,
                gradient: 1e-1,
            },
        }
    }

    fn hold(self, gap: &Gap) -> bool {
        gap.logits <= self.numbers * gap.largest_logit.max(1.0)
            && gap.values <= self.numbers
            && gap.gradient <= self.gradient
    }
}

/// Runs small models of every family on a device and on the CPU, and compares logits, values,
/// gradients and greedy decoding.
///
/// # Errors
/// A device that is not there, and one that computes something else than the CPU.
pub fn run(args: &Args, extensions: &Extensions) -> Result<()> {
    let cpu = device::parse("flex").map_err(|_| {
        InputError::new(
            "trainer doctor compares with the CPU, but this binary has no flex: build it with the \
             feature `flex`, which is on by default",
        )
    })?;
    let (device, _) = args.device.open()?;
    let computes = match args.device.dtype {
        Precision::F32 => &[Compute::F32][..],
        Precision::Bf16 => &[Compute::Bf16],
        Precision::Auto => &[Compute::F32, Compute::Bf16],
    };
    let mut out = Output::stdout();
    if !args.json {
        let against = format!("{} against flex in f32", args.device.device);
        let header = ["logits", "of up to", "values", "gradient", "greedy"];
        let header = header.map(|name| format!("{name:>9}")).join(" ");
        out.line(format_args!("{against:<36} {:<5} {header}", "dtype"))?;
    }
    let (mut failed, mut all) = (0, 0);
    for case in cases::all(&extensions.families)? {
        let expected = Numbers::of(&case, Compute::F32, &cpu)?;
        for compute in computes {
            let gap = Numbers::of(&case, *compute, &device)?.gap(&expected);
            let fits = Limits::of(*compute).hold(&gap);
            all += 1;
            failed += usize::from(!fits);
            row(&case.name, *compute, &gap, fits, args.json, &mut out)?;
        }
    }
    out.finish()?;
    if failed > 0 {
        let name = &args.device.device;
        bail!(
            "{name} does not compute what the CPU does: {failed} of {all} rows are beyond limits"
        );
    }
    Ok(())
}

fn row(
    name: &str,
    compute: Compute,
    gap: &Gap,
    fits: bool,
    as_json: bool,
    out: &mut Output,
) -> Result<()> {
    let dtype = match compute {
        Compute::F32 => "f32",
        Compute::Bf16 => "bf16",
    };
    let [same, tokens] = gap.greedy;
    if as_json {
        out.json(&json!({
            "case": name, "dtype": dtype, "logits": gap.logits,
            "largest_logit": gap.largest_logit, "values": gap.values, "gradient": gap.gradient, "greedy": same as f64 / tokens as f64, "ok": fits,
        }))?;
        return Ok(());
    }
    let limits = Limits::of(compute);
    let verdict = match fits {
        true => String::new(),
        false => format!(
            "  beyond {:.0e} of logits and values, or {:.0e} of the gradient",
            limits.numbers, limits.gradient
        ),
    };
    out.line(format_args!(
        "{name:<36} {dtype:<5} {:>9.1e} {:>9.1} {:>9.1e} {:>9.1e} {:>9}{verdict}",
        gap.logits,
        gap.largest_logit,
        gap.values,
        gap.gradient,
        format!("{same}/{tokens}"),
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_beyond_every_limit() {
        assert_eq!(measure::largest_gap(&[1.0, 2.0], &[1.5, 2.0]), 0.5);
        assert_eq!(measure::largest_gap(&[f32::NAN], &[1.0]), f32::INFINITY);
        assert_eq!(measure::largest_gap(&[1.0], &[1.0, 2.0]), f32::INFINITY);
        let mut gap = Gap {
            logits: 1.5e-2,
            largest_logit: 8.0,
            values: 1e-3,
            gradient: 5e-3,
            greedy: [1, 2],
        };
        assert!(Limits::of(Compute::F32).hold(&gap));
        gap.largest_logit = 0.1;
        assert!(!Limits::of(Compute::F32).hold(&gap));
        assert!(Limits::of(Compute::Bf16).hold(&gap));
        gap.gradient = f64::NAN;
        assert!(!Limits::of(Compute::Bf16).hold(&gap));
    }
}
