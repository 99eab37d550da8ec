//! The settings that are rate limits.

use super::Setting;
use super::kind::Kind;

pub(super) const ACCEPT_RATE: Setting = Setting {
    name: "ACCEPT_RATE",
    default: "1000",
    meaning: "new connections per second",
    kind: Kind::Limit("connections", 1..=1_000_000, |config| &mut config.accept_rate),
};

pub(super) const JOIN_RATE: Setting = Setting {
    name: "JOIN_RATE",
    default: "5",
    meaning: "how often one user may join one session per second",
    kind: Kind::Limit("joins", 1..=1_000_000, |config| &mut config.join_rate),
};

pub(super) const JOIN_BURST: Setting = Setting {
    name: "JOIN_BURST",
    default: "1000",
    meaning: "the same, burst after a pause",
    kind: Kind::Count("joins", 1..=1_000_000, |config| &mut config.join_burst),
};

pub(super) const CLOSES_PER_USER_MAX: Setting = Setting {
    name: "CLOSES_PER_USER_MAX",
    default: "10",
    meaning: "connections of one user in one session that may be closed for misbehaviour per minute",
    kind: Kind::Limit("closes", 1..=1_000_000, |config| &mut config.closes_per_user_max),
};

pub(super) const AUTH_FAILURES_MAX: Setting = Setting {
    name: "AUTH_FAILURES_MAX",
    default: "20",
    meaning: "invalid tokens from one address in ten minutes",
    kind: Kind::Limit("failures", 1..=1_000_000, |config| &mut config.auth_failures_max),
};

pub(super) const SIGNAL_RATE: Setting = Setting {
    name: "SIGNAL_RATE",
    default: "50",
    meaning: "offers, answers and candidates of one connection per second",
    kind: Kind::Limit("messages", 1..=1_000_000, |config| &mut config.signal_rate),
};

pub(super) const SIGNAL_BURST: Setting = Setting {
    name: "SIGNAL_BURST",
    default: "200",
    meaning: "the same, burst after a pause",
    kind: Kind::Count("messages", 1..=1_000_000, |config| &mut config.signal_burst),
};

pub(super) const STATE_RATE: Setting = Setting {
    name: "STATE_RATE",
    default: "10",
    meaning: "other messages of one connection per second",
    kind: Kind::Limit("messages", 1..=1_000_000, |config| &mut config.state_rate),
};

pub(super) const STATE_BURST: Setting = Setting {
    name: "STATE_BURST",
    default: "40",
    meaning: "the same, burst after a pause",
    kind: Kind::Count("messages", 1..=1_000_000, |config| &mut config.state_burst),
};

pub(super) const BYTES_RATE: Setting = Setting {
    name: "BYTES_RATE",
    default: "262144",
    meaning: "bytes read from one connection per second",
    kind: Kind::Limit("bytes", 4_096..=1_073_741_824, |config| &mut config.bytes_rate),
};

pub(super) const BYTES_BURST: Setting = Setting {
    name: "BYTES_BURST",
    default: "1048576",
    meaning: "the same, burst after a pause",
    kind: Kind::Count("bytes", 4_096..=1_073_741_824, |config| &mut config.bytes_burst),
};
