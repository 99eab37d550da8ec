//! The command `check --network`: tests whether the STUN and TURN servers do what clients need, and
//! reports in words for network administrators.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::Now;
use autamedica_signaling::config::Config;
use autamedica_signaling::reactor::clock::{self, Clock};
use autamedica_signaling::service::network::exchange::Silence;
use autamedica_signaling::service::network::names::Unnamed;
use autamedica_signaling::service::network::{
    Failure, Finding, PATIENCE, Report, Surroundings, ask,
};
use autamedica_signaling::wire::ice_url::{IceUrl, Transport};
use autamedica_signaling::wire::turn::{Login, Minter, ShortSecret};

use super::{EXIT_OUTPUT, print, tell};

/// Something required is not available (`EX_UNAVAILABLE` of sysexits.h).
const EXIT_UNAVAILABLE: u8 = 69;

/// The credentials that clients would use, and the setting that they come from.
struct Credentials {
    setting: &'static str,
    login: Login,
}

/// Tests every server, and prints the results.
pub fn check(config: &Config) -> ExitCode {
    let clock = Clock::new();
    let now = clock.read();
    let credentials = match credentials(config, now) {
        Ok(credentials) => credentials,
        Err(short) => {
            tell(format_args!("TURN_SECRET: {short}"));
            return ExitCode::from(super::EXIT_CONFIG);
        }
    };
    let instant = || clock.read().instant;
    let random = || *clock::random_uuid().as_bytes();
    let around = Surroundings { now: &instant, random: &random };
    let plain = config.stun_urls.iter().map(|url| (url, None));
    let relays = config.turn.urls.iter();
    let relays = relays.flat_map(|url| {
        // No credentials are tried over TLS.
        let tried = if url.scheme.is_secure() { &[][..] } else { &credentials[..] };
        let blind = url.scheme.is_secure().then_some((url, None));
        blind.into_iter().chain(tried.iter().map(move |with| (url, Some(with))))
    });

    let (mut asked, mut failed) = (0, 0);
    for (url, with) in plain.chain(relays) {
        let report = ask(url, with.map(|with| &with.login), around);
        asked += 1;
        failed += usize::from(report.result.is_err());
        let said = print(format_args!(
            "{}\n  {}\n",
            title(url, with.map(|with| with.setting), report.address),
            verdict(url, with.map(|with| with.setting), &report, now)
        ));
        if said != ExitCode::SUCCESS {
            return ExitCode::from(EXIT_OUTPUT);
        }
    }
    let summary = match (asked, failed) {
        (0, _) => NO_SERVERS.to_owned(),
        (_, 0) => format!("All {asked} checks passed."),
        _ => format!("{failed} of {asked} checks FAILED."),
    };
    let said = print(format_args!("\n{summary}\n{}", ports(config)));
    if failed > 0 { ExitCode::from(EXIT_UNAVAILABLE) } else { said }
}

const NO_SERVERS: &str = "No STUN and no TURN server is set (STUN_URLS, TURN_SERVER_URL): calls come about only where doctor and patient \
     are in one network, or both can be reached from outside.";

/// Credentials for each secret: during a rotation, the TURN servers must accept both.
fn credentials(config: &Config, now: Now) -> Result<Vec<Credentials>, ShortSecret> {
    let mut all = Vec::new();
    let secrets = [
        ("TURN_SECRET", &config.turn.secret),
        ("TURN_SECRET_PREVIOUS", &config.turn.secret_previous),
    ];
    for (setting, secret) in secrets.into_iter().filter(|(_, secret)| !secret.reveal().is_empty()) {
        let minter = Minter::new(secret.reveal(), &clock::random_secret())?;
        all.push(Credentials { setting, login: minter.mint(0, now.wall.plus(config.turn.ttl)) });
    }
    if let Some(username) = &config.turn.username {
        let username = Redacted::new(username.clone());
        let login = Login { username, password: config.turn.credential.clone() };
        all.push(Credentials { setting: "TURN_USERNAME and TURN_CREDENTIAL", login });
    }
    Ok(all)
}

fn title(url: &IceUrl, setting: Option<&str>, address: Option<SocketAddr>) -> String {
    let what = if url.scheme.is_turn() { "TURN" } else { "STUN" };
    let place = address.map(|address| format!(", {address}")).unwrap_or_default();
    let with = setting.map(|setting| format!(", with {setting}")).unwrap_or_default();
    format!("{what} {url}{place} over {}{with}", name(url.transport()))
}

fn verdict(url: &IceUrl, setting: Option<&str>, report: &Report, now: Now) -> String {
    let failure = match &report.result {
        Ok(finding) => return good(*finding, report.address),
        Err(failure) => failure,
    };
    let port = format!("{}/{}", url.port(), url.transport().as_str());
    let why = match failure {
        Failure::Unnamed(unnamed) => unknown(url, unnamed),
        Failure::Silent(silence) => silent(silence, &port),
        Failure::LoginRefused => login_refused(setting, now),
        Failure::Refused(code) => refused(*code),
        Failure::Senseless => {
            "it answers, but not as a STUN or TURN server answers. Is it another program, or a very old one?"
                .to_owned()
        }
    };
    format!("FAILED: {why}")
}

fn good(finding: Finding, address: Option<SocketAddr>) -> String {
    match finding {
        Finding::Sees(seen) => format!("ok: it answers, and sees this machine as {seen}"),
        Finding::Listens => {
            "ok as far as this goes: the TCP port is open. TLS and what is behind it were not checked".to_owned()
        }
        Finding::NotTried => {
            "not checked: this would be DTLS, which browsers do not speak to TURN servers".to_owned()
        }
        Finding::Relays { for_anybody: true, .. } => {
            "ok, but it relays for everybody, without credentials: close that (coturn: use-auth-secret)".to_owned()
        }
        Finding::Relays { at, .. } => {
            let hidden = is_private(at.ip())
                && address.is_some_and(|address| !is_private(address.ip()));
            let hint = if hidden {
                ". That address cannot be reached from outside: tell the server its public one (coturn: external-ip)"
            } else {
                ""
            };
            format!("ok: it accepts the credentials, and relays at {at}{hint}")
        }
    }
}

fn unknown(url: &IceUrl, unnamed: &Unnamed) -> String {
    let name = &url.host;
    match unnamed {
        Unnamed::NoSuchName => format!(
            "there is no name {name}. Is it spelled right, with its domain? Otherwise the address itself can stand there"
        ),
        Unnamed::NoAddress => {
            format!("the name {name} has no address. Give it an A or AAAA record")
        }
        Unnamed::NobodyTells(servers) => {
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            format!(
                "the name {name} could not be looked up: no name server of /etc/resolv.conf could tell ({}). Open 53/udp \
                 to them, or write the address itself",
                servers.join(", ")
            )
        }
    }
}

fn silent(silence: &Silence, port: &str) -> String {
    match silence {
        Silence::TimedOut => format!(
            "no answer within {} seconds. Usually a firewall: open {port} to it, for this machine and for clients, and \
             what comes back",
            PATIENCE.as_secs()
        ),
        Silence::NobodyListens => format!(
            "the machine is there, and nothing listens on {port}. Start the server, or correct the port; a firewall that \
             rejects looks the same"
        ),
        Silence::NotStun => format!(
            "something listens on {port}, and it does not speak STUN. Is it another program, or a port that wants TLS?"
        ),
        Silence::Unreachable(kind) => {
            format!("it cannot be reached: {kind}. Open {port} to it, or correct the address")
        }
    }
}

fn login_refused(setting: Option<&str>, now: Now) -> String {
    let clock = String::from_utf8_lossy(&now.wall.to_iso8601()).into_owned();
    match setting {
        Some("TURN_SECRET") => format!(
            "it answers, and refuses the credentials (401): wrong, or expired. TURN_SECRET must be the same text as \
             static-auth-secret of coturn, whose use-auth-secret must be on; and the clocks must agree (here it is {clock})"
        ),
        Some("TURN_SECRET_PREVIOUS") => {
            "it answers, and refuses credentials made with the previous secret (401). Those that clients still hold no \
             longer count: let the server accept both secrets until the last of them has ended (TURN_TTL), or take \
             TURN_SECRET_PREVIOUS out"
                .to_owned()
        }
        _ => "it answers, and refuses the credentials (401): user name or password is wrong".to_owned(),
    }
}

/// RFC 8489 14.8, RFC 8656 19.
fn refused(code: u16) -> String {
    let meaning = match code {
        300 => "it sends clients to another server. Name that one",
        403 => "it forbids it, by a rule of its own",
        437 | 438 | 441 => "it contradicts itself about this connection. Try again",
        440 | 443 => "it cannot relay at an address of this family",
        486 => {
            "this user has as many relays as it may. Raise user-quota of coturn, or try again later"
        }
        508 => "it has no relay left. Raise total-quota of coturn, or its range of ports",
        _ => "its log should tell more",
    };
    format!("it answers, and refuses with {code}: {meaning}")
}

fn ports(config: &Config) -> String {
    let mut text = format!(
        "\nWhat a firewall must let through:\n  to this server: {}/tcp, or the port of the proxy in front of it, usually 443/tcp\n",
        config.port
    );
    if !config.turn.urls.is_empty() {
        text.push_str(
            "  to the TURN server: 3478/udp and 3478/tcp; with TLS 5349/tcp, or 443/tcp\n  \
             to the TURN server, from everywhere: 49152-65535/udp, where it relays (not checked from here)\n",
        );
    } else if !config.stun_urls.is_empty() {
        text.push_str("  to the STUN server: 3478/udp\n");
    }
    text
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    }
}

/// Whether an address is meaningful only within a network (RFC 1918, RFC 4193, and the machine
/// itself).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
