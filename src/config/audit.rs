//! The settings of the audit log that have rules of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::kind::{Kind, number};
use super::problems::quoted;
use super::setting::Setting;
use super::{AuditSync, Checkpoint, Config};

/// The interval that `interval` alone stands for.
const INTERVAL_MS: u32 = 1_000;

pub(super) const DIR: Setting = Setting {
    name: "AUDIT_DIR",
    default: "data/audit",
    meaning: "folder of the audit log",
    kind: Kind::Own {
        accepted: "the path of a folder, which is created if it does not exist",
        set: set_dir,
        show: |config| config.audit_dir.to_string_lossy().into_owned(),
    },
};

pub(super) const KEY_FILE: Setting = Setting {
    name: "AUDIT_KEY_FILE",
    default: "audit.key beside AUDIT_DIR",
    meaning: "file with the keys of the audit log",
    kind: Kind::Own {
        accepted: "the path of a file that only its owner may read, which is created if it does not exist",
        set: set_key_file,
        show: show_key_file,
    },
};

pub(super) const RETENTION_DAYS: Setting = Setting {
    name: "AUDIT_RETENTION_DAYS",
    default: "2192",
    meaning: "how long records of the audit log are kept",
    kind: Kind::Count("days", 2_192..=36_525, |config| &mut config.audit_retention_days),
};

pub(super) const SYNC: Setting = Setting {
    name: "AUDIT_SYNC",
    default: "always",
    meaning: "when the audit log is synced to disk",
    kind: Kind::Own {
        accepted: "always, or interval (1000 ms) or interval:N with a whole number of ms from 1 to 60000",
        set: set_sync,
        show: show_sync,
    },
};

pub(super) const CHECKPOINT: Setting = Setting {
    name: "AUDIT_CHECKPOINT",
    default: "none",
    meaning: "where signed checkpoints of the audit log go",
    kind: Kind::Own {
        accepted: "the absolute path of a file, or udp:ADDRESS:PORT or tcp:ADDRESS:PORT of a syslog server by \
                       its IP address",
        set: set_checkpoint,
        show: show_checkpoint,
    },
};

fn set_dir(config: &mut Config, text: &str) -> Result<(), String> {
    config.audit_dir = PathBuf::from(text);
    // Its key file is beside it.
    match config.audit_dir.file_name() {
        Some(_) => Ok(()),
        None => Err(format!("{} is not the name of a folder of its own", quoted(text))),
    }
}

fn set_key_file(config: &mut Config, text: &str) -> Result<(), String> {
    config.audit_key_file = Some(PathBuf::from(text));
    Ok(())
}

fn show_key_file(config: &Config) -> String {
    let path = config.audit_key_file.as_deref();
    path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
}

fn set_sync(config: &mut Config, text: &str) -> Result<(), String> {
    let text = text.to_ascii_lowercase();
    config.audit_sync = match text.split_once(':') {
        None if text == "always" => AuditSync::Always,
        None if text == "interval" => AuditSync::Interval(INTERVAL_MS),
        Some(("interval", millis)) => AuditSync::Interval(number(millis, &(1..=60_000))? as u32),
        _ => return Err(format!("{} is neither always nor an interval", quoted(&text))),
    };
    Ok(())
}

fn show_sync(config: &Config) -> String {
    match config.audit_sync {
        AuditSync::Always => "always".to_owned(),
        AuditSync::Interval(millis) => format!("interval:{millis}"),
    }
}

fn set_checkpoint(config: &mut Config, text: &str) -> Result<(), String> {
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

fn show_checkpoint(config: &Config) -> String {
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
        let mut config = Config::production("");
        let mut reads =
            |kind: &Kind, text: &str| kind.set(&mut config, text).map(|()| kind.show(&mut config));
        for text in ["interval:1", "interval:60000", "always"] {
            assert_eq!(reads(&SYNC.kind, text).as_deref(), Ok(text));
        }
        for text in ["udp:192.0.2.1:514", "tcp:[2001:db8::1]:601", "/var/log/checkpoints"] {
            assert_eq!(reads(&CHECKPOINT.kind, text).as_deref(), Ok(text));
        }
        assert_eq!(reads(&SYNC.kind, "Interval").as_deref(), Ok("interval:1000"));
        for text in ["interval:0", "interval:x", "never", "interval:60001"] {
            assert!(reads(&SYNC.kind, text).is_err(), "{text}");
        }
        for text in ["udp:syslog:514", "tcp:192.0.2.1", "checkpoints", "http://192.0.2.1:80"] {
            assert!(reads(&CHECKPOINT.kind, text).is_err(), "{text}");
        }
        assert!(reads(&DIR.kind, "/").is_err());
    }
}
