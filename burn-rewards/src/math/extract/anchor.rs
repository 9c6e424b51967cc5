//! The word "answer" and what stands around it.

/// An occurrence of "answer", of any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Where it starts; of "final answer" where "final" starts.
    pub(super) start: usize,
    /// One past "answer".
    pub(super) end: usize,
    /// Whether "final " stands before it.
    pub(super) is_final: bool,
}

/// Most anchors looked at, from the right.
const MAX_ANCHORS: usize = 256;

/// The last occurrences of "answer" in `text`, in order.
pub(super) fn anchors(text: &str) -> Vec<Anchor> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    // The w is the rarest letter of the word.
    let mut end = bytes.len();
    while found.len() < MAX_ANCHORS {
        let Some(w) = memrchr2(bytes, end) else {
            break;
        };
        end = w;
        if w < 3 || !matches_ignoring_case(bytes, w - 3, b"answer") {
            continue;
        }
        let start = w - 3;
        let is_final = start >= 6 && matches_ignoring_case(bytes, start - 6, b"final ");
        found.push(Anchor {
            start: if is_final { start - 6 } else { start },
            end: start + 6,
            is_final,
        });
    }
    found.reverse();
    if !text.is_ascii() {
        found.extend(chinese(text));
        found.sort_by_key(|anchor| anchor.start);
    }
    found
}

/// The last occurrences of 答案.
fn chinese(text: &str) -> impl Iterator<Item = Anchor> {
    let anchor = |(start, word): (usize, &str)| Anchor {
        start,
        end: start + word.len(),
        is_final: false,
    };
    text.rmatch_indices("答案").take(MAX_ANCHORS).map(anchor)
}

/// Longest answer in words.
const MAX_WORDS: usize = 200;

/// What a text without any number or formula says: the words after "the answer is" up to the full
/// stop, else all of it if it is short.
pub(super) fn said(text: &str) -> Option<&str> {
    let text = text.trim();
    let after = anchors(text).last().map(|anchor| &text[anchor.end..]);
    let claimed = after.and_then(|after| {
        let body = after.trim_start_matches([' ', '*', '_']);
        let body = ["is:", "is", "：", ":", "为", "是"]
            .iter()
            .find_map(|verb| body.strip_prefix(verb))?;
        let body = body.trim_start_matches([' ', ':', '\n']);
        let end = body
            .find(['\n', '。'])
            .into_iter()
            .chain(body.find(". "))
            .min();
        Some(body[..end.unwrap_or(body.len())].trim())
    });
    let whole = || (!text.contains('\n')).then_some(text);
    claimed
        .or_else(whole)
        .filter(|words| !words.is_empty() && words.len() <= MAX_WORDS)
}

fn memrchr2(bytes: &[u8], end: usize) -> Option<usize> {
    bytes[..end].iter().rposition(|b| (b | 0x20) == b'w')
}

fn matches_ignoring_case(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    bytes
        .get(at..at + word.len())
        .is_some_and(|slice| slice.eq_ignore_ascii_case(word))
}

impl Anchor {
    /// Where the answer may start after "final answer … is", nearest first: the position after
    /// "is" and a colon. Up to a hundred characters stand between.
    pub(super) fn after_is(self, text: &str) -> impl Iterator<Item = usize> {
        let bytes = text.as_bytes();
        let last = (self.end + 101).min(bytes.len());
        (self.end..last).filter_map(move |at| {
            let space = bytes[at].is_ascii_whitespace();
            if !space || bytes.get(at + 1..at + 3) != Some(b"is") {
                return None;
            }
            let after = at + 3;
            Some(after + usize::from(bytes.get(after) == Some(&b':')))
        })
    }

    /// The position after "final answer is" and a colon, if that is what stands here.
    pub(super) fn directly_is(self, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        if !self.is_final || !matches_ignoring_case(bytes, self.end, b" is") {
            return None;
        }
        let after = self.end + 3;
        Some(after + usize::from(bytes.get(after) == Some(&b':')))
    }

    /// The position after the colon, if one follows.
    pub(super) fn colon(self, text: &str) -> Option<usize> {
        let after = text.get(self.end..)?;
        let colon = [":", "："].iter().find(|c| after.starts_with(**c))?;
        Some(self.end + colon.len())
    }
}

/// Whether "I hope" follows at `at`, after an optional full stop and space.
pub(super) fn hope_follows(text: &str, at: usize) -> bool {
    let rest = text.get(at..).unwrap_or("");
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let rest = rest
        .strip_prefix(|c: char| c.is_whitespace())
        .unwrap_or(rest);
    // The environment before may have taken the space already.
    rest.starts_with("I hope")
}

/// The byte positions of `text` from `from` on, up to `chars` characters further.
pub(super) fn window(text: &str, from: usize, chars: usize) -> std::ops::Range<usize> {
    let end = text[from..]
        .char_indices()
        .nth(chars + 1)
        .map_or(text.len(), |(at, _)| from + at);
    from..end
}
