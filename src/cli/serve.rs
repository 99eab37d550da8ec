//! The command `serve`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use autamedica_signaling::config::{Config, Environment, LogFormat, Problem, Problems};
use autamedica_signaling::reactor::{clock, outlive_limit_of_files};
use autamedica_signaling::service::log as operational_log;
use autamedica_signaling::{BindError, EntriesLost, Inherited, Server};

use super::supervisor;
use super::{print, refuse, tell};

/// Entries of the audit log are lost (`EX_IOERR` of sysexits.h).
const EXIT_LOST: u8 = 74;

/// Runs the server until a signal ends it.
///
/// `read` reads the configuration again, when a signal asks for it.
pub fn serve(
    config: Config,
    read: impl FnMut() -> Result<Config, Problems> + Send + 'static,
) -> ExitCode {
    // Before there are other threads.
    let inherited = match Inherited::from_environment() {
        Ok(inherited) => inherited,
        Err(error) => {
            tell(format_args!("LISTEN_FDS: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = outlive_limit_of_files() {
        tell(format_args!("SIGXFSZ cannot be handled: {error}"));
        return ExitCode::FAILURE;
    }
    let format = match config.log_format {
        LogFormat::Json => operational_log::Format::Json,
        LogFormat::Text => {
            operational_log::Format::Text { colour: std::io::stdout().is_terminal() }
        }
    };
    if let Err(error) = operational_log::install(config.log_level, format, clock::wall_time) {
        tell(format_args!("The log cannot be started: {error}"));
        return ExitCode::FAILURE;
    }
    let development = config.environment == Environment::Development;
    let running = config.clone();
    let server = Server::bind_on(config, inherited).and_then(|mut server| {
        let address = server.handle().local_addr();
        server.on_reload(running, read);
        server.watch_signals().map_err(|error| BindError::Address(address, error))?;
        Ok(server)
    });
    let server = match server {
        Ok(server) => server,
        Err(BindError::Config(problems)) => return refuse(&problems),
        Err(BindError::Audit(error)) => return refuse(&Problem::audit_log(&error).into()),
        Err(BindError::Admin(address, error)) => {
            return refuse(&Problem::admin_listening(address, &error).into());
        }
        Err(BindError::Address(address, error)) => {
            return refuse(&Problem::listening(address, &error).into());
        }
    };
    let address = server.handle().local_addr();
    if development {
        let text = "Open {} in two tabs: one for the doctor, one for the patient.";
        announce(format, text, &format!("http://{address}/"));
    }
    if let Some(admin) = server.admin_addr() {
        if development {
            announce(format, "How it is doing: {}", &format!("http://{admin}/"));
        }
        log::info!("administrator's listener on {admin}");
    }
    log::info!("listening on {address}");
    let supervisor = supervisor::watch(server.handle());
    let ended = server.run();
    drop(supervisor);
    let code = tell_end(&ended);
    log::logger().flush();
    code
}

/// Logs how the server ended, and returns the exit code that says so.
fn tell_end(ended: &io::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => {
            log::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) if is_about_lost_entries(error) => {
            log::error!("stopped; {error}");
            ExitCode::from(EXIT_LOST)
        }
        Err(error) => {
            log::error!("the event loop failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_about_lost_entries(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<EntriesLost>())
}

/// Tells whoever has started it where to look, whatever the level of the log: where that is read line by line as JSON, as such a
/// line. `{}` in the text stands for the address.
fn announce(format: operational_log::Format, text: &str, url: &str) {
    let text = text.replace("{}", url);
    match format {
        operational_log::Format::Json => {
            print(operational_log::announcement(format, clock::wall_time(), &text, url))
        }
        operational_log::Format::Text { .. } => print(format_args!("{text}\n")),
    };
}
