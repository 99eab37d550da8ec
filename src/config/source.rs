//! Where values come from: named texts, files, and what the environment allows.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::available_parallelism;

use crate::base::redacted::Redacted;

use super::{CONNECTIONS_LIMIT, Problems};

/// Open files that are not available to connections: the listeners, the event loop, standard
/// streams, logs, and one for a connection that is turned away.
pub const FILES_RESERVED: usize = 64;

/// The maximum size of a file with settings or with a secret.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What a configuration is read from.
///
/// A closure from a name to a value is one: `Config::read(&|name: &str| std::env::var_os(name))`.
pub trait Source {
    /// The value of `name`, if there is one. An empty value counts as none.
    fn value(&self, name: &str) -> Option<Value>;

    /// What is wrong with the source itself. The settings that are named there are not read.
    fn problems(&self) -> Problems {
        Problems::default()
    }

    /// The complete contents of a file that a setting names.
    ///
    /// # Errors
    /// Any error of the system; `FileTooLarge` past 256 KiB.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_bounded(path)
    }

    /// How many files the process may have open, if known. The default of `CONNECTIONS_MAX` follows
    /// from it.
    fn open_files_max(&self) -> Option<usize> {
        open_files_max_in(
            &String::from_utf8(read_bounded(Path::new("/proc/self/limits")).ok()?).ok()?,
        )
    }

    /// Whether standard output is a terminal. The default of `LOG_FORMAT` follows from it.
    fn on_terminal(&self) -> bool {
        false
    }

    /// The default of `ADMIN_ADDR`, where operators find metrics, dashboard and API: none. The
    /// stand-alone program has a default address; a program that embeds servers must ask for one.
    fn admin_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// A fresh random secret for development, if the source can generate one. Otherwise
    /// `JWT_SECRET` is required in development as well.
    fn made_up_secret(&self) -> Option<Redacted<Vec<u8>>> {
        None
    }
}

/// A value with its origin.
#[derive(Clone, Debug)]
pub struct Value {
    /// The text. It may not be UTF-8, and it may be a secret.
    pub text: Redacted<OsString>,
    /// Where it was found.
    pub set_by: SetBy,
}

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// It is the default.
    Default,
    /// The process environment.
    Environment,
    /// A line of the file given with `--env-file`; holds `file:line`.
    EnvFile(String),
    /// The file that `NAME_FILE` names.
    File,
    /// A secret generated for this run.
    MadeUp,
}

impl<F: Fn(&str) -> Option<OsString>> Source for F {
    fn value(&self, name: &str) -> Option<Value> {
        self(name).map(Value::from_environment)
    }
}

impl Value {
    /// A value of the process environment.
    pub const fn from_environment(text: OsString) -> Self {
        Self { text: Redacted::new(text), set_by: SetBy::Environment }
    }
}

impl SetBy {
    /// The file and line to name in a problem.
    pub(super) fn place(&self) -> Option<String> {
        match self {
            Self::EnvFile(place) => Some(place.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment => f.write_str("environment"),
            Self::EnvFile(place) => write!(f, "env-file {place}"),
            Self::File => f.write_str("file"),
            Self::MadeUp => f.write_str("made up for this run"),
        }
    }
}

/// The default of `CONNECTIONS_MAX` for a process that may have `open_files` open: what is left
/// after [`FILES_RESERVED`]. If the limit is not known, the usual 1024 is assumed.
pub(super) fn connections_max(open_files: Option<usize>) -> usize {
    open_files.unwrap_or(1024).saturating_sub(FILES_RESERVED).min(CONNECTIONS_LIMIT)
}

/// How many processor cores this process may use; 1 if unknown.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// The error in words that do not repeat the path: it may be a secret in the wrong place.
pub(super) fn why_unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        io::ErrorKind::FileTooLarge => "is larger than 256 KiB".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// The soft limit in the text of `/proc/self/limits` (proc(5)).
fn open_files_max_in(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        soft => soft.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_limit_decides_how_many_may_connect() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max cpu time              unlimited            unlimited            seconds   \n\
                      Max open files            20000                524288               files     \n";
        assert_eq!(open_files_max_in(limits), Some(20_000));
        assert_eq!(open_files_max_in(&limits.replace("20000 ", "unlimited")), Some(usize::MAX));
        assert_eq!(open_files_max_in("nothing of the kind"), None);
        assert_eq!(connections_max(Some(20_000)), 19_936);
        assert_eq!(connections_max(Some(usize::MAX)), 1_000_000);
        assert_eq!(connections_max(Some(10)), 0);
    }
}
