//! Shows that every rule catches what it is meant to catch, and accepts what is allowed.

use super::rules::{self, File};
use super::table::{
    BANS, CRATES, EVERYWHERE, FILE_LINES_MAX, FUNCTION_LINES_MAX, MACROS, PANICKING,
};

fn file(path: &str, text: &str) -> File {
    rules::read(path.to_owned(), text.to_owned())
}

fn all(path: &str, text: &str) -> Vec<String> {
    let file = file(path, text);
    let checks = [rules::imports, rules::paths, rules::calls, rules::keywords];
    checks.iter().flat_map(|check| check(&file)).collect()
}

#[track_caller]
fn caught(path: &str, text: &str, word: &str) {
    let problems = all(path, text);
    assert_eq!(problems.len(), 1, "{path}: {text}: {problems:?}");
    assert!(problems[0].contains(word), "{word} is not in: {}", problems[0]);
    assert!(problems[0].starts_with(&format!("{path}:1: ")), "{}", problems[0]);
}

#[track_caller]
fn allowed(path: &str, text: &str) {
    assert_eq!(all(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[test]
fn imports_that_point_up_are_caught() {
    caught("src/wire/jwt.rs", "use crate::admission::Grant;", "wire must not use admission");
    caught("src/engine/mod.rs", "fn f() { crate::reactor::x(); }", "engine must not use reactor");
    caught("src/base/time.rs", "use super::super::wire::http;", "base must not use wire");
    caught(
        "src/message/ids.rs",
        "use crate::{base::time, engine::*};",
        "message must not use engine",
    );
    caught("src/service/audit.rs", "use crate::reactor::Turn;", "service must not use reactor");
    caught("src/reactor/turn.rs", "use crate::config::Config;", "reactor must not use config");
    caught("src/config.rs", "use crate::cli::x;", "config must not use cli");
    caught(
        "src/wire/jwt.rs",
        "#[cfg(test)] mod tests { use crate::engine::Engine; }",
        "wire must not",
    );
    allowed("src/engine/mod.rs", "use crate::{base::time::Now, message::Role, wire};");
    allowed("src/reactor/turn.rs", "use crate::service::audit::Record;");
    allowed("src/cli/mod.rs", "use autamedica_signaling::{Server, config::Config};");
    allowed("src/wire/jwt.rs", "// use crate::engine;\nconst X: &str = \"crate::engine::x\";");
}

#[test]
fn what_hides_its_floor_is_caught() {
    caught("src/wire/jwt.rs", "use crate::Engine;", "name that");
    caught("src/wire/jwt.rs", "use crate as ours;", "name that");
    caught("src/wire/jwt.rs", "use super::super::*;", "name that");
    caught("src/storage/mod.rs", "fn f() {}", "no floor has this name");
}

#[test]
fn every_dependency_is_caught_outside_of_its_floors() {
    for (name, floors, instead) in CRATES {
        let text = format!("use {name}::X;");
        caught("src/engine/room.rs", &text, instead);
        allowed("src/engine/room.rs", &format!("#[cfg(test)] mod tests {{ {text} }}"));
        floors.iter().for_each(|floor| allowed(&format!("src/{floor}/x.rs"), &text));
    }
    caught("src/engine/room.rs", "fn f() { ::mio::Poll::new(); }", "mio");
    caught("src/engine/room.rs", "fn f() { log::info!(\"x\"); }", "log");
}

#[test]
fn every_banned_path_is_caught() {
    for ban in BANS.iter().filter(|ban| ban.only_in != EVERYWHERE) {
        let text = format!("fn f() {{ {}::x(); }}", ban.path);
        let problems = all("src/engine/room.rs", &text);
        assert!(
            problems.iter().any(|problem| problem.contains(ban.instead)),
            "{text}: {problems:?}"
        );
        let in_test = file("src/base/x.rs", &format!("#[cfg(test)] mod tests {{ {text} }}"));
        assert_eq!(rules::paths(&in_test).is_empty(), ban.tests_may, "{}", ban.path);
        for place in ban.only_in {
            assert_eq!(
                rules::paths(&file(&format!("src/{place}.rs"), &text)),
                Vec::<String>::new()
            );
        }
    }
    caught("src/reactor/turn.rs", "use std::time::Instant;", "reactor/clock.rs");
    caught("src/reactor/turn.rs", "use std::{time::{Duration, SystemTime}};", "reactor/clock.rs");
    caught("src/server.rs", "use std::env;", "crate::config");
    caught("src/server.rs", "use std::net::*;", "bytes");
    caught("src/engine/room.rs", "use std::sync::*;", "floor 6");
    let aliased = all("src/server.rs", "use std::time as t; fn f() { t::Instant::now(); }");
    assert_eq!(aliased.len(), 1, "{aliased:?}");
    allowed("src/wire/frame.rs", "use std::io::Cursor; use std::net::IpAddr; use std::sync::Arc;");
    allowed("src/engine/room.rs", "use crate::base::time::{Duration, Instant};");
}

#[test]
fn every_banned_macro_and_method_is_caught() {
    for ban in MACROS {
        caught("src/engine/room.rs", &format!("fn f() {{ {}!(); }}", ban.path), ban.instead);
    }
    for method in PANICKING {
        caught("src/main.rs", &format!("fn f() {{ x.{method}(); }}"), "panics");
        caught("src/main.rs", &format!("fn f() {{ x.map(Option::{method}); }}"), "panics");
        allowed("src/main.rs", &format!("#[cfg(test)] mod tests {{ fn f() {{ x.{method}(); }} }}"));
    }
    allowed("src/cli/mod.rs", "fn f() { println!(\"x\"); assert!(true); x.unwrap_or(1); }");
    allowed("src/base/x.rs", "#[expect(dead_code, reason = \"x\")] /// x.unwrap()\nfn f() {}");
}

#[test]
fn unsafe_code_and_skipped_tests_are_caught_everywhere() {
    caught("tests/x.rs", "fn f() { unsafe { x() } }", "unsafe");
    caught(
        "src/wire/x.rs",
        "#[cfg(test)] mod tests { #[test] #[ignore] fn f() {} }",
        "ignored test",
    );
    caught("benches/x.rs", "#[ignore = \"slow\"] fn f() {}", "ignored test");
}

#[test]
fn a_file_of_tests_is_known_by_its_declaration() {
    let mut files = vec![
        file("src/wire/mod.rs", "#[cfg(test)] mod tests; mod jwt;"),
        file("src/wire/tests.rs", "fn f() { x.unwrap(); }"),
        file("src/wire/jwt.rs", "fn f() { x.unwrap(); }"),
    ];
    rules::mark_test_files(&mut files);
    let found: Vec<_> = files.iter().map(|file| rules::calls(file).len()).collect();
    assert_eq!(found, [0, 0, 1]);
}

#[test]
fn what_grows_too_large_is_caught() {
    let lines = |count: usize| "    x();\n".repeat(count);
    let function = |count| format!("fn f(a: [u8; 2]) {{\n{}}}\n", lines(count));
    let small = format!("// A comment.\n\n{}", function(FUNCTION_LINES_MAX - 2));
    assert_eq!(rules::large(&file("src/x.rs", &small)), []);
    let large = rules::large(&file("src/x.rs", &function(FUNCTION_LINES_MAX - 1)));
    assert_eq!(large, [("src/x.rs::f".to_owned(), FUNCTION_LINES_MAX + 1)]);
    let uses = "use a::b;\n".repeat(FILE_LINES_MAX);
    assert_eq!(rules::large(&file("src/x.rs", &uses)), []);
    let large = rules::large(&file("src/x.rs", &format!("{uses}const X: &str = \"\n\n\";\n")));
    assert_eq!(large, [("src/x.rs".to_owned(), FILE_LINES_MAX + 3)]);
}

#[test]
fn the_list_of_large_things_only_gets_shorter() {
    let found = [("src/x.rs".to_owned(), 450)];
    let word = |listed: &[(&str, usize)]| rules::ratchet(&found, listed).join(" ");
    assert!(word(&[]).contains("at most 400"));
    assert!(word(&[("src/x.rs", 449)]).contains("450 lines of code, it was 449: make it smaller"));
    assert!(word(&[("src/x.rs", 451)]).contains("it was 451: write the new number"));
    assert!(
        word(&[("src/x.rs", 450), ("src/y.rs", 401)]).contains("src/y.rs: small enough, or gone")
    );
    assert_eq!(word(&[("src/x.rs", 450)]), "");
}

#[test]
fn a_file_without_a_header_is_caught() {
    assert_eq!(rules::header(&file("src/x.rs", "use a;\n//! x")).len(), 1);
    assert_eq!(rules::header(&file("src/x.rs", "//! x")), Vec::<String>::new());
}

#[test]
fn a_dependency_without_a_row_and_a_row_without_a_dependency_are_caught() {
    let ours: Vec<_> = CRATES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(rules::rows(&ours), Vec::<String>::new());
    assert_eq!(rules::rows(&ours[1..]).len(), 1);
    assert_eq!(rules::rows(&[ours, vec!["tokio".to_owned()]].concat()).len(), 1);
}
