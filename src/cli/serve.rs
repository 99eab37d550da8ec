//! The command `serve`.

use std::process::ExitCode;

use autamedica_signaling::config::Config;

/// Runs the server until a signal ends it.
pub fn serve(config: Config) -> ExitCode {
    let _ = config;
    super::tell("The server itself is not part of this build.");
    ExitCode::FAILURE
}
