//! The command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use autamedica_signaling::message::{Permissions, Role, RoomType, SessionId, UserId};

use super::audit_args::{self, AuditArgs};

/// The maximum lifetime of a token that the `token` command creates: 30 days.
pub const TOKEN_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;

/// The command.
#[derive(Debug)]
pub enum Command {
    /// Run the server.
    Serve {
        /// The file with settings.
        env_file: Option<PathBuf>,
    },
    /// Check and print the configuration.
    Check {
        /// The file with settings.
        env_file: Option<PathBuf>,
        /// Check the STUN and TURN servers instead of printing.
        network: bool,
    },
    /// Ask the server that runs with these settings whether it is healthy.
    Healthcheck {
        /// The file with settings.
        env_file: Option<PathBuf>,
    },
    /// Create a token.
    Token(TokenArgs),
    /// A command for the audit log.
    Audit(AuditArgs),
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// The content of a token. `None` means: generate it.
#[derive(Debug)]
pub struct TokenArgs {
    /// The file with settings.
    pub env_file: Option<PathBuf>,
    /// The user.
    pub user: Option<UserId>,
    /// The session that the user may enter.
    pub session: Option<SessionId>,
    /// The user's role.
    pub role: Role,
    /// The names of the user's permissions.
    pub permissions: Vec<String>,
    /// The type of the room, if the token names it.
    pub room_type: Option<RoomType>,
    /// How long the token is valid, in seconds.
    pub expires_secs: u64,
}

/// What is wrong with the command line, in one sentence.
#[derive(Debug)]
pub struct Usage(String);

impl Usage {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the arguments, without the program's own name.
///
/// # Errors
/// Arguments that are not understood. Their values are not repeated: one may be a secret.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let mut args: Vec<OsString> = args.collect();
    let is = |arg: &OsString, names: [&str; 2]| names.iter().any(|name| arg == name);
    if args.iter().any(|arg| is(arg, ["--help", "-h"])) {
        return Ok(Command::Help);
    }
    if args.first().is_some_and(|arg| is(arg, ["--version", "-V"])) {
        args[0] = "version".into();
    }
    let named = args.first().is_some_and(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
    let name = if named { args.remove(0) } else { "serve".into() };
    match name.to_str() {
        Some("serve") => {
            Ok(Command::Serve { env_file: Options::read(args, &["--env-file"])?.env_file() })
        }
        Some("check") => {
            let network = flag(&mut args, "--network");
            let env_file = Options::read(args, &["--env-file"])?.env_file();
            Ok(Command::Check { env_file, network })
        }
        Some("healthcheck") => {
            Ok(Command::Healthcheck { env_file: Options::read(args, &["--env-file"])?.env_file() })
        }
        Some("token") => token(args).map(Command::Token),
        Some("audit") => audit_args::parse(args).map(Command::Audit),
        Some("version") => Options::read(args, &[]).map(|_| Command::Version),
        Some("help") => Ok(Command::Help),
        _ => Err(Usage(
            "The command must be serve, check, healthcheck, token, audit, version or help."
                .to_owned(),
        )),
    }
}

fn token(args: Vec<OsString>) -> Result<TokenArgs, Usage> {
    const NAMES: [&str; 7] = [
        "--env-file",
        "--user",
        "--session",
        "--role",
        "--permissions",
        "--room-type",
        "--expires",
    ];
    let mut options = Options::read(args, &NAMES)?;
    let expires =
        |text: &str| text.parse().ok().filter(|secs| (1..=TOKEN_SECONDS_MAX).contains(secs));
    Ok(TokenArgs {
        env_file: options.env_file(),
        user: options.take("--user", UserId::parse, "a UUID of 36 characters")?,
        session: options.take("--session", SessionId::parse, "a UUID of 36 characters")?,
        role: options
            .take("--role", Role::parse, "doctor, patient or observer")?
            .unwrap_or(Role::Doctor),
        permissions: options
            .take("--permissions", permissions, "names such as room:join,room:signal or room:*")?
            .unwrap_or_else(|| vec!["room:*".to_owned()]),
        room_type: options.take(
            "--room-type",
            RoomType::parse,
            "consultation, emergency or follow-up",
        )?,
        expires_secs: options
            .take("--expires", expires, "a number of seconds from 1 to 2592000")?
            .unwrap_or(3600),
    })
}

fn permissions(text: &str) -> Option<Vec<String>> {
    let known =
        |name: &str| (Permissions::parse(name) != Permissions::NONE).then(|| name.to_owned());
    text.split(',').map(|name| known(name.trim())).collect()
}

/// Removes an option without a value from the arguments.
pub(super) fn flag(args: &mut Vec<OsString>, name: &str) -> bool {
    let at = args.iter().position(|arg| arg == name);
    at.map(|at| args.remove(at)).is_some()
}

/// Options with a value each, `--name value` or `--name=value`.
pub(super) struct Options {
    given: Vec<(&'static str, OsString)>,
}

impl Options {
    pub(super) fn read(args: Vec<OsString>, names: &[&'static str]) -> Result<Self, Usage> {
        let mut given: Vec<(&'static str, OsString)> = Vec::new();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, value) = split(&arg);
            let Some(known) = names.iter().find(|known| name == **known) else {
                return Err(not_known(name));
            };
            if given.iter().any(|(earlier, _)| earlier == known) {
                return Err(Usage(format!("{known} is given twice.")));
            }
            let value = value.or_else(|| args.next()).filter(|value| !looks_like_an_option(value));
            given.push((*known, value.ok_or_else(|| Usage(format!("{known} needs a value.")))?));
        }
        Ok(Self { given })
    }

    pub(super) fn env_file(&mut self) -> Option<PathBuf> {
        self.path("--env-file")
    }

    /// The path that an option gives.
    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.take_raw(name).map(PathBuf::from)
    }

    /// The value of an option, parsed by `parse`.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        accepted: &str,
    ) -> Result<Option<T>, Usage> {
        let Some(value) = self.take_raw(name) else { return Ok(None) };
        let value = value.to_str().and_then(parse);
        value.map(Some).ok_or_else(|| Usage(format!("{name} must be {accepted}.")))
    }

    fn take_raw(&mut self, name: &str) -> Option<OsString> {
        let index = self.given.iter().position(|(given, _)| *given == name)?;
        Some(self.given.swap_remove(index).1)
    }
}

/// The name of an option, and its value if it is joined by `=`.
fn split(arg: &OsStr) -> (&OsStr, Option<OsString>) {
    match arg.to_str().and_then(|text| text.split_once('=')) {
        Some((name, value)) => (OsStr::new(name), Some(value.into())),
        None => (arg, None),
    }
}

fn looks_like_an_option(value: &OsStr) -> bool {
    value.is_empty() || value.as_encoded_bytes().starts_with(b"--")
}

/// Repeats the name only if it is the name of an option: otherwise it may be a misplaced token or
/// secret.
fn not_known(name: &OsStr) -> Usage {
    let word = |text: &&str| {
        text.len() <= 24
            && text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    Usage(match name.to_str().filter(word) {
        Some(name) => format!("{name} is not an option of this command."),
        None => "There is an argument that this command does not take.".to_owned(),
    })
}
