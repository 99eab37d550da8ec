//! The settings of the administrator's listener, and of the shutdown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::kind::Kind;
use super::problems::quoted;
use super::setting::{self, Setting};
use super::{Config, Problem, SECRET_BYTES_MIN};

/// Where the program listens for its operator, unless configured otherwise.
pub const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// `DRAIN_SECONDS`
pub(super) const DRAIN_SECONDS: Setting = Setting {
    name: "DRAIN_SECONDS",
    default: "20",
    meaning: "how long a graceful shutdown may take",
    kind: Kind::Seconds(1..=3_600, |config| &mut config.drain),
};

/// `TAKE_OVER`
pub(super) const TAKE_OVER: Setting = Setting {
    name: "TAKE_OVER",
    default: "false",
    meaning: "ask a server that already runs with the same audit log and address to leave",
    kind: Kind::Flag(|config| &mut config.take_over),
};

pub(super) const ADDR: Setting = Setting {
    name: "ADMIN_ADDR",
    default: "127.0.0.1:8081",
    meaning: "address of the administrator's listener: metrics, dashboard, API",
    kind: Kind::Own {
        accepted: "an IP address and a port, such as 127.0.0.1:8081 or [::1]:8081 (port 0 takes any free port), or off",
        set: |config, text| {
            config.admin =
                match text {
                    off if off.eq_ignore_ascii_case("off") => None,
                    text => Some(text.parse::<SocketAddr>().map_err(|_| {
                        format!("{} is not an IP address with a port", quoted(text))
                    })?),
                };
            Ok(())
        },
        show: |config| config.admin.map_or_else(|| "off".to_owned(), |address| address.to_string()),
    },
};

pub(super) const TOKEN: Setting = Setting {
    name: "ADMIN_TOKEN",
    default: "none: anyone who can connect to ADMIN_ADDR is the administrator",
    meaning: "token that an administrator has to show",
    kind: Kind::Secret(|config| &mut config.admin_token),
};

/// An empty token is fine on this machine.
pub(super) fn token_is_long_enough(config: &Config) -> Option<Problem> {
    let len = config.admin_token.reveal().len();
    let accepted = setting::accepted("ADMIN_TOKEN");
    let fault = if (1..SECRET_BYTES_MIN).contains(&len) {
        format!("has only {len} bytes, which can be guessed")
    } else if config.admin_token.reveal().iter().any(|byte| !matches!(byte, b' '..=b'~')) {
        "has characters that a request cannot carry: ASCII only, without control characters"
            .to_owned()
    } else {
        return None;
    };
    Some(Problem::new("ADMIN_TOKEN", fault, accepted))
}

/// Anybody who reaches it can end every call.
pub(super) fn others_need_a_token(config: &Config) -> Option<Problem> {
    let address = config.admin?;
    let open = !address.ip().to_canonical().is_loopback() && config.admin_token.reveal().is_empty();
    open.then(|| {
        Problem::new(
            "ADMIN_TOKEN",
            format!(
                "is not set while ADMIN_ADDR {address} can be reached from other machines, and whoever reaches it can end \
                 every call"
            ),
            format!(
                "{} (`openssl rand -base64 48` makes one); or ADMIN_ADDR=127.0.0.1:8081, or off",
                setting::accepted("ADMIN_TOKEN")
            ),
        )
    })
}
