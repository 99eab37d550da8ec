//! The paths that a source file names, in imports and in code, resolved as far as possible without
//! a compiler.

use std::collections::HashMap;

use super::lexer::{Kind, Token};

/// The name under which programs, tests and examples know the library.
const LIBRARY: &str = "autamedica_signaling";

/// A path as it stands in a source file.
#[derive(Debug)]
pub struct Used {
    /// Its segments. The first is `crate` for everything of ours; the last is `*` for a glob import.
    pub path: Vec<String>,
    /// Counted from 1.
    pub line: usize,
    /// Whether only tests compile it.
    pub test: bool,
}

/// Every path that the file of module `file` (empty for the crate root) names.
pub fn used(file: &[String], tokens: &[Token]) -> Vec<Used> {
    let mut reader = Reader { file, tokens, aliases: HashMap::new(), used: Vec::new() };
    let bodies = reader.imports();
    reader.in_code(&bodies);
    reader.used
}

struct Reader<'a> {
    file: &'a [String],
    tokens: &'a [Token],
    /// What the imports of a module call things.
    aliases: HashMap<(Vec<String>, String), Vec<String>>,
    used: Vec<Used>,
}

impl Reader<'_> {
    /// Reads all `use` declarations; returns for each token whether it belonged to one.
    fn imports(&mut self) -> Vec<bool> {
        let mut in_import = vec![false; self.tokens.len()];
        let mut at = 0;
        while at < self.tokens.len() {
            let start = match self.text(at) {
                // Not the `use<'a>` of a return type.
                "use" if self.text(at + 1) != "<" => at + 1,
                "extern" if self.text(at + 1) == "crate" => at + 2,
                _ => {
                    at += 1;
                    continue;
                }
            };
            let mut end = start;
            self.tree(&mut end, Vec::new());
            in_import[at..end.min(self.tokens.len())].fill(true);
            at = end.max(at + 1);
        }
        in_import
    }

    /// Reads one tree of a `use` declaration below `prefix` and leaves `at` behind it.
    fn tree(&mut self, at: &mut usize, prefix: Vec<String>) {
        let (first, mut path, mut group) = (*at, prefix, false);
        while let Some(token) = self.tokens.get(*at) {
            match token.text.as_str() {
                "::" => {}
                "{" => {
                    group = true;
                    *at += 1;
                    while !matches!(self.text(*at), "}" | "" | ";") {
                        self.tree(at, path.clone());
                        *at += usize::from(self.text(*at) == ",");
                    }
                }
                "," | "}" | ";" | "as" => break,
                text => path.push(text.to_owned()),
            }
            *at += 1;
        }
        let mut alias = path.last().cloned().unwrap_or_default();
        if self.text(*at) == "as" {
            alias = self.text(*at + 1).to_owned();
            *at += 2;
        }
        if group || path.is_empty() {
            return;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
            alias = path.last().cloned().unwrap_or_default();
        }
        let Some(token) = self.tokens.get(first) else { return };
        let path = self.resolve(path, token);
        self.aliases.insert((token.modules.to_vec(), alias), path.clone());
        self.used.push(Used { path, line: token.line, test: token.test });
    }

    /// Reads the paths that stand outside of imports.
    fn in_code(&mut self, in_import: &[bool]) {
        let mut at = 0;
        while at < self.tokens.len() {
            let start = at;
            at += 1;
            if in_import[start] || !self.is_head(start) {
                continue;
            }
            let mut path = vec![self.text(start).to_owned()];
            while self.text(at) == "::" && self.is_name(at + 1) {
                path.push(self.text(at + 1).to_owned());
                at += 2;
            }
            let token = &self.tokens[start];
            let path = self.resolve(path, token);
            self.used.push(Used { path, line: token.line, test: token.test });
        }
    }

    /// Whether a path of several segments begins at `at`.
    fn is_head(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map_or("", |before| self.text(before));
        let continues = before(1) == "::"
            && (before(2) == ">" || at.checked_sub(2).is_some_and(|before| self.is_name(before)));
        self.is_name(at) && self.text(at + 1) == "::" && before(1) != "." && !continues
    }

    fn is_name(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Ident)
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    /// Follows `crate`, `self`, `super` and the names that imports gave.
    fn resolve(&self, path: Vec<String>, token: &Token) -> Vec<String> {
        let here: Vec<String> = self.file.iter().chain(token.modules.iter()).cloned().collect();
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let start = usize::from(path[0] == "self");
        if path[0] == "crate" || path[0] == LIBRARY {
            join(&["crate".to_owned()], &path[1..])
        } else if start + supers > 0 || path.get(1).is_some_and(|second| second == "super") {
            let supers = path[start..].iter().take_while(|segment| *segment == "super").count();
            let above = &here[..here.len().saturating_sub(supers)];
            join(&join(&["crate".to_owned()], above), &path[start + supers..])
        } else if let Some(known) = self.aliases.get(&(token.modules.to_vec(), path[0].clone())) {
            join(known, &path[1..])
        } else if path[0] == "core" || path[0] == "alloc" {
            join(&["std".to_owned()], &path[1..])
        } else {
            path
        }
    }
}

fn join(left: &[String], right: &[String]) -> Vec<String> {
    left.iter().chain(right).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        let file = ["engine".to_owned(), "room".to_owned()];
        used(&file, &lex(source)).iter().map(|used| used.path.join("::")).collect()
    }

    #[test]
    fn trees_are_taken_apart() {
        assert_eq!(
            paths("pub(crate) use crate::{base::{time::{self, Now}, arena as a}, wire::*};"),
            ["crate::base::time", "crate::base::time::Now", "crate::base::arena", "crate::wire::*"]
        );
        assert_eq!(
            paths("use ::mio; use {std::fs, slab::Slab};"),
            ["mio", "std::fs", "slab::Slab"]
        );
        assert_eq!(paths("extern crate mio as m;"), ["mio"]);
    }

    #[test]
    fn relative_paths_are_followed() {
        assert_eq!(paths("use super::super::reactor::x;"), ["crate::reactor::x"]);
        assert_eq!(paths("fn f() { self::a::b(); }"), ["crate::engine::room::a::b"]);
        assert_eq!(paths("use self::super::a;"), ["crate::engine::a"]);
        assert_eq!(
            paths("mod tests { use super::super::super::service::x; }"),
            ["crate::service::x"]
        );
    }

    #[test]
    fn names_that_imports_gave_are_followed() {
        assert_eq!(
            paths("use std::time; fn f() { time::Instant::now(); }")[1],
            "std::time::Instant::now"
        );
        assert_eq!(paths("use core::net as n; fn f(a: n::TcpStream) {}")[1], "std::net::TcpStream");
        assert_eq!(
            paths("use crate::base::time; fn f(a: time::Instant) {}")[1],
            "crate::base::time::Instant"
        );
    }

    #[test]
    fn paths_in_code_are_found_whole_and_once() {
        assert_eq!(
            paths("fn f() { x.y(Vec::<u8>::new(), ::mio::Poll::new()); }"),
            ["Vec", "mio::Poll::new"]
        );
        assert_eq!(paths("fn f() { log::info!(\"x\"); }"), ["log::info"]);
        assert_eq!(paths("macro_rules! m { () => { $crate::wire::x() } }"), ["crate::wire::x"]);
        assert_eq!(paths("fn f<T>() -> impl Sized + use<T> { a }"), Vec::<String>::new());
    }
}
