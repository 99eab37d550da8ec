//! Combinations of settings that are refused although each value by itself is valid.

use std::net::IpAddr;

use crate::admission::origin::Origins;

use super::admin;
use super::ice;
use super::{Config, Environment, Problem, Problems, SECRET_BYTES_MIN, memory, setting};

/// A rule. It is skipped if one of its settings is already known to be wrong.
struct Rule {
    weighs: &'static [&'static str],
    check: fn(&Config) -> Option<Problem>,
}

const RULES: &[Rule] = &[
    Rule { weighs: &["JWT_SECRET"], check: secret_is_long_enough },
    Rule { weighs: &["JWT_SECRET_PREVIOUS"], check: previous_secret_is_long_enough },
    Rule {
        weighs: &["JWT_KID", "JWT_KID_PREVIOUS", "JWT_SECRET_PREVIOUS"],
        check: names_of_secrets_tell_them_apart,
    },
    Rule { weighs: &["CORS_ORIGIN"], check: pages_are_named_in_production },
    Rule { weighs: &["TLS_CERT", "TLS_KEY"], check: certificate_and_key_go_together },
    Rule {
        weighs: &["HOST", "BEHIND_PROXY", "TLS_CERT", "TLS_KEY"],
        check: tokens_are_not_sent_in_the_clear,
    },
    Rule { weighs: &["PROXY_PROTOCOL", "TRUSTED_PROXIES"], check: the_proxies_are_named },
    Rule { weighs: &["TRUSTED_PROXIES"], check: not_everybody_is_a_proxy },
    Rule {
        weighs: &["MESSAGE_BYTES_MAX", "SEND_QUEUE_BYTES_MAX"],
        check: a_message_fits_the_queue,
    },
    Rule { weighs: &["MEMORY_MAX"], check: the_limits_fit_the_memory },
    Rule {
        weighs: &["TURN_SERVER_URL", "TURN_SECRET", "TURN_USERNAME", "TURN_CREDENTIAL"],
        check: ice::credentials_fit,
    },
    Rule { weighs: &["TURN_SECRET"], check: ice::secret_is_long_enough },
    Rule { weighs: &["TURN_SECRET", "TURN_SECRET_PREVIOUS"], check: ice::previous_secret_fits },
    Rule { weighs: &["ADMIN_TOKEN"], check: admin::token_is_long_enough },
    Rule { weighs: &["ADMIN_ADDR", "ADMIN_TOKEN"], check: admin::others_need_a_token },
    Rule { weighs: &["TURN_SERVER_URL", "ICE_POLICY"], check: ice::a_relay_is_there },
];

/// Adds a problem for each violated rule.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    for rule in RULES {
        if !rule.weighs.iter().any(|name| problems.are_about(name))
            && let Some(problem) = (rule.check)(config)
        {
            problems.push(problem);
        }
    }
}

/// RFC 7518 3.2. The length is not secret; the value is.
fn secret_is_long_enough(config: &Config) -> Option<Problem> {
    let fault = match config.jwt_secret.reveal().len() {
        SECRET_BYTES_MIN.. => return None,
        0 => "is not set, so no token could be checked".to_owned(),
        len => format!("has only {len} bytes, which can be guessed"),
    };
    let accepted = setting::find("JWT_SECRET").map(super::Setting::accepted).unwrap_or_default();
    Some(Problem::new(
        "JWT_SECRET",
        fault,
        format!(
            "{accepted}, the same that signs the tokens (`openssl rand -base64 48` makes one), or JWT_SECRET_FILE \
             with the path of a file that holds it"
        ),
    ))
}

/// An empty one is fine.
fn previous_secret_is_long_enough(config: &Config) -> Option<Problem> {
    let len = config.jwt_secret_previous.reveal().len();
    let accepted = setting::find("JWT_SECRET_PREVIOUS").map(super::Setting::accepted);
    (1..SECRET_BYTES_MIN).contains(&len).then(|| {
        Problem::new(
            "JWT_SECRET_PREVIOUS",
            format!("has only {len} bytes, which can be guessed"),
            accepted.unwrap_or_default(),
        )
    })
}

/// A name that has no effect, or that names both keys, is a mistake.
fn names_of_secrets_tell_them_apart(config: &Config) -> Option<Problem> {
    let previous = config.jwt_kid_previous.as_ref()?;
    let fault = if config.jwt_secret_previous.reveal().is_empty() {
        "is set while JWT_SECRET_PREVIOUS is not, so that it is the name of nothing"
    } else if config.jwt_kid.as_ref() == Some(previous) {
        "is the same as JWT_KID, and no two keys may have one name"
    } else {
        return None;
    };
    Some(Problem::new(
        "JWT_KID_PREVIOUS",
        fault,
        "the `kid` of the tokens that the previous secret signed",
    ))
}

fn pages_are_named_in_production(config: &Config) -> Option<Problem> {
    let open =
        config.environment == Environment::Production && matches!(config.origins, Origins::Any);
    open.then(|| {
        Problem::new(
            "CORS_ORIGIN",
            "* would let every web page in the world connect, which is refused in production",
            setting::find("CORS_ORIGIN").map(super::Setting::accepted).unwrap_or_default(),
        )
    })
}

fn certificate_and_key_go_together(config: &Config) -> Option<Problem> {
    let (missing, set) = match (&config.tls_cert, &config.tls_key) {
        (Some(_), None) => ("TLS_KEY", "TLS_CERT"),
        (None, Some(_)) => ("TLS_CERT", "TLS_KEY"),
        _ => return None,
    };
    let fault = format!("is not set while {set} is, and one is of no use without the other");
    Some(Problem::new(missing, fault, "both of them, or neither"))
}

/// Anybody who can write the header can claim any address.
fn the_proxies_are_named(config: &Config) -> Option<Problem> {
    (config.proxy_protocol && config.trusted_proxies.is_empty()).then(|| {
        Problem::new(
            "PROXY_PROTOCOL",
            "is true while TRUSTED_PROXIES names nobody who may send the header, so that nobody could connect",
            "true together with TRUSTED_PROXIES, or false",
        )
    })
}

/// A trusted proxy is believed about the addresses of others.
fn not_everybody_is_a_proxy(config: &Config) -> Option<Problem> {
    config.trusted_proxies.hold_everybody().then(|| {
        Problem::new(
            "TRUSTED_PROXIES",
            format!(
                "{} holds every address, so that everybody could claim to come from any other: no list and no limit by \
                 address would hold",
                config.trusted_proxies
            ),
            "the addresses of the proxies alone, such as 10.0.0.5, or the smallest network that they are in",
        )
    })
}

fn tokens_are_not_sent_in_the_clear(config: &Config) -> Option<Problem> {
    let safe = is_loopback(config.host) || config.behind_proxy || config.tls_cert.is_some();
    (config.environment == Environment::Production && !safe).then(|| {
        Problem::new(
            "BEHIND_PROXY",
            format!(
                "is false and TLS_CERT is not set while HOST {} can be reached from other machines: without TLS (HTTPS) \
                 tokens and call details would cross the network unencrypted",
                config.host
            ),
            "TLS_CERT and TLS_KEY with a certificate; or true where a proxy in front of this server (nginx, Caddy, a load \
             balancer) ends TLS and nobody else can reach the port; or HOST=127.0.0.1",
        )
    })
}

/// Otherwise a message of the maximum size could not be relayed while anything else waits.
fn a_message_fits_the_queue(config: &Config) -> Option<Problem> {
    let needed = config.message_bytes_max.saturating_mul(2);
    (config.send_queue_bytes_max < needed).then(|| {
        Problem::new(
            "SEND_QUEUE_BYTES_MAX",
            format!(
                "{} does not hold two messages of MESSAGE_BYTES_MAX {}",
                config.send_queue_bytes_max, config.message_bytes_max
            ),
            format!("at least {needed}, or a smaller MESSAGE_BYTES_MAX"),
        )
    })
}

/// The sum of the limits is known before the start, so the memory cannot run out in the middle of a
/// call.
fn the_limits_fit_the_memory(config: &Config) -> Option<Problem> {
    let max = config.memory_max?;
    let sum = memory::sum(config);
    (sum > max).then(|| {
        Problem::new(
            "MEMORY_MAX",
            format!("{max} is less than the {sum} bytes that the limits add up to"),
            format!(
                "at least {sum}, or smaller limits: CONNECTIONS_MAX is {}, and most of the sum goes with it",
                config.connections_max
            ),
        )
    })
}

fn is_loopback(host: IpAddr) -> bool {
    host.to_canonical().is_loopback()
}
