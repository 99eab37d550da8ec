//! The house rules as data. To change a rule, change it here, and say why in the commit.

/// From the ground up: each may name those that stand before it, and itself.
pub const FLOORS: &[&str] = &[
    "base",
    "wire",
    "message",
    "admission",
    "engine",
    "connection",
    // Floor 6: the wing first, which knows nothing of the reactor.
    "service",
    "reactor",
    // The roof.
    "config",
    "server",
];

/// The rest of the roof: may name everything, also what the crate's root exports.
pub const ROOT: &[&str] = &["cli", "main", "lib"];

const JSON: &[&str] = &["wire", "message", "admission", "service"];
const SIGNING: &[&str] = &["wire", "admission", "service"];
const LOGGING: &[&str] = &["service", "reactor", "config", "server", "cli", "main"];

const BYTES: &str = "take and return bytes; sockets and events belong to crate::reactor";
const SHAPES: &str = "the types of crate::message, which says what is read and written";
const SIGNED: &str = "what crate::wire and crate::admission offer for signing and checking";
const IDS: &str = "UserId and SessionId of crate::message";
const SLOTS: &str = "crate::base::arena::Arena, whose keys carry a generation";

/// Every dependency, the floors that may name it, and what the others use instead.
pub const CRATES: &[(&str, &[&str], &str)] = &[
    ("mio", &["reactor"], BYTES),
    ("socket2", &["reactor"], BYTES),
    ("listenfd", &["reactor"], "Inherited of crate::reactor"),
    ("signal_hook_mio", &["reactor"], "signals are events of crate::reactor"),
    ("signal_hook", &["reactor"], "signals are events of crate::reactor"),
    ("memchr", &["wire"], "bytes are looked for in crate::wire"),
    ("wide", &["wire"], "bytes are looked for in crate::wire"),
    ("simdutf8", &["wire"], "texts are checked in crate::wire"),
    ("httparse", &["wire"], "the request head as crate::wire reads it"),
    ("tungstenite", &["wire"], "frames as crate::wire reads and writes them"),
    ("serde", JSON, SHAPES),
    ("serde_json", JSON, SHAPES),
    ("hmac", SIGNING, SIGNED),
    ("sha2", SIGNING, SIGNED),
    ("sha1", &["wire"], SIGNED),
    // The dependency is called md-5, and what the code names is `md5`.
    ("md_5", &["wire"], SIGNED),
    ("base64", SIGNING, SIGNED),
    ("chacha20poly1305", &["service"], "crate::service::audit seals what is kept"),
    ("rustix", &["service"], "what crate::service says of files, disks and the process"),
    ("uuid", &["message", "reactor", "cli"], IDS),
    ("slab", &["base", "reactor"], SLOTS),
    // In the service as a client, to ask our own port how it is (`service/health`).
    ("rustls", &["reactor", "service"], "Tls of crate::reactor"),
    ("log", LOGGING, "return an effect or a value; floor 6 logs"),
];

/// In a [`Ban`]: an exception from a later row.
pub const EVERYWHERE: &[&str] = &["*"];

/// A path that only some files may name.
pub struct Ban {
    /// The path and all below it.
    pub path: &'static str,
    /// Where it may stand: files or folders below `src`, without `.rs`.
    pub only_in: &'static [&'static str],
    /// Whether unit tests may use it anywhere.
    pub tests_may: bool,
    /// What to use elsewhere.
    pub instead: &'static str,
}

/// A ban that holds in unit tests too.
const fn ban(path: &'static str, only_in: &'static [&'static str], instead: &'static str) -> Ban {
    Ban { path, only_in, tests_may: false, instead }
}

/// A ban from which unit tests are free.
const fn in_code(
    path: &'static str,
    only_in: &'static [&'static str],
    instead: &'static str,
) -> Ban {
    Ban { path, only_in, tests_may: true, instead }
}

const CLOCK: &[&str] = &["reactor/clock"];
const FLOOR_6: &[&str] = &["reactor", "service"];
const ROOF: &[&str] = &["cli", "main"];
const NOWHERE: &[&str] = &[];

const TIME: &str =
    "take crate::base::time::Now as an argument; only reactor/clock.rs reads a clock";
const ENTROPY: &str = "take ids and secrets as arguments; only reactor/clock.rs makes random ones";
const SOCKETS: &str = "take and return bytes; crate::reactor owns the sockets";
const THREADS: &str = "start reactors in server.rs, put work beside them into crate::service";
const SHARED: &str = "pass it in and own it; only floor 6 shares between threads";
const ENVIRONMENT: &str =
    "take settings as values from crate::config, which reads the environment once";
const FILES: &str =
    "take bytes; crate::service writes files, crate::config reads the configured ones";
const EXIT: &str = "return an error; the roof decides how the process ends";
const LOOKUP: &str = "std::net::SocketAddr; a static build cannot look up names";
const PANIC: &str = "return an error; assert! where going on could mix two rooms";
const UNDONE: &str = "finish it, or leave it out";
const STREAMS: &str = "return a value or log it at floor 6; only the roof prints";

const GATE_TOO: &[&str] =
    &["admission/gate", "reactor", "service", "config", "server", "cli", "main", "lib"];
const SHARING: &[&str] = &["reactor", "service", "config", "server", "cli", "main", "lib"];

/// Paths of the standard library and of dependencies that are banned but in a few places. The first row that fits
/// counts.
pub const BANS: &[Ban] = &[
    ban("std::time::Instant", CLOCK, TIME),
    ban("std::time::SystemTime", CLOCK, TIME),
    ban("std::time::UNIX_EPOCH", CLOCK, TIME),
    ban("std::time", SHARING, "crate::base::time"),
    ban("uuid::Uuid::new_v4", CLOCK, ENTROPY),
    ban("uuid::Uuid::now_v7", CLOCK, ENTROPY),
    ban("std::hash::RandomState", CLOCK, ENTROPY),
    ban("std::collections::hash_map::RandomState", CLOCK, ENTROPY),
    ban("std::net::TcpListener", FLOOR_6, SOCKETS),
    ban("std::net::TcpStream", FLOOR_6, SOCKETS),
    ban("std::net::UdpSocket", FLOOR_6, SOCKETS),
    ban("std::os", &["reactor", "service", "config"], SOCKETS),
    ban("std::net::ToSocketAddrs", NOWHERE, LOOKUP),
    ban("std::thread::available_parallelism", &["config"], THREADS),
    ban("std::thread", &["service", "server"], THREADS),
    in_code("std::sync::Arc", EVERYWHERE, ""),
    // Limits per address and user hold over all reactors: one number, under a lock that no message takes.
    ban("std::sync::Mutex", &["admission/gate", "reactor", "service", "config", "server"], SHARED),
    ban("std::sync::MutexGuard", &["admission/gate", "reactor", "service"], SHARED),
    // Each turn asks whether there are more rooms than may be: no lock for that.
    ban("std::sync::atomic", GATE_TOO, SHARED),
    ban("std::sync", SHARING, SHARED),
    in_code("std::env", &["config", "cli", "main"], ENVIRONMENT),
    in_code("std::fs", &["service", "config", "cli"], FILES),
    in_code("std::process", ROOF, EXIT),
    in_code("std::io::stdin", ROOF, STREAMS),
    in_code("std::io::stdout", &["cli", "main", "service"], STREAMS),
    in_code("std::io::stderr", &["cli", "main", "service"], STREAMS),
];

/// Macros that only some files may call outside of tests.
pub const MACROS: &[Ban] = &[
    in_code("print", ROOF, STREAMS),
    in_code("println", ROOF, STREAMS),
    in_code("eprint", ROOF, STREAMS),
    in_code("eprintln", ROOF, STREAMS),
    ban("dbg", NOWHERE, STREAMS),
    ban("thread_local", NOWHERE, SHARED),
    in_code("panic", NOWHERE, PANIC),
    in_code("unreachable", NOWHERE, "a type that cannot be wrong, or an error"),
    ban("todo", NOWHERE, UNDONE),
    ban("unimplemented", NOWHERE, UNDONE),
];

/// Methods that panic; banned outside of tests.
pub const PANICKING: &[&str] = &["unwrap", "unwrap_err", "expect", "expect_err"];

/// Lines of code, comments and blank lines not counted, that a file may have, its tests included.
pub const FILE_LINES_MAX: usize = 400;

/// The same for a function.
pub const FUNCTION_LINES_MAX: usize = 70;

/// What is larger nevertheless, with its exact size: `("src/x.rs", 420)` or `("src/x.rs::name", 80)`. These
/// numbers only go down.
pub const LARGE: &[(&str, usize)] = &[];
