//! The `audit` commands: verify, show, export and count the records, hold sessions, and manage the
//! keys. They only read the log, so they also work on a copy on another machine, and beside a
//! running server.

use std::fmt::{self, Display, Write as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::config::{Config, Problems, Source, Value};
use autamedica_signaling::message::SessionId;
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::checkpoint::Witness;
use autamedica_signaling::service::audit::history::{self, Stats};
use autamedica_signaling::service::audit::holds::Holds;
use autamedica_signaling::service::audit::report::Report;
use autamedica_signaling::service::audit::verify::verify;
use autamedica_signaling::service::audit::{EpochKey, KeyFileError, Keys, export};

use super::audit_args::{AuditArgs, Task};
use super::process::Process;
use super::{print, tell};

/// Something was changed, dropped or cut off.
const EXIT_NOT_INTACT: u8 = 1;
/// The log could not be examined.
const EXIT_UNREADABLE: u8 = 2;

/// Why a command failed, in a sentence.
struct Failure(String);

/// Runs the command.
pub fn run(args: &AuditArgs) -> ExitCode {
    let settings = match read(args) {
        Ok(settings) => settings,
        Err(problems) => return super::refuse(&problems),
    };
    let folder = args.folder.clone().unwrap_or_else(|| settings.audit_dir.clone());
    let key_file = args.key_file.clone().unwrap_or_else(|| settings.audit_key_file());
    let place = Place { folder, key_file };
    let done = match &args.task {
        Task::Verify { checkpoints } => place.verify(checkpoints.as_deref()),
        Task::VerifyExport(path) => place.verify_export(path),
        Task::Show { session, json } => place.show(*session, *json),
        Task::Export { session, output } => place.export(*session, output),
        Task::Stats => place.stats(),
        Task::Hold { session, release } => place.hold(*session, *release),
        Task::RotateKey => place.rotate_key(),
        Task::DetachKey => place.detach_key(),
    };
    done.unwrap_or_else(|Failure(what)| {
        tell(what);
        ExitCode::from(EXIT_UNREADABLE)
    })
}

/// Where the log and its keys are.
struct Place {
    folder: PathBuf,
    key_file: PathBuf,
}

type Done = Result<ExitCode, Failure>;

impl Place {
    fn keys(&self) -> Result<Keys, Failure> {
        Ok(Keys::read_anywhere(&self.key_file)?)
    }

    fn verification_key(&self) -> Result<EpochKey, Failure> {
        let absent = || {
            Failure(format!(
                "{} does not hold the verification key: it was detached; name the file where it is kept with --key FILE",
                self.key_file.display()
            ))
        };
        self.keys()?.verification.ok_or_else(absent)
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure(format!("the audit log in {} cannot be read: {error}", self.folder.display()))
    }

    fn verify(&self, checkpoints: Option<&Path>) -> Done {
        let key = self.verification_key()?;
        let witnesses = match checkpoints {
            Some(path) => Witness::all(path, &read_file(path)?),
            None => Vec::new(),
        };
        if checkpoints.is_some() && witnesses.is_empty() {
            return Err(Failure("there is no checkpoint in the file with checkpoints".to_owned()));
        }
        let report =
            verify(&self.folder, &key, &witnesses).map_err(|error| self.unreadable(&error))?;
        Ok(verdict(report.is_intact(), print(Told(&report))))
    }

    fn verify_export(&self, path: &Path) -> Done {
        let key = self.verification_key()?;
        let outcome = export::verify_export(&read_file(path)?, &key);
        let mut text = format!(
            "session {}: {} records, {} of others between them\n",
            outcome.session, outcome.records, outcome.foreign
        );
        for (line, what) in &outcome.faults {
            let _ = writeln!(text, "fault: line {line}: {what}");
        }
        let intact = outcome.faults.is_empty();
        text += if intact { "intact\n" } else { "NOT INTACT\n" };
        Ok(verdict(intact, print(text)))
    }

    fn show(&self, session: SessionId, json: bool) -> Done {
        let keys = self.keys()?;
        let mut text = String::new();
        history::read(&self.folder, &keys, |record| {
            if record.is_of(session) {
                let _ = if json {
                    writeln!(text, "{}", record.to_json())
                } else {
                    let time = record.time.to_iso8601();
                    let column = |name| record.member(name).unwrap_or("-").to_owned();
                    writeln!(
                        text,
                        "{}  {:<8}  {:<36}  {:<15}  {}",
                        String::from_utf8_lossy(&time),
                        column("role"),
                        column("user"),
                        column("address"),
                        record.what()
                    )
                };
            }
        })
        .map_err(|error| self.unreadable(&error))?;
        if text.is_empty() {
            return Err(Failure("no record of this session can be opened".to_owned()));
        }
        tell("Not verified: `audit verify` does that.");
        if !json {
            let columns = ("time", "role", "user", "address", "what happened");
            let (time, role, user, address, what) = columns;
            text.insert_str(
                0,
                &format!("{time:<24}  {role:<8}  {user:<36}  {address:<15}  {what}\n"),
            );
        }
        Ok(print(text))
    }

    fn export(&self, session: SessionId, output: &Path) -> Done {
        let keys = self.keys()?;
        match export::export_to(output, &self.folder, &keys, session) {
            Ok(0) => Err(Failure("no record of this session can be opened".to_owned())),
            Ok(count) => Ok(print(format_args!("{count} records in {}\n", output.display()))),
            Err(error) => {
                Err(Failure(format!("the export to {} failed: {error}", output.display())))
            }
        }
    }

    fn stats(&self) -> Done {
        let keys = self.keys()?;
        let unreadable = |error| self.unreadable(&error);
        let stats = Stats::of(&self.folder, &keys).map_err(unreadable)?;
        let holds = Holds::read(&self.folder).map_err(unreadable)?;
        let mut text = String::new();
        for (day, events) in &stats.days {
            let counts: Vec<_> =
                events.iter().map(|(event, count)| format!("{event} {count}")).collect();
            let _ = writeln!(text, "{day}  {}", counts.join(", "));
        }
        let per_day = stats.bytes_per_day();
        let _ = writeln!(text, "sessions          {}", stats.sessions.len());
        let _ = writeln!(text, "segments          {}, {} bytes", stats.segments, stats.bytes);
        let _ = writeln!(text, "growth            {per_day} bytes a day");
        if let Ok(free) = history::free_bytes(&self.folder) {
            let days = free.checked_div(per_day);
            let days = days.map_or_else(String::new, |days| format!(", enough for {days} days"));
            let _ = writeln!(text, "free on the disk  {free} bytes{days}");
        }
        let _ = writeln!(text, "held sessions     {}", holds.len());
        let here = match keys.verification {
            Some(_) => "in the key file: `audit key detach`, and keep it elsewhere",
            None => "detached",
        };
        let _ = writeln!(text, "verification key  {here}");
        Ok(print(text))
    }

    fn hold(&self, session: SessionId, release: bool) -> Done {
        let keys = Keys::read(&self.key_file)?;
        let failed = |error| Failure(format!("the list of held sessions: {error}"));
        let mut holds = Holds::read(&self.folder).map_err(failed)?;
        let changed =
            if release { holds.release(session, &keys) } else { holds.hold(session, &keys) };
        if changed == Some(true) {
            holds.write(&self.folder).map_err(failed)?;
        }
        let changed = if changed == Some(true) { "changed" } else { "as before" };
        Ok(print(format_args!("{changed}: {} sessions are held\n", holds.len())))
    }

    fn rotate_key(&self) -> Done {
        let mut keys = Keys::read(&self.key_file)?;
        let id = keys.add_encryption(clock::random_secret());
        keys.replace(&self.key_file)?;
        Ok(print(format_args!(
            "key {id} was added to {}; the server seals with it from its next start. Keep a copy of the file: the \
             keys above it still open what they sealed.\n",
            self.key_file.display()
        )))
    }

    fn detach_key(&self) -> Done {
        let mut keys = Keys::read(&self.key_file)?;
        let absent = || Failure("the verification key was detached before".to_owned());
        let key = keys.verification.take().ok_or_else(absent)?;
        let printed = print(format_args!("{}\n", key.to_key_line()));
        if printed == ExitCode::SUCCESS {
            keys.replace(&self.key_file)?;
            tell(
                "This line is the verification key. It is in the key file no more: keep it where nobody who can reach \
                 this machine can reach it. `audit verify --key FILE` wants it.",
            );
        }
        Ok(printed)
    }
}

/// The printed form of a report.
struct Told<'a>(&'a Report);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        write!(f, "{} records in {} segments", report.records, report.segments)?;
        if let (Some((first, from)), Some((last, to))) = (report.first, report.last) {
            let (from, to) = (from.to_iso8601(), to.to_iso8601());
            let (from, to) = (String::from_utf8_lossy(&from), String::from_utf8_lossy(&to));
            write!(f, ": {first} of {from} to {last} of {to}")?;
        }
        writeln!(f)?;
        if report.checkpoints > 0 {
            writeln!(f, "{} checkpoints were compared", report.checkpoints)?;
        }
        report.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        report.faults.iter().try_for_each(|fault| writeln!(f, "fault: {fault}"))?;
        if report.more_faults > 0 {
            writeln!(f, "and {} more", report.more_faults)?;
        }
        writeln!(f, "{}", if report.is_intact() { "intact" } else { "NOT INTACT" })
    }
}

/// The exit code of the verdict, unless it could not even be printed.
fn verdict(intact: bool, printed: ExitCode) -> ExitCode {
    if intact || printed != ExitCode::SUCCESS { printed } else { ExitCode::from(EXIT_NOT_INTACT) }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure(format!("{}: {error}", path.display())))
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self(error.to_string())
    }
}

fn read(args: &AuditArgs) -> Result<Config, Problems> {
    Config::read(&AuditSettings(Process::new(super::env_file_at(args.env_file.as_deref())?)))
}

/// The settings that say where the log is. The others may be wrong or absent on a machine that runs
/// no server.
struct AuditSettings(Process);

impl Source for AuditSettings {
    fn value(&self, name: &str) -> Option<Value> {
        match name {
            "AUDIT_DIR" | "AUDIT_KEY_FILE" => self.0.value(name),
            "NODE_ENV" => Some(Value::from_environment("development".into())),
            _ => None,
        }
    }

    fn problems(&self) -> Problems {
        self.0.problems()
    }

    fn open_files_max(&self) -> Option<usize> {
        None
    }

    fn made_up_secret(&self) -> Option<Redacted<Vec<u8>>> {
        Some(Redacted::new(clock::random_secret().to_vec()))
    }
}
