//! What the host has free for this process.

use std::{
    fs,
    path::{Component, Path},
};

/// Files of a control group: its limit, what is used of it, and the key in `memory.stat` of the page
/// cache that is not in use.
type Files = [&'static str; 3];
const VERSION_2: Files = ["memory.max", "memory.current", "inactive_file"];
const VERSION_1: Files = [
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
];

/// Bytes that are free, of the host's memory and below the limits of the control groups that the
/// process is in; none where the host does not say.
pub(super) fn free_bytes() -> Option<f64> {
    let file = fs::read_to_string("/proc/meminfo").ok()?;
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let available = kilobytes * 1024.0;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = left_in_groups(&groups, Path::new("/sys/fs/cgroup"));
    Some(left.map_or(available, |left| left.min(available)))
}

/// The least that is left in the control groups that `groups` lists, as `/proc/self/cgroup` does, and
/// in those they are in; `root` is where they are mounted.
fn left_in_groups(groups: &str, root: &Path) -> Option<f64> {
    let left = groups.lines().flat_map(|line| {
        let fields: Vec<&str> = line.splitn(3, ':').collect();
        let (base, path, files) = match fields[..] {
            [_, "", path] => (root.to_owned(), path, VERSION_2),
            [_, names, path] if names.split(',').any(|name| name == "memory") => {
                (root.join("memory"), path, VERSION_1)
            }
            _ => return vec![],
        };
        let path = Path::new(path.trim_start_matches('/'));
        // A group outside of what a container sees begins with `..`.
        let is_seen = !path.components().any(|part| part == Component::ParentDir);
        let own = if is_seen { path } else { Path::new("") };
        let left = own
            .ancestors()
            .filter_map(|dir| left_in(&base.join(dir), files));
        left.collect()
    });
    left.reduce(f64::min)
}

/// What is left in one control group; none without a limit.
fn left_in(dir: &Path, [limit, used, idle]: Files) -> Option<f64> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let read = |name: &str| number(&fs::read_to_string(dir.join(name)).ok()?);
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let mut keys = stat.lines().filter_map(|line| line.split_once(' '));
    // The system gives it back before anyone runs out.
    let cached = keys.find(|(key, _)| *key == idle);
    let cached = cached.and_then(|(_, value)| number(value)).unwrap_or(0.0);
    Some((read(limit)? - read(used)? + cached).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_of_the_groups_around_a_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |dir: &str, files: &[(&str, &str)]| {
            let dir = root.path().join(dir);
            fs::create_dir_all(&dir).unwrap();
            for (name, text) in files {
                fs::write(dir.join(name), text).unwrap();
            }
        };
        let left = |groups: &str| left_in_groups(groups, root.path());
        write(
            "job/step",
            &[("memory.max", "max\n"), ("memory.current", "700\n")],
        );
        assert_eq!(left("0::/job/step\n"), None);
        write(
            "job",
            &[
                ("memory.max", "1000\n"),
                ("memory.current", "900\n"),
                ("memory.stat", "anon 650\nfile 250\ninactive_file 200\n"),
            ],
        );
        assert_eq!(left("0::/job/step\n"), Some(300.0));
        assert_eq!(left("0::/\n"), None);
        // What a container is shown is its own group.
        write("", &[("memory.max", "500\n"), ("memory.current", "600\n")]);
        assert_eq!(left("0::/../outside\n"), Some(0.0));
        write(
            "memory/job",
            &[
                ("memory.limit_in_bytes", "1000\n"),
                ("memory.usage_in_bytes", "850\n"),
                ("memory.stat", "inactive_file 1\ntotal_inactive_file 100\n"),
            ],
        );
        let groups = "5:devices:/job\n4:memory:/job\n1:name=systemd:/\n";
        assert_eq!(left(groups), Some(250.0));
        assert_eq!(left(""), None);
    }
}
