//! Revocations survive a restart, even if the program is killed.

use std::io::BufRead;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use crate::acting::with_jti;
use crate::common::program::Program;
use crate::common::{Person, client, people, scratch};
use crate::support::{ask, deeds, read_log, verify};

/// The program, with the address of its administrator's listener from its log.
fn start(folder: &Path) -> (Program, SocketAddr) {
    start_after("ulimit -n 256", folder)
}

pub fn start_after(before: &str, folder: &Path) -> (Program, SocketAddr) {
    let dir = folder.join("audit");
    let environment = [("ADMIN_ADDR", "127.0.0.1:0"), ("AUDIT_DIR", dir.to_str().expect("text"))];
    let mut program = Program::start_after(before, &environment);
    let admin = loop {
        let mut line = String::new();
        assert!(program.out.read_line(&mut line).expect("a line") > 0, "it has ended");
        let told = line.split("administrator's listener on ").nth(1);
        let address = told.and_then(|rest| rest.split('"').next());
        if let Some(address) = address.and_then(|address| address.trim().parse().ok()) {
            break address;
        }
    };
    (program, admin)
}

fn status(program: &Program, person: &Person) -> Option<u16> {
    let bearer = format!("Bearer {}", person.token);
    let upgraded = client::upgrade(program.address, "/ws", &[("Authorization", &bearer)]);
    upgraded.err().map(|status| status.as_u16())
}

#[test]
fn what_was_revoked_stays_so_over_restarts_and_kills() {
    let folder = scratch("revoked");
    let (doctor, patient) = people();
    let (token, kept) = (with_jti(&patient, "7"), with_jti(&patient, "8"));
    let other = people().0;
    {
        let (mut program, admin) = start(&folder);
        for query in [
            format!("user={}", doctor.user),
            "jti=7".to_owned(),
            format!("session={}", other.session),
        ] {
            let path = format!("/api/revocations?{query}");
            let response = ask(admin, "POST", &path, "X-Admin-Action: x\r\n");
            assert_eq!(response.json(), json!({ "done": true, "recorded": true }), "{query}");
        }
        // Whatever was answered is on the disk.
        program.child.kill().expect("it is killed");
        program.child.wait().expect("it ends");
    }
    let check = |program: &Program| {
        let told = [&doctor, &token, &other, &kept].map(|person| status(program, person));
        assert_eq!(told, [Some(403), Some(403), Some(403), None]);
    };
    {
        let (mut program, admin) = start(&folder);
        check(&program);
        let path = format!("/api/revocations?session={}&seconds=0", other.session);
        assert_eq!(ask(admin, "POST", &path, "X-Admin-Action: x\r\n").status, 200);
        program.terminate();
        program.child.wait().expect("it ends");
    }
    // From the list at the beginning of a segment, and what was written behind it.
    for _ in 0..2 {
        let (mut program, _) = start(&folder);
        let told = [&doctor, &token, &other].map(|person| status(&program, person));
        assert_eq!(told, [Some(403), Some(403), None]);
        program.terminate();
        program.child.wait().expect("it ends");
    }
    assert_eq!(deeds(&read_log(&folder)).len(), 4);
    verify(&folder);
}

#[test]
fn a_log_that_cannot_be_written_is_told_and_what_must_be_done_is_done() {
    let folder = scratch("unwritable");
    let (mut first, _) = start(&folder);
    first.terminate();
    first.child.wait().expect("it ends");
    // As on a full disk: no file takes a byte.
    let (mut program, admin) = start_after("export DRAIN_SECONDS=1 && ulimit -f 0", &folder);
    let get = |path: &str| ask(admin, "GET", path, "");
    let ready = get("/ready");
    assert_eq!((ready.status, &ready.json()["audit"]), (503, &json!("unavailable")));
    assert_eq!(get("/health").status, 200, "the loop turns");
    assert_eq!(get("/stats").json()["auditAvailable"], false);
    let overview = get("/api/overview").json();
    assert_eq!(
        (&overview["health"]["audit"], &overview["audit"]["available"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(overview["events"][0]["kind"], "audit-unavailable");
    let metrics = String::from_utf8(get("/metrics").body).expect("text");
    assert!(
        metrics.contains("\nsignaling_audit_available 0\n")
            && metrics.contains("\nsignaling_ready 0\n")
    );
    // Nobody must stay in because a disk is full. That the record is not safe is told.
    let (doctor, _) = people();
    let path = format!("/api/revocations?user={}", doctor.user);
    let done = ask(admin, "POST", &path, "X-Admin-Action: x\r\n");
    assert_eq!(done.json(), json!({ "done": true, "recorded": false }));
    assert_eq!(status(&program, &doctor), Some(403));
    let ids = get("/api/rooms?ids=1");
    assert_eq!((ids.status, &ids.json()["code"]), (503, &json!("AUDIT_UNAVAILABLE")));
    // Its record could be written nowhere, and that is not a stop in good order.
    program.terminate();
    assert_eq!(program.child.wait().expect("it ends").code(), Some(74), "EX_IOERR");
}
