//! The settings about STUN and TURN servers, and which of them go together.

use crate::base::redacted::Redacted;
use crate::base::time::Duration;
use crate::wire::ice_url::IceUrl;
use crate::wire::turn::SECRET_BYTES_MIN;

use super::kind::Kind;
use super::problems::quoted;
use super::{Config, Problem, Setting, setting};

/// The maximum number of servers in one list. With many servers, a browser takes longer for every
/// call.
const URLS_MAX: usize = 8;

/// The longest user name (RFC 8489 14.3).
const USERNAME_BYTES_MAX: usize = 508;

/// The TURN servers, and how clients log in to them: with credentials derived from a shared secret,
/// with one name for all, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// `TURN_SERVER_URL`: the servers that relay if there is no direct path.
    pub urls: Vec<IceUrl>,
    /// `TURN_SECRET`: the secret from which expiring credentials are made; empty for none.
    pub secret: Redacted<Vec<u8>>,
    /// `TURN_SECRET_PREVIOUS`: the secret before the last change; empty for none. No credentials
    /// are made with it.
    pub secret_previous: Redacted<Vec<u8>>,
    /// `TURN_TTL`: how long credentials made with the secret are valid.
    pub ttl: Duration,
    /// `TURN_USERNAME`: the user name that is the same for everybody, instead of a secret.
    pub username: Option<String>,
    /// `TURN_CREDENTIAL`: the password that goes with it; empty for none.
    pub credential: Redacted<String>,
}

/// No servers.
impl Default for Turn {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            secret: Redacted::new(Vec::new()),
            secret_previous: Redacted::new(Vec::new()),
            ttl: Duration::from_secs(3_600),
            username: None,
            credential: Redacted::new(String::new()),
        }
    }
}

pub(super) const STUN_URLS: Setting = Setting {
    name: "STUN_URLS",
    default: "none",
    meaning: "STUN servers that tell clients their public address",
    kind: Kind::Own {
        accepted: "up to 8 addresses separated by commas, such as stun:turn.example.org or stun:192.0.2.7:3478",
        set: |config, text| {
            config.stun_urls = urls(text, false)?;
            Ok(())
        },
        show: |config| joined(&config.stun_urls),
    },
};

pub(super) const TURN_SERVER_URL: Setting = Setting {
    name: "TURN_SERVER_URL",
    default: "none",
    meaning: "TURN servers that relay audio and video if there is no direct path",
    kind: Kind::Own {
        accepted: "up to 8 addresses separated by commas, such as \
                   turn:turn.example.org,turns:turn.example.org:443?transport=tcp",
        set: |config, text| {
            config.turn.urls = urls(text, true)?;
            Ok(())
        },
        show: |config| joined(&config.turn.urls),
    },
};

pub(super) const TURN_SECRET: Setting = Setting {
    name: "TURN_SECRET",
    default: "none",
    meaning: "secret shared with the TURN servers, for expiring credentials (coturn: static-auth-secret)",
    kind: Kind::Secret(|config| &mut config.turn.secret),
};

pub(super) const TURN_SECRET_PREVIOUS: Setting = Setting {
    name: "TURN_SECRET_PREVIOUS",
    default: "none",
    meaning: "secret before the last change, which the TURN servers still accept",
    kind: Kind::Secret(|config| &mut config.turn.secret_previous),
};

pub(super) const TURN_TTL: Setting = Setting {
    name: "TURN_TTL",
    default: "3600",
    meaning: "lifetime of credentials made with TURN_SECRET",
    kind: Kind::Seconds(10..=86_400, |config| &mut config.turn.ttl),
};

pub(super) const TURN_USERNAME: Setting = Setting {
    name: "TURN_USERNAME",
    default: "none",
    meaning: "fixed user name at the TURN servers, instead of TURN_SECRET",
    kind: Kind::Own {
        accepted: "any text of at most 508 bytes",
        set: |config, text| {
            if text.len() > USERNAME_BYTES_MAX {
                return Err(format!("has {} bytes", text.len()));
            }
            config.turn.username = Some(text.to_owned());
            Ok(())
        },
        show: |config| config.turn.username.clone().unwrap_or_default(),
    },
};

pub(super) const TURN_CREDENTIAL: Setting = Setting {
    name: "TURN_CREDENTIAL",
    default: "none",
    meaning: "password that goes with TURN_USERNAME",
    kind: Kind::Password(|config| &mut config.turn.credential),
};

pub(super) const ICE_POLICY: Setting = Setting {
    name: "ICE_POLICY",
    default: "all",
    meaning: "which paths audio and video may take: any, or through TURN servers only",
    kind: Kind::Own {
        accepted: "all or relay",
        set: |config, text| {
            config.relay_only = match text.to_ascii_lowercase().as_str() {
                "all" => false,
                "relay" => true,
                _ => return Err(format!("{} is neither all nor relay", quoted(text))),
            };
            Ok(())
        },
        show: |config| if config.relay_only { "relay" } else { "all" }.to_owned(),
    },
};

fn urls(text: &str, turn: bool) -> Result<Vec<IceUrl>, String> {
    let urls: Vec<IceUrl> =
        text.split(',').map(|one| url(one.trim(), turn)).collect::<Result<_, _>>()?;
    if urls.len() > URLS_MAX { Err(format!("names {} servers", urls.len())) } else { Ok(urls) }
}

fn url(text: &str, turn: bool) -> Result<IceUrl, String> {
    // A text that may contain a password is not shown.
    let shown = if text.contains('@') { "an address".to_owned() } else { quoted(text) };
    let url = IceUrl::parse(text).map_err(|fault| match text {
        "" => "has nothing between two commas".to_owned(),
        _ => format!("{shown} {fault}"),
    })?;
    match (url.scheme.is_turn(), turn) {
        (true, false) => {
            Err(format!("{shown} is a TURN server, which belongs into TURN_SERVER_URL"))
        }
        (false, true) => Err(format!("{shown} is a STUN server, which belongs into STUN_URLS")),
        _ => Ok(url),
    }
}

fn joined(urls: &[IceUrl]) -> String {
    let texts: Vec<String> = urls.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// If there is a TURN server, exactly one kind of credentials must be set, and complete. Without
/// one, none may be set.
pub(super) fn credentials_fit(config: &Config) -> Option<Problem> {
    let limited = has(&config.turn.secret);
    let (user, password) =
        (config.turn.username.is_some(), !config.turn.credential.reveal().is_empty());
    let either = "TURN_SECRET (coturn's use-auth-secret), or TURN_USERNAME and TURN_CREDENTIAL";
    let (name, fault, accepted) = match (config.turn.urls.is_empty(), limited, user, password) {
        (_, true, true, _) | (_, true, _, true) => (
            "TURN_SECRET",
            "is set, and so is TURN_USERNAME or TURN_CREDENTIAL, so it is not clear which credentials clients shall get",
            format!("one of the two: {either}"),
        ),
        (_, _, true, false) => (
            "TURN_CREDENTIAL",
            "is not set, and TURN_USERNAME alone opens nothing",
            "the password that goes with it, or TURN_CREDENTIAL_FILE with the path of a file that holds it".to_owned(),
        ),
        (_, _, false, true) => (
            "TURN_USERNAME",
            "is not set, and TURN_CREDENTIAL alone opens nothing",
            "the user name that goes with it".to_owned(),
        ),
        (false, false, false, false) => (
            "TURN_SERVER_URL",
            "is set without credentials, and a TURN server relays for nobody who has none",
            format!("with it {either}"),
        ),
        (true, true, ..) | (true, _, true, _) => (
            "TURN_SERVER_URL",
            "is not set, so the credentials for TURN servers would have no effect",
            setting::accepted("TURN_SERVER_URL"),
        ),
        _ => return None,
    };
    Some(Problem::new(name, fault, accepted))
}

/// Clients could try secrets offline against the credentials that they were given.
pub(super) fn secret_is_long_enough(config: &Config) -> Option<Problem> {
    short("TURN_SECRET", &config.turn.secret)
}

pub(super) fn previous_secret_fits(config: &Config) -> Option<Problem> {
    if has(&config.turn.secret_previous) && !has(&config.turn.secret) {
        let fault = "is set without TURN_SECRET, so it is the previous one of none";
        return Some(Problem::new(
            "TURN_SECRET_PREVIOUS",
            fault,
            "TURN_SECRET as well, or neither",
        ));
    }
    short("TURN_SECRET_PREVIOUS", &config.turn.secret_previous)
}

/// Otherwise no call could ever be established.
pub(super) fn a_relay_is_there(config: &Config) -> Option<Problem> {
    (config.relay_only && config.turn.urls.is_empty()).then(|| {
        Problem::new(
            "ICE_POLICY",
            "is relay, and there is no TURN server to relay",
            "all, or TURN_SERVER_URL with a TURN server",
        )
    })
}

fn has(secret: &Redacted<Vec<u8>>) -> bool {
    !secret.reveal().is_empty()
}

fn short(name: &str, secret: &Redacted<Vec<u8>>) -> Option<Problem> {
    let len = secret.reveal().len();
    (1..SECRET_BYTES_MIN).contains(&len).then(|| {
        let fault = format!("has only {len} bytes, which can be guessed");
        Problem::new(name, fault, setting::accepted(name))
    })
}
