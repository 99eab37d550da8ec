//! The problems of a configuration, in words that the operator can act on.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::setting;
use crate::service::audit;

/// One problem. Its `Display` is one line: the name, what was wrong, what is accepted.
///
/// It never contains the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, or the file and line if no setting is to blame.
    pub name: String,
    /// Where the value came from, if that is a line of a file.
    pub place: Option<String>,
    /// What was wrong.
    pub fault: String,
    /// What is accepted instead.
    pub accepted: String,
}

/// All problems, in the order of the settings. Its `Display` has one line for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problem {
    /// A problem of the setting `name`.
    pub fn new(name: &str, fault: impl Into<String>, accepted: impl Into<String>) -> Self {
        let (fault, accepted) = (fault.into(), accepted.into());
        Self { name: name.to_owned(), place: None, fault, accepted }
    }

    /// Why the audit log cannot be opened, as a problem of `AUDIT_DIR`.
    pub fn audit_log(error: &audit::OpenError) -> Self {
        Self::new(
            "AUDIT_DIR",
            format!("the audit log cannot be opened: {error}"),
            "a folder in which this user may write, with its keys in AUDIT_KEY_FILE",
        )
    }

    /// Why the server could not listen on `address`, as a problem of `PORT` or `HOST`.
    pub fn listening(address: SocketAddr, error: &io::Error) -> Self {
        let (host, port) = (address.ip(), address.port());
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::new(
                "PORT",
                format!("{port} is in use by another program on {host}"),
                "a free port, or stop the program that holds it (`ss -ltnp` shows which one does)",
            ),
            io::ErrorKind::PermissionDenied => Self::new(
                "PORT",
                format!("this user may not listen on {port}"),
                "a port from 1024 up, or the right to open lower ones (CAP_NET_BIND_SERVICE)",
            ),
            io::ErrorKind::AddrNotAvailable => Self::new(
                "HOST",
                format!("{host} is not an address of this machine"),
                "an address of this machine (`ip address` lists them), 0.0.0.0 for all of them, or 127.0.0.1",
            ),
            _ => Self::new(
                "HOST",
                format!("cannot listen on {host}, PORT {port}: {error}"),
                "an address and a port that this machine can listen on",
            ),
        }
    }

    /// Why the administrator's listener could not listen on `address`, as a problem of
    /// `ADMIN_ADDR`.
    pub fn admin_listening(address: SocketAddr, error: &io::Error) -> Self {
        let fault = match error.kind() {
            io::ErrorKind::AddrInUse => format!("{address} is in use by another program"),
            io::ErrorKind::PermissionDenied => format!("this user may not listen on {address}"),
            io::ErrorKind::AddrNotAvailable => {
                format!("{} is not an address of this machine", address.ip())
            }
            _ => format!("cannot listen on {address}: {error}"),
        };
        let accepted = "a free port, such as ADMIN_ADDR=127.0.0.1:8082, or ADMIN_ADDR=off (`ss -ltnp` shows who holds a port)";
        Self::new("ADMIN_ADDR", fault, accepted)
    }

    pub(super) fn at(mut self, place: Option<String>) -> Self {
        self.place = place;
        self
    }
}

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Adds several problems.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Problem>) {
        self.list.extend(others);
    }

    /// Whether one of them is about the setting `name`, or about its file.
    pub fn are_about(&self, name: &str) -> bool {
        self.list.iter().any(|one| one.is_about(name))
    }

    /// The problems, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no problems.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sorts them in the order of the settings, and adds the place of each value if `place` knows
    /// it.
    pub(super) fn finish(&mut self, place: impl Fn(&str) -> Option<String>) {
        self.list.sort_by_key(|problem| setting::position(&problem.name));
        for problem in &mut self.list {
            problem.place = problem.place.take().or_else(|| place(&problem.name));
        }
    }

    /// `value`, if there are no problems.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl Problem {
    fn is_about(&self, name: &str) -> bool {
        self.name.strip_suffix("_FILE").unwrap_or(&self.name) == name || self.name == name
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { list: vec![problem] }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        let end = if self.accepted.ends_with('?') { "" } else { "." };
        write!(f, ": {}. Accepted: {}{end}", self.fault, self.accepted)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

impl std::error::Error for Problem {}

impl std::error::Error for Problems {}

/// The value of a setting that is not secret, as a problem shows it: quoted, on one line, shortened
/// if it is long.
pub(super) fn quoted(value: &str) -> String {
    const CHARS_MAX: usize = 60;
    match value.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?} (cut here)", &value[..end]),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_the_port_and_who_to_ask() {
        let address = SocketAddr::from(([0, 0, 0, 0], 8080));
        let line = Problem::listening(address, &io::ErrorKind::AddrInUse.into()).to_string();
        assert!(line.starts_with("PORT: 8080 is in use by another program on 0.0.0.0."), "{line}");
        let line = Problem::listening(address, &io::ErrorKind::AddrNotAvailable.into()).to_string();
        assert!(line.starts_with("HOST: 0.0.0.0 is not an address of this machine."), "{line}");
    }

    #[test]
    fn a_shown_value_stays_on_its_line_and_short() {
        assert_eq!(quoted("a\nb\x1b[2J"), r#""a\nb\u{1b}[2J""#);
        assert!(quoted(&"é".repeat(500)).len() < 140);
    }
}
