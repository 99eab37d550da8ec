//! The process as a source of settings: its environment first, then the file given with
//! `--env-file`.

use std::io::IsTerminal;
use std::net::SocketAddr;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::config::{ADMIN_DEFAULT, EnvFile, Problems, Source, Value};
use autamedica_signaling::reactor::clock;

/// This process and its environment.
pub struct Process {
    env_file: EnvFile,
}

impl Process {
    /// The settings of the environment take precedence over those of `env_file`.
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

    fn admin_addr(&self) -> Option<SocketAddr> {
        Some(ADMIN_DEFAULT)
    }

    fn made_up_secret(&self) -> Option<Redacted<Vec<u8>>> {
        Some(Redacted::new(clock::random_secret().to_vec()))
    }
}
