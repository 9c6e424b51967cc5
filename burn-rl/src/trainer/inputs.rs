//! What a run is trained and measured on, however it was given.

use crate::{
    data::{
        DataFingerprint, DataRow, Encoder, GoldCheck, PromptList, PromptSet, PromptSource, Room,
        RowDataset, RowKind, RowSource, Walk,
    },
    error::RlError,
    types::Prompt,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Data rows that were left out of a set.
///
/// ```
/// # fn of(trainer: burn_rl::Trainer) {
/// use burn_rl::trainer::Skipped;
///
/// for Skipped { set, kept, errors } in trainer.skipped() {
///     eprintln!("{set}: {} rows left out, {kept} left; the first: {}", errors.len(), errors[0]);
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Skipped {
    /// The files of the set.
    pub set: String,
    /// How many rows it has left.
    pub kept: usize,
    /// Why each of the others was left out.
    pub errors: Vec<String>,
}

/// Prompts as a [`TrainerBuilder`](super::TrainerBuilder) takes them: a path, pairs of question and
/// answer, [`DataRow`]s, [`Prompt`]s that are encoded already, or a [`PromptSource`] of one's own.
///
/// ```
/// use burn_rl::trainer::Prompts;
///
/// let in_a_file: Prompts = "questions.jsonl".into();
/// let in_code: Prompts = vec![("What is 2 + 2?", "4"), ("What is 3 + 3?", "6")].into();
/// ```
pub struct Prompts(Inner);

enum Inner {
    Files(Vec<RowSource>),
    Rows(Result<Vec<DataRow>, RlError>),
    Encoded(Vec<Prompt>),
    Source(Box<dyn PromptSource>),
}

impl Prompts {
    /// Prompts that come from somewhere else.
    ///
    /// ```
    /// use burn_rl::{data::PromptList, trainer::Prompts, types::Prompt};
    ///
    /// let list = PromptList::new(vec![Prompt::of_tokens("0", vec![7], "")], true, 0)?;
    /// let prompts = Prompts::source(list);
    /// # Ok::<(), burn_rl::RlError>(())
    /// ```
    pub fn source(source: impl PromptSource + 'static) -> Self {
        Self(Inner::Source(Box::new(source)))
    }
}

impl From<Vec<RowSource>> for Prompts {
    fn from(files: Vec<RowSource>) -> Self {
        Self(Inner::Files(files))
    }
}

impl From<PathBuf> for Prompts {
    fn from(path: PathBuf) -> Self {
        let weight = 1.0;
        vec![RowSource {
            path,
            weight,
            ..RowSource::default()
        }]
        .into()
    }
}

impl From<&Path> for Prompts {
    fn from(path: &Path) -> Self {
        path.to_path_buf().into()
    }
}

impl From<&str> for Prompts {
    fn from(path: &str) -> Self {
        PathBuf::from(path).into()
    }
}

impl From<Vec<DataRow>> for Prompts {
    fn from(rows: Vec<DataRow>) -> Self {
        Self(Inner::Rows(Ok(rows)))
    }
}

impl<Q: AsRef<str>, A: AsRef<str>> From<Vec<(Q, A)>> for Prompts {
    fn from(pairs: Vec<(Q, A)>) -> Self {
        let pairs = pairs.iter().enumerate();
        let rows = pairs.map(|(i, (q, a))| DataRow::new(i, q.as_ref(), a.as_ref(), vec![]));
        Self(Inner::Rows(rows.collect()))
    }
}

impl From<Vec<Prompt>> for Prompts {
    fn from(prompts: Vec<Prompt>) -> Self {
        Self(Inner::Encoded(prompts))
    }
}

/// What rows are read with.
pub(super) struct Reader<'a> {
    /// None for a policy that cannot read rows.
    pub encoder: Option<&'a Encoder>,
    /// Longest completion in tokens, and the setting that says so.
    pub new_tokens: (usize, &'static str),
    pub walk: Walk,
    pub golds: Option<GoldCheck<'a>>,
    pub skipped: &'a mut Vec<Skipped>,
    /// Names of the fields that some row has beside those that everybody reads.
    pub fields: BTreeSet<String>,
    /// What was opened, by name.
    pub data: BTreeMap<String, DataFingerprint>,
}

impl Reader<'_> {
    /// The walk over some prompts, whose fingerprint is kept under `name`.
    pub fn open(
        &mut self,
        name: &str,
        prompts: Prompts,
        kind: RowKind,
    ) -> Result<Box<dyn PromptSource>, RlError> {
        let source: Box<dyn PromptSource> = match prompts.0 {
            Inner::Source(source) => source,
            Inner::Encoded(list) => {
                Box::new(PromptList::new(list, self.walk.shuffle, self.walk.seed)?)
            }
            rows => Box::new(self.set(rows, kind)?),
        };
        self.note(name, source.as_ref());
        Ok(source)
    }

    /// The first `n` prompts, all for 0.
    pub fn first(
        &mut self,
        name: &str,
        prompts: Prompts,
        n: usize,
    ) -> Result<Vec<Arc<Prompt>>, RlError> {
        match prompts.0 {
            Inner::Source(mut source) => {
                self.note(name, source.as_ref());
                let drawn = source.draw(0, n)?.into_iter();
                Ok(drawn.map(|drawn| drawn.prompt).collect())
            }
            Inner::Encoded(list) => {
                let n = if n == 0 { list.len() } else { n };
                Ok(list.into_iter().take(n).map(Arc::new).collect())
            }
            rows => {
                let set = self.set(rows, RowKind::Prompt)?;
                self.note(name, &set);
                set.first(n)
            }
        }
    }

    /// Rows with an assistant turn to learn from.
    pub fn demonstrations(&mut self, name: &str, prompts: Prompts) -> Result<PromptSet, RlError> {
        let set = match prompts.0 {
            Inner::Source(_) | Inner::Encoded(_) => {
                return Err(RlError::Config(
                    "the demonstrations are encoded already, expected files or rows".into(),
                ));
            }
            rows => self.set(rows, RowKind::Demonstration)?,
        };
        self.note(name, &set);
        Ok(set)
    }

    fn note(&mut self, name: &str, source: &dyn PromptSource) {
        if let Some(found) = source.fingerprint() {
            self.data.insert(name.into(), found);
        }
    }

    fn set(&mut self, rows: Inner, kind: RowKind) -> Result<PromptSet, RlError> {
        let encoder = self.encoder.ok_or_else(|| {
            RlError::Config(
                "this policy has no processor to read data rows with, expected prompts as \
                 Vec<Prompt> or as a PromptSource"
                    .into(),
            )
        })?;
        let (mut encoder, walk) = (encoder.clone(), self.walk);
        let (max_new_tokens, key) = match kind {
            // What a row demonstrates is counted as it is.
            RowKind::Demonstration => (0, ""),
            RowKind::Prompt => self.new_tokens,
        };
        encoder.room = encoder.room.map(|room| Room {
            max_new_tokens,
            key,
            ..room
        });
        let golds = match kind {
            // Nothing compares a demonstration with an answer.
            RowKind::Demonstration => None,
            _ => self.golds.as_ref(),
        };
        let (name, set) = match rows {
            Inner::Files(files) => {
                let paths = files.iter().map(|file| file.path.display().to_string());
                let name = paths.collect::<Vec<_>>().join(", ");
                (name, PromptSet::open(&files, kind, encoder, walk, golds)?)
            }
            Inner::Rows(rows) => {
                let sets = vec![(RowDataset::of_rows(rows?), 1.0)];
                (
                    "rows made in code".into(),
                    PromptSet::new(sets, encoder, walk, golds)?,
                )
            }
            Inner::Encoded(_) | Inner::Source(_) => {
                return Err(RlError::Config(
                    "prompts that are encoded are no rows".into(),
                ));
            }
        };
        self.fields
            .extend(set.field_names().into_iter().map(str::to_owned));
        let (kept, errors) = (set.len(), set.skipped().iter().map(RlError::to_string));
        let errors: Vec<String> = errors.collect();
        if !errors.is_empty() {
            self.skipped.push(Skipped {
                set: name,
                kept,
                errors,
            });
        }
        Ok(set)
    }
}
