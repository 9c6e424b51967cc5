//! Which way up a picture was stored: the orientation of its EXIF data.

use std::io::Read;

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, RgbImage};

/// Tag of the orientation in a TIFF directory (EXIF 2.32, table 4).
const TAG: u16 = 0x0112;
/// Longest text of a PNG that is unpacked, in bytes: Pillow's limit.
const MAX_TEXT: u64 = 1 << 20;
/// What ImageMagick calls a PNG's text that is EXIF data in hexadecimal.
const RAW_PROFILE: &[u8] = b"Raw profile type exif";

/// The orientation of a picture, where its file says one that turns it: as Pillow's `getexif` finds
/// it, in the EXIF data, else in the XMP.
///
/// Data that cannot be understood say nothing.
pub(super) fn find(
    format: ImageFormat,
    bytes: &[u8],
    decoder: &mut impl ImageDecoder,
) -> Option<Orientation> {
    let exif = match format {
        ImageFormat::Png => png_exif(bytes),
        _ => decoder.exif_metadata().ok().flatten(),
    };
    let code = exif.as_deref().and_then(in_exif).or_else(|| {
        let xmp = decoder.xmp_metadata().ok().flatten()?;
        in_xmp(&xmp)
    });
    code.and_then(|code| Orientation::from_exif(u8::try_from(code).ok()?))
}

/// The picture as it is meant to be seen.
pub(super) fn turned(image: RgbImage, orientation: Orientation) -> RgbImage {
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}

/// The orientation in EXIF data: a TIFF header, which `Exif\0\0` may stand before, and its first
/// directory.
fn in_exif(exif: &[u8]) -> Option<u16> {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let little = match tiff.get(..4)? {
        [b'I', b'I', 42, 0] => true,
        [b'M', b'M', 0, 42] => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let pair = [*tiff.get(at)?, *tiff.get(at + 1)?];
        Some(match little {
            true => u16::from_le_bytes(pair),
            false => u16::from_be_bytes(pair),
        })
    };
    let u32_at = |at: usize| {
        let (first, second) = (u32::from(u16_at(at)?), u32::from(u16_at(at + 2)?));
        Some(match little {
            true => second << 16 | first,
            false => first << 16 | second,
        })
    };
    let directory = u32_at(4)? as usize;
    let entries = usize::from(u16_at(directory)?);
    let mut entries = (0..entries).map(|i| directory + 2 + 12 * i);
    let entry = entries.find(|entry| u16_at(*entry) == Some(TAG))?;
    // One value of two or four bytes, left-aligned in its four.
    match (u16_at(entry + 2)?, u32_at(entry + 4)?) {
        (3, 1) => u16_at(entry + 8),
        (4, 1) => u16::try_from(u32_at(entry + 8)?).ok(),
        _ => None,
    }
}

/// The orientation in XMP, as an attribute or an element.
fn in_xmp(xmp: &[u8]) -> Option<u16> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut names = (0..xmp.len()).filter(|at| xmp[*at..].starts_with(NAME));
    names.find_map(|at| {
        let rest = &xmp[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or(rest.strip_prefix(b">"))?;
        let digit = value.first().filter(|digit| digit.is_ascii_digit())?;
        Some(u16::from(digit - b'0'))
    })
}

/// EXIF data of a PNG: its own chunk, wherever it stands, else the text that ImageMagick writes.
fn png_exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let find = |kind: &[u8; 4]| chunks(bytes).find(|(found, _)| *found == kind);
    if let Some((_, data)) = find(b"eXIf") {
        return Some(data.to_vec());
    }
    let profile = |(kind, data): (&[u8], &[u8])| {
        let text = data.strip_prefix(RAW_PROFILE)?.strip_prefix(b"\0")?;
        match kind {
            b"tEXt" => Some(text.to_vec()),
            // One byte says that the rest is zlib's.
            b"zTXt" => {
                let mut plain = vec![];
                let packed = ZlibDecoder::new(text.get(1..)?);
                packed.take(MAX_TEXT).read_to_end(&mut plain).ok()?;
                Some(plain)
            }
            _ => None,
        }
    };
    let text = chunks(bytes).find_map(profile)?;
    // An empty line, the name and the length come before the digits.
    let digits = text.split(|byte| *byte == b'\n').skip(3).flatten();
    let digits: Vec<u8> = digits.copied().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    let pairs = digits.chunks_exact(2);
    Some(
        pairs
            .map(|pair| value(pair[0]) << 4 | value(pair[1]))
            .collect(),
    )
}

/// The chunks of a PNG, by kind, as far as they are whole.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    const SIGNATURE: usize = 8;
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(rest.first_chunk().copied()?) as usize;
        let (kind, data) = (rest.get(4..8)?, rest.get(8..)?.get(..length)?);
        rest = rest.get(length + 12..)?;
        Some((kind, data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Alpha, Decoding, golden, load};

    /// Every orientation in every place a file may say it, against Pillow 12.3's `exif_transpose`.
    #[test]
    fn pictures_stand_as_pillow_sets_them_upright() {
        let expected = golden::orientations();
        assert_eq!(expected.len(), 25);
        for (name, expected) in expected {
            let image = load(&golden::path("orientations").join(&name), Alpha::Drop).unwrap();
            let size = [image.height() as usize, image.width() as usize, 3];
            assert_eq!(size, expected.shape[..], "{name}");
            let off = image
                .iter()
                .zip(&expected.bytes)
                .map(|(a, b)| a.abs_diff(*b));
            let tolerance = if name.ends_with(".jpg") { 4 } else { 0 };
            let worst = off.max().unwrap();
            assert!(worst <= tolerance, "{name}: off by {worst}");
        }
    }

    #[test]
    fn a_picture_can_be_taken_as_it_is_stored() {
        let path = golden::path("modes").join("oriented.png");
        let upright = load(&path, Alpha::Drop).unwrap();
        let stored = Decoding {
            upright: false,
            ..Alpha::Drop.into()
        };
        let stored = load(&path, stored).unwrap();
        assert_eq!(upright.dimensions(), (stored.height(), stored.width()));
        assert_eq!(upright, image::imageops::rotate90(&stored));
    }

    #[test]
    fn what_cannot_be_understood_says_nothing() {
        for bytes in [
            b"".as_slice(),
            b"MM\0*",
            b"MM\0*\xff\xff\xff\xff",
            b"II*\0\x08\0\0\0\xff\xff",
            b"XX*\0\x08\0\0\0\0\0",
        ] {
            assert_eq!(in_exif(bytes), None, "{bytes:?}");
        }
        assert_eq!(in_xmp(b"tiff:Orientation tiff:Orientation=\"x"), None);
        assert_eq!(
            in_xmp(b"tiff:Orientation=\"\" <tiff:Orientation>8<"),
            Some(8)
        );
    }
}
