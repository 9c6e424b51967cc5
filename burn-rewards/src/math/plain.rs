//! One spelling for characters that stand for ASCII ones.

use std::borrow::Cow;

/// `text` with full-width characters, minus signs and Chinese punctuation as ASCII has them.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    let folds = |c: char| matches!(c, '\u{ff01}'..='\u{ff5e}' | '−' | '﹣' | '\u{3000}');
    if text.is_ascii() || !text.contains(folds) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(ascii).collect())
}

fn ascii(c: char) -> char {
    match c {
        '−' | '﹣' => '-',
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn full_width_and_minus() {
        assert_eq!(folded("答案：−１２，（ｘ＝３）"), "答案:-12,(x=3)");
        assert_eq!(folded("x = 3"), "x = 3");
    }
}
