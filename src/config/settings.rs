//! The list of all settings.

use std::net::IpAddr;

use log::LevelFilter;

use crate::admission::origin::Origins;
use crate::engine::Duplicates;

use super::admin;
use super::audit;
use super::ice;
use super::kind::{Kind, number, set_origins};
use super::problems::quoted;
use super::rates;
use super::setting::Setting;
use super::{CONNECTIONS_LIMIT, Environment, LogFormat, THREADS_MAX};

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "NODE_ENV",
        default: "production",
        meaning: "production, or development on your own machine with a demo page",
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
                       0.0.0.0 for every network interface",
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
        meaning: "a proxy in front of the server terminates TLS (HTTPS)",
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
        meaning: "proxies that are trusted to report the client's address",
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
        default: "required in production, generated for each run in development",
        meaning: "key that signs the tokens, shared with the application that issues them",
        kind: Kind::Secret(|config| &mut config.jwt_secret),
    },
    Setting {
        name: "JWT_SECRET_PREVIOUS",
        default: "none",
        meaning: "key before the last change, whose tokens are still valid",
        kind: Kind::Secret(|config| &mut config.jwt_secret_previous),
    },
    Setting {
        name: "JWT_KID",
        default: "none: a token's `kid` is ignored",
        meaning: "name of JWT_SECRET, for tokens with a `kid`",
        kind: Kind::Text(|config| &mut config.jwt_kid),
    },
    Setting {
        name: "JWT_KID_PREVIOUS",
        default: "none",
        meaning: "name of JWT_SECRET_PREVIOUS",
        kind: Kind::Text(|config| &mut config.jwt_kid_previous),
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
        meaning: "how far the clocks of the token issuer and the server may differ",
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
        meaning: "how long a client may take to send its request",
        kind: Kind::Seconds(1..=120, |config| &mut config.head_timeout),
    },
    Setting {
        name: "JOIN_TIMEOUT",
        default: "10",
        meaning: "how long a connection without a token may take to join a room",
        kind: Kind::Seconds(1..=300, |config| &mut config.join_timeout),
    },
    Setting {
        name: "HEARTBEAT",
        default: "25",
        meaning: "time between two pings; two unanswered ones end the connection",
        kind: Kind::Seconds(1..=3600, |config| &mut config.heartbeat),
    },
    Setting {
        name: "RECONNECT_GRACE",
        default: "60",
        meaning: "how long the place of a dropped participant is kept",
        kind: Kind::Seconds(1..=3_600, |config| &mut config.reconnect_grace),
    },
    Setting {
        name: "ROOM_MAX_AGE",
        default: "14400",
        meaning: "maximum age of a room",
        kind: Kind::Seconds(1..=604_800, |config| &mut config.room_max_age),
    },
    Setting {
        name: "ROOM_EMPTY_TIMEOUT",
        default: "300",
        meaning: "how long a room may be empty before its session ends",
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
        meaning: "participants in one room, including doctor and patient",
        kind: Kind::Count("people", 2..=64, |config| &mut config.room_participants_max),
    },
    Setting {
        name: "CANDIDATE_ALLOWLIST",
        default: "none: every network is allowed",
        meaning: "the only networks that ICE candidates may name",
        kind: Kind::Networks(|config| &mut config.candidate_allowlist),
    },
    Setting {
        name: "CANDIDATE_BLOCKLIST",
        default: "none",
        meaning: "networks that no ICE candidate may name",
        kind: Kind::Networks(|config| &mut config.candidate_blocklist),
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
        name: "CONNECTIONS_PER_ADDRESS_MAX",
        default: "1000",
        meaning: "connections of one address",
        kind: Kind::Limit("connections", 1..=CONNECTIONS_LIMIT as u64, |config| {
            &mut config.connections_per_address_max
        }),
    },
    Setting {
        name: "CONNECTIONS_PER_USER_MAX",
        default: "8",
        meaning: "connections of one user",
        kind: Kind::Limit("connections", 1..=CONNECTIONS_LIMIT as u64, |config| {
            &mut config.connections_per_user_max
        }),
    },
    Setting {
        name: "DUPLICATE_IDENTITY",
        default: "replace",
        meaning: "which connection stays when a user joins a room twice",
        kind: Kind::Own {
            accepted: "replace (the newer connection stays) or reject (the older one stays, as long as it answers)",
            set: |config, text| {
                config.duplicate_identity = match &*text.to_ascii_lowercase() {
                    "replace" => Duplicates::Replace,
                    "reject" => Duplicates::Reject,
                    _ => return Err(format!("{} is neither", quoted(text))),
                };
                Ok(())
            },
            show: |config| match config.duplicate_identity {
                Duplicates::Replace => "replace".to_owned(),
                Duplicates::Reject => "reject".to_owned(),
            },
        },
    },
    rates::ACCEPT_RATE,
    rates::JOIN_RATE,
    rates::JOIN_BURST,
    rates::CLOSES_PER_USER_MAX,
    rates::AUTH_FAILURES_MAX,
    Setting {
        name: "ROOMS_MAX",
        default: "as many as CONNECTIONS_MAX",
        meaning: "rooms at the same time",
        kind: Kind::Optional("rooms", 1..=CONNECTIONS_LIMIT as u64, |config| &mut config.rooms_max),
    },
    rates::SIGNAL_RATE,
    rates::SIGNAL_BURST,
    rates::STATE_RATE,
    rates::STATE_BURST,
    rates::BYTES_RATE,
    rates::BYTES_BURST,
    Setting {
        name: "MESSAGE_BYTES_MAX",
        default: "65536",
        meaning: "size of one message",
        kind: Kind::Count("bytes", 8_192..=16_777_216, |config| &mut config.message_bytes_max),
    },
    Setting {
        name: "SEND_QUEUE_BYTES_MAX",
        default: "262144",
        meaning: "unsent bytes for one slow client; past this it is disconnected",
        kind: Kind::Count("bytes", 16_384..=67_108_864, |config| &mut config.send_queue_bytes_max),
    },
    Setting {
        name: "RETAINED_BYTES_MAX",
        default: "65536",
        meaning: "relayed bytes kept for one participant until they are known to have arrived",
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
    Setting {
        name: "MEMORY_MAX",
        default: "what the limits add up to",
        meaning: "memory that the limits may add up to",
        kind: Kind::Optional("bytes", 16_777_216..=1_099_511_627_776, |config| {
            &mut config.memory_max
        }),
    },
    Setting {
        name: "THREADS",
        default: "one per core, but 1 if there are at most two cores",
        meaning: "event loops, each with its own rooms",
        kind: Kind::Optional("threads", 1..=THREADS_MAX as u64, |config| &mut config.threads),
    },
    admin::ADDR,
    admin::TOKEN,
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
        default: "json; text on a terminal",
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
    admin::DRAIN_SECONDS,
    admin::TAKE_OVER,
];
