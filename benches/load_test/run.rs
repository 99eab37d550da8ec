//! The whole course: checks, threads, a line each second, the verdict, the reports.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use autamedica_signaling::reactor::clock::random_uuid;
use autamedica_signaling::wire::jwt::Key;
use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::options::{Mode, Options};
use super::people::Signer;
use super::schedule;
use super::server::Server;
use super::stats::Stats;
use super::target::Target;
use super::verdict::{Judged, is_good, judge, number};
use super::watch::{Sample, Watch};
use super::worker::{Common, Worker};
use super::{html, json};

/// Files that are open besides the connections, and some to spare.
const OTHER_FILES: u64 = 100;

/// How long a port cannot be reused after its connection was closed (RFC 9293 3.6.1, with Linux's
/// value).
const PORT_REST_SECS: f64 = 60.0;

/// The result.
pub struct Outcome {
    pub total: Stats,
    pub seconds: Vec<Second>,
    /// The measured part, in whole seconds from the start.
    pub window: (u64, u64),
    /// The server's memory before anybody connected.
    pub before: Option<Sample>,
    pub interrupted: bool,
}

/// One second of the run.
pub struct Second {
    /// Its end, in seconds from the start.
    pub at: u64,
    pub stats: Stats,
    /// The server's CPU usage.
    pub cpu: Option<f64>,
    pub resident_bytes: Option<u64>,
}

impl Outcome {
    fn measured(&self) -> impl Iterator<Item = &Second> {
        self.seconds
            .iter()
            .filter(|second| (self.window.0 + 1..=self.window.1).contains(&second.at))
    }

    pub fn connections_held(&self) -> u64 {
        self.seconds.iter().map(|second| second.stats.counts.inside).max().unwrap_or_default()
    }

    pub fn cpu_share(&self) -> Option<f64> {
        mean(self.measured().filter_map(|second| second.cpu))
    }

    pub fn resident_max(&self) -> Option<u64> {
        self.seconds.iter().filter_map(|second| second.resident_bytes).max()
    }

    /// In both directions.
    pub fn bytes_per_second(&self) -> Option<f64> {
        let bytes = |second: &Second| {
            (second.stats.counts.bytes_sent + second.stats.counts.bytes_received) as f64
        };
        mean(self.measured().map(bytes))
    }
}

/// Whether all thresholds were met.
pub fn run(options: &Options) -> Result<bool, String> {
    let secret = secret(options)?;
    check_files(options)?;
    check_ports(options)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Before the server is started, because it ends with it, however early. Messages in flight
        // may still arrive.
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| format!("signals: {error}"))?;
    }
    let server = match &options.server {
        Some(program) => Some(Server::start(program, &secret, &options.settings)?),
        None => None,
    };
    let target = match (&server, &options.url) {
        (Some(server), _) => Target::plain(server.address),
        (None, url) => Target::parse(url.as_deref().unwrap_or_default(), options)?,
    };
    let watch = server.as_ref().map(Server::pid).or(options.pid).map(Watch::new).transpose()?;
    let key = Key::new(secret.as_bytes()).map_err(|_| "the secret has less than 32 bytes")?;
    let (_, until) = schedule::window(options);
    let lifetime = Duration::from_micros(until) + Duration::from_secs(3_600);
    let (issuer, audience) = (options.issuer.clone(), options.audience.clone());
    let signer = Signer { key, issuer, audience, lifetime };
    let common = Common { options: options.clone(), target, signer, begun: Instant::now(), stop };
    let outcome = measure(Arc::new(common), watch)?;
    drop(server);

    let rows = judge(options, &outcome);
    print(&outcome, &rows);
    if let Some(path) = &options.json {
        write(path, &json::report(options, &outcome, &rows).to_string())?;
    }
    if let Some(path) = &options.html {
        write(path, &html::report(options, &outcome, &rows))?;
    }
    Ok(is_good(&rows))
}

fn write(path: &std::path::Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The secret. A server that the load test starts gets a new one.
fn secret(options: &Options) -> Result<String, String> {
    if options.server.is_some() {
        return Ok(format!("{}{}", random_uuid(), random_uuid()));
    }
    let file = options.secret_file.clone().or(env::var_os("JWT_SECRET_FILE").map(Into::into));
    match file {
        Some(path) => {
            let text = fs::read_to_string(&path);
            let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => env::var("JWT_SECRET")
            .map_err(|_| "the server's JWT_SECRET is needed to make tokens it takes".to_owned()),
    }
}

/// Raises the limit of open files if necessary and possible; a server that is started inherits it.
fn check_files(options: &Options) -> Result<(), String> {
    let wanted = options.connections_wanted() as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.maximum.is_none_or(|maximum| maximum >= wanted)
        && setrlimit(Resource::Nofile, raised).is_ok()
    {
        return Ok(());
    }
    let may = limit.maximum.unwrap_or(u64::MAX);
    Err(format!(
        "this needs {wanted} open files, and may have {may}: ulimit -n, or fewer --sessions"
    ))
}

fn check_ports(options: &Options) -> Result<(), String> {
    // Other systems have other ways, and report it when no port is left.
    let Ok(text) = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range") else {
        return Ok(());
    };
    let ends: Vec<u64> = text.split_whitespace().filter_map(|end| end.parse().ok()).collect();
    let [first, last] = ends[..] else { return Ok(()) };
    let resting = match options.mode {
        Mode::Calls => 2.0 * options.rate() * options.duration.as_secs_f64().min(PORT_REST_SECS),
        Mode::Trickle => 0.0,
    };
    let (there, wanted) = (last + 1 - first, options.connections_wanted() as u64 + resting as u64);
    if wanted <= there {
        return Ok(());
    }
    Err(format!(
        "this needs {wanted} ports, and there are {there}: sysctl net.ipv4.ip_local_port_range, or fewer \
         --sessions, or a lower --rate of calls"
    ))
}

fn measure(common: Arc<Common>, watch: Option<Watch>) -> Result<Outcome, String> {
    let options = &common.options;
    let (told, heard) = mpsc::channel();
    let rooms: Vec<usize> = (0..options.sessions + options.idle_rooms()).collect();
    let mut threads = Vec::new();
    for thread in 0..options.threads {
        let rooms: Vec<_> = rooms.iter().copied().skip(thread).step_by(options.threads).collect();
        let worker = Worker::new(Arc::clone(&common), &rooms).map_err(|error| error.to_string())?;
        let told = told.clone();
        threads.push(thread::spawn(move || worker.run(&told)));
    }
    drop(told);
    let (from, until) = schedule::window(options);
    let mut outcome = Outcome {
        total: Stats::default(),
        seconds: Vec::new(),
        window: (from / 1_000_000, until.div_ceil(1_000_000)),
        before: watch.and_then(Watch::sample),
        interrupted: false,
    };
    listen(&common, watch, &heard, &mut outcome);
    for thread in threads {
        let ended = thread.join().map_err(|_| "a thread of the load test panicked")?;
        ended.map_err(|error: io::Error| format!("the loop of the load test: {error}"))?;
    }
    outcome.interrupted = common.stop.load(std::sync::atomic::Ordering::Relaxed);
    if outcome.interrupted {
        // The last second is incomplete, so its values say nothing.
        let whole = outcome.seconds.len().saturating_sub(1) as u64;
        outcome.window.1 = whole.clamp(outcome.window.0, outcome.window.1);
    }
    Ok(outcome)
}

/// Combines the reports of the threads, second by second, until they have ended.
fn listen(common: &Common, watch: Option<Watch>, heard: &Receiver<Stats>, outcome: &mut Outcome) {
    let (mut last, mut last_at) = (outcome.before, Instant::now());
    let mut second = Stats::default();
    for at in 1.. {
        // The threads report at full seconds.
        let end = common.begun + Duration::from_secs(at) + Duration::from_millis(50);
        let has_ended = loop {
            match heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(stats) => second.add(&stats),
                Err(RecvTimeoutError::Timeout) => break false,
                Err(RecvTimeoutError::Disconnected) => break true,
            }
        };
        let (now, sample) = (Instant::now(), watch.and_then(Watch::sample));
        let cpu = last.zip(sample).map(|(last, sample)| {
            let used = sample.cpu_ns.saturating_sub(last.cpu_ns);
            used as f64 / (now - last_at).as_nanos() as f64
        });
        (last, last_at) = (sample, now);
        let resident_bytes = sample.map(|sample| sample.resident_bytes);
        let stats = std::mem::take(&mut second);
        outcome.total.add(&stats);
        outcome.seconds.push(Second { at, stats, cpu, resident_bytes });
        if has_ended {
            return;
        }
        if !common.options.quiet {
            outcome.seconds.last().into_iter().for_each(|second| print_second(second, outcome));
        }
    }
}

fn print_second(second: &Second, outcome: &Outcome) {
    let (stats, (from, until)) = (&second.stats, outcome.window);
    let part = match second.at {
        at if at <= from => "coming",
        at if at <= until => "measured",
        _ => "ending",
    };
    let ms = |quantile| stats.delay.value_at_quantile(quantile) as f64 / 1e3;
    let mut line = format!(
        "{:>4} s  {part:<8}  inside {:>6}  sent {:>6}  received {:>6}  calls {:>4}  delay p50 {:>7.3}  p99 {:>7.3}  \
         max {:>7.3} ms",
        second.at,
        stats.counts.inside,
        stats.counts.sent,
        stats.counts.received,
        stats.counts.calls,
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
    if let (Some(cpu), Some(bytes)) = (second.cpu, second.resident_bytes) {
        line += &format!("  cpu {:>5.2} %  rss {:>6.2} MB", cpu * 100.0, bytes as f64 / 1e6);
    }
    if stats.errors() > 0 {
        line += &format!("  errors {}", stats.errors());
    }
    println!("{line}");
}

/// The summary and the verdict.
fn print(outcome: &Outcome, rows: &[Judged]) {
    println!();
    for (name, histogram) in histograms(&outcome.total) {
        if !histogram.is_empty() {
            let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
            println!(
                "{name:<26} {:>9} times  p50 {:>9.3}  p90 {:>9.3}  p99 {:>9.3}  p99.9 {:>9.3}  max {:>9.3} ms",
                histogram.len(),
                ms(0.5),
                ms(0.9),
                ms(0.99),
                ms(0.999),
                histogram.max() as f64 / 1e3
            );
        }
    }
    for (what, times) in &outcome.total.errors {
        println!("error: {what}: {times} times");
    }
    if outcome.interrupted {
        println!("It was interrupted: this is what there is.");
    }
    println!();
    for row in rows {
        let measured = row.measured.map_or("not seen".to_owned(), number);
        let met = row.is_met().map_or("  -", |met| if met { " ok" } else { "BAD" });
        println!("{met}  {:<22} {measured:>12} {:<4}  {}", row.what, row.unit, row.limit_text());
    }
    println!("\n{}", if is_good(rows) { "good" } else { "NOT GOOD" });
}

/// All histograms, by name.
pub fn histograms(stats: &Stats) -> [(&'static str, &Histogram<u64>); 5] {
    [
        ("relayed message", &stats.delay),
        ("  with a cut-off between", &stats.delay_cut),
        ("call set-up", &stats.set_up),
        ("join", &stats.join),
        ("late, by the load test", &stats.late),
    ]
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
