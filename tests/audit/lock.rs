//! Taking a log over from the process that writes it: that process is asked to leave, and no other
//! ever is.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::service::audit::{self, OpenError};

use crate::support::Place;

/// A process that does nothing, and what it would leave in the lock: its number, its namespace, the run of the machine, its start.
struct Other {
    child: Child,
    name: [String; 4],
}

impl Other {
    fn start() -> Self {
        let child = Command::new("sleep").arg("600").spawn().expect("a process");
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("a process");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let began = fields.split_whitespace().nth(19).expect("a start").to_owned();
        let namespace = fs::read_link("/proc/self/ns/pid").expect("a namespace");
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a run");
        let namespace = namespace.display().to_string();
        let name = [child.id().to_string(), namespace, boot.trim().to_owned(), began];
        Self { child, name }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a log whose lock somebody has who left this in it.
fn take_over(place: &Place, left: &str) {
    fs::create_dir_all(place.log()).expect("a folder");
    let mut lock = File::create(place.log().join("lock")).expect("a lock");
    // A process that another test starts holds all that is open here until it is one.
    lock.lock().expect("nobody has it for long");
    writeln!(lock, "{left}").expect("written");
    let take_over = Some(Duration::from_millis(200));
    let opened = audit::open(audit::Options { take_over, ..place.options() });
    assert!(matches!(opened, Err(OpenError::Locked(_))), "{left}: {opened:?}");
}

#[test]
fn only_the_process_itself_is_asked_to_leave_and_not_another_of_its_number() {
    let place = Place::new("foreign");
    let mut other = Other::start();
    let strange = ["1", "pid:[1]", "5b3ae0d8-5f3f-4d65-9c02-3a8a1f4cd6b1", "1"];
    let foreign = (1..4).map(|part| {
        let mut name = other.name.clone();
        name[part] = strange[part].to_owned();
        name.join(" ")
    });
    let foreign: Vec<_> =
        foreign.chain([other.name[0].clone(), String::new(), "x y".into()]).collect();
    for name in &foreign {
        take_over(&place, name);
        assert!(other.child.try_wait().expect("a child").is_none(), "{name:?}");
    }
    take_over(&place, &other.name.join(" "));
    let ended = other.child.wait().expect("a child");
    assert_eq!(ended.signal(), Some(15), "this one it was");
}

#[test]
fn what_stands_in_the_lock_names_the_process_that_has_it() {
    let place = Place::new("named");
    let (log, _) = place.open();
    let left = fs::read_to_string(place.log().join("lock")).expect("a lock");
    let parts: Vec<_> = left.split_whitespace().collect();
    let namespace = fs::read_link("/proc/self/ns/pid").expect("a namespace");
    assert_eq!(parts[..2], [std::process::id().to_string(), namespace.display().to_string()]);
    assert_eq!(parts.len(), 4, "{left}");
    log.close();
}
