//! Text into HTML: escaping, highlighting of a response's parts, base64, numbers for people.

use std::fmt::Write;

/// Longest text shown, in characters; the middle of a longer one is left out.
const MAX_CHARS: usize = 3000;

/// Text that stands in HTML, in an element or an attribute, for exactly what it is.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // HTML allows no control characters; a stray one should be seen, not break the page.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A response as HTML: escaped, long ones shortened, the tags greyed, and what stands in `<think>`
/// and `<answer>` set apart. Unbalanced tags, which a model writes freely, still give balanced HTML.
pub(super) fn response(text: &str) -> String {
    const TAGS: [(&str, Option<&str>); 4] = [
        ("<think>", Some("think")),
        ("</think>", None),
        ("<answer>", Some("answer")),
        ("</answer>", None),
    ];
    let shortened = shorten(text);
    let mut rest = shortened.as_str();
    let mut inside: Option<&str> = None;
    let mut out = String::new();
    let run = |out: &mut String, text: &str, inside: Option<&str>| match inside {
        _ if text.is_empty() => {}
        Some(class) => {
            let _ = write!(out, r#"<span class="{class}">{}</span>"#, escape(text));
        }
        None => out.push_str(&escape(text)),
    };
    loop {
        let next = TAGS
            .iter()
            .filter_map(|(tag, class)| rest.find(tag).map(|at| (at, *tag, *class)))
            .min_by_key(|(at, _, _)| *at);
        let Some((at, tag, class)) = next else {
            run(&mut out, rest, inside);
            return out;
        };
        run(&mut out, &rest[..at], inside);
        run(&mut out, tag, Some("tag"));
        inside = class;
        rest = &rest[at + tag.len()..];
    }
}

/// A text of at most about [`MAX_CHARS`] characters, which says how much it left out.
pub(super) fn shorten(text: &str) -> String {
    let count = text.chars().count();
    if count <= MAX_CHARS {
        return text.to_owned();
    }
    let half = MAX_CHARS / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!(
        "{head}\n… {} characters left out …\n{tail}",
        thousands((count - 2 * half) as f64)
    )
}

/// Standard base64 with padding (RFC 4648 section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let sextet = bits >> (18 - 6 * i) & 0x3f;
            out.push(if i <= chunk.len() {
                ALPHABET[sextet as usize] as char
            } else {
                '='
            });
        }
    }
    out
}

/// A number in about three significant digits: `0.004`, `12.3`, `1,234`, `2e-6`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if !value.is_finite() => return "not finite".to_owned(),
        0.0 => return "0".to_owned(),
        _ if size < 1e-3 => match format!("{size:.2e}").split_once('e') {
            Some((digits, power)) => format!("{}e{power}", trim_zeros(digits.to_owned())),
            None => format!("{size:e}"),
        },
        // Three digits from the first that is not 0.
        _ if size < 1.0 => {
            let decimals = (2.0 - size.log10().floor()) as usize;
            trim_zeros(format!("{size:.decimals$}"))
        }
        _ if size < 10.0 => trim_zeros(format!("{size:.2}")),
        _ if size < 1000.0 => trim_zeros(format!("{size:.1}")),
        _ if size < 1e7 => thousands(size),
        _ => format!("{size:.2e}"),
    };
    if value < 0.0 {
        format!("−{text}")
    } else {
        text
    }
}

/// A number with its sign, unless it is zero.
pub(super) fn signed(value: f64) -> String {
    if value > 0.0 {
        format!("+{}", number(value))
    } else {
        number(value)
    }
}

/// A whole, not negative number with a comma every three digits.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Seconds as people say them: `42 s`, `3 min 05 s`, `2 h 10 min`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..60 => format!("{} s", number((seconds * 10.0).round() / 10.0)),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

fn trim_zeros(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        // RFC 4648 section 10.
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn a_response_cannot_leave_its_box() {
        let html = response("<think>a</span><script>x</think><answer>2");
        assert_eq!(
            html,
            concat!(
                r#"<span class="tag">&lt;think&gt;</span>"#,
                r#"<span class="think">a&lt;/span&gt;&lt;script&gt;x</span>"#,
                r#"<span class="tag">&lt;/think&gt;</span>"#,
                r#"<span class="tag">&lt;answer&gt;</span><span class="answer">2</span>"#
            )
        );
        assert_eq!(escape("\"'\u{1}&"), "&quot;&#39;\u{fffd}&amp;");
    }

    #[test]
    fn long_text_says_what_is_missing() {
        let html = response(&"ä".repeat(MAX_CHARS + 1234));
        assert!(html.contains("… 1,234 characters left out …"));
    }

    #[test]
    fn numbers_read_well() {
        let shown = [
            0.0,
            2e-6,
            -0.25,
            0.123_46,
            0.0015,
            1.25e-5,
            12.347,
            1234.4,
            -1_234_567.0,
            3e9,
        ];
        let expected = [
            "0",
            "2e-6",
            "−0.25",
            "0.123",
            "0.0015",
            "1.25e-5",
            "12.3",
            "1,234",
            "−1,234,567",
            "3.00e9",
        ];
        assert_eq!(shown.map(number), expected);
        assert_eq!(signed(-0.5), "−0.5");
        assert_eq!(
            [9.0, 185.0, 7800.0].map(duration),
            ["9 s", "3 min 05 s", "2 h 10 min"]
        );
        assert_eq!(number(f64::NAN), "not finite");
    }
}
