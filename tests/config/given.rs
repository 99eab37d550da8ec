//! A process environment that exists only in these tests.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::config::{Config, EnvFile, Problems, Source, Value};

/// Long enough, and easy to find where it must not be.
pub const SECRET: &str = "marker-secret-0123456789-0123456789";
/// The one file that exists here.
pub const PATH: &str = "/run/marker-path";

/// What the process is said to hold, and what its surroundings are said to allow.
#[derive(Default)]
pub struct Given {
    pub environment: HashMap<String, OsString>,
    pub env_file: EnvFile,
    pub file: Option<Vec<u8>>,
    pub open_files_max: Option<usize>,
    pub on_terminal: bool,
    pub makes_secrets: bool,
}

impl Given {
    pub fn new(values: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
        Self { environment: values.iter().map(pair).collect(), ..Self::default() }
    }

    /// A production that starts, with `values` in place of its own.
    pub fn production(values: &[(&str, &str)]) -> Self {
        Self::new(&[&[("JWT_SECRET", SECRET), ("BEHIND_PROXY", "true")], values].concat())
    }

    pub fn refused(&self) -> Vec<String> {
        let problems = Config::read(self).expect_err("must be refused");
        assert_eq!(problems.to_string().lines().count(), problems.len(), "a line each: {problems}");
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.iter().all(|line| line.contains(". Accepted: ")), "{problems}");
        lines
    }
}

impl Source for Given {
    fn value(&self, name: &str) -> Option<Value> {
        let set = self
            .environment
            .get(name)
            .filter(|text| !text.is_empty())
            .cloned()
            .map(Value::from_environment);
        set.or_else(|| self.env_file.value(name))
    }

    fn problems(&self) -> Problems {
        self.env_file.problems().clone()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        assert_eq!(path, Path::new(PATH));
        self.file.clone().ok_or(io::ErrorKind::NotFound.into())
    }

    fn open_files_max(&self) -> Option<usize> {
        self.open_files_max
    }

    fn on_terminal(&self) -> bool {
        self.on_terminal
    }

    fn made_up_secret(&self) -> Option<Redacted<Vec<u8>>> {
        self.makes_secrets.then(|| Redacted::new(b"made-up-secret-0123456789-0123456789".to_vec()))
    }
}
