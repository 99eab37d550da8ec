//! The command `token`: prints a signed token on standard output, and what it grants on standard
//! error.

use std::ffi::OsString;
use std::process::ExitCode;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::{Config, Problem, Problems, Source, Value};
use autamedica_signaling::message::{SessionId, UserId};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::wire::jwt::{Key, TOKEN_BYTES_MAX};

use super::args::TokenArgs;
use super::process::Process;

/// Creates and prints the token.
pub fn run(args: &TokenArgs) -> ExitCode {
    let config = match read(args) {
        Ok(config) => config,
        Err(problems) => return super::refuse(&problems),
    };
    let key = match Key::new(config.jwt_secret.reveal()) {
        Ok(key) => key,
        Err(short) => {
            return super::refuse(
                &Problem::new("JWT_SECRET", "is too short", short.to_string()).into(),
            );
        }
    };
    let user = args.user.unwrap_or_else(|| UserId::new(clock::random_uuid()));
    let session = args.session.unwrap_or_else(|| SessionId::new(clock::random_uuid()));
    let permissions: Vec<&str> = args.permissions.iter().map(String::as_str).collect();
    let id = clock::random_uuid().to_string();
    let token = mint(
        &key,
        &Ticket {
            user,
            role: args.role,
            session,
            permissions: &permissions,
            room_type: args.room_type,
            issued_at: clock::wall_time(),
            lifetime: Duration::from_secs(args.expires_secs),
            issuer: config.jwt_issuer.as_deref(),
            audience: config.jwt_audience.as_deref(),
            id: Some(&id),
        },
    );
    if token.len() > TOKEN_BYTES_MAX {
        super::tell(format_args!(
            "The token would be longer than {TOKEN_BYTES_MAX} bytes, and no server would read it."
        ));
        return ExitCode::from(super::EXIT_USAGE);
    }
    // The user needs the ids to join. They go to the other stream, so that the token is easy to
    // pipe.
    super::tell(format_args!(
        "userId {}\nuserType {}\nsessionId {}\npermissions {}\nexpires in {} seconds",
        user.reveal(),
        args.role.as_str(),
        session.reveal(),
        args.permissions.join(","),
        args.expires_secs,
    ));
    super::print(format_args!("{token}\n"))
}

fn read(args: &TokenArgs) -> Result<Config, Problems> {
    Config::read(&TokenSettings(Process::new(super::env_file_at(args.env_file.as_deref())?)))
}

/// The settings that a token is made from. The others may be wrong or absent on a machine that runs
/// no server.
struct TokenSettings(Process);

impl Source for TokenSettings {
    fn value(&self, name: &str) -> Option<Value> {
        match name {
            "JWT_SECRET" | "JWT_SECRET_FILE" | "JWT_ISSUER" | "JWT_AUDIENCE" => self.0.value(name),
            // This command does not listen, so no unsafe start has to be refused. A secret is still
            // not generated: no server would know it.
            "NODE_ENV" => Some(Value::from_environment(OsString::from("development"))),
            _ => None,
        }
    }

    fn problems(&self) -> Problems {
        self.0.problems()
    }

    fn open_files_max(&self) -> Option<usize> {
        None
    }
}
