//! Roof: the commands of the program, what they print, and how they exit.

mod args;
mod audit;
mod audit_args;
mod healthcheck;
mod help;
mod network;
mod process;
mod serve;
mod supervisor;
mod token;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use autamedica_signaling::config::{Config, EnvFile, Problems, Reading, SetBy, end_of_certificate};
use autamedica_signaling::reactor::clock;

use args::{Command, Usage};
use process::Process;

/// The command line is wrong (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Standard output accepts nothing more (`EX_IOERR`).
const EXIT_OUTPUT: u8 = 74;
/// The configuration is wrong (`EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

/// Runs the command that the arguments name (without the program's own name).
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    match args::parse(args) {
        Ok(Command::Serve { env_file }) => match read(env_file.as_deref()) {
            Ok(reading) => {
                let secret = match reading.set_by("JWT_SECRET") {
                    SetBy::MadeUp => Some(reading.config.jwt_secret.clone()),
                    _ => None,
                };
                serve::serve(reading.config, move || {
                    let mut config = read(env_file.as_deref())?.config;
                    // A generated secret stays the same for the whole run.
                    secret.iter().for_each(|secret| config.jwt_secret = secret.clone());
                    Ok(config)
                })
            }
            Err(problems) => refuse(&problems),
        },
        Ok(Command::Check { env_file, network }) => match read(env_file.as_deref()) {
            Ok(reading) => {
                warn(&reading.config);
                if network { network::check(&reading.config) } else { print(reading) }
            }
            Err(problems) => refuse(&problems),
        },
        Ok(Command::Healthcheck { env_file }) => match read(env_file.as_deref()) {
            Ok(reading) => healthcheck::check(&reading.config),
            Err(problems) => {
                tell(format_args!("unhealthy: the configuration is wrong\n{problems}"));
                ExitCode::FAILURE
            }
        },
        Ok(Command::Token(ticket)) => token::run(&ticket),
        Ok(Command::Audit(args)) => audit::run(&args),
        Ok(Command::Version) => {
            print(format_args!("autamedica-signaling {}\n", env!("CARGO_PKG_VERSION")))
        }
        Ok(Command::Help) => print(help::Help),
        Err(usage) => misused(&usage),
    }
}

fn read(env_file: Option<&Path>) -> Result<Reading, Problems> {
    Reading::read(&Process::new(env_file_at(env_file)?))
}

fn env_file_at(path: Option<&Path>) -> Result<EnvFile, Problems> {
    path.map_or_else(|| Ok(EnvFile::default()), |path| Ok(EnvFile::read(path)?))
}

/// Warns of what is not an error yet.
fn warn(config: &Config) {
    let tls = config.tls_files().and_then(|files| files.load().ok());
    if let Some(warning) = tls.and_then(|tls| end_of_certificate(&tls, clock::wall_time())) {
        tell(format_args!("{warning}\n"));
    }
}

/// Prints the requested output, and nothing else, to standard output.
fn print(text: impl Display) -> ExitCode {
    let mut out = io::stdout().lock();
    // `println!` would panic if the reader has gone, as `head` does.
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(EXIT_OUTPUT),
    }
}

/// Prints to standard error. If it is closed, there is nobody to tell.
fn tell(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn refuse(problems: &Problems) -> ExitCode {
    tell(format_args!(
        "{problems}Nothing was started. `autamedica-signaling help` explains every setting."
    ));
    ExitCode::from(EXIT_CONFIG)
}

fn misused(usage: &Usage) -> ExitCode {
    tell(format_args!("{usage} See `autamedica-signaling help`."));
    ExitCode::from(EXIT_USAGE)
}
