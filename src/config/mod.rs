//! Roof: the operator's configuration. Typed, checked before anything starts, and readable without
//! a process environment.
//!
//! - [`Config`] is what the server is given. An embedder starts from [`Config::production`] or
//!   [`Config::development`] and changes fields; nothing else is needed.
//! - [`Config::read`] fills one from named texts ([`Source`]): the environment, an [`EnvFile`],
//!   files with secrets.
//! - [`SETTINGS`] is the one list of names. It drives the reading, the refusals, `check`, `help`
//!   and the test that keeps `docs/settings.md` in step.

mod admin;
mod audit;
mod changes;
mod env_file;
mod ice;
mod kind;
pub mod memory;
mod problems;
mod rates;
mod reading;
mod rules;
mod setting;
mod settings;
mod source;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use log::LevelFilter;

use crate::admission::origin::Origins;
use crate::base::cidr::Networks;
use crate::base::redacted::Redacted;
use crate::base::time::Duration;
use crate::engine::Duplicates;
use crate::wire::ice_url::IceUrl;
use crate::wire::jwt::SECRET_BYTES_MIN;

pub use crate::service::audit::{Checkpoint, Sync as AuditSync};
pub use admin::DEFAULT as ADMIN_DEFAULT;
pub use changes::{Change, RELOADED, changes};
pub use env_file::EnvFile;
pub use ice::Turn;
pub use problems::{Problem, Problems};
pub use reading::Reading;
pub use setting::Setting;
pub use settings::SETTINGS;
pub use source::{FILES_RESERVED, SetBy, Source, Value};
pub use tls::{TlsFiles, end_of_certificate};

/// The largest `CONNECTIONS_MAX`, even if the system allows more open files.
pub const CONNECTIONS_LIMIT: usize = 1_000_000;

/// The largest `THREADS`.
pub const THREADS_MAX: usize = 64;

/// The complete configuration. If [`Config::read`] made it, its values are already checked.
///
/// If you fill the fields by hand, call [`Config::validate`] before the start.
#[derive(Clone, Debug)]
pub struct Config {
    /// `NODE_ENV`: what is allowed, and whether there is a demo page.
    pub environment: Environment,
    /// `HOST`: the address to listen on.
    pub host: IpAddr,
    /// `PORT`: the port to listen on; 0 lets the system pick a free one.
    pub port: u16,
    /// `THREADS`: event loops, each with its own rooms and its own thread; `None`: according to the
    /// machine ([`Config::event_loops`]).
    pub threads: Option<usize>,
    /// `LOG_LEVEL`: the least important lines that are still written.
    pub log_level: LevelFilter,
    /// `LOG_FORMAT`: how a line is written.
    pub log_format: LogFormat,
    /// `JWT_SECRET`: the key of the HS256 signatures, at least [`SECRET_BYTES_MIN`] bytes.
    pub jwt_secret: Redacted<Vec<u8>>,
    /// `JWT_SECRET_PREVIOUS`: the key before the last change, whose tokens are still valid; empty
    /// for none.
    pub jwt_secret_previous: Redacted<Vec<u8>>,
    /// `JWT_KID`: the name of `jwt_secret`. If either key has a name, a token's `kid` must name the
    /// key that signed it.
    pub jwt_kid: Option<String>,
    /// `JWT_KID_PREVIOUS`: the name of `jwt_secret_previous`.
    pub jwt_kid_previous: Option<String>,
    /// `JWT_ISSUER`: the `iss` that a token must carry, if one is required.
    pub jwt_issuer: Option<String>,
    /// `JWT_AUDIENCE`: the `aud` that a token must carry, if one is required.
    pub jwt_audience: Option<String>,
    /// `CORS_ORIGIN`: the web pages that may connect.
    pub origins: Origins,
    /// `ORIGIN_REQUIRED`: whether clients that are not web pages are refused.
    pub origin_required: bool,
    /// `BEHIND_PROXY`: whether a proxy in front terminates TLS.
    pub behind_proxy: bool,
    /// `TLS_CERT`: the certificate chain in PEM. If set, the server speaks TLS.
    pub tls_cert: Option<PathBuf>,
    /// `TLS_KEY`: its private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// `IP_ALLOWLIST`: who may connect; empty for everyone.
    pub ip_allowlist: Networks,
    /// `TRUSTED_PROXIES`: the proxies that are trusted to report the client's address.
    pub trusted_proxies: Networks,
    /// `PROXY_PROTOCOL`: whether those proxies report it by the PROXY protocol.
    pub proxy_protocol: bool,
    /// `TOKEN_LEEWAY`: how far the clocks of the token's issuer and this machine may differ.
    pub token_leeway: Duration,
    /// `JOIN_TIMEOUT`: how long a connection without a token may wait before it joins a room.
    pub join_timeout: Duration,
    /// `HEAD_TIMEOUT`: how long a client may take to send its request.
    pub head_timeout: Duration,
    /// `HEARTBEAT`: time between two pings; a connection ends when two stay unanswered.
    pub heartbeat: Duration,
    /// `RECONNECT_GRACE`: how long the place of a dropped participant is kept.
    pub reconnect_grace: Duration,
    /// `DRAIN_SECONDS`: how long a graceful shutdown may take.
    pub drain: Duration,
    /// `TAKE_OVER`: whether a server that already runs with the same audit log is asked to leave.
    /// The addresses are shared with it until it has left.
    pub take_over: bool,
    /// `ROOM_MAX_AGE`: the maximum age of a room.
    pub room_max_age: Duration,
    /// `ROOM_EMPTY_TIMEOUT`: how long a room may be empty before its session ends.
    pub room_empty_timeout: Duration,
    /// `EMERGENCY_ACCESS`: whether `room:emergency` in a doctor's token opens other sessions, with
    /// a reason.
    pub emergency_access: bool,
    /// `ROOM_PARTICIPANTS_MAX`: participants in one room, including doctor and patient.
    pub room_participants_max: usize,
    /// `CANDIDATE_ALLOWLIST`: if not empty, the only networks that candidates may name.
    pub candidate_allowlist: Networks,
    /// `CANDIDATE_BLOCKLIST`: networks that no candidate may name.
    pub candidate_blocklist: Networks,
    /// `MESSAGE_BYTES_MAX`: bytes of one message, all its fragments together.
    pub message_bytes_max: usize,
    /// `CONNECTIONS_MAX`: connections at the same time.
    pub connections_max: usize,
    /// `SEND_QUEUE_BYTES_MAX`: unsent bytes of one connection, past which it is closed.
    pub send_queue_bytes_max: usize,
    /// `RETAINED_BYTES_MAX`: bytes of relayed messages kept for one participant until they are
    /// known to have arrived.
    pub retained_bytes_max: usize,
    /// `CONNECTIONS_PER_ADDRESS_MAX`: connections of one address; `usize::MAX` here and below:
    /// unlimited.
    pub connections_per_address_max: usize,
    /// `CONNECTIONS_PER_USER_MAX`: connections of one user.
    pub connections_per_user_max: usize,
    /// `DUPLICATE_IDENTITY`: which connection stays when a user joins a room twice.
    pub duplicate_identity: Duplicates,
    /// `ACCEPT_RATE`: new connections per second.
    pub accept_rate: usize,
    /// `JOIN_RATE`: how often one user may join one session, per second.
    pub join_rate: usize,
    /// `JOIN_BURST`: the same, burst.
    pub join_burst: usize,
    /// `CLOSES_PER_USER_MAX`: connections of one user in one session that may be closed with 4413
    /// or 4429 per minute.
    pub closes_per_user_max: usize,
    /// `AUTH_FAILURES_MAX`: invalid tokens from one address in ten minutes.
    pub auth_failures_max: usize,
    /// `ROOMS_MAX`: rooms at the same time; `None`: as many as connections.
    pub rooms_max: Option<usize>,
    /// `SIGNAL_RATE`: offers, answers and candidates of one connection per second.
    pub signal_rate: usize,
    /// `SIGNAL_BURST`: the same, burst.
    pub signal_burst: usize,
    /// `STATE_RATE`: other messages of one connection per second.
    pub state_rate: usize,
    /// `STATE_BURST`: the same, burst.
    pub state_burst: usize,
    /// `BYTES_RATE`: bytes read from one connection per second.
    pub bytes_rate: usize,
    /// `BYTES_BURST`: the same, burst.
    pub bytes_burst: usize,
    /// `MEMORY_MAX`: bytes that the limits may add up to ([`memory::sum`]); `None`: any number.
    pub memory_max: Option<usize>,
    /// `STUN_URLS`: the servers that tell clients their public address.
    pub stun_urls: Vec<IceUrl>,
    /// The TURN servers, and how clients log in to them.
    pub turn: Turn,
    /// `ICE_POLICY`: whether audio and video may pass through TURN servers only.
    pub relay_only: bool,
    /// `ADMIN_ADDR`: where operators find metrics, dashboard and API. `None` for nowhere, which is
    /// the default for embedders; the stand-alone program listens at [`ADMIN_DEFAULT`].
    pub admin: Option<SocketAddr>,
    /// `ADMIN_TOKEN`: the token that operators have to show; empty for none, which is accepted on
    /// loopback addresses only.
    pub admin_token: Redacted<Vec<u8>>,
    /// Whether the server keeps an audit log. No setting turns it off; an embedder may keep a log
    /// of its own ([`crate::Server::keep_journals`]).
    pub audit_log: bool,
    /// `AUDIT_DIR`: the folder of the audit log.
    pub audit_dir: PathBuf,
    /// `AUDIT_KEY_FILE`: the file with its keys; `None` for `audit.key` beside that folder.
    pub audit_key_file: Option<PathBuf>,
    /// `AUDIT_RETENTION_DAYS`: how long its records are kept.
    pub audit_retention_days: usize,
    /// `AUDIT_SYNC`: when it is synced to disk.
    pub audit_sync: AuditSync,
    /// `AUDIT_CHECKPOINT`: where signed checkpoints go.
    pub audit_checkpoint: Option<Checkpoint>,
}

/// Where the server runs: `NODE_ENV`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// For patients. Unsafe starts are refused.
    Production,
    /// For a developer's machine: a demo page, tokens for it, and a generated secret if none is
    /// given.
    Development,
}

/// How a line of the log is written: `LOG_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, for log collectors.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// The defaults of production, with the key of the token signatures.
    ///
    /// A server does not start with them as they are. No web page is allowed yet
    /// ([`Config::origins`]), and the server requires a certificate ([`Config::tls_cert`]), or a
    /// proxy that terminates TLS ([`Config::behind_proxy`]), or a loopback address to listen on
    /// ([`Config::host`]).
    pub fn production(jwt_secret: impl Into<Vec<u8>>) -> Self {
        Self {
            environment: Environment::Production,
            host: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8080,
            threads: None,
            log_level: LevelFilter::Info,
            log_format: LogFormat::Json,
            jwt_secret: Redacted::new(jwt_secret.into()),
            jwt_secret_previous: Redacted::new(Vec::new()),
            jwt_kid: None,
            jwt_kid_previous: None,
            jwt_issuer: None,
            jwt_audience: None,
            origins: Origins::Listed(Vec::new()),
            origin_required: false,
            behind_proxy: false,
            tls_cert: None,
            tls_key: None,
            ip_allowlist: Networks::default(),
            trusted_proxies: Networks::default(),
            proxy_protocol: false,
            token_leeway: Duration::from_secs(60),
            join_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(25),
            reconnect_grace: Duration::from_secs(60),
            drain: Duration::from_secs(20),
            take_over: false,
            room_max_age: Duration::from_secs(14_400),
            room_empty_timeout: Duration::from_secs(300),
            emergency_access: false,
            room_participants_max: 8,
            candidate_allowlist: Networks::none(),
            candidate_blocklist: Networks::none(),
            message_bytes_max: 64 * 1024,
            connections_max: source::connections_max(None),
            send_queue_bytes_max: 256 * 1024,
            retained_bytes_max: 64 * 1024,
            connections_per_address_max: 1_000,
            connections_per_user_max: 8,
            duplicate_identity: Duplicates::Replace,
            accept_rate: 1_000,
            join_rate: 5,
            join_burst: 1_000,
            closes_per_user_max: 10,
            auth_failures_max: 20,
            rooms_max: None,
            signal_rate: 50,
            signal_burst: 200,
            state_rate: 10,
            state_burst: 40,
            bytes_rate: 256 * 1024,
            bytes_burst: 1024 * 1024,
            memory_max: None,
            stun_urls: Vec::new(),
            turn: Turn::default(),
            relay_only: false,
            admin: None,
            admin_token: Redacted::new(Vec::new()),
            audit_log: true,
            audit_dir: PathBuf::from("data/audit"),
            audit_key_file: None,
            audit_retention_days: 2192,
            audit_sync: AuditSync::Always,
            audit_checkpoint: None,
        }
    }

    /// The defaults of development: this machine only, every web page, and a secret from the
    /// caller.
    pub fn development(jwt_secret: impl Into<Vec<u8>>) -> Self {
        Self {
            environment: Environment::Development,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            origins: Origins::Any,
            ..Self::production(jwt_secret)
        }
    }

    /// The file with the keys of the audit log.
    pub fn audit_key_file(&self) -> PathBuf {
        self.audit_key_file.clone().unwrap_or_else(|| self.audit_dir.with_file_name("audit.key"))
    }

    /// The number of event loops. By default there is one for each processor core that the process
    /// may use, but a single one if there are only one or two cores. The rest of such a machine is
    /// for the kernel and the audit log.
    pub fn event_loops(&self) -> usize {
        self.threads.unwrap_or_else(|| match source::cores() {
            0..=2 => 1,
            cores => cores.min(THREADS_MAX),
        })
    }

    /// Reads every setting from `source`.
    ///
    /// # Errors
    /// Everything that is wrong, at once; no text in it shows a secret.
    pub fn read(source: &impl Source) -> Result<Self, Problems> {
        Reading::read(source).map(|reading| reading.config)
    }

    /// The settings as they may be shown: one line `NAME=value` each, without secrets and paths.
    pub fn summary(&self) -> String {
        let mut config = self.clone();
        let told = SETTINGS.iter().filter(|setting| !setting.is_secret() && !setting.is_path());
        told.map(|setting| format!("{}={}\n", setting.name, setting.kind.show(&mut config)))
            .collect()
    }

    /// Whether the server may start with this: every value in its range, and nothing that puts
    /// patients at risk.
    ///
    /// # Errors
    /// Everything that is wrong, at once, under the names of the settings.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        setting::check_ranges(self, &mut problems);
        rules::check(self, &mut problems);
        problems.extend(self.tls_files().and_then(|files| files.load().err()));
        problems.into_result(())
    }
}

impl Environment {
    /// Reads the value of `NODE_ENV`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Production, Self::Development].into_iter().find(|one| text == one.as_str())
    }

    /// The value of `NODE_ENV`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

impl LogFormat {
    /// Reads the value of `LOG_FORMAT`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Json, Self::Text].into_iter().find(|one| text == one.as_str())
    }

    /// The value of `LOG_FORMAT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}
