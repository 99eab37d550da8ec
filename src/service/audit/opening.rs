//! Opens the log, or says why it cannot be opened.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread;

use super::journal::Journal;
use super::key_file::{KeyFileError, Keys};
use super::sealing::Sealer;
use super::shared::Shared;
use super::writer::Writer;
use super::{
    Audit, Last, Options, OwnRecord, Restored, chain, files, key_check, known_time, lock, reading,
    recovery, seal_file, snapshot,
};
use crate::message::record::Revocation;
use crate::service::names::Names;

/// Why the log cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The folder, or a file in it, cannot be used.
    Io(PathBuf, io::Error),
    /// Another process writes the log.
    Locked(PathBuf),
    /// The key file is wrong.
    Key(KeyFileError),
    /// There is a log, but no key file.
    KeysGone(PathBuf),
    /// There is a log, but neither its seal file, which says where it ends, nor the verification
    /// key.
    SealLost,
    /// There is no verification key to begin a log with.
    NoVerificationKey,
}

/// Opens the log in the folder, or begins one: locks the folder for this process, finds out where
/// the log ends, and starts the writer thread.
///
/// # Errors
/// Problems that a person must solve. A full disk is not one of them: the log is then
/// [`Unavailable`](super::State::Unavailable).
pub fn open(options: Options) -> Result<(Audit, Restored), OpenError> {
    let folder = options.folder.clone();
    let failed = |error| OpenError::Io(folder.clone(), error);
    files::make_folder(&folder).map_err(failed)?;
    if options.take_over.is_some() {
        // Check first: no running server is asked to leave for one that cannot start.
        find_keys(&options)?;
    }
    let lock = lock::take(&folder, options.take_over)?;
    let (keys, key_file_is_new) = read_keys(&options)?;
    let sealing = keys.sealing().cloned();
    let sealing = sealing.ok_or_else(|| KeyFileError::Empty(options.key_file.clone()))?;

    let (log, run) = two_texts((options.entropy)());
    let mut found = recovery::recover(&folder, &keys, &chain::to_text(&log))?;
    let (ended, unread) = snapshot::restore(&found.position, &keys).map_err(failed)?;
    if unread {
        let what = "a list of ended sessions and revocations could not be read";
        found.position.damage.get_or_insert(what.to_owned());
    }
    let now = (options.wall_time)();
    let told = known_time::read(&folder, found.position.previous.as_ref()).map_err(failed)?;
    let known = known_time::at_start(told, found.last_time, now);
    // If the clock may be wrong, sessions stay closed, and tokens revoked, as long as if no time
    // had passed.
    let sooner = known_time::lead(known, now);
    let closed = ended.iter().map(|(session, until)| (session, until.plus(sooner)));
    let revoked =
        ended.revocations().map(|one| Revocation { until: one.until.plus(sooner), ..one });
    let restored = Restored {
        ended: closed.filter(|(_, until)| *until > now).collect(),
        revoked: revoked.filter(|one| one.until > now).collect(),
        clean: found.clean,
        torn_bytes: found.torn_bytes,
        damage: found.position.damage.clone(),
        key_file_is_new,
    };

    let shared = Arc::new(Shared::default());
    shared.note(now, OwnRecord::Start { clean: found.clean, key: sealing.id });
    if found.encryption != 0 && found.encryption != sealing.id {
        shared.note(now, OwnRecord::KeyChange { from: found.encryption, to: sealing.id });
    }
    let names = Names::new((options.entropy)());
    let audit = Audit {
        shared: Arc::clone(&shared),
        names: names.clone(),
        wall_time: options.wall_time,
        folder: options.folder.clone().into(),
        key_file: options.key_file.clone().into(),
        thread: Arc::default(),
        _last: Arc::new(Last(Arc::clone(&shared))),
    };
    let (gone, gone_at) = reading::newest_gone(&folder).map_err(failed)?;
    let mut journal = Journal::new(found.position, Sealer::new(sealing, run));
    (journal.gone, journal.gone_at) = (gone, gone_at);
    journal.known_time = known;
    let writer = Writer::new(options, shared, names, keys, journal, ended, lock);
    let mut writer = writer.map_err(failed)?;
    // Done here, so that the state is correct from the beginning.
    writer.turn(false);
    let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run());
    *audit.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread.map_err(failed)?);
    Ok((audit, restored))
}

/// The keys in the file, if they are those of the log; `None` if there is no file, and no log yet.
/// Changes nothing.
fn find_keys(options: &Options) -> Result<Option<Keys>, OpenError> {
    match Keys::read(&options.key_file) {
        Err(KeyFileError::Missing(path)) => match has_begun(options)? {
            true => Err(OpenError::KeysGone(path)),
            false => Ok(None),
        },
        Err(error) => Err(error.into()),
        Ok(keys) => {
            key_check::check(&options.folder, &keys, &options.key_file)?;
            Ok(Some(keys))
        }
    }
}

/// The keys, and whether they have just been created.
fn read_keys(options: &Options) -> Result<(Keys, bool), OpenError> {
    let Some(mut keys) = find_keys(options)? else {
        let keys = Keys::draw(options.entropy);
        keys.create(&options.key_file)?;
        return Ok((keys, true));
    };
    let is_new = keys.verification.is_none() && !has_begun(options)?;
    if is_new {
        // The verification key of another log was detached; this log gets its own.
        keys.verification = Some(chain::EpochKey::new(0, (options.entropy)()));
        keys.replace(&options.key_file)?;
    }
    Ok((keys, is_new))
}

/// Whether there is a log.
fn has_begun(options: &Options) -> Result<bool, OpenError> {
    let folder = &options.folder;
    let begun = || -> io::Result<bool> {
        Ok(!files::segments(folder)?.is_empty() || seal_file::Seal::path(folder).try_exists()?)
    };
    begun().map_err(|error| OpenError::Io(folder.clone(), error))
}

fn two_texts(random: [u8; 32]) -> ([u8; 16], [u8; 16]) {
    let (mut one, mut other) = ([0; 16], [0; 16]);
    one.copy_from_slice(&random[..16]);
    other.copy_from_slice(&random[16..]);
    (one, other)
}

impl From<KeyFileError> for OpenError {
    fn from(error: KeyFileError) -> Self {
        Self::Key(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Locked(path) => write!(
                f,
                "another process writes the audit log in {}: stop it, or give this one a folder of its own",
                path.display()
            ),
            Self::Key(error) => error.fmt(f),
            Self::KeysGone(path) => write!(
                f,
                "the key file {} does not exist, but there is an audit log, which nobody could read or verify without \
                 it: put it back, or move the log to another place and begin a new one",
                path.display()
            ),
            Self::SealLost => f.write_str(
                "the file `seal` of the audit log is lost or cannot be read, so the log cannot be continued: put its \
                 `verify` key back into the key file, or move the log to another place and begin a new one",
            ),
            Self::NoVerificationKey => f.write_str("the key file holds no `verify` key"),
        }
    }
}

impl std::error::Error for OpenError {}
