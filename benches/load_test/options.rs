//! The options on the command line.

use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Puts a signaling server under load and says whether it holds.

usage: load_test (--server FILE | --url ws[s]://HOST[:PORT][/PATH]) [options]

  --server FILE        starts this program, in production mode, on a free port
  --set NAME=VALUE     a setting for it; may be repeated
  --url URL            or: where the server is that runs already; its secret is in JWT_SECRET,
                       JWT_SECRET_FILE or --secret-file
  --pid N              its process, where it runs on this machine, for processor and memory
  --secret-file FILE   what signs the tokens
  --issuer, --audience TEXT
  --ca FILE            certificates to trust for wss:// (default: those of the system)
  --insecure           trusts any certificate

  --mode trickle       each session sets up a call, then says something now and then (default)
  --mode calls         whole call set-ups, over and over: join, offer, answer, 20 candidates, leave
  --sessions N         sessions of two people (100)
  --duration TIME      how long is measured: 60s, 5m (60s)
  --rate R             trickle: messages a second in each session (1)
                       calls: calls a second, all sessions together (10)
  --connections N      people who only sit in rooms fill up to so many connections (1000)
  --ramp R             rooms that come a second in the beginning (100)
  --cut SHARE          so many of those who talk drop out again and again, and resume (0%)
  --cut-every TIME     how often (5s)
  --away TIME          for how long (500ms)
  --threads N          threads of the load test (1)

  --max-delay TIME     average delay of a relayed message (50ms)
  --max-cpu SHARE      of one processor (5%)
  --max-memory BYTES   of the server, for each session (2000000)
  --max-bandwidth B    bytes a second, both ways, for each session (1024; calls: any)
  --min-connections N  held at the same time (as --connections)
  --json FILE          writes all figures
  --html FILE          writes a report with plots
  --quiet              prints no line each second

Exit status: 0 all thresholds were met, 1 one was not, 2 it could not be run.
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each session sets up a call, and then sends single messages.
    Trickle,
    /// Calls are set up and left.
    Calls,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub server: Option<PathBuf>,
    pub url: Option<String>,
    pub pid: Option<u32>,
    pub secret_file: Option<PathBuf>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub ca: Option<PathBuf>,
    pub insecure: bool,
    pub mode: Mode,
    pub sessions: usize,
    pub duration: Duration,
    pub rate: Option<f64>,
    pub connections: usize,
    pub ramp: f64,
    pub cut: f64,
    pub cut_every: Duration,
    pub away: Duration,
    pub threads: usize,
    pub max_delay: Duration,
    pub max_cpu: f64,
    pub max_memory: f64,
    pub max_bandwidth: Option<f64>,
    /// Settings for the server that is started.
    pub settings: Vec<(String, String)>,
    pub min_connections: Option<usize>,
    pub json: Option<PathBuf>,
    pub html: Option<PathBuf>,
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: None,
            url: None,
            pid: None,
            secret_file: None,
            issuer: None,
            audience: None,
            ca: None,
            insecure: false,
            mode: Mode::Trickle,
            sessions: 100,
            duration: Duration::from_secs(60),
            rate: None,
            connections: 1_000,
            ramp: 100.0,
            cut: 0.0,
            cut_every: Duration::from_secs(5),
            away: Duration::from_millis(500),
            threads: 1,
            max_delay: Duration::from_millis(50),
            max_cpu: 0.05,
            max_memory: 2_000_000.0,
            max_bandwidth: None,
            settings: Vec::new(),
            min_connections: None,
            json: None,
            html: None,
            quiet: false,
        }
    }
}

impl Options {
    /// Messages per second in each session, or calls per second in total.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(match self.mode {
            Mode::Trickle => 1.0,
            Mode::Calls => 10.0,
        })
    }

    /// Bytes per second in each session.
    pub fn max_bandwidth(&self) -> Option<f64> {
        self.max_bandwidth.or(match self.mode {
            Mode::Trickle => Some(1_024.0),
            Mode::Calls => None,
        })
    }

    /// Rooms with silent participants.
    pub fn idle_rooms(&self) -> usize {
        self.connections.div_ceil(2).saturating_sub(self.sessions)
    }

    /// The number of connections to be open at the same time.
    pub fn connections_wanted(&self) -> usize {
        2 * (self.sessions + self.idle_rooms())
    }

    /// How many connections must have been open at the same time. In calls mode, those that set up
    /// calls and leave are not counted.
    pub fn connections_min(&self) -> usize {
        self.min_connections.unwrap_or(match self.mode {
            Mode::Trickle => self.connections_wanted(),
            Mode::Calls => 2 * self.idle_rooms(),
        })
    }
}

/// `None` if help is requested.
pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--insecure" => options.insecure = true,
            "--quiet" => options.quiet = true,
            name => {
                let (name, value) = match name.split_once('=') {
                    Some((name, value)) => (name.to_owned(), value.to_owned()),
                    None => (name.to_owned(), args.next().unwrap_or_default()),
                };
                set(&mut options, &name, &value).map_err(|what| {
                    if what.is_empty() {
                        format!("{name}: there is no such option")
                    } else {
                        format!("{name} {value:?}: this is not {what}")
                    }
                })?;
            }
        }
    }
    check(&options)?;
    Ok(Some(options))
}

/// Sets one option. The error says what its value should be; it is empty if there is no such
/// option.
fn set(options: &mut Options, name: &str, value: &str) -> Result<(), &'static str> {
    let text = || Some(value.to_owned()).filter(|text| !text.is_empty()).ok_or("a text");
    let file = || text().map(|text| Some(PathBuf::from(text)));
    match name {
        "--server" => options.server = file()?,
        "--url" => options.url = Some(text()?),
        "--pid" => options.pid = Some(value.parse().map_err(|_| "the id of a process")?),
        "--secret-file" => options.secret_file = file()?,
        "--issuer" => options.issuer = Some(text()?),
        "--audience" => options.audience = Some(text()?),
        "--ca" => options.ca = file()?,
        "--json" => options.json = file()?,
        "--html" => options.html = file()?,
        "--mode" => {
            options.mode = match value {
                "trickle" => Mode::Trickle,
                "calls" => Mode::Calls,
                _ => return Err("trickle or calls"),
            }
        }
        "--sessions" => options.sessions = count(value)?,
        "--connections" => options.connections = value.parse().map_err(|_| "a whole number")?,
        "--threads" => options.threads = count(value)?,
        "--min-connections" => options.min_connections = Some(count(value)?),
        "--duration" => options.duration = time(value)?,
        "--cut-every" => options.cut_every = time(value)?,
        "--away" => options.away = time(value)?,
        "--max-delay" => options.max_delay = time(value)?,
        "--rate" => options.rate = Some(number(value)?),
        "--ramp" => options.ramp = number(value)?,
        "--cut" => options.cut = share(value)?,
        "--max-cpu" => options.max_cpu = share(value)?,
        "--max-memory" => options.max_memory = number(value)?,
        "--max-bandwidth" => options.max_bandwidth = Some(number(value)?),
        "--set" => {
            let (name, value) = value.split_once('=').ok_or("NAME=VALUE")?;
            options.settings.push((name.to_owned(), value.to_owned()));
        }
        _ => return Err(""),
    }
    Ok(())
}

fn check(options: &Options) -> Result<(), String> {
    if options.server.is_some() == options.url.is_some() {
        return Err("one of --server and --url is needed".to_owned());
    }
    if options.cut > 1.0 {
        return Err("--cut: nobody can cut more than 100%".to_owned());
    }
    if options.cut > 0.0 && options.mode == Mode::Calls {
        return Err("--cut goes with --mode trickle".to_owned());
    }
    if options.cut > 0.0 && options.cut_every <= options.away {
        return Err("--away must be shorter than --cut-every".to_owned());
    }
    Ok(())
}

fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("a whole number above 0")
}

fn number(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    number.filter(|number: &f64| number.is_finite() && *number > 0.0).ok_or("a number above 0")
}

/// `0.05` or `5%`.
fn share(text: &str) -> Result<f64, &'static str> {
    let (digits, unit) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 0.01));
    let share = digits.parse::<f64>().ok().map(|number| number * unit);
    share.filter(|share| share.is_finite() && *share >= 0.0).ok_or("a share, like 5%")
}

/// `500ms`, `60s`, `5m` or `60` (seconds).
fn time(text: &str) -> Result<Duration, &'static str> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0)];
    let found = units.iter().find_map(|(unit, secs)| Some((text.strip_suffix(unit)?, secs)));
    let secs = found.and_then(|(digits, secs)| Some(digits.parse::<f64>().ok()? * secs));
    let some = secs.filter(|secs| *secs > 0.0);
    some.and_then(|secs| Duration::try_from_secs_f64(secs).ok()).ok_or("a time, like 60s")
}
