//! Name resolution without the system's resolver, which cannot be linked into a static program. It
//! asks what the system would ask: `/etc/hosts`, then the name servers of `/etc/resolv.conf`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Surroundings;
use super::exchange::{Silence, ask_datagrams, connected_datagrams};
use crate::base::time::Duration;
use crate::wire::dns::{self, Answer, Kind};

/// How long one name server may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// As many as the system uses (resolv.conf(5)).
const SERVERS_MAX: usize = 3;

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// No such name.
    NoSuchName,
    /// The name exists, but has no address.
    NoAddress,
    /// No name server could answer; contains those that were asked.
    NobodyTells(Vec<SocketAddr>),
}

/// Where names are looked up.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Lines with an address and its names (hosts(5)).
    pub hosts: String,
    /// The name servers.
    pub servers: Vec<SocketAddr>,
}

impl Sources {
    /// The sources of this machine. A file that cannot be read counts as empty.
    pub fn of_system() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self { hosts: read("/etc/hosts"), servers: servers(&read("/etc/resolv.conf")) }
    }
}

/// The first address of `name`, preferably IPv4.
///
/// # Errors
///
/// [`Unnamed`] if there is none.
pub fn lookup(name: &str, sources: &Sources, around: Surroundings<'_>) -> Result<IpAddr, Unnamed> {
    let listed = |kind| in_hosts(&sources.hosts, name).find(|ip| is_of(kind, *ip));
    if let Some(ip) = listed(Kind::V4).or_else(|| listed(Kind::V6)) {
        return Ok(ip);
    }
    let mut found = Err(Unnamed::NobodyTells(sources.servers.clone()));
    for server in &sources.servers {
        for kind in [Kind::V4, Kind::V6] {
            match ask(*server, name, kind, around) {
                Some(Answer::Addresses(ips)) => match ips.first() {
                    Some(ip) => return Ok(*ip),
                    None => found = Err(Unnamed::NoAddress),
                },
                Some(Answer::NoSuchName) => return Err(Unnamed::NoSuchName),
                Some(Answer::Failed(_)) | None => break,
            }
        }
        if found == Err(Unnamed::NoAddress) {
            break;
        }
    }
    found
}

fn ask(server: SocketAddr, name: &str, kind: Kind, around: Surroundings<'_>) -> Option<Answer> {
    let random = (around.random)();
    let query = dns::query(u16::from_be_bytes([random[0], random[1]]), name, kind)?;
    let read = |bytes: &[u8]| dns::answer(&query, bytes, kind);
    let until = (around.now)() + PATIENCE;
    let asked = connected_datagrams(server)
        .and_then(|socket| ask_datagrams(&socket, &query, read, until, around.now));
    asked.map_err(|_: Silence| ()).ok()
}

fn in_hosts<'a>(hosts: &'a str, name: &'a str) -> impl Iterator<Item = IpAddr> + 'a {
    hosts.lines().filter_map(move |line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let ip = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(ip)
    })
}

fn is_of(kind: Kind, ip: IpAddr) -> bool {
    ip.is_ipv4() == (kind == Kind::V4)
}

/// The addresses of the `nameserver ADDRESS` lines; if there are none, this machine's own
/// (resolv.conf(5)).
fn servers(resolv_conf: &str) -> Vec<SocketAddr> {
    const PORT: u16 = 53;
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    };
    let listed = resolv_conf.lines().filter_map(address).take(SERVERS_MAX);
    let mut servers: Vec<SocketAddr> = listed.map(|ip| SocketAddr::new(ip, PORT)).collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_read_as_it_reads_them() {
        let found = servers(
            "# nothing\nsearch a.example\nnameserver 192.0.2.1\nnameserver  fe80::1%eth0\n nameserver 2001:db8::1 # x\n",
        );
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.1:53", "[2001:db8::1]:53"]);
        assert_eq!(servers("")[0].to_string(), "127.0.0.1:53");
        let hosts = "::1 localhost turn\n127.0.0.1\tlocalhost # turn.example.org\n192.0.2.7 Turn.Example.org\n";
        let of = |name| in_hosts(hosts, name).map(|ip| ip.to_string()).collect::<Vec<_>>();
        assert_eq!(of("localhost"), ["::1", "127.0.0.1"]);
        assert_eq!(of("turn.example.org"), ["192.0.2.7"]);
        assert!(of("example.org").is_empty());
    }
}
