//! The settings of the audit log that have rules of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::kind::number;
use super::problems::quoted;
use super::{AuditSync, Checkpoint, Config};

/// What `interval` alone means.
const INTERVAL_MS: u32 = 1_000;

pub(super) fn set_dir(config: &mut Config, text: &str) -> Result<(), String> {
    config.audit_dir = PathBuf::from(text);
    // Its key stands beside it.
    match config.audit_dir.file_name() {
        Some(_) => Ok(()),
        None => Err(format!("{} is not the name of a folder of its own", quoted(text))),
    }
}

pub(super) fn set_key_file(config: &mut Config, text: &str) -> Result<(), String> {
    config.audit_key_file = Some(PathBuf::from(text));
    Ok(())
}

pub(super) fn show_key_file(config: &Config) -> String {
    let path = config.audit_key_file.as_deref();
    path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn set_sync(config: &mut Config, text: &str) -> Result<(), String> {
    let text = text.to_ascii_lowercase();
    config.audit_sync = match text.split_once(':') {
        None if text == "always" => AuditSync::Always,
        None if text == "interval" => AuditSync::Interval(INTERVAL_MS),
        Some(("interval", millis)) => AuditSync::Interval(number(millis, &(1..=60_000))? as u32),
        _ => return Err(format!("{} is neither always nor an interval", quoted(&text))),
    };
    Ok(())
}

pub(super) fn show_sync(config: &Config) -> String {
    match config.audit_sync {
        AuditSync::Always => "always".to_owned(),
        AuditSync::Interval(millis) => format!("interval:{millis}"),
    }
}

pub(super) fn set_checkpoint(config: &mut Config, text: &str) -> Result<(), String> {
    let address = |text: &str| {
        text.parse::<SocketAddr>().map_err(|_| {
            format!("{} is not an IP address and a port (names are not looked up)", quoted(text))
        })
    };
    config.audit_checkpoint = Some(match text.split_once(':') {
        Some(("udp", target)) => Checkpoint::Udp(address(target)?),
        Some(("tcp", target)) => Checkpoint::Tcp(address(target)?),
        _ if Path::new(text).is_absolute() => Checkpoint::File(PathBuf::from(text)),
        _ => return Err(format!("{} is neither an absolute path nor udp: or tcp:", quoted(text))),
    });
    Ok(())
}

pub(super) fn show_checkpoint(config: &Config) -> String {
    match &config.audit_checkpoint {
        None => String::new(),
        Some(Checkpoint::File(path)) => path.to_string_lossy().into_owned(),
        Some(Checkpoint::Udp(address)) => format!("udp:{address}"),
        Some(Checkpoint::Tcp(address)) => format!("tcp:{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_shown_the_same() {
        type Set = fn(&mut Config, &str) -> Result<(), String>;
        let mut config = Config::production("");
        let cases: [(Set, fn(&Config) -> String, &[&str], &[&str]); 2] = [
            (
                set_sync,
                show_sync,
                &["interval:1", "interval:60000", "always"],
                &["interval:0", "interval:x", "never", "interval:60001"],
            ),
            (
                set_checkpoint,
                show_checkpoint,
                &["udp:192.0.2.1:514", "tcp:[2001:db8::1]:601", "/var/log/checkpoints"],
                &["udp:syslog:514", "tcp:192.0.2.1", "checkpoints", "http://192.0.2.1:80"],
            ),
        ];
        for (set, show, good, bad) in cases {
            for text in good {
                assert_eq!(set(&mut config, text), Ok(()));
                assert_eq!(show(&config), *text);
            }
            for text in bad {
                assert!(set(&mut config, text).is_err(), "{text}");
            }
        }
        assert_eq!(set_sync(&mut config, "Interval"), Ok(()));
        assert_eq!(show_sync(&config), "interval:1000");
        assert!(set_dir(&mut config, "/").is_err());
    }
}
