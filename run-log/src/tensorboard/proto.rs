//! The few protocol-buffer messages of a TensorBoard event file, encoded by hand, and the frame
//! around each of them.
//!
//! Field numbers are those of `event.proto`, `summary.proto`, `histogram.proto`, `tensor.proto` and
//! `tensor_shape.proto` in TensorBoard 2.21 (`tensorboard/compat/proto`).

/// What an event says, without its time and step.
pub(super) enum What<'a> {
    /// The first event of every file.
    FileVersion,
    /// The run goes on here: TensorBoard forgets what it has seen from this step on.
    SessionStart,
    Scalar {
        tag: &'a str,
        value: f32,
    },
    Text {
        tag: &'a str,
        text: &'a str,
    },
    Image {
        tag: &'a str,
        width: u32,
        height: u32,
        png: &'a [u8],
    },
    Histogram {
        tag: &'a str,
        histogram: &'a Histogram,
    },
}

/// Counts of values in buckets; `limits[i]` is the right edge of bucket `i`.
#[derive(Debug, PartialEq)]
pub(super) struct Histogram {
    pub min: f64,
    pub max: f64,
    pub count: f64,
    pub sum: f64,
    pub sum_squares: f64,
    pub limits: Vec<f64>,
    pub counts: Vec<f64>,
}

impl Histogram {
    /// Equal buckets between the smallest and the largest value. Values that are not finite are
    /// left out; `None` where nothing remains.
    pub fn of(values: &[f64], buckets: usize) -> Option<Self> {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let min = finite.iter().copied().reduce(f64::min)?;
        let max = finite.iter().copied().reduce(f64::max)?;
        let buckets = if min < max { buckets.max(1) } else { 1 };
        let width = (max - min) / buckets as f64;
        let mut counts = vec![0.0; buckets];
        for value in &finite {
            // The quotient is in 0..=buckets; for a single value it is NaN, which casts to 0.
            counts[(((value - min) / width) as usize).min(buckets - 1)] += 1.0;
        }
        let mut limits: Vec<f64> = (1..=buckets).map(|i| min + width * i as f64).collect();
        limits[buckets - 1] = max;
        Some(Self {
            min,
            max,
            count: finite.len() as f64,
            sum: finite.iter().sum(),
            sum_squares: finite.iter().map(|v| v * v).sum(),
            limits,
            counts,
        })
    }
}

/// An event framed for the file:
/// `u64 length | masked crc of the length | event | masked crc of the event`, little-endian.
pub(super) fn record(wall_time_s: f64, step: u64, what: &What<'_>) -> Vec<u8> {
    let event = event(wall_time_s, step, what);
    let length = (event.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(event.len() + 16);
    out.extend_from_slice(&length);
    out.extend_from_slice(&masked_crc(&length).to_le_bytes());
    out.extend_from_slice(&event);
    out.extend_from_slice(&masked_crc(&event).to_le_bytes());
    out
}

/// CRC-32C, rotated and shifted so that the sum of data that holds sums stays a good one.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn event(wall_time_s: f64, step: u64, what: &What<'_>) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time_s);
    event.integer(2, step);
    match what {
        What::FileVersion => event.bytes(3, b"brain.Event:2"),
        What::SessionStart => event.message(7, |session| session.integer(1, 1)),
        _ => event.message(5, |summary| {
            summary.message(1, |value| summary_value(value, what))
        }),
    }
    event.0
}

fn summary_value(value: &mut Message, what: &What<'_>) {
    match what {
        What::FileVersion | What::SessionStart => {}
        What::Scalar { tag, value: scalar } => {
            value.bytes(1, tag.as_bytes());
            value.float(2, *scalar);
        }
        What::Image {
            tag,
            width,
            height,
            png,
        } => {
            value.bytes(1, tag.as_bytes());
            value.message(4, |image| {
                image.integer(1, u64::from(*height));
                image.integer(2, u64::from(*width));
                // Colour space 3 is RGB.
                image.integer(3, 3);
                image.bytes(4, png);
            });
        }
        What::Histogram { tag, histogram } => {
            value.bytes(1, tag.as_bytes());
            value.message(5, |histo| {
                histo.double(1, histogram.min);
                histo.double(2, histogram.max);
                histo.double(3, histogram.count);
                histo.double(4, histogram.sum);
                histo.double(5, histogram.sum_squares);
                histo.doubles(6, &histogram.limits);
                histo.doubles(7, &histogram.counts);
            });
        }
        What::Text { tag, text } => {
            value.bytes(1, tag.as_bytes());
            value.message(8, |tensor| {
                // Data type 7 is a string; one dimension of one element.
                tensor.integer(1, 7);
                tensor.message(2, |shape| shape.message(2, |dim| dim.integer(1, 1)));
                tensor.bytes(8, text.as_bytes());
            });
            value.message(9, |metadata| {
                metadata.message(1, |plugin| plugin.bytes(1, b"text"));
            });
        }
    }
}

/// A message under construction. As in proto3, a number that is zero is left out, except where it
/// is one of several alternatives (`float`).
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A field's number and the form of what follows: 0 varint, 1 eight bytes, 2 a length and as
    /// many bytes, 5 four bytes.
    fn key(&mut self, field: u64, form: u64) {
        self.varint(field << 3 | form);
    }

    fn integer(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.key(field, 0);
            self.varint(value);
        }
    }

    fn double(&mut self, field: u64, value: f64) {
        if value.to_bits() != 0 {
            self.key(field, 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn doubles(&mut self, field: u64, values: &[f64]) {
        let packed: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.bytes(field, &packed);
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by TensorBoard's own Python messages: `make_golden.py` beside the file.
    const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/tensorboard/events.golden");

    #[test]
    fn crc_has_the_published_check_value() {
        // RFC 3720 appendix B.4: CRC-32C of "123456789".
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn bytes_equal_tensorboards_own() {
        let histogram = Histogram::of(&[-1.0, 0.0, 0.5, 1.0, 3.0, f64::NAN], 4).unwrap();
        // The bytes are opaque to the encoder; any will do, the golden holds the same.
        let png = b"\x89PNG\r\n\x1a\nnot a whole picture";
        let events = [
            (1.5, 0, What::FileVersion),
            (2.5, 300, What::SessionStart),
            (
                3.25,
                301,
                What::Scalar {
                    tag: "reward/mean",
                    value: 0.375,
                },
            ),
            (
                3.25,
                301,
                What::Scalar {
                    tag: "policy/kl_ref",
                    value: 0.0,
                },
            ),
            (
                4.0,
                302,
                What::Text {
                    tag: "samples",
                    text: "wie viele? → <answer>2</answer>",
                },
            ),
            (
                5.0,
                303,
                What::Image {
                    tag: "picture",
                    width: 5,
                    height: 200,
                    png,
                },
            ),
            (
                6.0,
                304,
                What::Histogram {
                    tag: "advantages",
                    histogram: &histogram,
                },
            ),
        ];
        let written: Vec<u8> = events
            .iter()
            .flat_map(|(t, s, what)| record(*t, *s, what))
            .collect();
        assert!(
            written == GOLDEN,
            "ours: {written:02x?}\ngolden: {GOLDEN:02x?}"
        );
    }

    #[test]
    fn histogram_counts_every_finite_value_once() {
        let h = Histogram::of(&[0.0, 1.0, 2.0, 3.0, 4.0, f64::INFINITY], 2).unwrap();
        assert_eq!((h.limits, h.counts), (vec![2.0, 4.0], vec![2.0, 3.0]));
        assert_eq!((h.count, h.sum, h.sum_squares), (5.0, 10.0, 30.0));
        let same = Histogram::of(&[7.0, 7.0], 30).unwrap();
        assert_eq!((same.limits, same.counts), (vec![7.0], vec![2.0]));
        assert_eq!(Histogram::of(&[f64::NAN], 3), None);
    }
}
