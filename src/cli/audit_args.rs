//! The arguments of the `audit` commands.

use std::ffi::OsString;
use std::path::PathBuf;

use autamedica_signaling::message::SessionId;

use super::args::{Options, Usage, flag};

/// A command for the audit log.
#[derive(Debug)]
pub struct AuditArgs {
    /// The file with settings.
    pub env_file: Option<PathBuf>,
    /// The folder of the log, if it is not that of the settings.
    pub folder: Option<PathBuf>,
    /// The key file, if it is not that of the settings.
    pub key_file: Option<PathBuf>,
    /// What to do.
    pub task: Task,
}

/// The command after `audit`.
#[derive(Debug)]
pub enum Task {
    /// Verify the log.
    Verify {
        /// Checkpoints that the log must contain.
        checkpoints: Option<PathBuf>,
    },
    /// Verify an export.
    VerifyExport(PathBuf),
    /// Print a session.
    Show {
        /// The session.
        session: SessionId,
        /// As JSON, one record per line.
        json: bool,
    },
    /// Write a session to a file.
    Export {
        /// The session.
        session: SessionId,
        /// The file to write; it must not exist yet.
        output: PathBuf,
    },
    /// Print statistics.
    Stats,
    /// Keep a session beyond its retention period, or release it.
    Hold {
        /// The session.
        session: SessionId,
        /// Whether to release it.
        release: bool,
    },
    /// Add an encryption key.
    RotateKey,
    /// Print the verification key and remove it from the file.
    DetachKey,
}

/// Reads the arguments after `audit`.
///
/// # Errors
/// Arguments that are not understood.
pub fn parse(mut args: Vec<OsString>) -> Result<AuditArgs, Usage> {
    let name = word(&mut args);
    match name.as_deref() {
        Some("verify") => verify(args),
        Some("show") => show(args),
        Some("export") => {
            let mut options = read(args, &["--session", "--output"])?;
            let session = session(&mut options)?;
            let output = options.path("--output").ok_or_else(|| missing("--output FILE"))?;
            Ok(with(options, Task::Export { session, output }))
        }
        Some("stats") => Ok(with(read(args, &[])?, Task::Stats)),
        Some("hold") => {
            let release = flag(&mut args, "--release");
            let mut options = read(args, &["--session"])?;
            let session = session(&mut options)?;
            Ok(with(options, Task::Hold { session, release }))
        }
        Some("key") => {
            let task = match word(&mut args).as_deref() {
                Some("rotate") => Task::RotateKey,
                Some("detach") => Task::DetachKey,
                _ => return Err(Usage::new("The command must be audit key rotate or detach.")),
            };
            Ok(with(read(args, &[])?, task))
        }
        _ => Err(Usage::new(
            "The command must be audit verify, show, export, stats, hold, key rotate or key detach.",
        )),
    }
}

fn verify(mut args: Vec<OsString>) -> Result<AuditArgs, Usage> {
    let positional = args.first().is_some_and(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
    let folder = positional.then(|| PathBuf::from(args.remove(0)));
    let mut options = read(args, &["--checkpoints", "--export"])?;
    let checkpoints = options.path("--checkpoints");
    let task = match options.path("--export") {
        Some(_) if checkpoints.is_some() || folder.is_some() => {
            return Err(Usage::new("--export FILE is verified alone, with --key FILE."));
        }
        Some(export) => Task::VerifyExport(export),
        None => Task::Verify { checkpoints },
    };
    let args = with(options, task);
    if folder.is_some() && args.folder.is_some() {
        return Err(Usage::new("The folder is given twice."));
    }
    Ok(AuditArgs { folder: folder.or(args.folder), ..args })
}

fn show(mut args: Vec<OsString>) -> Result<AuditArgs, Usage> {
    let json = flag(&mut args, "--json");
    let mut options = read(args, &["--session"])?;
    let session = session(&mut options)?;
    Ok(with(options, Task::Show { session, json }))
}

/// Takes the first argument, if it is a word.
fn word(args: &mut Vec<OsString>) -> Option<String> {
    let text = args.first()?.to_str()?;
    let word = (!text.starts_with('-')).then(|| text.to_owned())?;
    args.remove(0);
    Some(word)
}

fn read(args: Vec<OsString>, more: &[&'static str]) -> Result<Options, Usage> {
    let names = [&["--env-file", "--dir", "--key"], more].concat();
    Options::read(args, &names)
}

fn session(options: &mut Options) -> Result<SessionId, Usage> {
    let session = options.take("--session", SessionId::parse, "a UUID of 36 characters")?;
    session.ok_or_else(|| missing("--session UUID"))
}

fn missing(option: &str) -> Usage {
    Usage::new(&format!("{option} is missing."))
}

fn with(mut options: Options, task: Task) -> AuditArgs {
    AuditArgs {
        env_file: options.env_file(),
        folder: options.path("--dir"),
        key_file: options.path("--key"),
        task,
    }
}
