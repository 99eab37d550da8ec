//! Checks of manifests and of texts in any language.

/// The names in the dependency tables of a manifest, `-` as `_`; development and build dependencies only if `all`.
pub fn dependencies(manifest: &str, all: bool) -> Vec<String> {
    let kinds: &[&str] = if all { &["dependencies", "dev", "build"] } else { &["dependencies"] };
    let wanted = |entry: &&Entry| kinds.contains(&entry.kind);
    entries(manifest).iter().filter(wanted).map(|entry| entry.name.replace('-', "_")).collect()
}

/// Dependencies that nobody gave a reason for: a comment directly above or beside each.
pub fn reasons(path: &str, manifest: &str) -> Vec<String> {
    let without = entries(manifest).into_iter().filter(|entry| !entry.has_reason);
    without
        .map(|entry| {
            format!(
                "{path}:{}: {}: say in a comment above it what it is for",
                entry.line, entry.name
            )
        })
        .collect()
}

struct Entry {
    name: String,
    line: usize,
    /// `dependencies`, `dev` or `build`.
    kind: &'static str,
    has_reason: bool,
}

fn entries(manifest: &str) -> Vec<Entry> {
    let (mut entries, mut kind, mut depth, mut above) = (Vec::new(), None, 0, "");
    for (number, line) in manifest.lines().enumerate() {
        let (code, comment) = split_comment(line.trim());
        let has_reason = has_words(comment) || has_words(above);
        above = if code.is_empty() { comment } else { "" };
        if let Some(table) = code.strip_prefix('[').filter(|_| depth == 0) {
            let (found, name) = dependency_table(table.trim_end_matches(']'));
            kind = found.filter(|_| name.is_none());
            if let (Some(kind), Some(name)) = (found, name) {
                entries.push(Entry { name: name.to_owned(), line: number + 1, kind, has_reason });
            }
            continue;
        }
        if let (Some(kind), 0, Some((name, _))) = (kind, depth, code.split_once('=')) {
            let name = name.trim().trim_matches('"').split('.').next().unwrap_or_default();
            entries.push(Entry { name: name.to_owned(), line: number + 1, kind, has_reason });
        }
        depth += code.matches(['[', '{']).count() as isize;
        depth -= code.matches([']', '}']).count() as isize;
    }
    entries
}

/// The kind of dependency table a header opens, and the dependency where the table is for a single one.
fn dependency_table(header: &str) -> (Option<&'static str>, Option<&str>) {
    const TABLES: [(&str, &str); 3] = [
        ("dev-dependencies", "dev"),
        ("build-dependencies", "build"),
        ("dependencies", "dependencies"),
    ];
    for (table, kind) in TABLES {
        let Some((before, after)) = header.split_once(table) else { continue };
        if before.is_empty() || before.ends_with('.') {
            return (Some(kind), after.strip_prefix('.'));
        }
    }
    (None, None)
}

/// A line's code and the comment behind it. A `#` in a string opens none.
fn split_comment(line: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        quoted ^= c == '"';
        if c == '#' && !quoted {
            return (line[..at].trim(), &line[at + 1..]);
        }
    }
    (line, "")
}

fn has_words(comment: &str) -> bool {
    comment.split_whitespace().count() >= 2
}

/// What belongs to the machine where a text was written and not to the project.
pub fn strays(path: &str, text: &str) -> Vec<String> {
    // Taken apart, so that this file may stand in the project too.
    const PLACES: [&str; 6] = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
        concat!("/t", "mp/"),
        concat!("../sha", "red"),
    ];
    const REGISTRIES: [&str; 5] = [
        concat!("crates", ".io"),
        concat!("npm", "js.org"),
        concat!("npm", "js.com"),
        concat!("py", "pi.org"),
        concat!("yarn", "pkg.com"),
    ];
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut report = |what: &str, instead: &str| {
            problems.push(format!("{path}:{}: {what}: {instead}", number + 1));
        };
        for place in PLACES.iter().filter(|place| has_path(line, place)) {
            report(
                place,
                "a path of one machine; instead: one from the root of the project, or mktemp",
            );
        }
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            report(host, "a registry's host; instead: the package's name alone");
        }
    }
    problems
}

/// Whether an absolute path begins with `place` somewhere in `line`: `/x/home/` is none.
fn has_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        !line[..at]
            .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "
[package]
name = \"x\"
[dependencies]
# A reason in words.
a-b = { version = \"1\", features = [
    \"x\",
] }
c = \"1\"
d = \"1\" # The reason beside it.
#
e = \"1\"
# About f.

f = \"1\"
[dev-dependencies.g]
version = \"1\"
[target.'cfg(unix)'.dependencies]
h.version = \"1\"
[features]
i = []
";
        let problems = reasons("Cargo.toml", manifest);
        let names: Vec<_> = problems.iter().map(|p| p.split(": ").nth(1).unwrap_or("")).collect();
        assert_eq!(names, ["c", "e", "f", "g", "h"], "{problems:?}");
        assert_eq!(dependencies(manifest, false), ["a_b", "c", "d", "e", "f", "h"]);
        assert_eq!(dependencies(manifest, true).len(), 7);
    }

    #[test]
    fn paths_and_hosts_of_elsewhere_are_found() {
        for bad in [
            concat!("see /ho", "me/x/y"),
            concat!("\"/t", "mp/a\""),
            concat!("(../sha", "red/x.md)"),
            concat!("https://docs.crates", ".io/x"),
            concat!("registry.npm", "js.org"),
        ] {
            assert_eq!(strays("x.md", bad).len(), 1, "{bad}");
        }
        for good in ["GET /wo HTTP", concat!("$dir/t", "mp/x"), "target/tmp/x", "/usr/bin/chromium"]
        {
            assert_eq!(strays("x.md", good), Vec::<String>::new(), "{good}");
        }
    }
}
