//! The graph of a crate's modules, read from its sources: which module names which, and whether
//! the modules of any directory need each other in a circle.
//!
//! Code of tests is left out. A path counts for the module that defines what it names: re-exports
//! are followed. A module and the modules inside it are one node of the level above, so a parent
//! that uses its own child, or the reverse, is no edge.

use super::tokens::{Source, UsePath, read};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A module by the names that lead to it from the root of its crate.
type Module = Vec<String>;

/// The modules of a crate and what they name.
pub struct Graph {
    sources: BTreeMap<Module, Source>,
}

impl Graph {
    /// Of the crate whose sources are in `dir`.
    pub fn of_crate(dir: &Path) -> Self {
        let mut files = vec![];
        collect(dir, &mut vec![], &mut files);
        Self::of_files(files)
    }

    /// Of files given as their module and text.
    pub fn of_files(files: Vec<(Module, String)>) -> Self {
        let read = files
            .into_iter()
            .map(|(module, text)| (module, read(&text)));
        let mut sources: BTreeMap<Module, Source> = read.collect();
        let tests: Vec<Module> = sources
            .iter()
            .flat_map(|(module, source)| {
                let child =
                    |name: &String| [module.as_slice(), std::slice::from_ref(name)].concat();
                source.test_modules.iter().map(child)
            })
            .collect();
        sources.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Self { sources }
    }

    /// A circle of modules of one directory, as `a → b → a`, if there is any.
    pub fn cycle(&self) -> Option<String> {
        let mut levels: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (from, source) in &self.sources {
            for path in &source.paths {
                let Some(to) = self.target(from, path, 0) else {
                    continue;
                };
                let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
                    let level = levels.entry(from[..common].to_vec()).or_default();
                    level.entry(a.clone()).or_default().insert(b.clone());
                }
            }
        }
        levels.iter().find_map(|(level, edges)| {
            let circle = circle(edges)?;
            let place = [&["crate".to_owned()], level.as_slice()]
                .concat()
                .join("::");
            Some(format!("in {place}: {}", circle.join(" → ")))
        })
    }

    /// The module that defines what `path` names; none where that is in another crate.
    fn target(&self, from: &Module, path: &UsePath, depth: usize) -> Option<Module> {
        let mut at = from.clone();
        let mut names = path.iter().peekable();
        match names.peek()?.as_str() {
            "crate" => {
                at.clear();
                names.next();
            }
            "self" => {
                names.next();
            }
            "super" => {
                while names.next_if(|name| *name == "super").is_some() {
                    at.pop()?;
                }
            }
            first => {
                at.push(first.to_owned());
                if !self.sources.contains_key(&at) {
                    return None;
                }
                at.pop();
            }
        }
        while let Some(name) = names.peek() {
            at.push((*name).clone());
            if !self.sources.contains_key(&at) {
                at.pop();
                break;
            }
            names.next();
        }
        // What a module names of another one is where that module has it from.
        const LONGEST: usize = 8;
        let name = names.next();
        let source = self.sources.get(&at)?;
        let origin = name.and_then(|name| source.imports.get(name));
        match origin {
            Some(origin) if depth < LONGEST && origin != path => {
                let found = self.target(&at, origin, depth + 1);
                found.or(Some(at))
            }
            _ => Some(at),
        }
    }
}

/// Files below `dir` with their modules.
fn collect(dir: &Path, module: &mut Module, files: &mut Vec<(Module, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|e| e == "rs") {
            let mut own = module.clone();
            if !["mod", "lib", "main"].contains(&name.as_str()) {
                own.push(name);
            }
            files.push((own, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// A way from a node back to itself.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|node| node == at) {
            let circle = way[start..].iter().cloned();
            return Some(circle.chain([at.to_owned()]).collect());
        }
        if done.contains(at) {
            return None;
        }
        way.push(at.to_owned());
        let next = edges.get(at).into_iter().flatten();
        let found = next.into_iter().find_map(|to| visit(to, edges, way, done));
        way.pop();
        done.insert(at.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    edges
        .keys()
        .find_map(|node| visit(node, edges, &mut vec![], &mut done))
}
