//! How the parameters of a module are called, cut and joined in a checkpoint.

use super::NamedShape;
use std::ops::Range;

/// One line of a family's table: a group of our parameters and of a file's tensors that hold the
/// same numbers.
///
/// All names are prefixes, in which one `*` stands for the number of a layer: weight and bias of a
/// layer share a line, and the first line that matches a name counts. Where one side has several
/// names, the other side's only one is their rows joined.
#[derive(Debug, Clone, Copy)]
pub struct KeyRow {
    /// Paths in our module.
    pub ours: &'static [&'static str],
    /// Names in the hub's files, which is what is written.
    pub hub: &'static [&'static str],
    /// Names in newer files, which are those of the modules in transformers; empty where they are
    /// the hub's.
    pub newer: &'static [&'static str],
}

/// How the parameters of a module are called in a checkpoint: one table for reading and writing.
///
/// A parameter that no line names is called in the file as in our module.
#[derive(Debug, Clone)]
pub struct KeyMap {
    /// What comes before the hub's names of a table, and the table.
    pub tables: Vec<(&'static str, &'static [KeyRow])>,
    /// Fused tensors interleave our parameters: the rows of q, k and v repeat once per key-value
    /// head. This is the number of repeats.
    pub turns: usize,
    /// Parameters whose shape in the file differs from ours, with the file's shape.
    pub file_shapes: Vec<(String, Vec<usize>)>,
    /// Tensors a file may hold that the model has no use for, by our path or the file's name.
    pub ignored: Vec<String>,
}

/// A tensor of a checkpoint, made of rows of our parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct FileTensor {
    /// The hub's name.
    pub name: String,
    /// Shape in the file.
    pub shape: Vec<usize>,
    /// Where its rows are, from the first to the last.
    pub pieces: Vec<Piece>,
}

/// Rows of a parameter that stand together in a tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Our parameter.
    pub path: String,
    /// Its rows.
    pub rows: Range<usize>,
    /// Their first row in the file.
    pub file_row: usize,
}

impl KeyRow {
    /// One of ours is one of the file's, in both generations.
    pub const fn renamed(
        ours: &'static [&'static str; 1],
        hub: &'static [&'static str; 1],
    ) -> Self {
        Self {
            ours,
            hub,
            newer: &[],
        }
    }
}

/// Constants that old files hold and every loader computes.
const COMPUTED: &str = ".rotary_emb.inv_freq";

impl KeyMap {
    /// A table alone.
    pub fn new(tables: Vec<(&'static str, &'static [KeyRow])>) -> Self {
        Self {
            tables,
            turns: 1,
            file_shapes: vec![],
            ignored: vec![],
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&'static str, &'static KeyRow)> {
        let tables = self.tables.iter();
        tables.flat_map(|(prefix, rows)| rows.iter().map(|row| (*prefix, row)))
    }

    /// The line of our parameter `path`: which of its names, the layer, and the rest of the path.
    fn find<'a>(&self, path: &'a str) -> Option<Found<'a>> {
        self.rows().find_map(|(prefix, row)| {
            row.ours.iter().enumerate().find_map(|(index, pattern)| {
                let (layer, rest) = matched(pattern, path)?;
                Some(Found {
                    prefix,
                    row,
                    index,
                    layer,
                    rest,
                })
            })
        })
    }

    /// The hub's name of our parameter `path`; the first of several.
    pub fn to_hub(&self, path: &str) -> String {
        match self.find(path) {
            Some(found) => found.hub(0),
            None => path.to_owned(),
        }
    }

    /// Every name of our parameter `path`: ours, the hub's and those of newer files, which are none
    /// where they are the hub's. Where it is cut in the file, all the parts together are it.
    pub fn generations(&self, path: &str) -> [Vec<String>; 3] {
        let ours = vec![path.to_owned()];
        let Some(found) = self.find(path) else {
            return [ours, vec![], vec![]];
        };
        let hub = (0..found.row.hub.len()).map(|i| found.hub(i));
        let newer = found.row.newer.iter();
        let newer = newer.map(|pattern| filled(pattern, found.layer, found.rest));
        [ours, hub.collect(), newer.collect()]
    }

    /// The names of our parameter `path` in the newest files: several where it is cut there.
    pub fn newest(&self, path: &str) -> Vec<String> {
        let mut generations = self.generations(path).into_iter();
        let newest = generations.rfind(|names| !names.is_empty());
        newest.unwrap_or_default()
    }

    /// Whether our parameter `path` is one of several whose rows one tensor of the file joins.
    pub fn is_joined(&self, path: &str) -> bool {
        self.find(path)
            .is_some_and(|found| found.row.ours.len() > 1)
    }

    /// Our path of the tensor `name` of a file, of either generation; the first of several.
    pub fn to_ours(&self, name: &str) -> String {
        let hub = self.hub_name(name);
        let ours = self.rows().find_map(|(prefix, row)| {
            let name = hub.strip_prefix(prefix)?;
            let (layer, rest) = row.hub.iter().find_map(|pattern| matched(pattern, name))?;
            Some(filled(row.ours[0], layer, rest))
        });
        ours.unwrap_or(hub)
    }

    /// The hub's name of the tensor `name` of a file of either generation.
    pub fn hub_name(&self, name: &str) -> String {
        let hub = self.rows().find_map(|(prefix, row)| {
            let mut pairs = row.newer.iter().zip(row.hub);
            pairs.find_map(|(newer, hub)| {
                let (layer, rest) = matched(newer, name)?;
                Some(format!("{prefix}{}", filled(hub, layer, rest)))
            })
        });
        hub.unwrap_or_else(|| name.to_owned())
    }

    /// The shape that the tensor of parameter `path` has in a file, where it is whole there.
    pub fn file_shape(&self, path: &str, ours: &[usize]) -> Vec<usize> {
        let special = self.file_shapes.iter().find(|(name, _)| name == path);
        special.map_or_else(|| ours.to_vec(), |(_, shape)| shape.clone())
    }

    /// Whether a file may hold the tensor `name` without our having any use for it.
    pub fn is_ignored(&self, name: &str) -> bool {
        name.ends_with(COMPUTED)
            || [name, &self.to_ours(name)]
                .iter()
                .any(|name| self.ignored.iter().any(|ignored| ignored == name))
    }

    /// The tensors that hold `params`, in the order of the first parameter of each.
    pub fn file_tensors(&self, params: &[NamedShape]) -> Vec<FileTensor> {
        let mut tensors: Vec<FileTensor> = vec![];
        let shape_of = |path: &str| params.iter().find(|p| p.path == path).map(|p| &p.shape);
        for param in params {
            let (path, shape) = (&param.path, &param.shape);
            let rows = shape.first().copied().unwrap_or(1);
            let whole = |name: String| FileTensor {
                name,
                shape: self.file_shape(path, shape),
                pieces: vec![Piece {
                    path: path.clone(),
                    rows: 0..rows,
                    file_row: 0,
                }],
            };
            match self.find(path) {
                None => tensors.push(whole(path.clone())),
                Some(found) if found.row.hub.len() > 1 => {
                    let each = rows / found.row.hub.len();
                    tensors.extend((0..found.row.hub.len()).map(|i| FileTensor {
                        name: found.hub(i),
                        shape: [&[each], &shape[1..]].concat(),
                        pieces: vec![Piece {
                            path: path.clone(),
                            rows: i * each..(i + 1) * each,
                            file_row: 0,
                        }],
                    }));
                }
                Some(found) if found.row.ours.len() > 1 => {
                    if found.index > 0 {
                        continue;
                    }
                    let parts: Vec<(String, &Vec<usize>)> = found
                        .row
                        .ours
                        .iter()
                        .map(|pattern| filled(pattern, found.layer, found.rest))
                        .filter_map(|path| shape_of(&path).map(|shape| (path, shape)))
                        .collect();
                    tensors.push(self.joined(found.hub(0), &parts));
                }
                Some(found) => tensors.push(whole(found.hub(0))),
            }
        }
        tensors
    }

    /// The tensor in which parameters take turns.
    fn joined(&self, name: String, parts: &[(String, &Vec<usize>)]) -> FileTensor {
        let mut pieces = vec![];
        let mut file_row = 0;
        for turn in 0..self.turns {
            for (path, shape) in parts {
                let each = shape[0] / self.turns;
                pieces.push(Piece {
                    path: path.clone(),
                    rows: turn * each..(turn + 1) * each,
                    file_row,
                });
                file_row += each;
            }
        }
        FileTensor {
            name,
            shape: [&[file_row], &parts[0].1[1..]].concat(),
            pieces,
        }
    }
}

/// A line of the table and how a path matched it.
struct Found<'a> {
    prefix: &'static str,
    row: &'static KeyRow,
    index: usize,
    layer: Option<&'a str>,
    rest: &'a str,
}

impl Found<'_> {
    fn hub(&self, index: usize) -> String {
        let name = filled(self.row.hub[index], self.layer, self.rest);
        format!("{}{name}", self.prefix)
    }
}

/// Layer and rest of a name that begins as the pattern does.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<(Option<&'a str>, &'a str)> {
    let Some((before, after)) = pattern.split_once('*') else {
        return Some((None, name.strip_prefix(pattern)?));
    };
    let rest = name.strip_prefix(before)?;
    let end = rest.find('.').unwrap_or(rest.len());
    Some((Some(&rest[..end]), rest[end..].strip_prefix(after)?))
}

/// The name that a pattern stands for.
fn filled(pattern: &str, layer: Option<&str>, rest: &str) -> String {
    let name = match layer {
        Some(layer) => pattern.replacen('*', layer, 1),
        None => pattern.to_owned(),
    };
    name + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::ParamId;

    const ROWS: &[KeyRow] = &[
        KeyRow {
            ours: &["layers.*.q.", "layers.*.k.", "layers.*.v."],
            hub: &["blk.*.wqkv."],
            newer: &[],
        },
        KeyRow {
            ours: &["eye.*.qkv."],
            hub: &["eye.*.q.", "eye.*.k.", "eye.*.v."],
            newer: &["m.eye.*.q.", "m.eye.*.k.", "m.eye.*.v."],
        },
        KeyRow::renamed(&["layers."], &["blk."]),
    ];

    fn keys() -> KeyMap {
        KeyMap {
            turns: 2,
            ..KeyMap::new(vec![("lm.", ROWS)])
        }
    }

    fn param(path: &str, shape: &[usize]) -> NamedShape {
        NamedShape {
            path: path.into(),
            shape: shape.into(),
            id: ParamId::new(),
        }
    }

    #[test]
    fn names_go_both_ways() {
        let keys = keys();
        assert_eq!(
            keys.to_hub("layers.12.norm.weight"),
            "lm.blk.12.norm.weight"
        );
        assert_eq!(
            keys.to_ours("lm.blk.12.norm.weight"),
            "layers.12.norm.weight"
        );
        assert_eq!(keys.to_hub("layers.3.k.weight"), "lm.blk.3.wqkv.weight");
        assert_eq!(keys.to_ours("lm.blk.3.wqkv.bias"), "layers.3.q.bias");
        assert_eq!(keys.to_ours("m.eye.0.v.bias"), "eye.0.qkv.bias");
        assert_eq!(keys.hub_name("m.eye.0.v.bias"), "lm.eye.0.v.bias");
        assert_eq!(keys.to_hub("other"), "other");
        assert!(!keys.is_joined("layers.0.norm.weight") && keys.is_joined("layers.0.v.weight"));
        let [ours, hub, newer] = keys.generations("eye.0.qkv.bias");
        assert_eq!(ours, ["eye.0.qkv.bias"]);
        assert_eq!(hub[2], "lm.eye.0.v.bias");
        assert_eq!(newer, keys.newest("eye.0.qkv.bias"));
        assert_eq!(newer[0], "m.eye.0.q.bias");
        assert_eq!(keys.newest("layers.1.norm.bias"), ["lm.blk.1.norm.bias"]);
        assert_eq!(keys.newest("other"), ["other"]);
    }

    #[test]
    fn parameters_take_turns_in_a_joined_tensor() {
        let params = [
            param("layers.0.q.weight", &[8, 3]),
            param("layers.0.k.weight", &[4, 3]),
            param("layers.0.v.weight", &[4, 3]),
        ];
        let [tensor] = &keys().file_tensors(&params)[..] else {
            panic!("expected one tensor")
        };
        assert_eq!(tensor.name, "lm.blk.0.wqkv.weight");
        assert_eq!(tensor.shape, [16, 3]);
        let rows: Vec<_> = tensor.pieces.iter().map(|p| p.rows.clone()).collect();
        assert_eq!(rows, [0..4, 0..2, 0..2, 4..8, 2..4, 2..4]);
        let starts: Vec<_> = tensor.pieces.iter().map(|p| p.file_row).collect();
        assert_eq!(starts, [0, 4, 6, 8, 12, 14]);
    }

    #[test]
    fn a_parameter_is_cut_into_several_tensors() {
        let tensors = keys().file_tensors(&[param("eye.1.qkv.bias", &[6])]);
        let names: Vec<_> = tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(
            names,
            ["lm.eye.1.q.bias", "lm.eye.1.k.bias", "lm.eye.1.v.bias"]
        );
        assert!(tensors.iter().all(|t| t.shape == [2]));
        assert_eq!(tensors[2].pieces[0].rows, 4..6);
    }
}
