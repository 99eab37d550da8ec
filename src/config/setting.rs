//! What a setting is, and how one is found in the list.

use super::kind::Kind;
use super::settings::SETTINGS;
use super::{Config, Problem, Problems};

/// A setting: one row of the list.
pub struct Setting {
    /// The name of the variable.
    pub name: &'static str,
    /// The default in words, or the default value itself.
    pub default: &'static str,
    /// What it does, in half a sentence.
    pub meaning: &'static str,
    pub(super) kind: Kind,
}

impl Setting {
    /// What is accepted, in words.
    pub fn accepted(&self) -> String {
        self.kind.accepted()
    }

    /// Whether its value is a path on this machine.
    pub(super) fn is_path(&self) -> bool {
        matches!(
            self.name,
            "AUDIT_DIR" | "AUDIT_KEY_FILE" | "AUDIT_CHECKPOINT" | "TLS_CERT" | "TLS_KEY"
        )
    }

    /// Whether its value is never shown, and may come from the file that `NAME_FILE` names.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_) | Kind::Password(_))
    }
}

/// The setting with this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// What the setting with this name accepts, in words.
pub(super) fn accepted(name: &str) -> String {
    find(name).map(Setting::accepted).unwrap_or_default()
}

/// The position of a problem's setting in the list; files come before all settings.
pub(super) fn position(name: &str) -> Option<usize> {
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    SETTINGS.iter().position(|setting| setting.name == name || setting.name == base)
}

/// Adds a problem for each number that is out of range.
pub(super) fn check_ranges(config: &Config, problems: &mut Problems) {
    let mut config = config.clone();
    for setting in SETTINGS {
        if let Some(fault) = setting.kind.range_fault(&mut config) {
            problems.push(Problem::new(setting.name, fault, setting.accepted()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_that_are_told_are_the_defaults() {
        let mut production = Config::production("");
        let mut development = Config::development("");
        for setting in SETTINGS.iter().filter(|setting| !setting.is_secret()) {
            let (in_production, in_development) =
                (setting.kind.show(&mut production), setting.kind.show(&mut development));
            let told = setting.default;
            match setting.name {
                "NODE_ENV" => assert_eq!(told, in_production),
                "CONNECTIONS_MAX" => assert_eq!(in_production, (1024 - 64).to_string()),
                "JWT_ISSUER" | "JWT_AUDIENCE" | "STUN_URLS" | "TURN_SERVER_URL"
                | "TURN_USERNAME" | "AUDIT_KEY_FILE" | "AUDIT_CHECKPOINT" | "TLS_CERT"
                | "TLS_KEY" | "THREADS" | "IP_ALLOWLIST" | "TRUSTED_PROXIES" | "ROOMS_MAX"
                | "MEMORY_MAX" => {
                    assert_eq!(in_production, "");
                }
                // A configuration that was filled by hand has none.
                "ADMIN_ADDR" => assert_eq!(in_production, "off"),
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
