//! TensorBoard event files: scalars, text, pictures and histograms.

mod proto;

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Cursor, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use image::{ImageFormat, RgbImage};

use self::proto::{Histogram, What};
use crate::error::LogError;
use crate::files::list;
use crate::metrics::{Metrics, Sink};

/// Buckets of a histogram; TensorBoard itself redraws them as 30.
const BUCKETS: usize = 30;

/// Writes one `events.out.tfevents.<seconds>.<host>.<pid>.<n>` file.
///
/// Events wait in a buffer until [`Sink::flush`], the end of a [`Sink::step`], or the end of the
/// writer; only the first two report that they could not be written.
#[derive(Debug)]
pub struct TensorBoardWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl TensorBoardWriter {
    /// Starts a new event file in `dir`; those that are there stay.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn create(dir: impl AsRef<Path>) -> Result<Self, LogError> {
        let mut writer = Self::new_file(dir.as_ref())?;
        writer.event(0, &What::FileVersion)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Goes on after `step` in a new event file that tells TensorBoard to forget all later steps.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn resume(dir: impl AsRef<Path>, step: u64) -> Result<Self, LogError> {
        let mut writer = Self::create(dir)?;
        // What lies at the event's own step is forgotten too, so it names the first step to come.
        writer.event(step + 1, &What::SessionStart)?;
        writer.flush()?;
        Ok(writer)
    }

    /// The file being written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number. TensorBoard keeps scalars as `f32`.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn scalar(&mut self, step: u64, tag: &str, value: f64) -> Result<(), LogError> {
        self.event(
            step,
            &What::Scalar {
                tag,
                value: value as f32,
            },
        )
    }

    /// A text, which TensorBoard shows as Markdown.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn text(&mut self, step: u64, tag: &str, text: &str) -> Result<(), LogError> {
        self.event(step, &What::Text { tag, text })
    }

    /// A picture, stored as PNG.
    ///
    /// # Errors
    /// [`LogError::Io`], also for a picture that cannot be encoded (one without pixels).
    pub fn image(&mut self, step: u64, tag: &str, image: &RgbImage) -> Result<(), LogError> {
        let mut png = Cursor::new(Vec::new());
        image
            .write_to(&mut png, ImageFormat::Png)
            .map_err(|e| LogError::io(&self.path, std::io::Error::other(e)))?;
        let (width, height) = image.dimensions();
        self.event(
            step,
            &What::Image {
                tag,
                width,
                height,
                png: png.get_ref(),
            },
        )
    }

    /// How values are spread. Those that are not finite are left out, and nothing is written where
    /// none remain.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn histogram(&mut self, step: u64, tag: &str, values: &[f64]) -> Result<(), LogError> {
        match Histogram::of(values, BUCKETS) {
            Some(histogram) => self.event(
                step,
                &What::Histogram {
                    tag,
                    histogram: &histogram,
                },
            ),
            None => Ok(()),
        }
    }

    fn event(&mut self, step: u64, what: &What<'_>) -> Result<(), LogError> {
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let record = proto::record(now_s, step, what);
        self.file
            .write_all(&record)
            .map_err(|e| LogError::io(&self.path, e))
    }

    fn new_file(dir: &Path) -> Result<Self, LogError> {
        fs::create_dir_all(dir).map_err(|e| LogError::io(dir, e))?;
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        // Files are read in the order of their names: a run resumed within a second, or after the
        // clock went back, still has to come after what it continues.
        let newest_s = list(dir)?.iter().filter_map(|p| seconds_of(p)).max();
        let seconds = newest_s.map_or(now_s, |s| now_s.max(s.saturating_add(1)));
        let (host, pid) = (host_name(), std::process::id());
        let mut number = 0_u64;
        loop {
            let path = dir.join(format!(
                "events.out.tfevents.{seconds:010}.{host}.{pid}.{number}"
            ));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    return Ok(Self {
                        path,
                        file: BufWriter::new(file),
                    });
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(LogError::io(path, e)),
            }
        }
    }
}

impl Sink for TensorBoardWriter {
    fn step(&mut self, step: u64, metrics: &Metrics) -> Result<(), LogError> {
        for (name, value) in metrics.iter() {
            self.scalar(step, name, value)?;
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.file.flush().map_err(|e| LogError::io(&self.path, e))
    }
}

/// The time in an event file's name.
fn seconds_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("events.out.tfevents.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// The machine's name as part of a file name.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let plain: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    if plain.is_empty() {
        "localhost".to_owned()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_sorts_after_what_it_continues() {
        let dir = tempfile::tempdir().unwrap();
        let first = TensorBoardWriter::create(dir.path()).unwrap();
        let second = TensorBoardWriter::resume(dir.path(), 7).unwrap();
        let third = TensorBoardWriter::resume(dir.path(), 9).unwrap();
        assert_eq!(
            list(dir.path()).unwrap(),
            [first.path(), second.path(), third.path()]
        );
    }

    #[test]
    fn a_step_is_on_disk_when_it_returns() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TensorBoardWriter::create(dir.path()).unwrap();
        let mut metrics = Metrics::new();
        metrics.set("reward/mean", 0.5);
        let before = fs::metadata(writer.path()).unwrap().len();
        writer.step(1, &metrics).unwrap();
        // 16 bytes of frame; time 9, step 2, summary 2 + value 2 + tag 2 + 11 + number 5.
        assert_eq!(fs::metadata(writer.path()).unwrap().len() - before, 16 + 33);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(
            TensorBoardWriter::create(&file),
            Err(LogError::Io { .. })
        ));
        let mut writer = TensorBoardWriter::create(dir.path()).unwrap();
        assert!(matches!(
            writer.image(1, "empty", &RgbImage::new(0, 0)),
            Err(LogError::Io { .. })
        ));
        // Linux' always full device.
        if let Ok(full) = OpenOptions::new().write(true).open("/dev/full") {
            writer.file = BufWriter::new(full);
            writer.scalar(1, "a", 1.0).unwrap();
            assert!(matches!(writer.flush(), Err(LogError::Io { .. })));
        }
    }
}
