//! From named texts to a configuration, recording where each value came from.

use std::fmt;
use std::path::Path;

use super::setting::Setting;
use super::settings::SETTINGS;
use super::source::{FILES_RESERVED, SetBy, Source, Value, connections_max, why_unreadable};
use super::{Config, Environment, LogFormat, Problem, Problems, rules};

/// A configuration with the origin of each of its values.
///
/// Its `Display` is the effective configuration: a line `NAME=value` for each setting, secrets as
/// stars.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The configuration.
    pub config: Config,
    set_by: Vec<(&'static str, SetBy)>,
}

impl Reading {
    /// Reads every setting from `source`.
    ///
    /// # Errors
    /// All problems at once, in the order of [`SETTINGS`]; no text in them shows a secret.
    pub fn read(source: &impl Source) -> Result<Self, Problems> {
        let mut problems = source.problems();
        let open_files = source.open_files_max();
        let mut reading = Self { config: defaults(source, open_files), set_by: Vec::new() };
        for setting in SETTINGS {
            if !problems.are_about(setting.name) {
                match read_setting(source, setting, &mut reading.config) {
                    Ok(by) => reading.set_by.push((setting.name, by)),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if reading.config.jwt_secret.reveal().is_empty() && !problems.are_about("JWT_SECRET") {
            reading.make_up_secret(source);
        }
        rules::check(&reading.config, &mut problems);
        let tls_files = reading.config.tls_files();
        problems.extend(tls_files.and_then(|files| files.load_by(|path| source.file(path)).err()));
        if !problems.are_about("CONNECTIONS_MAX") {
            problems.extend(too_few_files(reading.config.connections_max, open_files));
        }
        problems.finish(|name| reading.set_by(name).place());
        problems.into_result(reading)
    }

    /// The origin of the value of the setting `name`.
    pub fn set_by(&self, name: &str) -> &SetBy {
        let found = self.set_by.iter().find(|(decided, _)| *decided == name);
        found.map_or(&SetBy::Default, |(_, by)| by)
    }

    fn make_up_secret(&mut self, source: &impl Source) {
        if self.config.environment == Environment::Development
            && let Some(secret) = source.made_up_secret()
        {
            self.config.jwt_secret = secret;
            self.set_by.retain(|(name, _)| *name != "JWT_SECRET");
            self.set_by.push(("JWT_SECRET", SetBy::MadeUp));
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut config = self.config.clone();
        for setting in SETTINGS {
            let value = setting.kind.show(&mut config);
            let shown = if is_plain(&value) { value.clone() } else { format!("{value:?}") };
            let line = format!("{}={shown}", setting.name);
            write!(f, "{line:<40} # {}", self.set_by(setting.name))?;
            if value.is_empty() {
                write!(f, ": {}", setting.default)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The defaults for the environment and the surroundings, without a secret.
fn defaults(source: &impl Source, open_files: Option<usize>) -> Config {
    let named = source.value("NODE_ENV");
    let named =
        named.and_then(|value| Some(value.text.reveal().to_str()?.trim().to_ascii_lowercase()));
    let mut config = match named.and_then(|name| Environment::parse(&name)) {
        Some(Environment::Development) => Config::development(""),
        _ => Config::production(""),
    };
    config.connections_max = connections_max(open_files);
    config.admin = source.admin_addr();
    if source.on_terminal() {
        config.log_format = LogFormat::Text;
    }
    config
}

/// Reads one setting into `config`, and returns its origin.
fn read_setting(
    source: &impl Source,
    setting: &Setting,
    config: &mut Config,
) -> Result<SetBy, Problem> {
    let problem = |fault: String, by: &SetBy| {
        Problem::new(setting.name, fault, setting.accepted()).at(by.place())
    };
    let found = if setting.is_secret() { secret(source, setting)? } else { text(source, setting)? };
    let Some((text, by)) = found else { return Ok(SetBy::Default) };
    if is_quoted(&text) {
        return Err(problem(
            "has quotes around it, which count as part of the value".to_owned(),
            &by,
        ));
    }
    setting.kind.set(config, &text).map_err(|fault| problem(fault, &by))?;
    Ok(by)
}

/// The text of a setting that is not secret, without surrounding blanks.
fn text(source: &impl Source, setting: &Setting) -> Result<Option<(String, SetBy)>, Problem> {
    let Some(value) = given(source, setting.name) else { return Ok(None) };
    let text = utf8(setting, &value)?.trim();
    Ok((!text.is_empty()).then(|| (text.to_owned(), value.set_by.clone())))
}

/// The text of a secret: its own value, or the contents of the file that `NAME_FILE` names.
fn secret(source: &impl Source, setting: &Setting) -> Result<Option<(String, SetBy)>, Problem> {
    let file = format!("{}_FILE", setting.name);
    let found = match (given(source, setting.name), given(source, &file)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (utf8(setting, &value)?.to_owned(), value.set_by),
        (None, Some(value)) => match secret_in_file(source, Path::new(value.text.reveal())) {
            Ok(text) => (text, SetBy::File),
            Err(fault) => {
                let accepted = "the path of a file that holds the secret as text and nothing else";
                return Err(Problem::new(&file, fault, accepted).at(value.set_by.place()));
            }
        },
        (Some(_), Some(_)) => {
            let fault =
                format!("is set, and {file} is set as well, so it is not clear which one counts");
            return Err(Problem::new(setting.name, fault, "one of the two"));
        }
    };
    if found.0.trim().len() != found.0.len() {
        let fault = "begins or ends with a blank or a line break, which would count as part of it";
        return Err(Problem::new(setting.name, fault, setting.accepted()).at(found.1.place()));
    }
    Ok(Some(found))
}

/// The contents of the file, without one line break at the end, which editors add.
fn secret_in_file(source: &impl Source, path: &Path) -> Result<String, String> {
    let bytes = source
        .file(path)
        .map_err(|error| format!("the file that it names {}", why_unreadable(&error)))?;
    let mut text = String::from_utf8(bytes).map_err(|_| {
        "the file that it names is not UTF-8 text (`openssl rand -base64 48` makes a secret)"
            .to_owned()
    })?;
    if text.ends_with('\n') {
        text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
    }
    if text.is_empty() { Err("the file that it names is empty".to_owned()) } else { Ok(text) }
}

/// Every connection is an open file. With more connections than files, connections would fail under
/// the highest load.
fn too_few_files(connections: usize, open_files: Option<usize>) -> Option<Problem> {
    let open_files = open_files?;
    let room = open_files.saturating_sub(FILES_RESERVED);
    (connections == 0 || connections > room).then(|| {
        let fault = format!(
            "{} connections do not fit into the {open_files} files that this process may open, {FILES_RESERVED} of \
             which are kept back",
            connections.max(1)
        );
        let raise = "a higher limit (LimitNOFILE= of systemd, --ulimit nofile= of Docker, `ulimit -n` of the shell)";
        let accepted = if room == 0 { raise.to_owned() } else { format!("at most {room}, or {raise}") };
        Problem::new("CONNECTIONS_MAX", fault, accepted)
    })
}

/// The value of `name`; an empty one counts as none.
fn given(source: &impl Source, name: &str) -> Option<Value> {
    source.value(name).filter(|value| !value.text.reveal().is_empty())
}

fn utf8<'a>(setting: &Setting, value: &'a Value) -> Result<&'a str, Problem> {
    let problem = || {
        Problem::new(setting.name, "is not UTF-8 text", setting.accepted()).at(value.set_by.place())
    };
    value.text.reveal().to_str().ok_or_else(problem)
}

/// Docker's `--env-file` keeps the quotes as a part of the value, which is never intended.
fn is_quoted(text: &str) -> bool {
    text.len() >= 2
        && ['"', '\''].iter().any(|quote| text.starts_with(*quote) && text.ends_with(*quote))
}

/// Whether a value can be written after `NAME=` without quotes.
fn is_plain(value: &str) -> bool {
    value
        .chars()
        .all(|char| char.is_ascii_graphic() && !matches!(char, '"' | '\'' | '\\' | '#' | '$' | '`'))
}
