//! Pictures inside the page, as `data:` addresses.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, ImageReader};

use super::ReadPicture;
use super::text::{base64, escape};

/// All pictures of a page together take at most this many bytes.
const MAX_PAGE_BYTES: usize = 2_500_000;
/// A file up to this size goes into the page as it is.
const MAX_AS_IS_BYTES: usize = 48_000;
/// Longest edge, in pixels, of a larger one.
const MAX_EDGE: u32 = 320;
/// Up to this edge, in pixels, enlarging shows every pixel sharp.
const MAX_SHARP_EDGE: u32 = 160;
/// For pictures made smaller; nobody measures anything on them.
const JPEG_QUALITY: u8 = 82;

/// Reads the pictures of a run and keeps count of what they add to the page.
pub(super) struct Pictures<'a> {
    root: PathBuf,
    read: ReadPicture<'a>,
    spent: usize,
    seen: HashMap<String, Result<String, String>>,
}

impl<'a> Pictures<'a> {
    /// For a run in `root`, to which relative paths are relative.
    pub fn new(root: &Path, read: ReadPicture<'a>) -> Self {
        Self {
            root: root.to_path_buf(),
            read,
            spent: 0,
            seen: HashMap::new(),
        }
    }

    /// The pictures as HTML. One that cannot be shown says so in its place.
    pub fn html(&mut self, paths: &[String]) -> String {
        paths.iter().map(|path| self.one(path)).collect()
    }

    fn one(&mut self, path: &str) -> String {
        let (root, read) = (&self.root, self.read);
        let file = path.strip_prefix("file://").unwrap_or(path);
        let loaded = self
            .seen
            .entry(path.to_owned())
            .or_insert_with(|| load(&root.join(file), read));
        let shown = match loaded {
            Ok(tag) if self.spent + tag.len() > MAX_PAGE_BYTES => {
                Err("left out to keep this page small".to_owned())
            }
            Ok(tag) => {
                self.spent += tag.len();
                Ok(tag.clone())
            }
            Err(why) => Err(why.clone()),
        };
        shown.unwrap_or_else(|why| {
            format!(
                "<span class=\"nopic\" title=\"{}\">picture {}</span>",
                escape(path),
                escape(&why)
            )
        })
    }
}

/// An `<img>` of the file, or why there is none.
fn load(path: &Path, read: ReadPicture<'_>) -> Result<String, String> {
    let bytes = read(path).map_err(|_| "missing".to_owned())?;
    let broken = |_| "not readable".to_owned();
    let reader = || ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
    let opened = reader().map_err(|_| "not readable".to_owned())?;
    let kind = match opened.format() {
        Some(ImageFormat::Png) => "png",
        Some(ImageFormat::Jpeg) => "jpeg",
        Some(ImageFormat::WebP) => "webp",
        _ => return Err("of an unknown kind".to_owned()),
    };
    let (width, height) = opened.into_dimensions().map_err(broken)?;
    let (kind, data) = if bytes.len() <= MAX_AS_IS_BYTES {
        (kind, base64(&bytes))
    } else {
        let whole = reader()
            .map_err(|_| "not readable".to_owned())?
            .decode()
            .map_err(broken)?;
        let mut small = Vec::new();
        JpegEncoder::new_with_quality(&mut small, JPEG_QUALITY)
            .encode_image(&whole.thumbnail(MAX_EDGE, MAX_EDGE).to_rgb8())
            .map_err(broken)?;
        ("jpeg", base64(&small))
    };
    let class = if width.max(height) <= MAX_SHARP_EDGE {
        " class=\"sharp\""
    } else {
        ""
    };
    Ok(format!(
        "<img{class} alt=\"\" width=\"{width}\" height=\"{height}\" src=\"data:image/{kind};base64,{data}\">"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;

    #[test]
    fn every_kind_of_file_has_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let save = |name: &str, image: RgbImage| image.save(dir.path().join(name)).unwrap();
        save("small.png", RgbImage::new(4, 3));
        // Noise does not compress: this one has to be made smaller.
        save(
            "large.png",
            RgbImage::from_fn(900, 600, |x, y| {
                image::Rgb(
                    (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503 * x)).to_le_bytes()[..3]
                        .try_into()
                        .unwrap(),
                )
            }),
        );
        std::fs::write(dir.path().join("bad.png"), b"\x89PNG\r\n\x1a\nhalf").unwrap();
        let mut pictures = Pictures::new(dir.path(), &|path| std::fs::read(path));
        let mut show = |path: &str| pictures.html(&[path.to_owned()]);
        let small = show("small.png");
        assert!(
            small.contains("class=\"sharp\"")
                && small.contains("data:image/png;base64,iVBORw0KGgo")
        );
        assert_eq!(
            small,
            show(&format!(
                "file://{}",
                dir.path().join("small.png").display()
            ))
        );
        let large = show("large.png");
        assert!(
            large.contains("data:image/jpeg;base64,") && large.len() < 150_000,
            "{}",
            large.len()
        );
        assert!(show("bad.png").contains("picture not readable"));
        assert!(show("gone\".png").contains("title=\"gone&quot;.png\">picture missing"));
    }

    #[test]
    fn the_page_has_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        RgbImage::new(2, 2).save(dir.path().join("a.png")).unwrap();
        let mut pictures = Pictures::new(dir.path(), &|path| std::fs::read(path));
        pictures.spent = MAX_PAGE_BYTES;
        assert!(pictures.html(&["a.png".into()]).contains("left out"));
    }
}
