//! The process as a source: of settings (its environment first, then the file given with `--env-file`), of the time,
//! and of random ids.

use std::io::IsTerminal;
use std::time::{SystemTime, UNIX_EPOCH};

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::config::{EnvFile, Problems, Source, Value};
use uuid::Uuid;

/// This process and its surroundings.
pub struct Process {
    env_file: EnvFile,
}

impl Process {
    /// With the settings of `env_file` behind those of the environment.
    pub const fn new(env_file: EnvFile) -> Self {
        Self { env_file }
    }
}

impl Source for Process {
    fn value(&self, name: &str) -> Option<Value> {
        let set = std::env::var_os(name).filter(|text| !text.is_empty());
        set.map(Value::from_environment).or_else(|| self.env_file.value(name))
    }

    fn problems(&self) -> Problems {
        self.env_file.problems().clone()
    }

    fn on_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    fn made_up_secret(&self) -> Option<Redacted<Vec<u8>>> {
        // Each holds 122 random bits of the operating system: three are more than the 256 of the hash.
        Some(Redacted::new([(); 3].map(|()| random_id().into_bytes()).concat()))
    }
}

/// An id that nobody can guess.
pub fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// The wall clock.
pub fn wall_time() -> WallTime {
    // Before 1970 a clock is set wrongly, and no token made by it could be good anyway.
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
