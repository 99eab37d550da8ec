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

/// Open files that are kept back from connections: the listeners, the event loop, standard streams, logs, and one to
/// turn a caller away with.
pub const FILES_RESERVED: usize = 64;

/// The most that is read of a file with settings or with a secret.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What a configuration is read from.
///
/// A closure from a name to a value is one: `Config::read(&|name: &str| std::env::var_os(name))`.
pub trait Source {
    /// The value of `name`, where it has one. An empty value counts as none.
    fn value(&self, name: &str) -> Option<Value>;

    /// What is wrong with the source itself. Settings that are named there are not asked for.
    fn problems(&self) -> Problems {
        Problems::default()
    }

    /// The whole contents of a file that a setting names.
    ///
    /// # Errors
    /// Whatever the system says; `FileTooLarge` past 256 KiB.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_bounded(path)
    }

    /// How many files the process may hold open, where that is known: the default of `CONNECTIONS_MAX`.
    fn open_files_max(&self) -> Option<usize> {
        open_files_max_in(
            &String::from_utf8(read_bounded(Path::new("/proc/self/limits")).ok()?).ok()?,
        )
    }

    /// Whether a person reads standard output: the default of `LOG_FORMAT`.
    fn on_terminal(&self) -> bool {
        false
    }

    /// Where operators find metrics, dashboard and API unless `ADMIN_ADDR` says it: nowhere. A program of its own has a place
    /// for them; whoever reads settings for servers within another program asks for it.
    fn admin_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// A fresh random secret for development, where the source can make one up. Without it, `JWT_SECRET` is required
    /// in development as well.
    fn made_up_secret(&self) -> Option<Redacted<Vec<u8>>> {
        None
    }
}

/// A value as it was found.
#[derive(Clone, Debug)]
pub struct Value {
    /// The text, not yet known to be UTF-8, perhaps a secret.
    pub text: Redacted<OsString>,
    /// Where it was found.
    pub set_by: SetBy,
}

/// Who decided a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// Nobody: it is the default.
    Default,
    /// The process environment.
    Environment,
    /// A line of the file given with `--env-file`; holds `file:line`.
    EnvFile(String),
    /// The file that `NAME_FILE` names.
    File,
    /// Nobody: a secret made up for this run.
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
    /// The file and line that a problem shall name.
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

/// The default of `CONNECTIONS_MAX` where the process may hold `open_files` open: what is left after
/// [`FILES_RESERVED`], or as if the limit were the usual 1024 where it is not known.
pub(super) fn connections_max(open_files: Option<usize>) -> usize {
    open_files.unwrap_or(1024).saturating_sub(FILES_RESERVED).min(CONNECTIONS_LIMIT)
}

/// How many processor cores this process may use; 1 where that is not known.
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

/// What the system said, in words that do not repeat the path: it may be a secret in the wrong place.
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
