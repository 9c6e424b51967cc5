//! Names that parts of a reward may not have.

use crate::error::RlError;

/// Names under `reward/` that are not parts.
const OWN: [&str; 5] = ["mean", "std", "greedy", "zero_std_groups", "restarts"];

/// Refuses parts of a reward that would be logged under names of ours.
///
/// # Errors
/// [`RlError::Config`] with the part.
pub fn check_parts<S: AsRef<str>>(parts: &[S]) -> Result<(), RlError> {
    let taken = parts.iter().find(|part| OWN.contains(&part.as_ref()));
    taken.map_or(Ok(()), |part| {
        Err(RlError::Config(format!(
            "a part of the reward is called `{0}`, but reward/{0} is a metric of every run: expected \
             another name (reward.parts.name)",
            part.as_ref()
        )))
    })
}
