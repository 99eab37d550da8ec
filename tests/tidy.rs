//! The house rules, checked against the sources: which module may use which, how large things may
//! grow, what must not be called.
//!
//! The rules are data in `tidy/table.rs`. Every finding names the line and what to use instead.

#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/table.rs"]
mod table;
#[path = "tidy/words.rs"]
mod words;

#[path = "tidy/bad_examples.rs"]
mod bad_examples;

use std::fs;
use std::path::Path;

use rules::File;

#[test]
fn imports_point_down_and_dependencies_stay_on_their_floors() {
    check(rust_files().iter().flat_map(rules::imports));
}

#[test]
fn clock_sockets_threads_files_and_environment_stay_where_they_belong() {
    check(rust_files().iter().flat_map(rules::paths));
}

#[test]
fn nothing_panics_on_purpose_prints_or_is_left_undone() {
    check(rust_files().iter().flat_map(rules::calls));
}

#[test]
fn no_code_is_unsafe_and_no_test_is_skipped() {
    check(rust_files().iter().flat_map(rules::keywords));
}

#[test]
fn files_and_functions_stay_small() {
    check(rules::sizes(&rust_files()));
}

#[test]
fn every_file_says_first_what_it_is_for() {
    check(rust_files().iter().flat_map(rules::header));
}

#[test]
fn every_dependency_has_a_reason_and_a_row() {
    let manifests: Vec<_> =
        texts().into_iter().filter(|(path, _)| path.ends_with("Cargo.toml")).collect();
    check(manifests.iter().flat_map(|(path, text)| words::reasons(path, text)));
    let (_, ours) = manifests.iter().find(|(path, _)| path == "Cargo.toml").expect("a manifest");
    check(rules::rows(&words::dependencies(ours, false)));
}

#[test]
fn the_project_speaks_only_of_itself() {
    check(texts().iter().flat_map(|(path, text)| words::strays(path, text)));
}

fn check(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<_> = problems.into_iter().collect();
    assert!(problems.is_empty(), "{} found\n{}\n", problems.len(), problems.join("\n"));
}

/// Every Rust file of the project, read.
fn rust_files() -> Vec<File> {
    let rust = texts().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    let mut files: Vec<_> = rust.map(|(path, text)| rules::read(path, text)).collect();
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the sources were not found");
    rules::mark_test_files(&mut files);
    files
}

/// Every text file of the project, without what version control ignores, lock files and the inputs of fuzzers.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).expect(".gitignore");
    let mut skipped: Vec<_> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    skipped.extend([".git", "Cargo.lock", "fuzz/corpus"]);
    let mut texts = Vec::new();
    collect(root, "", &skipped, &mut texts);
    texts.sort();
    texts
}

fn collect(root: &Path, folder: &str, skipped: &[&str], texts: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(root.join(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if skipped.contains(&name.as_str()) || skipped.contains(&path.as_str()) {
            continue;
        }
        if entry.file_type().expect("a type").is_dir() {
            collect(root, &path, skipped, texts);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            texts.push((path, text));
        }
    }
}
