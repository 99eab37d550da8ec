//! The top of the library: builds and runs a whole server from its configuration.

mod admin;
mod parts;
mod recorder;
mod reload;

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use crate::base::time::Duration;
use crate::config::{Config, Problems};
use crate::connection::Signaling;
use crate::reactor::{Listening, Reactor, clock};
use crate::service::audit::{self, Audit, OpenError, OwnRecord, Restored};
use admin::Admin;
use parts::{edge, reactor_options, rooms};
use recorder::Recorder;
use reload::Reloading;

pub use crate::reactor::{Entry, Handle, Inherited, Journal};

/// A signaling server that has bound its address and is ready to run.
///
/// ```no_run
/// use autamedica_signaling::{Config, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::development(*b"a secret of at least 32 bytes ...");
/// let server = Server::bind(config)?;
/// println!("ws://{}", server.handle().local_addr());
/// server.run()?; // until `shutdown` is called on the handle
/// # Ok(())
/// # }
/// ```
pub struct Server {
    /// One for each event loop, with its own rooms, on its own thread.
    reactors: Vec<Reactor<Signaling>>,
    handle: Handle,
    admin: Option<Reactor<Admin>>,
    audit: Option<Audit>,
}

/// Why a server could not be created.
#[derive(Debug)]
pub enum BindError {
    /// The configuration is unsafe or impossible.
    Config(Problems),
    /// The address cannot be bound, or the system lacks a resource.
    Address(SocketAddr, io::Error),
    /// The address of the administrator's listener cannot be bound.
    Admin(SocketAddr, io::Error),
    /// The audit log cannot be opened.
    Audit(OpenError),
}

/// A server has come to its end, but not every entry of its audit log is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntriesLost {
    /// How many are not.
    pub lost: usize,
}

impl fmt::Display for EntriesLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries of the audit log are lost", self.lost)
    }
}

impl Error for EntriesLost {}

impl Server {
    /// Binds the address, but serves nobody before [`Server::run`].
    ///
    /// # Errors
    /// If the configuration is wrong, or the address is in use or not ours.
    pub fn bind(config: Config) -> Result<Self, BindError> {
        Self::bind_on(config, None)
    }

    /// The same on a socket that already listens. The address in the configuration is then ignored.
    ///
    /// # Errors
    /// If the configuration is wrong, or the socket is not a listening one.
    pub fn bind_on(config: Config, inherited: Option<Inherited>) -> Result<Self, BindError> {
        config.validate().map_err(BindError::Config)?;
        let address = SocketAddr::new(config.host, config.port);
        let listening = match inherited {
            Some(inherited) => Listening::Inherited(inherited),
            None if config.take_over => Listening::Shared(address),
            None => Listening::Alone(address),
        };
        let failed = |error| BindError::Address(address, error);
        let rooms = rooms(&config).map_err(failed)?;
        let edge = edge(&config).map_err(BindError::Config)?;
        let options = reactor_options(&config, listening, edge);
        let reactors = Reactor::prepare_all(options, rooms).map_err(failed)?;
        let handle = reactors.first().map(Reactor::handle);
        let handle = handle.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let admin = config.admin.map(|address| {
            admin::prepare(&config, address, handle.clone())
                .map_err(|error| BindError::Admin(address, error))
        });
        let mut server = Self { reactors, handle, admin: admin.transpose()?, audit: None };
        // Late: a start that fails for another reason does not belong in the audit log. But before
        // anybody can connect, so that a start that fails here cuts nobody off.
        if config.audit_log {
            server.keep_audit_log(&config)?;
        }
        if let Err(error) = server.listen() {
            server.audit.iter().for_each(|audit| {
                close(audit);
            });
            return Err(error);
        }
        let unchanged = config.clone();
        server.reload_by(config, move || Ok(unchanged.clone()));
        Ok(server)
    }

    fn listen(&self) -> Result<(), BindError> {
        let address = self.handle.local_addr();
        let first = self.reactors.first().map_or(Ok(()), Reactor::listen);
        first.map_err(|error| BindError::Address(address, error))?;
        self.admin.iter().try_for_each(|admin| {
            let address = admin.handle().local_addr();
            admin.listen().map_err(|error| BindError::Admin(address, error))
        })
    }

    /// Sets how SIGHUP and [`Handle::reload`] read the configuration: by `read`. Settings that may
    /// change without a restart ([`RELOADED`](crate::config::RELOADED)) take effect at once. If
    /// anything is wrong, nothing changes. Without this call, only the TLS files are read again.
    pub fn on_reload(
        &mut self,
        config: Config,
        read: impl FnMut() -> Result<Config, Problems> + Send + 'static,
    ) {
        self.reload_by(config, read);
    }

    fn reload_by(
        &mut self,
        config: Config,
        read: impl FnMut() -> Result<Config, Problems> + Send + 'static,
    ) {
        let (handle, audit) = (self.handle.clone(), self.audit.clone());
        let reloading = Reloading { read: Box::new(read), config, handle, audit };
        if let Some(first) = self.reactors.first_mut() {
            first.on_reload(reloading.into_call());
        }
    }

    /// A handle for other threads: the address, the counters, and the means to stop or reload the
    /// server.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The address of the administrator's listener, with the port that was bound.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.handle().local_addr())
    }

    /// Uses an audit log of the embedder's own. `journal` is called once for each event loop.
    /// Admissions and the ends of sessions wait until it says that their record is durable.
    pub fn keep_journals(&mut self, mut journal: impl FnMut() -> Box<dyn Journal>) {
        self.reactors.iter_mut().for_each(|reactor| reactor.keep_journal(journal()));
    }

    /// Lets SIGTERM and SIGINT shut the server down, and SIGHUP read its configuration again
    /// ([`Server::on_reload`]). For a program that is nothing but the server; an embedder usually
    /// handles signals itself.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn watch_signals(&mut self) -> io::Result<()> {
        self.reactors.iter_mut().take(1).try_for_each(Reactor::watch_signals)
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// If an event loop itself fails or panics; no client can cause that. The clients of the other
    /// loops are then told to come back, and the audit log is written to its end. Also if the
    /// system has no thread left for the administrator's listener, and if entries of the audit log
    /// could not be written until the end ([`EntriesLost`] is then the inner error).
    pub fn run(self) -> io::Result<()> {
        let admin = self.admin.map(|admin| {
            let handle = admin.handle();
            let thread = thread::Builder::new().name("admin".to_owned()).spawn(|| admin.run())?;
            Ok::<_, io::Error>((handle, thread))
        });
        let admin = admin.transpose()?;
        let ended = run_all(self.reactors, &self.handle);
        if let Some((handle, thread)) = admin {
            handle.shutdown();
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => log::error!("the administrator's listener failed: {error}"),
                Err(_) => log::error!("the administrator's listener panicked"),
            }
        }
        if let Some(audit) = &self.audit {
            let lost = close(audit);
            if lost > 0 && ended.is_ok() {
                return Err(io::Error::other(EntriesLost { lost }));
            }
        }
        ended
    }

    /// Opens the audit log that the configuration asks for. Sessions that had ended stay ended.
    fn keep_audit_log(&mut self, config: &Config) -> Result<(), BindError> {
        let (audit, restored) = open_audit_log(config)?;
        let now = clock::wall_time();
        for reactor in &mut self.reactors {
            reactor.app_mut().restore_ended(&restored.ended, now);
            reactor.app_mut().restore_revoked(&restored.revoked, now);
        }
        let handle = self.handle();
        audit.on_change(move || handle.wake());
        self.keep_journals(|| Box::new(Recorder::new(audit.clone())));
        if let Some(admin) = &mut self.admin {
            admin.app_mut().watch_audit(audit.clone());
        }
        self.audit = Some(audit);
        Ok(())
    }
}

/// How many seconds longer than the maximum drain time the server waits for its predecessor to
/// leave.
const TAKE_OVER_SPARE_SECS: u64 = 10;

/// How long the shutdown waits for the audit log.
const AUDIT_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the first on this thread and each of the others on a separate one. If one ends, all end.
/// The same if one panics: the rest of the server then still shuts down properly, and the result is
/// an error.
fn run_all(reactors: Vec<Reactor<Signaling>>, handle: &Handle) -> io::Result<()> {
    let run = |reactor: Reactor<Signaling>| {
        // A reactor shares only counters and channels with the others, and nothing of one that has
        // panicked is used again.
        let ended = panic::catch_unwind(AssertUnwindSafe(|| reactor.run()));
        ended.unwrap_or_else(|_| Err(has_panicked()))
    };
    thread::scope(|scope| {
        let mut reactors = reactors.into_iter().enumerate();
        let first = reactors.next().map(|(_, reactor)| reactor);
        let mut threads = Vec::new();
        for (index, reactor) in reactors {
            let thread = thread::Builder::new().name(format!("loop {index}"));
            match thread.spawn_scoped(scope, move || run(reactor)) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    handle.shutdown();
                    return Err(error);
                }
            }
        }
        let ended = first.map_or(Ok(()), run);
        let others = threads.into_iter();
        let others = others.map(|thread| thread.join().unwrap_or_else(|_| Err(has_panicked())));
        others.fold(ended, |ended, other| ended.and(other))
    })
}

fn has_panicked() -> io::Error {
    io::Error::other("an event loop has panicked")
}

/// Returns how many entries are not on disk and never will be.
fn close(audit: &Audit) -> usize {
    let finished = audit.close(AUDIT_PATIENCE);
    let lost = audit.gauges().queued;
    match (finished, lost) {
        (true, _) => {}
        (false, 0) => log::error!(
            "the end of the audit log could not be written: its disk does not answer; every entry \
             is on disk"
        ),
        (false, _) => log::error!(
            "the audit log could not be written to its end: its disk does not answer; {lost} \
             entries are lost"
        ),
    }
    lost
}

/// Opens the audit log.
fn open_audit_log(config: &Config) -> Result<(Audit, Restored), BindError> {
    let (audit, restored) = audit::open(audit::Options {
        folder: config.audit_dir.clone(),
        key_file: config.audit_key_file(),
        retention_days: u32::try_from(config.audit_retention_days).unwrap_or(u32::MAX),
        sync: config.audit_sync,
        checkpoint: config.audit_checkpoint.clone(),
        segment_bytes_max: audit::SEGMENT_BYTES_MAX,
        take_over: config
            .take_over
            .then(|| Duration::from_secs(config.drain.as_secs() + TAKE_OVER_SPARE_SECS)),
        wall_time: clock::wall_time,
        since_boot: clock::since_boot,
        entropy: clock::random_secret,
    })
    .map_err(BindError::Audit)?;
    if restored.key_file_is_new {
        log::warn!(
            "made the keys of the audit log: keep its verification key elsewhere (`audit key detach`), else who takes \
             this machine over could rewrite the log"
        );
    }
    if let Some(damage) = &restored.damage {
        log::error!("the audit log was damaged: {damage}");
    }
    if !restored.clean {
        log::warn!("the run before did not end in good order; {} torn bytes", restored.torn_bytes);
    }
    audit.note(OwnRecord::configuration(config.summary()));
    Ok((audit, restored))
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(problems) => write!(f, "{problems}"),
            Self::Address(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Admin(address, error) => {
                write!(f, "the administrator's listener cannot listen on {address}: {error}")
            }
            Self::Audit(error) => write!(f, "cannot open the audit log: {error}"),
        }
    }
}

impl Error for BindError {}
