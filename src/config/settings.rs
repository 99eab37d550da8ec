//! The one list of settings.

use std::net::IpAddr;

use log::LevelFilter;

use crate::admission::origin::Origins;
use crate::base::cidr::{self, Networks};

use super::audit;
use super::ice;
use super::kind::{Kind, number};
use super::problems::quoted;
use super::{CONNECTIONS_LIMIT, Config, Environment, LogFormat, Problem, Problems};

/// A setting: one row of the list.
pub struct Setting {
    /// The name of the variable.
    pub name: &'static str,
    /// The default in words, or the value itself.
    pub default: &'static str,
    /// What it decides, in half a sentence.
    pub meaning: &'static str,
    pub(super) kind: Kind,
}

/// Every setting there is: those that are served in the order in which people are told of them, then those that are
/// known and refused until they are served.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "NODE_ENV",
        default: "production",
        meaning: "whether this is the real thing, or a desk with a demo page",
        kind: Kind::Own {
            accepted: "production or development",
            set: |config, text| {
                config.environment =
                    Environment::parse(&text.to_ascii_lowercase()).ok_or_else(|| {
                        format!(
                            "{} is not an environment (the rest was checked as for production)",
                            quoted(text)
                        )
                    })?;
                Ok(())
            },
            show: |config| config.environment.as_str().to_owned(),
        },
    },
    Setting {
        name: "HOST",
        default: "0.0.0.0, in development 127.0.0.1",
        meaning: "address to listen on",
        kind: Kind::Own {
            accepted: "an IPv4 or IPv6 address without brackets or port: 127.0.0.1 for this machine only, \
                       0.0.0.0 for every network it is in",
            set: |config, text| {
                config.host = text.parse::<IpAddr>().map_err(|_| {
                    format!("{} is not an IP address (names are not looked up)", quoted(text))
                })?;
                Ok(())
            },
            show: |config| config.host.to_string(),
        },
    },
    Setting {
        name: "PORT",
        default: "8080",
        meaning: "TCP port to listen on",
        kind: Kind::Own {
            accepted: "a whole number from 1 to 65535, or 0 to let the system pick a free port",
            set: |config, text| {
                config.port = number(text, &(0..=65_535))? as u16;
                Ok(())
            },
            show: |config| config.port.to_string(),
        },
    },
    Setting {
        name: "BEHIND_PROXY",
        default: "false",
        meaning: "a proxy in front of the server ends TLS (HTTPS)",
        kind: Kind::Flag(|config| &mut config.behind_proxy),
    },
    Setting {
        name: "TLS_CERT",
        default: "none: no TLS",
        meaning: "certificate (HTTPS), as a PEM file",
        kind: Kind::Path(|config| &mut config.tls_cert),
    },
    Setting {
        name: "TLS_KEY",
        default: "none: no TLS",
        meaning: "private key of the certificate, as a PEM file",
        kind: Kind::Path(|config| &mut config.tls_key),
    },
    Setting {
        name: "IP_ALLOWLIST",
        default: "everyone",
        meaning: "addresses that may connect",
        kind: Kind::Networks(|config| &mut config.ip_allowlist),
    },
    Setting {
        name: "TRUSTED_PROXIES",
        default: "none",
        meaning: "proxies whose word on the client's address counts",
        kind: Kind::Networks(|config| &mut config.trusted_proxies),
    },
    Setting {
        name: "PROXY_PROTOCOL",
        default: "false",
        meaning: "those proxies begin each connection with a PROXY header",
        kind: Kind::Flag(|config| &mut config.proxy_protocol),
    },
    Setting {
        name: "JWT_SECRET",
        default: "required in production, made up for each run in development",
        meaning: "key that signs the tokens, shared with whatever issues them",
        kind: Kind::Secret(|config| &mut config.jwt_secret),
    },
    Setting {
        name: "JWT_SECRET_PREVIOUS",
        default: "none",
        meaning: "key before the last change, whose tokens still count",
        kind: Kind::Secret(|config| &mut config.jwt_secret_previous),
    },
    Setting {
        name: "JWT_ISSUER",
        default: "not checked",
        meaning: "`iss` that every token must carry",
        kind: Kind::Text(|config| &mut config.jwt_issuer),
    },
    Setting {
        name: "JWT_AUDIENCE",
        default: "not checked",
        meaning: "`aud` that every token must carry",
        kind: Kind::Text(|config| &mut config.jwt_audience),
    },
    Setting {
        name: "TOKEN_LEEWAY",
        default: "60",
        meaning: "how far the clock of the token's issuer may be off",
        kind: Kind::Seconds(0..=300, |config| &mut config.token_leeway),
    },
    Setting {
        name: "CORS_ORIGIN",
        default: "no web page at all; in development every page (*)",
        meaning: "web pages that may connect",
        kind: Kind::Own {
            accepted: "exact origins separated by commas, such as https://doctors.example.org,https://patients.example.org",
            set: set_origins,
            show: |config| match &config.origins {
                Origins::Any => "*".to_owned(),
                Origins::Listed(origins) => origins.join(","),
            },
        },
    },
    Setting {
        name: "ORIGIN_REQUIRED",
        default: "false",
        meaning: "refuse clients that are not web pages",
        kind: Kind::Flag(|config| &mut config.origin_required),
    },
    Setting {
        name: "HEAD_TIMEOUT",
        default: "10",
        meaning: "time that a client has to send its request",
        kind: Kind::Seconds(1..=120, |config| &mut config.head_timeout),
    },
    Setting {
        name: "JOIN_TIMEOUT",
        default: "10",
        meaning: "time that a connection without a token has to join a room",
        kind: Kind::Seconds(1..=300, |config| &mut config.join_timeout),
    },
    Setting {
        name: "HEARTBEAT",
        default: "25",
        meaning: "time between two pings; two without an answer end the connection",
        kind: Kind::Seconds(1..=3600, |config| &mut config.heartbeat),
    },
    Setting {
        name: "RECONNECT_GRACE",
        default: "60",
        meaning: "time that a participant who dropped has to come back to the place",
        kind: Kind::Seconds(1..=3_600, |config| &mut config.reconnect_grace),
    },
    Setting {
        name: "ROOM_MAX_AGE",
        default: "14400",
        meaning: "age at which a room is ended",
        kind: Kind::Seconds(60..=604_800, |config| &mut config.room_max_age),
    },
    Setting {
        name: "ROOM_EMPTY_TIMEOUT",
        default: "300",
        meaning: "time that a room may stand empty before its session is ended",
        kind: Kind::Seconds(1..=86_400, |config| &mut config.room_empty_timeout),
    },
    Setting {
        name: "EMERGENCY_ACCESS",
        default: "false",
        meaning: "doctors with `room:emergency` in their token may enter other sessions, with a reason",
        kind: Kind::Flag(|config| &mut config.emergency_access),
    },
    Setting {
        name: "ROOM_PARTICIPANTS_MAX",
        default: "8",
        meaning: "people in one room, doctor and patient included",
        kind: Kind::Count("people", 2..=64, |config| &mut config.room_participants_max),
    },
    Setting {
        name: "CANDIDATE_ALLOWLIST",
        default: "none, which is every network",
        meaning: "the only networks that ICE candidates may name",
        kind: Kind::Own {
            accepted: cidr::ACCEPTED,
            set: |config, text| read_networks(text, &mut config.candidate_allowlist),
            show: |config| config.candidate_allowlist.to_string(),
        },
    },
    Setting {
        name: "CANDIDATE_BLOCKLIST",
        default: "none",
        meaning: "networks that no ICE candidate may name",
        kind: Kind::Own {
            accepted: cidr::ACCEPTED,
            set: |config, text| read_networks(text, &mut config.candidate_blocklist),
            show: |config| config.candidate_blocklist.to_string(),
        },
    },
    Setting {
        name: "CONNECTIONS_MAX",
        default: "the limit of open files less 64, at most 1000000",
        meaning: "connections at the same time",
        kind: Kind::Count("connections", 1..=CONNECTIONS_LIMIT as u64, |config| {
            &mut config.connections_max
        }),
    },
    Setting {
        name: "MESSAGE_BYTES_MAX",
        default: "65536",
        meaning: "size of one message",
        kind: Kind::Count("bytes", 8_192..=16_777_216, |config| &mut config.message_bytes_max),
    },
    Setting {
        name: "SEND_QUEUE_BYTES_MAX",
        default: "262144",
        meaning: "unsent bytes for one slow client, past which it is disconnected",
        kind: Kind::Count("bytes", 16_384..=67_108_864, |config| &mut config.send_queue_bytes_max),
    },
    Setting {
        name: "RETAINED_BYTES_MAX",
        default: "65536",
        meaning: "what is kept for one participant until it is known to have arrived",
        kind: Kind::Count("bytes", 1_024..=16_777_216, |config| &mut config.retained_bytes_max),
    },
    ice::STUN_URLS,
    ice::TURN_SERVER_URL,
    ice::TURN_SECRET,
    ice::TURN_SECRET_PREVIOUS,
    ice::TURN_TTL,
    ice::TURN_USERNAME,
    ice::TURN_CREDENTIAL,
    ice::ICE_POLICY,
    audit::DIR,
    audit::KEY_FILE,
    audit::RETENTION_DAYS,
    audit::SYNC,
    audit::CHECKPOINT,
    Setting {
        name: "LOG_LEVEL",
        default: "info",
        meaning: "how much is logged",
        kind: Kind::Own {
            accepted: "off, error, warn, info, debug or trace",
            set: |config, text| {
                config.log_level = text
                    .parse::<LevelFilter>()
                    .map_err(|_| format!("{} is not a level", quoted(text)))?;
                Ok(())
            },
            show: |config| config.log_level.as_str().to_ascii_lowercase(),
        },
    },
    Setting {
        name: "LOG_FORMAT",
        default: "json, on a terminal text",
        meaning: "how a log line is written",
        kind: Kind::Own {
            accepted: "json or text",
            set: |config, text| {
                config.log_format = LogFormat::parse(&text.to_ascii_lowercase())
                    .ok_or_else(|| format!("{} is not a format", quoted(text)))?;
                Ok(())
            },
            show: |config| config.log_format.as_str().to_owned(),
        },
    },
    later("THREADS", "event loops"),
    later("DUPLICATE_IDENTITY", "what happens when a user connects twice"),
    later("CONNECTIONS_PER_ADDRESS_MAX", "connections of one address"),
    later("CONNECTIONS_PER_USER_MAX", "connections of one user"),
    later("ACCEPT_RATE", "new connections per second"),
    later("AUTH_FAILURES_MAX", "failed authentications of one address"),
    later("SIGNAL_RATE", "signaling messages per second"),
    later("SIGNAL_BURST", "signaling messages at once"),
    later("STATE_RATE", "other messages per second"),
    later("STATE_BURST", "other messages at once"),
    later("BYTES_RATE", "bytes per second"),
    later("BYTES_BURST", "bytes at once"),
    later("MEMORY_MAX", "memory that the limits may add up to"),
    later("ADMIN_ADDR", "the administrator's listener"),
    later_secret("ADMIN_TOKEN", "the administrator's listener"),
    later("DRAIN_SECONDS", "a slow farewell on shutdown"),
];

impl Setting {
    /// What is accepted, in words.
    pub fn accepted(&self) -> String {
        self.kind.accepted()
    }

    /// Whether this version does what it says. A setting that is not served is refused when it has a value.
    pub const fn is_served(&self) -> bool {
        !matches!(self.kind, Kind::Later { .. })
    }

    /// Whether its value is a place on this machine.
    pub(super) fn is_path(&self) -> bool {
        matches!(self.kind, Kind::Path(_))
            || matches!(self.name, "AUDIT_DIR" | "AUDIT_KEY_FILE" | "AUDIT_CHECKPOINT")
    }

    /// Whether its value is never shown, and may come from the file that `NAME_FILE` names.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_) | Kind::Password(_) | Kind::Later { secret: true, .. })
    }
}

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// What the setting of this name accepts, in words.
pub(super) fn accepted(name: &str) -> String {
    find(name).map(Setting::accepted).unwrap_or_default()
}

/// Where a problem's setting stands in the list; files come before all of them.
pub(super) fn position(name: &str) -> Option<usize> {
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    SETTINGS.iter().position(|setting| setting.name == name || setting.name == base)
}

/// Adds a problem for each number that is out of its range.
pub(super) fn check_ranges(config: &Config, problems: &mut Problems) {
    let mut config = config.clone();
    for setting in SETTINGS {
        if let Some(fault) = setting.kind.range_fault(&mut config) {
            problems.push(Problem::new(setting.name, fault, setting.accepted()));
        }
    }
}

fn set_origins(config: &mut Config, text: &str) -> Result<(), String> {
    // The entry that is wrong is shown, so nothing that may be a password goes further.
    if text.contains('@') {
        return Err("an origin has no user name and no password in it".to_owned());
    }
    config.origins = Origins::parse(text).map_err(|bad| {
        // What is accepted is said for every setting in the same way.
        let text = bad.to_string();
        text.split_once("; accepted").map_or_else(|| text.clone(), |(fault, _)| fault.to_owned())
    })?;
    Ok(())
}

fn read_networks(text: &str, networks: &mut Networks) -> Result<(), String> {
    *networks = Networks::parse(text).map_err(|bad| bad.to_string())?;
    Ok(())
}

const fn later(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: "", meaning, kind: Kind::Later { secret: false } }
}

const fn later_secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: "", meaning, kind: Kind::Later { secret: true } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_that_are_told_are_the_defaults() {
        let mut production = Config::production("");
        let mut development = Config::development("");
        for setting in SETTINGS.iter().filter(|setting| setting.is_served() && !setting.is_secret())
        {
            let (in_production, in_development) =
                (setting.kind.show(&mut production), setting.kind.show(&mut development));
            let told = setting.default;
            match setting.name {
                "NODE_ENV" => assert_eq!(told, in_production),
                "CONNECTIONS_MAX" => assert_eq!(in_production, (1024 - 64).to_string()),
                "JWT_ISSUER" | "JWT_AUDIENCE" | "STUN_URLS" | "TURN_SERVER_URL"
                | "TURN_USERNAME" | "AUDIT_KEY_FILE" | "AUDIT_CHECKPOINT" | "TLS_CERT"
                | "TLS_KEY" | "IP_ALLOWLIST" | "TRUSTED_PROXIES" => {
                    assert_eq!(in_production, "");
                }
                _ => {
                    assert!(told.starts_with(&in_production), "{}", setting.name);
                    assert!(told.contains(&in_development), "{}", setting.name);
                }
            }
        }
    }

    #[test]
    fn no_name_stands_twice() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert_eq!(position(setting.name), Some(index));
        }
    }
}
