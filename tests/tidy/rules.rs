//! Checks of one source file against the table. Each returns the violations in words, with the line
//! and how to fix them.

use std::fmt::Display;

use super::lexer::{Kind, Token, lex, matching};
use super::paths::used;
use super::table::{
    BANS, Ban, CRATES, EVERYWHERE, FILE_LINES_MAX, FLOORS, FUNCTION_LINES_MAX, LARGE, MACROS,
    PANICKING, ROOT,
};

/// A Rust file of the project, read.
pub struct File {
    /// From the root of the project, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its tokens; all marked as test code where only tests compile the file.
    pub tokens: Vec<Token>,
}

impl File {
    /// `reactor/clock` for `src/reactor/clock.rs` and `reactor` for `src/reactor/mod.rs`; nothing outside `src`.
    pub fn place(&self) -> Option<&str> {
        let place = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        Some(place.strip_suffix("/mod").unwrap_or(place))
    }

    /// The module path inside the crate.
    pub fn module(&self) -> Vec<String> {
        match self.place() {
            None | Some("lib" | "main") => Vec::new(),
            Some(place) => place.split('/').map(str::to_owned).collect(),
        }
    }

    fn floor(&self) -> Option<&str> {
        self.place()?.split('/').next()
    }

    fn problem(&self, line: usize, what: impl Display) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Reads a file.
pub fn read(path: String, text: String) -> File {
    let tokens = lex(&text);
    File { path, text, tokens }
}

/// Marks the files that are declared by `#[cfg(test)] mod name;`, and those below them, as test code.
pub fn mark_test_files(files: &mut [File]) {
    let mut only_tests: Vec<Vec<String>> = Vec::new();
    for file in files.iter().filter(|file| file.place().is_some()) {
        for declared in file.tokens.windows(3) {
            if declared[0].is("mod") && declared[2].is(";") && declared[0].test {
                let mut module = file.module();
                module.push(declared[1].text.clone());
                only_tests.push(module);
            }
        }
    }
    for file in files.iter_mut().filter(|file| file.place().is_some()) {
        let module = file.module();
        if only_tests.iter().any(|tests| module.starts_with(tests)) {
            file.tokens.iter_mut().for_each(|token| token.test = true);
        }
    }
}

/// Imports point down, and dependencies stay on their floors.
pub fn imports(file: &File) -> Vec<String> {
    let Some(floor) = file.floor() else { return Vec::new() };
    if !FLOORS.contains(&floor) && !ROOT.contains(&floor) {
        let what = "no floor has this name: say in tests/tidy/table.rs where it stands";
        return vec![file.problem(1, what)];
    }
    let mut problems = Vec::new();
    for used in used(&file.module(), &file.tokens) {
        let upward = upward(floor, &used.path);
        let dependency = dependency(floor, &used.path).filter(|_| !used.test);
        problems.extend(upward.or(dependency).map(|what| file.problem(used.line, what)));
    }
    problems
}

/// What is wrong with naming `path` of ours on `floor`.
fn upward(floor: &str, path: &[String]) -> Option<String> {
    let height = FLOORS.iter().position(|name| *name == floor)?;
    let target = path.get(1).map_or("*", String::as_str);
    if path[0] != "crate" || FLOORS[..=height].contains(&target) {
        return None;
    }
    if !FLOORS.contains(&target) && !ROOT.contains(&target) {
        return Some(format!("crate::{target} does not say on which floor it stands: name that"));
    }
    let below = FLOORS[..height].join(", ");
    let instead = format!("return a value and let {target} act on it");
    Some(format!("{floor} must not use {target}, only [{below}]; instead: {instead}"))
}

/// What is wrong with naming `path` of a dependency on `floor`.
fn dependency(floor: &str, path: &[String]) -> Option<String> {
    let (name, floors, instead) = CRATES.iter().find(|(name, ..)| *name == path[0])?;
    let elsewhere = !floors.contains(&floor);
    elsewhere.then(|| format!("{name} is for {} only; instead: {instead}", floors.join(", ")))
}

/// Clock, entropy, sockets, threads, files and the environment stay where they belong.
pub fn paths(file: &File) -> Vec<String> {
    let Some(place) = file.place() else { return Vec::new() };
    let mut problems = Vec::new();
    for used in used(&file.module(), &file.tokens) {
        let path = used.path.join("::");
        // A row that allows a path everywhere does not allow a glob import of what stands beside it.
        let exempt = |ban: &Ban| ban.only_in == EVERYWHERE && path.ends_with("::*");
        let ban = BANS.iter().find(|ban| names(&path, ban.path) && !exempt(ban));
        if let Some(ban) = ban.filter(|ban| !allows(ban, place, used.test)) {
            let what = format!("{path} is not for here; instead: {}", ban.instead);
            problems.push(file.problem(used.line, what));
        }
    }
    problems
}

/// Whether naming `path` is naming what stands at `banned`, or importing it with everything beside it.
fn names(path: &str, banned: &str) -> bool {
    let below = |path: &str, above: &str| {
        path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    below(path, banned) || path.strip_suffix("::*").is_some_and(|glob| below(banned, glob))
}

fn allows(ban: &Ban, place: &str, test: bool) -> bool {
    let inside = |folder: &&str| {
        place.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    (test && ban.tests_may) || ban.only_in == EVERYWHERE || ban.only_in.iter().any(inside)
}

/// Nothing panics on purpose, prints on the way, or is left undone.
pub fn calls(file: &File) -> Vec<String> {
    let Some(place) = file.place() else { return Vec::new() };
    let mut problems = Vec::new();
    for (at, token) in file.tokens.iter().enumerate() {
        let next = file.tokens.get(at + 1).map_or("", |next| &next.text);
        let before = at.checked_sub(1).map_or("", |before| &file.tokens[before].text);
        let banned = MACROS.iter().find(|ban| token.is(ban.path) && next == "!");
        if let Some(ban) = banned.filter(|ban| !allows(ban, place, token.test)) {
            let what = format!("{}! is not for here; instead: {}", ban.path, ban.instead);
            problems.push(file.problem(token.line, what));
        }
        let panicking = PANICKING.contains(&token.text.as_str()) && matches!(before, "." | "::");
        if panicking && !token.test {
            let what = format!("{} panics; instead: `?`, `let … else`, `unwrap_or`", token.text);
            problems.push(file.problem(token.line, what));
        }
    }
    problems
}

/// No unsafe code, no test that is skipped. For every Rust file, tests and benches too.
pub fn keywords(file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, token) in file.tokens.iter().enumerate() {
        let in_attribute = at > 0 && file.tokens[at - 1].is("[");
        let what = match token.text.as_str() {
            "unsafe" => "unsafe is not for here; instead: a safe crate that does it",
            "ignore" if in_attribute => "an ignored test proves nothing: make it run, or delete it",
            _ => continue,
        };
        problems.push(file.problem(token.line, what));
    }
    problems
}

/// Every file says first what it is for.
pub fn header(file: &File) -> Vec<String> {
    match file.text.starts_with("//! ") {
        true => Vec::new(),
        false => vec![file.problem(1, "begin with `//!`: what this file is for")],
    }
}

/// What is larger than it should be, each with its size in lines of code.
pub fn large(file: &File) -> Vec<(String, usize)> {
    let whole = (file.path.clone(), code_lines(&file.tokens));
    let functions = functions(&file.tokens);
    let functions =
        functions.into_iter().map(|(name, lines)| (format!("{}::{name}", file.path), lines));
    let functions = functions.filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
    Some(whole).filter(|(_, lines)| *lines > FILE_LINES_MAX).into_iter().chain(functions).collect()
}

/// Whether what is large is just what is listed as such.
pub fn ratchet(found: &[(String, usize)], listed: &[(&str, usize)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, lines) in found {
        let max = if name.contains("::") { FUNCTION_LINES_MAX } else { FILE_LINES_MAX };
        let listed = listed.iter().find(|(entry, _)| entry == name).map(|(_, lines)| *lines);
        let what = match listed {
            None => format!("at most {max}: give it one subject, move the rest out"),
            Some(known) if *lines > known => format!("it was {known}: make it smaller"),
            Some(known) if *lines < known => format!("it was {known}: write the new number"),
            Some(_) => continue,
        };
        problems.push(format!("{name}: {lines} lines of code, {what}"));
    }
    let gone = |entry: &str| !found.iter().any(|(name, _)| name == entry);
    for (entry, _) in listed.iter().filter(|(entry, _)| gone(entry)) {
        problems.push(format!("{entry}: small enough, or gone: take it off the list"));
    }
    problems
}

/// [`ratchet`] against the list in the table.
pub fn sizes(files: &[File]) -> Vec<String> {
    let found: Vec<_> = files.iter().flat_map(large).collect();
    ratchet(&found, LARGE)
}

fn code_lines(tokens: &[Token]) -> usize {
    let mut lines: Vec<_> = tokens.iter().flat_map(|token| token.line..=token.last_line).collect();
    lines.dedup();
    lines.len()
}

/// All functions that have a body, with its lines of code from `fn` to the closing brace.
fn functions(tokens: &[Token]) -> Vec<(String, usize)> {
    let mut functions = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if !pair[0].is("fn") || pair[1].kind != Kind::Ident {
            continue;
        }
        let mut open = at + 2;
        while open < tokens.len() && !matches!(tokens[open].text.as_str(), "{" | ";") {
            let bracket = matches!(tokens[open].text.as_str(), "(" | "[");
            open = if bracket { matching(tokens, open) } else { open } + 1;
        }
        if tokens.get(open).is_some_and(|token| token.is("{")) {
            let lines = code_lines(&tokens[at..=matching(tokens, open)]);
            functions.push((pair[1].text.clone(), lines));
        }
    }
    functions
}

/// Every dependency has a row in the table, and no row is left over from one that has gone.
pub fn rows(dependencies: &[String]) -> Vec<String> {
    let rows: Vec<_> = CRATES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let mut problems = Vec::new();
    for name in dependencies.iter().filter(|name| !rows.contains(name)) {
        problems.push(format!("{name}: say in tests/tidy/table.rs which floors may use it"));
    }
    for name in rows.iter().filter(|name| !dependencies.contains(name)) {
        problems.push(format!("{name}: no dependency any more, take its row out of the table"));
    }
    problems
}
