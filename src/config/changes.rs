//! What has changed from one configuration to the next, and which changes take effect without a
//! restart.

use super::Config;
use super::settings::SETTINGS;

/// Settings that take effect at once when the configuration is read again. The others take effect
/// at the next start.
pub const RELOADED: &[&str] = &[
    "TLS_CERT",
    "TLS_KEY",
    "IP_ALLOWLIST",
    "TRUSTED_PROXIES",
    "JWT_SECRET",
    "JWT_SECRET_PREVIOUS",
    "JWT_KID",
    "JWT_KID_PREVIOUS",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "TOKEN_LEEWAY",
    "CORS_ORIGIN",
    "ORIGIN_REQUIRED",
    "LOG_LEVEL",
];

/// A setting whose value has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: &'static str,
    /// The old and the new value: empty for none, stars for a secret.
    pub values: [String; 2],
    /// Whether it takes effect at once.
    pub at_once: bool,
}

/// The differences, in the order of the settings.
pub fn changes(before: &Config, after: &Config) -> Vec<Change> {
    let (mut before, mut after) = (before.clone(), after.clone());
    let changed = SETTINGS.iter().filter_map(|setting| {
        let differs = setting.kind.differs(&mut before, &mut after);
        let mut values = || [setting.kind.show(&mut before), setting.kind.show(&mut after)];
        let at_once = RELOADED.contains(&setting.name);
        differs.then(|| Change { name: setting.name, values: values(), at_once })
    });
    changed.collect()
}

impl Config {
    /// This configuration, with the settings that take effect at once taken from `next`.
    pub fn with_reloaded(&self, next: &Self) -> Self {
        Self {
            tls_cert: next.tls_cert.clone(),
            tls_key: next.tls_key.clone(),
            ip_allowlist: next.ip_allowlist.clone(),
            trusted_proxies: next.trusted_proxies.clone(),
            jwt_secret: next.jwt_secret.clone(),
            jwt_secret_previous: next.jwt_secret_previous.clone(),
            jwt_kid: next.jwt_kid.clone(),
            jwt_kid_previous: next.jwt_kid_previous.clone(),
            jwt_issuer: next.jwt_issuer.clone(),
            jwt_audience: next.jwt_audience.clone(),
            token_leeway: next.token_leeway,
            origins: next.origins.clone(),
            origin_required: next.origin_required,
            log_level: next.log_level,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::redacted::Redacted;

    #[test]
    fn what_differs_is_told_without_secrets_and_what_can_be_taken_over_is() {
        let before = Config::production("one secret of at least 32 bytes..");
        let mut after = before.clone();
        assert_eq!(changes(&before, &after), []);
        after.jwt_secret = Redacted::new(b"marker-secret".to_vec());
        after.origin_required = true;
        after.port = 9_000;
        let told = changes(&before, &after);
        let names: Vec<_> = told.iter().map(|change| (change.name, change.at_once)).collect();
        assert_eq!(names, [("PORT", false), ("JWT_SECRET", true), ("ORIGIN_REQUIRED", true)]);
        assert!(!format!("{told:?}").contains("marker"));
        let taken = before.with_reloaded(&after);
        let left: Vec<_> = changes(&taken, &after).iter().map(|change| change.name).collect();
        assert_eq!(left, ["PORT"]);
    }

    #[test]
    fn every_name_in_the_list_is_taken_over() {
        for name in RELOADED {
            assert!(SETTINGS.iter().any(|setting| setting.name == *name), "{name}");
        }
    }
}
