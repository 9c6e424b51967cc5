//! From rewards along a response to what each of its tokens is worth.
//!
//! Masked tokens are no actions: rewards and values go past them as if they were not there.

use crate::error::RlError;

/// `G_t = r_t + γ G_{t+1}` over the tokens that take part.
///
/// A masked token has the return of the next token that takes part, after the last one that of the
/// last one: what it would be worth.
///
/// # Errors
/// Lists of different lengths.
pub fn to_go(rewards: &[f64], mask: &[bool], gamma: f64) -> Result<Vec<f64>, RlError> {
    same_length("mask", mask.len(), rewards.len())?;
    let mut out = vec![0.0; rewards.len()];
    let mut following = 0.0;
    for t in (0..rewards.len()).rev() {
        if mask[t] {
            following = rewards[t] + gamma * following;
        }
        out[t] = following;
    }
    if let Some(last) = mask.iter().rposition(|m| *m) {
        let value = out[last];
        out[last..].fill(value);
    }
    Ok(out)
}

/// Generalised advantage estimation ([arXiv:1506.02438](https://arxiv.org/abs/1506.02438),
/// equation 16): `δ_t = r_t + γ V_{t+1} − V_t`, `A_t = δ_t + γλ A_{t+1}`, with no value after
/// the last token. Returns advantages and the critic's targets `A_t + V_t`.
///
/// # Errors
/// Lists of different lengths.
pub fn gae(
    rewards: &[f64],
    values: &[f32],
    mask: &[bool],
    gamma: f64,
    lambda: f64,
) -> Result<(Vec<f64>, Vec<f64>), RlError> {
    same_length("mask", mask.len(), rewards.len())?;
    same_length("values", values.len(), rewards.len())?;
    let mut advantages = vec![0.0; rewards.len()];
    let mut returns = vec![0.0; rewards.len()];
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    for t in (0..rewards.len()).rev().filter(|t| mask[*t]) {
        let value = f64::from(values[t]);
        let delta = rewards[t] + gamma * next_value - value;
        next_advantage = delta + gamma * lambda * next_advantage;
        next_value = value;
        advantages[t] = next_advantage;
        returns[t] = next_advantage + value;
    }
    Ok((advantages, returns))
}

fn same_length(name: &str, found: usize, expected: usize) -> Result<(), RlError> {
    match found == expected {
        true => Ok(()),
        false => Err(RlError::Config(format!(
            "{found} numbers in {name}, expected {expected}, one a reward"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mask = [true, false, true, true];
        assert_eq!(
            to_go(&[1.0, 9.0, 2.0, 4.0], &mask, 0.5).unwrap(),
            [3.0, 4.0, 4.0, 4.0]
        );
        assert_eq!(to_go(&[1.0, 3.0], &[true, false], 1.0).unwrap(), [1.0, 1.0]);
        // δ: 0 + 0.5·2 − 1 = 0, 0 + 0.5·3 − 2 = −0.5, 8 − 3 = 5; A from the right with γλ = 0.25.
        let values = [1.0, 7.0, 2.0, 3.0];
        let (advantages, returns) = gae(&[0.0, 0.0, 0.0, 8.0], &values, &mask, 0.5, 0.5).unwrap();
        assert_eq!(advantages, [0.1875, 0.0, 0.75, 5.0]);
        assert_eq!(returns, [1.1875, 0.0, 2.75, 8.0]);
    }

    #[test]
    fn without_discount_gae_is_the_return_minus_the_value() {
        let mask = [true; 3];
        let (advantages, returns) =
            gae(&[1.0, 0.0, 2.0], &[0.5, 0.25, 0.0], &mask, 1.0, 1.0).unwrap();
        assert_eq!(advantages, [2.5, 1.75, 2.0]);
        assert_eq!(returns, [3.0, 2.0, 2.0]);
    }
}
