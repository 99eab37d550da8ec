//! The command `healthcheck`, for containers and supervisors: asks the server that runs with the
//! same settings on this machine. Exits with 0 or 1, as Docker expects, and prints one line that
//! says why.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::config::Config;
use autamedica_signaling::service::health::{PATIENCE, Question, Silence, ask};

use super::{print, tell};

/// Asks the server, and prints the result.
pub fn check(config: &Config) -> ExitCode {
    let Some(question) = question(config) else {
        tell(
            "unhealthy: PORT is 0 and so is that of ADMIN_ADDR, or it is off: nobody knows where to ask",
        );
        return ExitCode::FAILURE;
    };
    let place = question.address;
    match ask(&question) {
        Ok(200) => print(format_args!("healthy: {place} answers\n")),
        Ok(status) => {
            tell(format_args!("unhealthy: {place} answers {status}{}", meaning(status)));
            ExitCode::FAILURE
        }
        Err(silence) => {
            tell(format_args!("unhealthy: {place} {}", told(&silence, &question)));
            ExitCode::FAILURE
        }
    }
}

/// Whom to ask: the administrator's listener, which knows of every event loop, and the token for
/// it. If it is off, the clients' port is asked.
fn question(config: &Config) -> Option<Question> {
    if let Some(admin) = config.admin.filter(|admin| admin.port() != 0) {
        return Some(Question {
            address: reachable(admin),
            token: Redacted::new(config.admin_token.reveal().clone()),
            proxy_header: false,
            tls: false,
        });
    }
    (config.port != 0).then(|| Question {
        address: reachable(SocketAddr::new(config.host, config.port)),
        token: Redacted::new(Vec::new()),
        proxy_header: config.proxy_protocol,
        tls: config.tls_files().is_some(),
    })
}

/// A server that listens on all addresses is reachable on the loopback address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn meaning(status: u16) -> &'static str {
    match status {
        401 => ": ADMIN_TOKEN is not the one that it was started with",
        403 => ": IP_ALLOWLIST does not let this machine ask",
        503 => ": an event loop does not turn",
        _ => "",
    }
}

fn told(silence: &Silence, question: &Question) -> String {
    match silence {
        Silence::NobodyListens => "is not listened on".to_owned(),
        Silence::TimedOut => {
            format!("does not answer within {} seconds", PATIENCE.as_secs())
        }
        Silence::Closed if question.proxy_header => {
            "closes the connection: with PROXY_PROTOCOL this machine must be one of TRUSTED_PROXIES, or ADMIN_ADDR on"
                .to_owned()
        }
        Silence::Closed => "closes the connection without an answer".to_owned(),
        Silence::Senseless => "answers, but not as this server does".to_owned(),
        Silence::Failed(error) => format!("cannot be asked: {error}"),
    }
}
