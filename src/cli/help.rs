//! The command `help`.

use std::fmt;

use autamedica_signaling::config::SETTINGS;

/// Its `Display` is the whole text.
pub struct Help;

const COMMANDS: &str = "\
The signaling server of medical video calls: a doctor and a patient find each other through it.

Usage: autamedica-signaling [COMMAND] [OPTIONS]

Commands:
  serve        run the server (what happens without a command)
  check        check the configuration and print it, secrets as ****
  healthcheck  ask the server that runs here with the same settings whether it is well: 0 yes, 1 no, and why
  token        print a token for first steps and scripts, signed with JWT_SECRET
  audit        verify, show, export and count the audit log, and care for its keys
  version      print the version
  help         print this

Options of serve, check, healthcheck, token and audit:
  --env-file FILE       read settings from a file of NAME=value lines; the environment wins over it

Option of check:
  --network             ask the STUN and TURN servers whether they answer and accept the credentials, instead of
                        printing the configuration; says what to open in a firewall

Options of token:
  --user UUID           the person; made up where absent
  --session UUID        the session, and so the room; made up where absent
  --role ROLE           doctor (where absent), patient or observer
  --permissions LIST    room:join, room:signal, room:media, room:end, room:* for these four (where absent),
                        room:emergency; separated by commas
  --room-type TYPE      consultation, emergency or follow-up; not said in the token where absent
  --expires SECONDS     how long it is good: 1 to 2592000, 3600 where absent

Commands of audit, each with --dir FOLDER and --key FILE where these are not those of the settings:
  audit verify [FOLDER] [--checkpoints FILE]        whether nothing was changed, dropped or cut off: 0 intact, 1 not,
                                                    2 could not be found out
  audit verify --export FILE                        the same for what `audit export` wrote
  audit show --session UUID [--json]                who was in a session when, and what happened
  audit export --session UUID --output FILE         a session for somebody who may see nothing else
  audit stats                                       records by day, size, growth, keys, holds
  audit hold --session UUID [--release]             keep a session beyond its time, or no longer
  audit key rotate                                  add an encryption key
  audit key detach                                  print the verification key, and take it out of the key file

Exit status: 0 done, 1 it failed or is unhealthy, 64 the command line is wrong, 69 a STUN or TURN server is of no use,
74 the output cannot be written, 78 the configuration is wrong.

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
