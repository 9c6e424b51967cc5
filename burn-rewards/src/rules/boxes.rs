//! Boxes in a text, in all the ways that models and data sets write them.

/// Boxes beyond this many in a text count as missed.
pub(super) const MOST_BOXES: usize = 256;

/// A line longer than this is no box without brackets.
const LONGEST_BARE: usize = 120;

/// Corners as they are written: `x1, y1, x2, y2`.
pub(super) type Corners = [f64; 4];

/// Tags around boxes.
const TAGS: [(&str, &str); 4] = [
    ("<|box_start|>", "["),
    ("<|box_end|>", "]"),
    ("<box>", "["),
    ("</box>", "]"),
];

/// Names of the four corners. A width and a height are known by their names only.
const NAMES: [[&str; 4]; 6] = [
    ["x1", "y1", "x2", "y2"],
    ["x0", "y0", "x1", "y1"],
    ["xmin", "ymin", "xmax", "ymax"],
    ["left", "top", "right", "bottom"],
    ["x", "y", "width", "height"],
    ["x", "y", "w", "h"],
];

/// Words that may stand between the two points of a box.
const BETWEEN: [&str; 18] = [
    "and", "to", "the", "is", "at", "with", "its", "top", "bottom", "left", "right", "upper",
    "lower", "corner", "point", "end", "br", "tl",
];

/// The boxes of a text, in order, those with `x1 < x2` and `y1 < y2`:
///
/// - four numbers in brackets of any kind, `[1,2,3,4]`, alone, in a list or in JSON;
/// - two points, `(1,2),(3,4)` or `[[1,2],[3,4]]`;
/// - corners by name, `{"x1": 1, "y1": 2, "x2": 3, "y2": 4}`;
/// - where none of these is there, four numbers in a line.
///
/// Commas separate: `1,200` is two numbers. Linear in the text.
pub(super) fn boxes(text: &str) -> Vec<Corners> {
    let text = plain(text);
    let mut found = vec![];
    let mut point: Option<([f64; 2], usize)> = None;
    for group in groups(&text) {
        let content = &text[group.start..group.end];
        let all = numbers(content, group.square).or_else(|| named(content).map(Vec::from));
        match all.as_deref() {
            Some(&[x1, y1, x2, y2]) => {
                point = None;
                found.push([x1, y1, x2, y2]);
            }
            Some(&[x2, y2]) => match point.take() {
                Some(([x1, y1], end)) if joins(&text[end..group.start - 1]) => {
                    found.push([x1, y1, x2, y2]);
                }
                _ => point = Some(([x2, y2], group.end + 1)),
            },
            _ => {}
        }
    }
    if found.is_empty() {
        let short = text.lines().filter(|line| line.len() <= LONGEST_BARE);
        let bare = |line: &str| named(line).or_else(|| numbers(line, true)?.try_into().ok());
        found.extend(short.filter_map(bare));
    }
    found.retain(|[x1, y1, x2, y2]| x1 < x2 && y1 < y2);
    found.truncate(MOST_BOXES);
    found
}

/// The text with tags as brackets and full-width punctuation as plain.
fn plain(text: &str) -> String {
    let mut plain = text.to_owned();
    for (tag, bracket) in TAGS {
        if plain.contains(tag) {
            plain = plain.replace(tag, bracket);
        }
    }
    let fold = |c| match c {
        '［' | '【' => '[',
        '］' | '】' => ']',
        '（' => '(',
        '）' => ')',
        '，' | '、' | '；' => ',',
        '：' => ':',
        '−' => '-',
        c => c,
    };
    plain.chars().map(fold).collect()
}

/// The inside of a pair of brackets.
struct Group {
    start: usize,
    end: usize,
    square: bool,
}

/// Pairs of brackets without others inside.
fn groups(text: &str) -> impl Iterator<Item = Group> + '_ {
    let mut open: Option<(u8, usize)> = None;
    text.bytes().enumerate().filter_map(move |(at, byte)| {
        let opening = match byte {
            b'[' | b'(' | b'{' => {
                open = Some((byte, at + 1));
                return None;
            }
            b']' => b'[',
            b')' => b'(',
            b'}' => b'{',
            _ => return None,
        };
        let (kind, start) = open.take()?;
        (kind == opening).then_some(Group {
            start,
            end: at,
            square: byte == b']',
        })
    })
}

/// The numbers of a list. With `words`, words without digits may stand among them.
fn numbers(content: &str, words: bool) -> Option<Vec<f64>> {
    let content = content.strip_suffix("\\right").unwrap_or(content);
    let separated = content.split(|c: char| c == ',' || c == ';' || c.is_whitespace());
    let mut all = vec![];
    for token in separated.filter(|token| !token.is_empty()) {
        let token = token.trim_matches(['"', '\'', '$', '*']);
        let number = token.strip_suffix("px").unwrap_or(token);
        let number = number.strip_suffix('.').unwrap_or(number);
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() && all.len() <= 4 => all.push(value),
            _ if words && !token.contains(|c: char| c.is_ascii_digit()) => {}
            _ => return None,
        }
    }
    Some(all)
}

/// The corners that are given by name.
fn named(content: &str) -> Option<Corners> {
    let mut values: Vec<(String, f64)> = vec![];
    for assignment in content.split([',', ';', '\n']).take(64) {
        let Some((name, value)) = assignment.split_once([':', '=']) else {
            continue;
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = name.trim().trim_matches(['"', '\'', '`']);
        let name = name.rsplit(|c| !word(c)).next().unwrap_or_default();
        let value = value.trim().trim_matches(['"', '\'', '`', '.']);
        let value = value.strip_suffix("px").unwrap_or(value).trim();
        if let Some(value) = value.parse().ok().filter(|v: &f64| v.is_finite()) {
            values.push((name.to_lowercase().replace('_', ""), value));
        }
    }
    let of = |name: &str| values.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    NAMES.iter().find_map(|names| {
        let [a, b, c, d] = names.map(of);
        let (x, y, c, d) = (a?, b?, c?, d?);
        Some(match names[0] {
            "x" => [x, y, x + c, y + d],
            _ => [x, y, c, d],
        })
    })
}

/// Whether two points with `gap` between them are the corners of one box.
fn joins(gap: &str) -> bool {
    let chinese = |word: &str| {
        word.chars()
            .all(|c| "左上右下角到至和点为是的坐标".contains(c))
    };
    let words = gap
        .split(|c: char| !c.is_alphabetic())
        .filter(|w| !w.is_empty());
    gap.len() <= LONGEST_BARE
        && !gap.contains(|c: char| c.is_ascii_digit())
        && words
            .into_iter()
            .all(|word| BETWEEN.contains(&word.to_lowercase().as_str()) || chinese(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Corners = [29.0, 56.0, 271.0, 474.0];

    #[test]
    fn one_box_in_many_forms() {
        for text in [
            "[29,56,271,474]",
            "[29, 56, 271, 474]",
            "[29 56 271 474]",
            "(29,56,271,474)",
            "{29, 56, 271, 474}",
            "[29.0,56.0,271.0,474.0]",
            "[29px, 56px, 271px, 474px]",
            r#"["dog", 29, 56, 271, 474]"#,
            r"\left[29, 56, 271, 474\right]",
            "(29,56),(271,474)",
            "(29, 56), (271, 474)",
            "from (29,56) to (271,474)",
            "top-left (29, 56), bottom-right (271, 474)",
            "左上角（29，56），右下角（271，474）",
            "[[29,56],[271,474]]",
            "[[29,56,271,474]]",
            "<|box_start|>(29,56),(271,474)<|box_end|>",
            "<box>[[29,56,271,474]]</box>",
            "<box>29,56,271,474</box>",
            r#"[{"bbox_2d":[29,56,271,474],"label":"2 dogs"}]"#,
            r#"{"x1": 29, "y1": 56, "x2": 271, "y2": 474}"#,
            r#"{"xmin":29,"ymin":56,"xmax":271,"ymax":474}"#,
            r#"{"x": 29, "y": 56, "width": 242, "height": 418}"#,
            r#"{"top_left": [29, 56], "bottom_right": [271, 474]}"#,
            "x1=29, y1=56, x2=271, y2=474",
            "29, 56, 271, 474",
            "The box is 29,56,271,474.",
            "［29，56，271，474］",
        ] {
            assert_eq!(boxes(text), [BOX], "{text}");
        }
    }

    #[test]
    fn what_is_no_box() {
        for text in [
            "",
            "[29,56,271]",
            "[29,56,271,474,5]",
            "[271,474,29,56]",
            "[29,56,29,474]",
            "(29,56)",
            "(29,56) is a point. (271,474) is another",
            r#"[{"point_2d":[29,56]},{"point_2d":[271,474]}]"#,
            "[29,56,271,474)",
            "[1e999,0,1,1]",
            "[nan,0,inf,1]",
            "2 dogs at 29, 56, 271, 474",
            "[[[",
            ")))",
        ] {
            assert_eq!(boxes(text), [[0.0; 4]; 0], "{text}");
        }
    }

    #[test]
    fn several_boxes_keep_their_order() {
        let two = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]];
        for text in [
            "[[1,2,3,4],[5,6,7,8]]",
            "[1,2,3,4] and [5,6,7,8]",
            "(1,2),(3,4) (5,6),(7,8)",
            "[[[1,2],[3,4]],[[5,6],[7,8]]]",
            "1,2,3,4\n5,6,7,8",
            r#"[{"bbox_2d":[1,2,3,4]},{"bbox_2d":[5,6,7,8]}]"#,
        ] {
            assert_eq!(boxes(text), two, "{text}");
        }
        assert_eq!(boxes(&"[0,0,1,1]".repeat(1000)).len(), MOST_BOXES);
    }
}
