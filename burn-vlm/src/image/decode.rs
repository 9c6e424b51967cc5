//! Reading a picture file into 8-bit RGB, with the colours Pillow gives.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage, Rgba};

use super::{jpeg, orientation};
use crate::error::VlmError;

/// The largest picture that is decoded, in pixels: Pillow's limit against decompression bombs
/// (twice its warning threshold of 1 GiB / 4 / 3 pixels). It is compared with the size in the
/// file's header, before anything is allocated.
pub const MAX_PIXELS: u64 = 2 * 89_478_485;

/// What becomes of a picture's transparency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alpha {
    /// The picture is laid over white, as by the Qwen-VL processors of `transformers` 5.
    #[default]
    OverWhite,
    /// The colours are taken as they are stored, as by `transformers` 4 and most models' own code.
    Drop,
}

/// How a picture file becomes RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoding {
    /// What becomes of transparency.
    pub alpha: Alpha,
    /// Whether the picture is turned as its EXIF orientation says, so that it stands as a viewer
    /// shows it: `transformers`' `load_image` and `datasets`' `Image` do. False for the pixels as
    /// they are stored, as Pillow's `open` alone gives them.
    pub upright: bool,
}

impl From<Alpha> for Decoding {
    fn from(alpha: Alpha) -> Self {
        Self {
            alpha,
            upright: true,
        }
    }
}

/// Reads the PNG, JPEG or WebP file at `path`. See [`decode`].
///
/// # Errors
/// The file is missing or unreadable, or [`decode`] refuses it; the message names `path`.
pub fn load(path: &Path, decoding: impl Into<Decoding>) -> Result<RgbImage, VlmError> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => decode(&name, &bytes, decoding),
        Err(error) => Err(VlmError::Image {
            name,
            message: format!("the file cannot be read: {error}"),
        }),
    }
}

/// Decodes PNG, JPEG or WebP `bytes`, recognised by their content, into 8-bit RGB.
///
/// Grey and palette pictures become RGB. Of 16-bit colours the high byte is kept; 16-bit grey
/// without alpha is clipped at 255, as Pillow 12 converts its `I;16` mode.
///
/// # Errors
/// `bytes` are no picture of these formats, are truncated or damaged, or hold more than
/// [`MAX_PIXELS`]; the message names the picture `name`.
pub fn decode(
    name: &str,
    bytes: &[u8],
    decoding: impl Into<Decoding>,
) -> Result<RgbImage, VlmError> {
    let decoding = decoding.into();
    let refuse = |message: String| VlmError::Image {
        name: name.to_owned(),
        message,
    };
    let damaged = |error: image::ImageError| {
        refuse(format!(
            "the file is truncated or damaged ({} bytes): {error}",
            bytes.len()
        ))
    };
    if bytes.is_empty() {
        return Err(refuse("the file is empty".into()));
    }
    let format = readable(image::guess_format(bytes).ok()).map_err(refuse)?;
    if format == ImageFormat::Jpeg && !jpeg::reaches_end(bytes) {
        let size = bytes.len();
        return Err(refuse(format!(
            "the file is truncated: no end of image in {size} bytes"
        )));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // The size is checked below; the library's own limit is smaller than the one promised.
    reader.limits(Limits::no_limits());
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if let Some(message) = too_large(width, height) {
        return Err(refuse(message));
    }
    let turn = match decoding.upright {
        true => orientation::find(format, bytes, &mut decoder),
        false => None,
    };
    let stored = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let rgb = to_rgb(stored, decoding.alpha);
    Ok(match turn {
        Some(turn) => orientation::turned(rgb, turn),
        None => rgb,
    })
}

/// Size of the PNG, JPEG or WebP file at `path`, from its header alone: width and height in pixels
/// as they are stored, whatever its orientation.
///
/// A cheap look at many files before any is needed. Damage behind the header stays unseen.
///
/// # Errors
/// The file is missing or unreadable, is no picture of these formats, or holds more than
/// [`MAX_PIXELS`]; the message names `path`.
pub fn probe(path: &Path) -> Result<(u32, u32), VlmError> {
    let refuse = |message: String| VlmError::Image {
        name: path.display().to_string(),
        message,
    };
    let unreadable = |error: std::io::Error| refuse(format!("the file cannot be read: {error}"));
    // By its content alone: a name says nothing.
    let mut reader = std::fs::File::open(path)
        .map(std::io::BufReader::new)
        .and_then(|file| ImageReader::new(file).with_guessed_format())
        .map_err(unreadable)?;
    readable(reader.format()).map_err(refuse)?;
    reader.limits(Limits::no_limits());
    let (width, height) = reader
        .into_dimensions()
        .map_err(|e| refuse(format!("the file is truncated or damaged: {e}")))?;
    match too_large(width, height) {
        Some(message) => Err(refuse(message)),
        None => Ok((width, height)),
    }
}

/// `found` if a picture of this format can be read, else why not.
fn readable(found: Option<ImageFormat>) -> Result<ImageFormat, String> {
    match found {
        Some(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) => {
            if format.reading_enabled() {
                return Ok(format);
            }
            let feature = format!("{format:?}").to_lowercase();
            Err(format!(
                "a {format:?} file, which takes burn-vlm with its feature `{feature}`"
            ))
        }
        Some(other) => Err(format!("{other:?} is not one of PNG, JPEG and WebP")),
        None => Err("not an image: neither PNG, JPEG nor WebP".into()),
    }
}

fn too_large(width: u32, height: u32) -> Option<String> {
    let pixels = u64::from(width) * u64::from(height);
    (pixels > MAX_PIXELS)
        .then(|| format!("{width}x{height} is {pixels} pixels, at most {MAX_PIXELS} are decoded"))
}

fn to_rgb(image: DynamicImage, alpha: Alpha) -> RgbImage {
    let high = |v: u16| (v >> 8) as u8;
    let clip = |v: u16| v.min(255) as u8;
    let flat = |Rgba([r, g, b, a]): Rgba<u8>| match alpha {
        Alpha::Drop => Rgb([r, g, b]),
        Alpha::OverWhite => Rgb([r, g, b].map(|c| over_white(c, a))),
    };
    match image {
        DynamicImage::ImageRgb8(image) => image,
        DynamicImage::ImageLuma8(image) => map(&image, |p| Rgb([p[0]; 3])),
        DynamicImage::ImageLuma16(image) => map(&image, |p| Rgb([clip(p[0]); 3])),
        DynamicImage::ImageRgb16(image) => map(&image, |p| Rgb(p.0.map(high))),
        DynamicImage::ImageLumaA8(image) => map(&image, |p| flat(Rgba([p[0], p[0], p[0], p[1]]))),
        DynamicImage::ImageLumaA16(image) => {
            let pixel = |[l, a]: [u8; 2]| flat(Rgba([l, l, l, a]));
            map(&image, |p| pixel(p.0.map(high)))
        }
        DynamicImage::ImageRgba16(image) => map(&image, |p| flat(Rgba(p.0.map(high)))),
        other => map(&other.into_rgba8(), |p| flat(*p)),
    }
}

fn map<P: image::Pixel>(
    image: &image::ImageBuffer<P, Vec<P::Subpixel>>,
    to: impl Fn(&P) -> Rgb<u8>,
) -> RgbImage {
    let mut out = RgbImage::new(image.width(), image.height());
    out.pixels_mut()
        .zip(image.pixels())
        .for_each(|(to_pixel, pixel)| *to_pixel = to(pixel));
    out
}

/// `colour` with opacity `alpha` over white, in the fixed point of Pillow's `alpha_composite`:
/// weights of 255 * 2^7, and a rounded division by 255 as `((x >> 8) + x) >> 8`.
fn over_white(colour: u8, alpha: u8) -> u8 {
    const BITS: u32 = 7;
    let weight = u32::from(alpha) << BITS;
    let rest = (255 << BITS) - weight;
    let sum = u32::from(colour) * weight + 255 * rest + (0x80 << BITS);
    ((((sum >> 8) + sum) >> 8) >> BITS) as u8
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA};

    use super::*;
    use crate::image::golden;

    fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn first_row(bytes: &[u8], alpha: Alpha) -> Vec<[u8; 3]> {
        decode("test", bytes, alpha)
            .unwrap()
            .pixels()
            .map(|p| p.0)
            .collect()
    }

    /// Numbers from Pillow 12.3: `alpha_composite` over white, and `convert("RGB")`.
    #[test]
    fn transparency_is_treated_as_asked() {
        let pixels = vec![10, 11, 12, 0, 40, 41, 48, 128, 9, 8, 7, 255];
        let image = ImageBuffer::<Rgba<u8>, _>::from_raw(3, 1, pixels).unwrap();
        let bytes = png(image);
        assert_eq!(
            first_row(&bytes, Alpha::OverWhite),
            [[255; 3], [147, 148, 151], [9, 8, 7]]
        );
        assert_eq!(
            first_row(&bytes, Alpha::Drop),
            [[10, 11, 12], [40, 41, 48], [9, 8, 7]]
        );
        let grey = ImageBuffer::<LumaA<u8>, _>::from_raw(2, 1, vec![10, 0, 40, 128]).unwrap();
        assert_eq!(
            first_row(&png(grey), Alpha::OverWhite),
            [[255; 3], [147; 3]]
        );
    }

    /// Numbers from Pillow 12.3 on the same 16-bit files.
    #[test]
    fn sixteen_bit_pictures_give_pillows_bytes() {
        let values = vec![0, 127, 255, 256, 384, 32767, 40000, 65407, 65535];
        let grey = ImageBuffer::<Luma<u16>, _>::from_raw(9, 1, values.clone()).unwrap();
        let expected = [0, 127, 255, 255, 255, 255, 255, 255, 255].map(|v| [v; 3]);
        assert_eq!(first_row(&png(grey), Alpha::Drop), expected);
        let colour = ImageBuffer::<Rgb<u16>, _>::from_raw(
            9,
            1,
            values.iter().flat_map(|&v| [v; 3]).collect(),
        );
        let expected = [0, 0, 0, 1, 1, 127, 156, 255, 255].map(|v| [v; 3]);
        assert_eq!(first_row(&png(colour.unwrap()), Alpha::Drop), expected);
        let with_alpha = values.iter().flat_map(|&v| [v, 65535 - v]).collect();
        let grey = ImageBuffer::<LumaA<u16>, _>::from_raw(9, 1, with_alpha).unwrap();
        assert_eq!(first_row(&png(grey), Alpha::Drop), expected);
    }

    /// Two decoders' inverse transforms and chroma interpolation round differently. Measured on
    /// this picture (4:2:0, a corner of pure noise) against Pillow 12.3: 4 levels at worst, 0.36 in
    /// the mean. The bounds leave room for the decoder's code paths on other processors.
    #[test]
    fn a_jpeg_is_close_to_libjpegs_decoding() {
        let got = golden::picture("photo_301x203.jpg");
        let expected = golden::picture("photo_301x203.jpg.decoded.png");
        assert_eq!(got.dimensions(), expected.dimensions());
        let off = |(a, b): (&u8, &u8)| a.abs_diff(*b);
        let worst = got.iter().zip(expected.iter()).map(off).max().unwrap();
        let total: u64 = got
            .iter()
            .zip(expected.iter())
            .map(|p| u64::from(off(p)))
            .sum();
        let mean = total as f64 / got.len() as f64;
        assert!(worst <= 6 && mean < 0.5, "worst {worst}, mean {mean}");
    }

    /// Every mode of the three formats, against Pillow 12.3 and transformers 5.23. JPEG and lossy
    /// WebP leave the decoder freedom in rounding.
    #[test]
    fn every_mode_becomes_the_rgb_that_python_makes_of_it() {
        let modes = golden::modes();
        assert_eq!(modes.len(), 29);
        for (name, expected) in modes {
            let tolerance = match name.as_str() {
                "lossy.webp" => 2,
                jpeg if jpeg.ends_with(".jpg") => 4,
                _ => 0,
            };
            for (alpha, expected) in [Alpha::OverWhite, Alpha::Drop].into_iter().zip(expected) {
                let stored = Decoding {
                    alpha,
                    upright: false,
                };
                let image = load(&golden::path("modes").join(&name), stored).unwrap();
                let size = [image.height() as usize, image.width() as usize, 3];
                assert_eq!(size, expected.shape[..], "{name}");
                let off = image
                    .iter()
                    .zip(&expected.bytes)
                    .map(|(a, b)| a.abs_diff(*b));
                let worst = off.max().unwrap();
                assert!(worst <= tolerance, "{name}, {alpha:?}: off by {worst}");
            }
        }
    }

    #[test]
    fn refusals_name_the_file_and_the_reason() {
        let message = |bytes: &[u8]| {
            decode("cat.png", bytes, Alpha::Drop)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(message(b""), "image cat.png: the file is empty");
        assert_eq!(
            message(b"hello, world"),
            "image cat.png: not an image: neither PNG, JPEG nor WebP"
        );
        assert_eq!(
            message(b"GIF89a\x01\0\x01\0"),
            "image cat.png: Gif is not one of PNG, JPEG and WebP"
        );
        for name in ["images/square_64.png", "images/photo_301x203.jpg"] {
            let whole = std::fs::read(golden::path(name)).unwrap();
            for size in [whole.len() / 2, 60] {
                let got = message(&whole[..size]);
                assert!(
                    got.starts_with("image cat.png: the file is truncated"),
                    "{got}"
                );
                assert!(got.contains(&format!("{size} bytes")), "{got}");
            }
        }
        let missing = load(Path::new("no/such.png"), Alpha::Drop)
            .unwrap_err()
            .to_string();
        assert!(
            missing.starts_with("image no/such.png: the file cannot be read"),
            "{missing}"
        );
    }

    #[test]
    fn webp_is_read() {
        let image = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 40, y as u8 * 80, 7]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::WebP).unwrap();
        assert_eq!(
            decode("w", bytes.get_ref(), Alpha::OverWhite).unwrap(),
            image
        );
        let half = &bytes.get_ref()[..bytes.get_ref().len() / 2];
        assert!(decode("w", half, Alpha::OverWhite).is_err());
    }

    /// A header that promises 20,000 x 20,000 pixels is refused before they are allocated.
    #[test]
    fn a_decompression_bomb_is_refused_by_its_header() {
        let mut bytes = png(RgbImage::new(1, 1));
        bytes[16..20].copy_from_slice(&20_000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&20_000u32.to_be_bytes());
        let sum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(
            decode("bomb", &bytes, Alpha::Drop).unwrap_err().to_string(),
            "image bomb: 20000x20000 is 400000000 pixels, at most 178956970 are decoded"
        );
    }

    #[test]
    fn a_probe_reads_the_header_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let probed = |bytes: &[u8]| {
            let path = dir.path().join("picture");
            std::fs::write(&path, bytes).unwrap();
            probe(&path).map_err(|e| e.to_string())
        };
        let whole = std::fs::read(golden::path("images/photo_301x203.jpg")).unwrap();
        assert_eq!(probed(&whole), Ok((301, 203)));
        assert_eq!(probed(&whole[..whole.len() / 2]), Ok((301, 203)));
        assert_eq!(probed(&png(RgbImage::new(5, 3))), Ok((5, 3)));
        let message = |bytes: &[u8]| probed(bytes).unwrap_err();
        assert!(
            message(b"hello, world").ends_with("picture: not an image: neither PNG, JPEG nor WebP")
        );
        assert!(message(&whole[..20]).contains("the file is truncated or damaged"));
        assert!(probe(&dir.path().join("none")).is_err());
    }

    /// The checksum of a PNG chunk (ISO 3309, reflected polynomial).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| {
                (c >> 1) ^ (0xEDB8_8320 * (c & 1))
            })
        })
    }
}
