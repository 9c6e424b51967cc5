//! The size to which the Qwen-VL models scale a picture before cutting it into patches.

use crate::error::VlmError;

/// The largest ratio of the long to the short side that a picture may have: the limit of
/// `transformers`' Qwen2-VL image processor, kept for every family.
pub const MAX_ASPECT_RATIO: f64 = 200.0;

/// Refuses pictures of which no resizing leaves anything to see.
///
/// # Errors
/// An empty picture, or sides more than [`MAX_ASPECT_RATIO`] apart.
pub fn check_aspect_ratio(width: usize, height: usize) -> Result<(), VlmError> {
    let refuse = |message: String| VlmError::Image {
        name: format!("of {width}x{height}"),
        message,
    };
    if height == 0 || width == 0 {
        return Err(refuse("it has no pixels".into()));
    }
    let (h, w) = (height as f64, width as f64);
    let ratio = h.max(w) / h.min(w);
    if ratio > MAX_ASPECT_RATIO {
        return Err(refuse(format!(
            "its aspect ratio is {ratio:.1}, at most {MAX_ASPECT_RATIO} is allowed"
        )));
    }
    Ok(())
}

/// Chooses `(height, width)` in pixels: both multiples of `factor`, the aspect ratio kept as far
/// as that allows, the area between `min_pixels` and `max_pixels`.
///
/// With `b` the square root of the area's excess, `h' = round(h / f) f`, or `floor(h / b / f) f`
/// when too large (`b = sqrt(hw / max)`, at least one factor), or `ceil(h b / f) f` when too small
/// (`b = sqrt(min / hw)`); halves round to even. Source: `smart_resize` of `transformers`'
/// Qwen2-VL image processor.
///
/// # Errors
/// An empty picture, a zero factor, or sides more than [`MAX_ASPECT_RATIO`] apart.
pub fn smart_resize(
    height: usize,
    width: usize,
    factor: usize,
    min_pixels: usize,
    max_pixels: usize,
) -> Result<(usize, usize), VlmError> {
    check_aspect_ratio(width, height)?;
    if factor == 0 {
        return Err(VlmError::Image {
            name: format!("of {width}x{height}"),
            message: "cannot be resized to multiples of 0 pixels".into(),
        });
    }
    let (h, w, f) = (height as f64, width as f64, factor as f64);
    let rounded = |side: f64| (side / f).round_ties_even() * f;
    let (near_h, near_w) = (rounded(h), rounded(w));
    let (new_h, new_w) = if near_h * near_w > max_pixels as f64 {
        let shrink = (h * w / max_pixels as f64).sqrt();
        let fit = |side: f64| f.max((side / shrink / f).floor() * f);
        (fit(h), fit(w))
    } else if near_h * near_w < min_pixels as f64 {
        let grow = (min_pixels as f64 / (h * w)).sqrt();
        let fit = |side: f64| (side * grow / f).ceil() * f;
        (fit(h), fit(w))
    } else {
        (near_h, near_w)
    };
    Ok((new_h as usize, new_w as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::golden;

    #[test]
    fn every_row_of_the_reference_table_agrees() {
        let rows = golden::table("smart_resize");
        let of_32_pixels = golden::table_in("tables_2026.json", "smart_resize");
        assert_eq!((rows.len(), of_32_pixels.len()), (399, 400));
        let rows = rows.into_iter().chain(of_32_pixels);
        let mut refused = 0;
        for row in rows {
            let at = |i: usize| row[i] as usize;
            let got = smart_resize(at(0), at(1), at(2), at(3), at(4));
            if row[5] < 0 {
                assert!(got.is_err(), "{row:?} gave {got:?}");
                refused += 1;
            } else {
                assert_eq!(got.unwrap(), (at(5), at(6)), "{row:?}");
            }
        }
        assert!(refused > 0, "the table holds no refused row");
    }

    #[test]
    fn a_refusal_names_the_size_and_the_ratio() {
        let message = smart_resize(1, 201, 28, 3136, 12_845_056)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "image of 201x1: its aspect ratio is 201.0, at most 200 is allowed"
        );
        assert!(smart_resize(1, 200, 28, 3136, 12_845_056).is_ok());
        assert!(smart_resize(0, 10, 28, 3136, 12_845_056).is_err());
    }
}
