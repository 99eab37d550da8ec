//! The command `help`.

use std::fmt;

use autamedica_signaling::config::SETTINGS;

/// Its `Display` is the whole text.
pub struct Help;

const COMMANDS: &str = "\
A signaling server for medical video calls: a doctor and a patient find each other through it.

Usage: autamedica-signaling [COMMAND] [OPTIONS]

Commands:
  serve        run the server (the default)
  check        check the configuration and print it, with secrets as ****
  healthcheck  ask the server on this machine with the same settings whether it is healthy: 0 yes, 1 no, and why
  token        print a token for first steps and scripts, signed with JWT_SECRET
  audit        verify, show, export and count the audit log, and manage its keys
  version      print the version
  help         print this text

Options of serve, check, healthcheck, token and audit:
  --env-file FILE       read settings from a file of NAME=value lines; the environment takes precedence

Option of check:
  --network             ask the STUN and TURN servers whether they answer and accept the credentials, instead of
                        printing the configuration; says which ports to open in a firewall

Options of token:
  --user UUID           the user; random by default
  --session UUID        the session, and so the room; random by default
  --role ROLE           doctor (the default), patient or observer
  --permissions LIST    room:join, room:signal, room:media, room:end, room:* for these four (the default),
                        room:emergency; separated by commas
  --room-type TYPE      consultation, emergency or follow-up; not in the token by default
  --expires SECONDS     lifetime in seconds: 1 to 2592000, by default 3600

Commands of audit, each with --dir FOLDER and --key FILE to override the settings:
  audit verify [FOLDER] [--checkpoints FILE]        verify that nothing was changed, dropped or cut off: 0 intact,
                                                    1 not intact, 2 undetermined
  audit verify --export FILE                        the same for a file that `audit export` wrote
  audit show --session UUID [--json]                show who was in a session when, and what happened
  audit export --session UUID --output FILE         write one session for somebody who may see nothing else
  audit stats                                       print records by day, size, growth, keys, holds
  audit hold --session UUID [--release]             keep a session beyond its retention period, or release it
  audit key rotate                                  add an encryption key
  audit key detach                                  print the verification key, and remove it from the key file

Exit status: 0 done, 1 failed or unhealthy, 64 the command line is wrong, 69 a STUN or TURN server does not work,
74 the output cannot be written or entries of the audit log are lost, 78 the configuration is wrong.

Settings are environment variables; an empty one counts as not set. Durations are in seconds.
";

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(COMMANDS)?;
        for setting in SETTINGS {
            let file = if setting.is_secret() {
                format!(", or {}_FILE with the path of a file", setting.name)
            } else {
                String::new()
            };
            writeln!(f, "\n  {}{file}", setting.name)?;
            writeln!(f, "      {}", setting.meaning)?;
            writeln!(f, "      default: {}", setting.default)?;
            writeln!(f, "      accepted: {}", setting.accepted())?;
        }
        Ok(())
    }
}
