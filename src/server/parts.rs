//! Builds the parts of a server from the configuration.

use std::fmt;
use std::io;

use crate::admission::Addresses;
use crate::admission::door::Door;
use crate::admission::gate::{Gate, GateLimits};
use crate::admission::tokens::{TokenRules, Tokens};
use crate::base::bucket::Rate;
use crate::base::redacted::Redacted;
use crate::config::{Config, Environment, Problems, TlsFiles, end_of_certificate, memory};
use crate::connection::{NoPages, Pages, Signaling, SocketIoService};
use crate::engine::{self, Engine, Homes, IceOptions, Logins, Rates};
use crate::message::{SessionId, UserId};
use crate::reactor::{self, Edge, Listening, Tls, clock};
use crate::service::demo::Demo;
use crate::wire::jwt::Key;
use crate::wire::turn::{Login, Minter};

/// Past this many connections, tables grow on demand.
const CONNECTIONS_PLANNED_MAX: usize = 131_072;

/// The rooms of each event loop. All loops share the counts of connections.
pub fn rooms(config: &Config) -> io::Result<Vec<Signaling>> {
    let gate = Gate::new(gate_limits(config));
    let count = config.event_loops() as u32;
    let secret = clock::random_secret();
    let rooms = |own| {
        let mut rooms = signaling(config, Homes::new(own, count), gate.beside())?;
        rooms.speak_socket_io(SocketIoService::new(&secret, own as u16, config.heartbeat));
        Ok(rooms)
    };
    (0..count).map(rooms).collect()
}

fn signaling(config: &Config, homes: Homes, gate: Gate) -> io::Result<Signaling> {
    let tokens = tokens(config)?;
    let options = engine::Options {
        tokens,
        join_timeout: config.join_timeout,
        heartbeat: config.heartbeat,
        reconnect_grace: config.reconnect_grace,
        room_max_age: config.room_max_age,
        room_empty_timeout: config.room_empty_timeout,
        participants_max: config.room_participants_max,
        retained_bytes_max: config.retained_bytes_max,
        retained_bytes_total_max: memory::retained_bytes_max(config) / config.event_loops(),
        emergency_access: config.emergency_access,
        gate: gate_limits(config),
        homes,
        connections_planned: config.connections_max.min(CONNECTIONS_PLANNED_MAX),
        rates: Rates {
            signal: rate(config.signal_rate, config.signal_burst),
            state: rate(config.state_rate, config.state_burst),
            ..Rates::ORDINARY
        },
        rooms_max: memory::rooms_max(config),
        duplicates: config.duplicate_identity,
        candidate_allowlist: config.candidate_allowlist.clone(),
        candidate_blocklist: config.candidate_blocklist.clone(),
        ice: ice_options(config)?,
        relay_only: config.relay_only,
    };
    let engine = Engine::with_gate(options, gate);
    let door = door(config);
    let pages: Box<dyn Pages + Send> = match config.environment {
        Environment::Production => Box::new(NoPages),
        Environment::Development => Box::new(Demo::new(
            Key::new(config.jwt_secret.reveal()).map_err(invalid)?,
            config.jwt_issuer.clone(),
            config.jwt_audience.clone(),
            || (UserId::new(clock::random_uuid()), SessionId::new(clock::random_uuid())),
        )),
    };
    Ok(Signaling::new(engine, door, config.message_bytes_max, pages))
}

pub fn tokens(config: &Config) -> io::Result<Tokens> {
    let mut keys = vec![
        Key::new(config.jwt_secret.reveal()).map_err(invalid)?.named(config.jwt_kid.as_deref()),
    ];
    if !config.jwt_secret_previous.reveal().is_empty() {
        let previous = Key::new(config.jwt_secret_previous.reveal()).map_err(invalid)?;
        keys.push(previous.named(config.jwt_kid_previous.as_deref()));
    }
    Ok(Tokens::new(TokenRules {
        keys,
        issuer: config.jwt_issuer.clone(),
        audience: config.jwt_audience.clone(),
        leeway: config.token_leeway,
    }))
}

pub fn door(config: &Config) -> Door {
    Door {
        origins: config.origins.clone(),
        origin_required: config.origin_required,
        addresses: addresses(config),
    }
}

fn ice_options(config: &Config) -> io::Result<IceOptions> {
    let logins = if !config.turn.secret.reveal().is_empty() {
        // The previous secret is only for the TURN servers, which accept both; new credentials are
        // made with the current one.
        let minter = Minter::new(config.turn.secret.reveal(), &clock::random_secret());
        Logins::Limited { minter: minter.map_err(invalid)?, lifetime: config.turn.ttl }
    } else if let Some(username) = &config.turn.username {
        let username = Redacted::new(username.clone());
        Logins::Fixed(Login { username, password: config.turn.credential.clone() })
    } else {
        Logins::None
    };
    let (stun, turn) = (config.stun_urls.clone(), config.turn.urls.clone());
    Ok(IceOptions { stun, turn, logins })
}

fn addresses(config: &Config) -> Addresses {
    Addresses {
        allowed: config.ip_allowlist.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
    }
}

pub fn edge(config: &Config) -> Result<Edge, Problems> {
    let files = config.tls_files();
    if files.as_ref().is_some_and(TlsFiles::is_key_open) {
        log::warn!("TLS_KEY may be read by everybody on this machine");
    }
    let tls = files.map(|files| files.load()).transpose()?;
    tls.iter().for_each(warn_of_its_end);
    Ok(Edge { tls, proxy_protocol: config.proxy_protocol, addresses: addresses(config) })
}

pub fn warn_of_its_end(tls: &Tls) {
    if let Some(warning) = end_of_certificate(tls, clock::wall_time()) {
        log::warn!("{warning}");
    }
}

pub fn reactor_options(config: &Config, listening: Listening, edge: Edge) -> reactor::Options {
    reactor::Options {
        listening,
        drain: config.drain,
        connections_max: config.connections_max,
        head_timeout: config.head_timeout,
        heartbeat: config.heartbeat,
        send_queue_bytes_max: config.send_queue_bytes_max,
        heads_per_address_max: gate_limits(config).per_address_max,
        // The burst is one second's worth.
        accept_rate: rate(config.accept_rate, config.accept_rate),
        bytes_rate: rate(config.bytes_rate, config.bytes_burst),
        cut_bytes_max: memory::cut_bytes_max(config),
        unsent_bytes_max: memory::unsent_bytes_max(config),
        edge,
    }
}

/// Behind a proxy that is not trusted to report client addresses, all clients have the proxy's
/// address, which says nothing about them.
fn gate_limits(config: &Config) -> GateLimits {
    let is_hidden = config.behind_proxy && config.trusted_proxies.is_empty();
    let by_address = |max: usize| if is_hidden { u64::MAX } else { unlimited(max) };
    GateLimits {
        per_address_max: by_address(config.connections_per_address_max),
        per_user_max: unlimited(config.connections_per_user_max),
        failures_max: by_address(config.auth_failures_max),
        closes_max: unlimited(config.closes_per_user_max),
        joins: rate(config.join_rate, config.join_burst),
        certificates: GateLimits::ORDINARY.certificates,
    }
}

pub fn rate(per_second: usize, burst: usize) -> Rate {
    Rate { per_second: unlimited(per_second), burst: unlimited(burst) }
}

/// `usize::MAX` stands for no limit on any machine.
fn unlimited(number: usize) -> u64 {
    if number == usize::MAX { u64::MAX } else { number as u64 }
}

fn invalid(error: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}
