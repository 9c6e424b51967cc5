//! As much of Rust's grammar as it takes to find the paths that a file names.

use std::collections::BTreeMap;

/// The names of a path, first to last.
pub type UsePath = Vec<String>;

/// What a file names.
#[derive(Default)]
pub struct Source {
    /// Every imported path, and every other of two names or more.
    pub paths: Vec<UsePath>,
    /// What an imported name stands for.
    pub imports: BTreeMap<String, UsePath>,
    /// Child modules that exist for tests only.
    pub test_modules: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Separator,
    Mark(char),
}

/// Reads a file, without its tests.
pub fn read(text: &str) -> Source {
    let mut source = Source::default();
    let tokens = without_tests(tokens(text), &mut source.test_modules);
    // `super` inside a module that is written in the file begins at the file's own module.
    let mut inline: Vec<usize> = vec![];
    let (mut depth, mut at) = (0, 0);
    while at < tokens.len() {
        match &tokens[at] {
            Token::Mark('{') => {
                let opens_module = at >= 2
                    && word(&tokens[at - 2]) == Some("mod")
                    && word(&tokens[at - 1]).is_some();
                if opens_module {
                    inline.push(depth);
                }
                depth += 1;
            }
            Token::Mark('}') => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            }
            Token::Word(w)
                if w == "use" && !matches!(tokens.get(at + 1), Some(Token::Mark('<'))) =>
            {
                let mut paths = vec![];
                at = use_tree(&tokens, at + 1, &mut vec![], &mut paths);
                for (name, path) in paths {
                    let Some(path) = outside(path, inline.len()) else {
                        continue;
                    };
                    source.paths.push(path.clone());
                    if inline.is_empty() {
                        source.imports.insert(name, path);
                    }
                }
                continue;
            }
            Token::Word(w) if tokens.get(at + 1) == Some(&Token::Separator) => {
                let mut path = vec![w.clone()];
                while let (Some(Token::Separator), Some(Token::Word(next))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    path.push(next.clone());
                    at += 2;
                }
                if path.len() > 1 {
                    source.paths.extend(outside(path, inline.len()));
                }
            }
            _ => {}
        }
        at += 1;
    }
    source
}

/// A path as the file's own module would write it, from `depth` inline modules inside it; none where
/// it stays within them.
fn outside(mut path: UsePath, depth: usize) -> Option<UsePath> {
    if depth == 0 || path[0] == "crate" {
        return Some(path);
    }
    let ups = path.iter().take_while(|name| *name == "super").count();
    if ups < depth {
        return None;
    }
    path.drain(..depth);
    if ups == depth {
        path.insert(0, "self".into());
    }
    Some(path)
}

fn word(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

/// Reads `a::{b, c as d}`, of which `before` is known, up to what ends it; gives each path with the
/// name it is imported as, and the place after the tree.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    before: &mut UsePath,
    paths: &mut Vec<(String, UsePath)>,
) -> usize {
    let known = before.len();
    let mut renamed = None;
    let mut grouped = false;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Word(w) if w == "as" => {
                renamed = tokens.get(at + 1).and_then(word).map(str::to_owned);
                at += 1;
            }
            Token::Word(w) => before.push(w.clone()),
            Token::Mark('{') => {
                grouped = true;
                at += 1;
                while at < tokens.len() && tokens[at] != Token::Mark('}') {
                    at = use_tree(tokens, at, before, paths);
                    if tokens.get(at) == Some(&Token::Mark(',')) {
                        at += 1;
                    }
                }
            }
            Token::Mark(',' | ';' | '}') => break,
            Token::Mark(_) | Token::Separator => {}
        }
        at += 1;
    }
    if !grouped && before.len() > known {
        let mut path = before.clone();
        if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
            path.pop();
        }
        let name = renamed.or_else(|| path.last().cloned());
        paths.extend(name.map(|name| (name, path)));
    }
    before.truncate(known);
    at
}

/// Leaves out items that are compiled for tests only; files of such modules are named in `modules`.
fn without_tests(tokens: Vec<Token>, modules: &mut Vec<String>) -> Vec<Token> {
    let mark = |c| Token::Mark(c);
    let name = |w: &str| Token::Word(w.into());
    let attribute = [
        mark('#'),
        mark('['),
        name("cfg"),
        mark('('),
        name("test"),
        mark(')'),
        mark(']'),
    ];
    let mut kept = vec![];
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&attribute) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += attribute.len();
        let start = at;
        let mut depth = 0;
        while at < tokens.len() {
            match &tokens[at] {
                Token::Mark('{' | '(' | '[') => depth += 1,
                Token::Mark('}' | ')' | ']') => depth -= 1,
                _ => {}
            }
            let ends = matches!(tokens[at], Token::Mark(';' | '}')) && depth == 0;
            at += 1;
            if ends {
                break;
            }
        }
        let item = &tokens[start..at];
        let is_mod = item.iter().position(|token| word(token) == Some("mod"));
        if let (Some(place), Some(Token::Mark(';'))) = (is_mod, item.last()) {
            modules.extend(item.get(place + 1).and_then(word).map(str::to_owned));
        }
    }
    kept
}

/// Words, `::` and single characters, without comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = vec![];
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            while i < chars.len() && !(chars[i] == '*' && at(i + 1) == '/') {
                i += 1;
            }
            i += 2;
        } else if c == '"' {
            i += 1;
            while i < chars.len() && chars[i] != '"' {
                i += if chars[i] == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if c == 'r' && raw_text(&chars, i).is_some() {
            i = raw_text(&chars, i).unwrap();
        } else if c == '\'' {
            // A character, unless it is a lifetime.
            let escaped = at(i + 1) == '\\';
            if escaped || at(i + 2) == '\'' {
                i += if escaped { 3 } else { 2 };
                while i < chars.len() && chars[i] != '\'' {
                    i += 1;
                }
            }
            i += 1;
        } else if is_word(c) {
            let start = i;
            while is_word(at(i)) {
                i += 1;
            }
            found.push(Token::Word(chars[start..i].iter().collect()));
        } else if c == ':' && at(i + 1) == ':' {
            found.push(Token::Separator);
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(Token::Mark(c));
            }
            i += 1;
        }
    }
    found
}

/// The place after a raw text that begins at `i`, if one does.
fn raw_text(chars: &[char], i: usize) -> Option<usize> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    if i > 0 && is_word(&chars[i - 1]) && chars[i - 1] != 'b' {
        return None;
    }
    let marks = chars[i + 1..].iter().take_while(|c| **c == '#').count();
    let open = i + 1 + marks;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let end = (open + 1..chars.len()).find(|at| {
        let closing = chars.get(at + 1..at + 1 + marks);
        chars[*at] == '"' && closing.is_some_and(|marks| marks.iter().all(|c| *c == '#'))
    });
    Some(end.map_or(chars.len(), |end| end + 1 + marks))
}
