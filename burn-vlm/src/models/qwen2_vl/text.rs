//! Positions of text and image tokens: M-RoPE.

use crate::{models::ModelConfig, nn::Position};

/// [`positions`] in a model of this configuration.
pub(in crate::models) fn positions_of(
    config: &ModelConfig,
    tokens: &[u32],
    grids: &[[usize; 3]],
) -> (Vec<Position>, u32) {
    let merge = config
        .vision
        .as_ref()
        .map_or(1, |vision| vision.sizes().merge_size);
    positions(tokens, config.image_token_id, grids.iter().copied(), merge)
}

/// Positions of a row, and the position of the token after its end.
///
/// Text advances all three coordinates together. A picture of `h × w` merged patches holds time
/// still and spreads height and width; the text after it continues at the largest position + 1.
/// `grids` are `[t, h, w]` in patches, in the order of the pictures; a picture starts at the next
/// token that is `image_token`.
pub fn positions(
    tokens: &[u32],
    image_token: Option<u32>,
    grids: impl IntoIterator<Item = [usize; 3]>,
    merge: usize,
) -> (Vec<Position>, u32) {
    let mut out = Vec::with_capacity(tokens.len());
    let mut grids = grids.into_iter();
    let mut next = 0_u32;
    let mut at = 0;
    while at < tokens.len() {
        let grid = if Some(tokens[at]) == image_token {
            grids.next()
        } else {
            None
        };
        let Some([t, h, w]) = grid else {
            out.push([next; 3]);
            next += 1;
            at += 1;
            continue;
        };
        let (h, w) = (h / merge, w / merge);
        for frame in 0..t {
            for row in 0..h {
                for column in 0..w {
                    out.push([next + frame as u32, next + row as u32, next + column as u32]);
                }
            }
        }
        at += t * h * w;
        next += t.max(h).max(w) as u32;
    }
    (out, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_spreads_and_text_goes_on_after_its_longer_side() {
        let (got, next) = positions(&[1, 9, 9, 9, 9, 9, 9, 2], Some(9), [[1, 4, 6]], 2);
        let expected = [
            [0, 0, 0],
            [1, 1, 1],
            [1, 1, 2],
            [1, 1, 3],
            [1, 2, 1],
            [1, 2, 2],
            [1, 2, 3],
            [4, 4, 4],
        ];
        assert_eq!(got, expected);
        assert_eq!(next, 5);
    }

    #[test]
    fn an_image_token_without_a_picture_is_text() {
        assert_eq!(
            positions(&[9, 1], Some(9), [], 2),
            (vec![[0; 3], [1; 3]], 2)
        );
    }
}
