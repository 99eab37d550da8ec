//! `docs/limits.md` says what the program does.

use std::collections::BTreeSet;
use std::path::Path;

use autamedica_signaling::Config;
use autamedica_signaling::admission::GateLimits;
use autamedica_signaling::base::bucket::Rate;
use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::config::{SETTINGS, memory};
use autamedica_signaling::engine::Rates;

/// Limits that are counted beside the others, by the names of their fields.
const OTHER_COUNTERS: [&str; 3] = ["accept_paused", "overrun", "starved"];

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md");
    std::fs::read_to_string(path).expect("the document")
}

/// The rows of all tables with so many columns, without their heads.
fn rows(text: &str, columns: usize) -> Vec<Vec<String>> {
    text.lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
        .filter(|row| {
            row.len() == columns && row[1] != "---" && row[1] != "Default" && row[1] != "Bytes"
        })
        .collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_limit_stands_with_its_default_its_setting_and_its_counter() {
    let text = document();
    let rows = rows(&text, 5);
    let mut counters = BTreeSet::new();
    for row in &rows {
        for name in quoted(&row[2]) {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            let setting = setting.unwrap_or_else(|| panic!("{name} is no setting"));
            let is_told = setting.default.starts_with(&row[1]) || name == "DUPLICATE_IDENTITY";
            assert!(is_told, "{name}: {} is not {}", row[1], setting.default);
        }
        counters.extend(quoted(&row[4]));
        assert_eq!(quoted(&row[4]).len(), 1, "{row:?}");
    }
    let known = Limit::ALL.iter().map(|limit| limit.name()).chain(OTHER_COUNTERS);
    assert_eq!(counters, known.collect());
}

/// All files of Rust in a folder and below it.
fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with(file!()) {
            texts.push(std::fs::read_to_string(path).expect("a text"));
        }
    }
}

#[test]
fn each_limit_is_hit_by_a_test_over_a_socket_that_looks_at_its_counter() {
    let mut texts = Vec::new();
    let tests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"));
    // Those of the engine alone have no sockets.
    sources(&tests.join("limits"), &mut texts);
    texts.extend(
        ["robustness.rs", "websocket.rs", "program.rs"]
            .map(|name| std::fs::read_to_string(tests.join(name)).expect("a text")),
    );
    let is_named = |name: &str| texts.iter().any(|text| text.contains(name));
    for limit in Limit::ALL {
        assert!(is_named(&format!("Limit::{limit:?})")), "{limit:?}");
    }
    for counter in ["now.overrun", "now.starved", "accepting pauses"] {
        assert!(is_named(counter), "{counter}");
    }
}

#[test]
fn each_setting_that_is_a_limit_stands_there() {
    let text = document();
    for setting in SETTINGS {
        let is_limit =
            ["_MAX", "_RATE", "_BURST", "_TIMEOUT"].iter().any(|end| setting.name.ends_with(end));
        assert!(!is_limit || text.contains(&format!("`{}`", setting.name)), "{}", setting.name);
    }
}

/// Some of it stands in several documents, for several readers.
#[test]
fn what_no_setting_changes_is_the_same_in_all_documents() {
    let Rate { per_second, burst } = GateLimits::ORDINARY.certificates;
    let stranger = Rates::ORDINARY.stranger;
    let config = Config { connections_max: 1_000, ..Config::production("") };
    let mebibytes = memory::sum(&config).div_ceil(1 << 20);
    for (name, told) in [
        ("limits.md", format!("last three | {per_second} per second, burst {burst} |")),
        ("protocol.md", format!("last three, per second; and burst | {per_second}; {burst} |")),
        ("audit.md", format!("last three; at most {per_second} per second, burst {burst}, for")),
        (
            "limits.md",
            format!("shown | {} per second, burst {} |", stranger.per_second, stranger.burst),
        ),
        ("protocol.md", format!("64 fragments; {}, {} |", stranger.per_second, stranger.burst)),
        ("deployment.md", format!("`CONNECTIONS_MAX=1000` allows {mebibytes} MiB at worst")),
    ] {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).join(name);
        let text = std::fs::read_to_string(path).expect("the document");
        assert!(text.contains(&told), "{name} lacks {told:?}");
    }
}

#[test]
fn the_sum_is_what_the_limits_add_up_to() {
    let config = Config { connections_max: 1_000, ..Config::production("") };
    let number = |cell: &str| cell.replace(',', "").parse::<usize>().expect("a number");
    let text = document();
    let (_, memory) = text.split_once("\n## Memory\n").expect("the section");
    let told: Vec<_> = rows(memory, 3);
    let (all, terms) = told.split_last().expect("a table");
    let told: Vec<_> = terms.iter().map(|row| (row[0].as_str(), number(&row[1]))).collect();
    let known: Vec<_> = memory::terms(&config).iter().map(|term| (term.what, term.bytes)).collect();
    assert_eq!(told, known);
    assert_eq!(number(&all[1]), memory::sum(&config));
}
