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
    found
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
        (text.as_bytes().get(self.end) == Some(&b':')).then_some(self.end + 1)
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
