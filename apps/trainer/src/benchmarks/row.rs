//! A row of a published form, made into one that has a question, an answer and pictures.

use super::{
    ANSWER, Bench, JUDGE, PICTURES, QUESTION,
    gold::{LETTERS, text},
    marks,
};
use burn_rewards::extract::python_list;
use burn_rl::data::{PictureDirs, Record};
use serde_json::{Map, Value};
use std::path::PathBuf;

impl Bench {
    /// The row that is read in place of `record`: its fields, with those of [`super::QUESTION`] and
    /// the like beside them.
    pub(super) fn row(&self, mut record: Record, dirs: &PictureDirs) -> Result<Record, String> {
        self.spread(&mut record.fields)?;
        let fields = &record.fields;
        let options = self.options(fields)?;
        let (name, answer) = first(fields, self.answer, |value| match value {
            Value::Array(items) => !items.is_empty(),
            value => text(value).is_some(),
        })
        .ok_or_else(|| missing("gold answer", self.answer))?;
        let answer = self.gold.of(name, answer, &options)?;
        let mut question = String::new();
        for value in self
            .before
            .iter()
            .filter_map(|name| text(fields.get(*name)?))
        {
            question.push_str(value.trim());
            question.push('\n');
        }
        let pictures = self.shown(&record, dirs)?;
        match first(fields, self.question, |value| text(value).is_some()) {
            Some((_, asked)) => question.push_str(text(asked).unwrap_or_default().trim()),
            // What is asked stands in the picture.
            None if !pictures.is_empty() => {}
            None => return Err(missing("question", self.question)),
        }
        if !options.is_empty() {
            question.push_str("\nChoices:");
            for (letter, option) in LETTERS.chars().zip(&options) {
                question.push_str(&format!("\n({letter}) {}", option.trim()));
            }
        }
        let (question, pictures) = marks::placed(question.trim(), pictures)?;
        let judge = self.judge(fields, !options.is_empty())?;
        let id = self.id.iter().find_map(|name| text(fields.get(*name)?));
        let fields = &mut record.fields;
        // In words, or of people: not what a curriculum orders rows by.
        fields.remove("difficulty");
        fields.insert(QUESTION.into(), question.into());
        fields.insert(ANSWER.into(), answer);
        fields.insert(JUDGE.into(), judge.into());
        match id {
            Some(id) => fields.insert("id".into(), id.into()),
            None => fields.remove("id"),
        };
        record.pictures = vec![(PICTURES.into(), pictures)];
        Ok(record)
    }

    /// Fields of `metadata` are fields of the row, where it has none of that name; a field that the
    /// score is made of must be there.
    fn spread(&self, fields: &mut Map<String, Value>) -> Result<(), String> {
        if let Some(Value::Object(inner)) = fields.get("metadata").cloned() {
            for (name, value) in inner {
                fields.entry(name).or_insert(value);
            }
        }
        let by = self.by.iter().filter(|_| self.score.is_some());
        let mut needed = by.chain(self.keep);
        match needed.find(|name| !fields.contains_key(**name)) {
            Some(name) => Err(format!(
                "the row has no `{name}`, which the score is made of"
            )),
            None => Ok(()),
        }
    }

    fn options(&self, fields: &Map<String, Value>) -> Result<Vec<String>, String> {
        if self.options.is_empty() {
            return Ok(vec![]);
        }
        let column = |letter: char| text(fields.get(&letter.to_string())?);
        let columns: Vec<String> = LETTERS.chars().map_while(column).collect();
        if columns.len() > 1 {
            return Ok(columns);
        }
        let says = |value: &Value| match value {
            Value::Array(items) => !items.is_empty(),
            Value::Object(items) => !items.is_empty(),
            value => text(value).is_some(),
        };
        let Some((name, value)) = first(fields, self.options, says) else {
            return Ok(vec![]);
        };
        let wrong = || format!("`{name}` is {value}, expected a list of options");
        match value {
            Value::Array(items) => items
                .iter()
                .map(|item| text(item).ok_or_else(wrong))
                .collect(),
            Value::Object(items) => {
                let option = |letter: char| text(items.get(&letter.to_string())?);
                let options: Vec<String> = LETTERS.chars().map_while(option).collect();
                let given = items.values().filter(|item| !item.is_null()).count();
                (options.len() == given)
                    .then_some(options)
                    .ok_or_else(wrong)
            }
            Value::String(list) if list.trim() == "[]" => Ok(vec![]),
            Value::String(list) => {
                let found = python_list(list).or_else(|| lettered(list));
                found.ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    /// The pictures: those inside the row before those that it names.
    fn shown(&self, record: &Record, dirs: &PictureDirs) -> Result<Vec<PathBuf>, String> {
        let numbered = |pattern: &str| match pattern.strip_suffix('*') {
            Some(stem) => (1..=9).map(|n| format!("{stem}{n}")).collect(),
            None => vec![pattern.to_owned()],
        };
        let inside = |name: &String| {
            let found = record.pictures.iter().find(|(column, _)| column == name);
            found.map_or(&[][..], |(_, list)| list.as_slice())
        };
        for pattern in self.pictures {
            let names = numbered(pattern);
            let found: Vec<PathBuf> = names.iter().flat_map(inside).cloned().collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        for pattern in self.pictures {
            let mut paths = vec![];
            for name in numbered(pattern) {
                if let Some(value) = record.fields.get(&name) {
                    paths.extend(paths_of(&name, value)?);
                }
            }
            if !paths.is_empty() {
                return dirs.files(&paths);
            }
        }
        Ok(vec![])
    }
}

/// The first of `names` whose value says something.
fn first<'a>(
    fields: &'a Map<String, Value>,
    names: &'static [&'static str],
    says: impl Fn(&Value) -> bool,
) -> Option<(&'static str, &'a Value)> {
    let mut there = names
        .iter()
        .filter_map(|name| Some((*name, fields.get(*name)?)));
    there.find(|(_, value)| says(value))
}

fn missing(what: &str, names: &[&str]) -> String {
    format!(
        "the row has no {what}, expected it as `{}`",
        names.join("` or `")
    )
}

/// Options in one text: `A. one; B. two`.
fn lettered(text: &str) -> Option<Vec<String>> {
    let mut marks = vec![];
    for letter in LETTERS.chars() {
        let from = marks.last().map_or(0, |(_, end)| *end);
        let found = [format!("{letter}. "), format!("{letter}.")]
            .iter()
            .find_map(|mark| {
                let mut places = text[from..].match_indices(mark.as_str());
                let free = |at: usize| {
                    let before = text[..at].chars().next_back();
                    before.is_none_or(|c| c.is_whitespace() || ";,".contains(c))
                };
                let (at, mark) = places.find(|(at, _)| free(from + at))?;
                Some((from + at, from + at + mark.len()))
            });
        match found {
            Some(mark) => marks.push(mark),
            None => break,
        }
    }
    let ends = marks.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let option = |((_, from), to): (&(usize, usize), usize)| {
        text[*from..to]
            .trim()
            .trim_end_matches(';')
            .trim()
            .to_owned()
    };
    let options: Vec<String> = marks.iter().zip(ends).map(option).collect();
    (options.len() > 1).then_some(options)
}

fn paths_of(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let items = match value {
        Value::Null => return Ok(vec![]),
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let path = |item: &Value| {
        let path = item.get("path").unwrap_or(item).as_str();
        let path = path.filter(|path| !path.is_empty()).map(str::to_owned);
        path.ok_or_else(|| format!("`{name}` is {item}, expected a picture or its path"))
    };
    items.iter().map(path).collect()
}
