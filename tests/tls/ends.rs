//! A certificate that has expired, or soon will.

use std::process::Command;

use crate::common;
use crate::common::secure::Pair;
use crate::process::Program;

/// What `check` says of it on standard error.
fn checked(pair: &Pair) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
        .arg("check")
        .env_clear()
        .env("JWT_SECRET", String::from_utf8_lossy(common::SECRET).as_ref())
        .env("TLS_CERT", &pair.cert_file)
        .env("TLS_KEY", &pair.key_file)
        .output()
        .expect("the program runs");
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stderr).expect("UTF-8")
}

#[test]
fn its_end_is_told_in_time_by_check_and_not_before() {
    for (days, said) in [
        (-1, "the certificate ended on"),
        (1, "the certificate ends on"),
        (29, "the certificate ends on"),
        (40, ""),
        (4_000, ""),
        (20_000, ""),
    ] {
        let told = checked(&Pair::ending_in(days));
        assert!(told.contains(said), "{days}: {told}");
        assert_eq!(told.is_empty(), said.is_empty(), "{days}: {told}");
        assert!(said.is_empty() || told.starts_with("TLS_CERT: "), "{told}");
    }
}

#[test]
fn its_end_is_told_in_the_log_each_time_it_is_read() {
    let good = Pair::new();
    let program = Program::start(&good);
    Pair::ending_in(-3).replace(&good);
    program.hang_up();
    let line = program.wait_for("TLS_CERT");
    assert!(line.contains("the certificate ended on") && line.contains("WARN"), "{line}");
    Pair::ending_in(3).replace(&good);
    program.hang_up();
    let line = program.wait_for("TLS_CERT");
    assert!(line.contains("the certificate ends on"), "{line}");
}
