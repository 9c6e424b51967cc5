//! Words that stand beside an answer and change what it says.

/// What a word of magnitude multiplies by: `90 million`.
pub(super) fn magnitude(word: &str) -> Option<u64> {
    Some(match word.to_lowercase().as_str() {
        "dozen" | "dozens" => 12,
        "hundred" | "hundreds" | "百" => 100,
        "thousand" | "thousands" | "千" => 1_000,
        "万" | "萬" => 10_000,
        "million" | "millions" | "百万" => 1_000_000,
        "千万" => 10_000_000,
        "亿" | "億" => 100_000_000,
        "billion" | "billions" => 1_000_000_000,
        "trillion" | "trillions" | "万亿" => 1_000_000_000_000,
        "quadrillion" => 1_000_000_000_000_000,
        _ => return None,
    })
}

/// What the first word of magnitude in `text` multiplies by.
pub(super) fn scale(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_alphabetic()).find_map(magnitude)
}

/// Words after a number that make another number of it, or none: such a word is no unit.
#[rustfmt::skip]
const CHANGING: [&str; 49] = [
    "squared", "cubed", "factorial", "below", "half", "halves", "third", "thirds", "fourth",
    "fourths", "fifth", "fifths", "sixth", "sixths", "seventh", "sevenths", "eighth", "eighths",
    "ninth", "ninths", "tenth", "tenths", "hundredth", "hundredths", "thousandth", "thousandths",
    "millionth", "millionths", "billionth", "billionths", "plus", "minus", "negative", "not", "no",
    "never", "wrong", "incorrect", "false", "or", "least", "most", "minimum", "maximum", "onwards",
    "upwards", "except", "without", "googol",
];

/// Whether a phrase after a number says another number, a bound or a denial: `squared`,
/// `or more`, `below zero`. What is left is a unit or a comment.
pub(super) fn changes_value(phrase: &str) -> bool {
    let mut words = phrase
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .filter(|w| !w.is_empty());
    let lower = phrase.to_lowercase();
    if [
        "and above",
        "and up",
        "and over",
        "and more",
        "and below",
        "and under",
        "per cent",
    ]
    .iter()
    .any(|bound| lower.contains(bound))
        || lower.contains('不')
        || ["以上", "以下", "以内", "多", "半", "余"]
            .iter()
            .any(|w| lower.contains(w))
    {
        return true;
    }
    words.any(|w| {
        let w = w.to_lowercase();
        magnitude(&w).is_some() || CHANGING.contains(&w.as_str()) || w.ends_with("n't")
    }) || phrase
        .chars()
        .any(|c| magnitude(c.encode_utf8(&mut [0; 4])).is_some())
}

/// Words before an answer that say that it is near: they leave it as it is.
#[rustfmt::skip]
const NEAR: [&str; 14] = [
    "about", "approximately", "approx", "approx.", "around", "roughly", "nearly", "circa", "ca.",
    "almost", "estimated", "≈", "约", "大约",
];

/// Words that introduce a value.
#[rustfmt::skip]
const INTRODUCING: [&str; 14] = [
    "is", "are", "be", "equals", "equal", "was", "of", "get", "answer", "result", "value", "为",
    "是", "等于",
];

/// Currencies written before the amount.
#[rustfmt::skip]
const CURRENCIES: [&str; 21] = [
    "usd", "us", "eur", "gbp", "inr", "rs", "rs.", "cny", "rmb", "jpy", "yen", "aud", "cad", "chf",
    "hkd", "sgd", "php", "krw", "brl", "mxn", "r$",
];

/// Whether words before a value say nothing about it: `USD`, `about`, `The answer is`, `Answer:`.
pub(super) fn introduces(phrase: &str) -> bool {
    let phrase = phrase.trim();
    let Some(last) = phrase.split_whitespace().last() else {
        return true;
    };
    let last = last.trim_end_matches('$').to_lowercase();
    let known = NEAR.contains(&last.as_str())
        || INTRODUCING.contains(&last.trim_end_matches([':', '：', ',']))
        || CURRENCIES.contains(&last.as_str())
        || phrase.ends_with([':', '：', '=', '＝']);
    known && !denies(phrase)
}

/// Words that take back what follows them.
#[rustfmt::skip]
const DENYING: [&str; 21] = [
    "not", "never", "cannot", "neither", "nor", "except", "without", "wrong", "incorrect", "false",
    "excluding", "doubt", "unlikely", "impossible", "isnt", "arent", "doesnt", "cant", "wont",
    "wasnt", "nowhere",
];

/// Phrases that take back, or bound, what follows them.
#[rustfmt::skip]
const DENYING_PHRASES: [&str; 29] = [
    "anything but", "other than", "rather than", "instead of", "different from", "far from",
    "less than", "more than", "greater than", "fewer than", "larger than", "smaller than",
    "bigger than", "higher than", "lower than", "at least", "at most", "no more", "no less",
    "no fewer", "up to", "a minimum of", "a maximum of", "multiple of", "close to but",
    "opposite of", "negative of", "inverse of", "double of",
];

/// Whether words take back or bound what follows them: `is not`, `anything but`, `less than`.
pub(super) fn denies(phrase: &str) -> bool {
    let lower = phrase.to_lowercase().replace('’', "'");
    let denying_word = lower
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .any(|w| DENYING.contains(&w) || w.ends_with("n't"));
    denying_word
        || DENYING_PHRASES.iter().any(|p| {
            lower.match_indices(p).any(|(at, _)| {
                let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                free(lower[..at].chars().next_back()) && free(lower[at + p.len()..].chars().next())
            })
        })
        || CHINESE_DENIALS.iter().any(|p| lower.contains(p))
}

/// Whether a clause ends in words that bound or take back what follows: `less than`, `不是`.
pub(super) fn denies_at_end(clause: &str) -> bool {
    let lower = clause.to_lowercase();
    let trimmed =
        lower.trim_end_matches(|c: char| c.is_whitespace() || "*_`\"'“‘($[{\\".contains(c));
    let free = |at: usize| !trimmed[..at].ends_with(char::is_alphanumeric);
    DENYING_PHRASES
        .iter()
        .any(|p| trimmed.ends_with(p) && free(trimmed.len() - p.len()))
        || CHINESE_DENIALS.iter().any(|p| trimmed.ends_with(p))
        || (trimmed.ends_with("between") && free(trimmed.len() - 7))
}

/// Chinese words that take back or bound what follows.
#[rustfmt::skip]
const CHINESE_DENIALS: [&str; 12] = [
    "不是", "不为", "不等于", "并非", "不可能是", "不超过", "至少", "至多", "大于", "小于", "超过", "不到",
];

/// Words between a denial and what it denies: `is not equal to 42`.
#[rustfmt::skip]
const LINKING: [&str; 40] = [
    "a", "an", "the", "is", "are", "be", "been", "being", "was", "to", "of", "equal", "exactly",
    "really", "actually", "simply", "just", "even", "necessarily", "possibly", "definitely",
    "probably", "certainly", "by", "any", "means", "way", "value", "number", "option", "answer",
    "choice", "letter", "result", "correct", "right", "in", "than", "as", "that",
];

/// Whether `word` may stand between a denial and what it denies.
pub(super) fn links(word: &str) -> bool {
    LINKING.contains(&word)
}

/// Words that bound or take back the answer before them.
pub(super) fn takes_back(phrase: &str) -> bool {
    #[rustfmt::skip]
    const BOUNDS: [&str; 24] = [
        "or more", "or less", "or fewer", "or greater", "or higher", "or lower", "or above",
        "or below", "or over", "or under", "or larger", "or smaller", "or better", "and above",
        "and up", "and over", "and below", "and under", "and more", "at least", "at most",
        "at the least", "at the most", "or later",
    ];
    #[rustfmt::skip]
    const REFUSALS: [&str; 18] = [
        "is not", "is wrong", "is incorrect", "is false", "isn't", "is never", "cannot be",
        "can't be", "are not", "aren't", "was wrong", "is impossible", "would be wrong",
        "is too", "must not", "does not", "doesn't", "is excluded",
    ];
    let lower = phrase.to_lowercase().replace('’', "'");
    let lower = lower.trim_start_matches(|c: char| c.is_whitespace() || "*_`\"')]}$".contains(c));
    let starts = |p: &&str| {
        let rest = lower.strip_prefix(*p);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    BOUNDS.iter().chain(&REFUSALS).any(starts)
        || ["以上", "以下", "以内", "多", "是错", "不对", "不是"]
            .iter()
            .any(|p| lower.starts_with(p))
}
