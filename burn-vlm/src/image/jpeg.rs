//! Whether a JPEG file reaches its end.

/// True when the marker segments and entropy-coded scans of `bytes` lead to an end-of-image marker.
///
/// The decoder fills what is missing with grey; Pillow calls such a file truncated, and so do we.
/// Marker codes are those of ITU-T T.81, table B.1.
pub(super) fn reaches_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // Between segments only fill bytes may stand; inside a scan `at` is already on a marker.
        while bytes
            .get(at..at + 2)
            .is_some_and(|pair| pair == [0xFF, 0xFF])
        {
            at += 1;
        }
        let Some(&[0xFF, code]) = bytes.get(at..at + 2) else {
            return false;
        };
        at += 2;
        match code {
            0xD9 => return true,
            0x01 | 0xD0..=0xD8 => continue,
            _ => {}
        }
        let Some(&[high, low]) = bytes.get(at..at + 2) else {
            return false;
        };
        at += usize::from(u16::from_be_bytes([high, low]));
        if code == 0xDA {
            let Some(scan) = bytes.get(at..) else {
                return false;
            };
            // A marker inside entropy-coded data is neither a stuffed zero, a restart nor a fill.
            let end = scan
                .windows(2)
                .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7 | 0xFF));
            let Some(end) = end else { return false };
            at += end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reaches_end;
    use crate::image::golden;

    #[test]
    fn only_the_whole_file_reaches_its_end() {
        let whole = std::fs::read(golden::path("images/photo_301x203.jpg")).unwrap();
        assert!(reaches_end(&whole));
        assert!(reaches_end(&[&whole[..], b"trailing bytes"].concat()));
        for cut in [
            whole.len() - 1,
            whole.len() - 200,
            whole.len() / 2,
            30,
            3,
            2,
            0,
        ] {
            assert!(!reaches_end(&whole[..cut]), "{cut} bytes");
        }
    }
}
