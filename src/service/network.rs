//! Tests whether STUN and TURN servers do what clients need, as a client would: for `check
//! --network`.
//!
//! A STUN server is asked which address it sees (RFC 8489). A TURN server is asked to relay, with
//! the credentials that clients get (RFC 8656), and then to stop. Sockets block, because only the
//! caller waits.

pub mod exchange;
pub mod names;

use std::net::{IpAddr, SocketAddr};

use crate::base::time::{Duration, Instant};
use crate::wire::ice_url::{Host, IceUrl, Transport};
use crate::wire::stun::{Class, Key, Message, Method, Request, attribute};
use crate::wire::turn::Login;

use exchange::{Channel, Silence};
use names::{Unnamed, lookup};

/// How long one server may take for the whole test.
pub const PATIENCE: Duration = Duration::from_secs(6);

/// UDP, as REQUESTED-TRANSPORT names it (RFC 8656 18.8). Media is relayed in datagrams, whatever
/// transport the client uses to reach the server.
const RELAYED_TRANSPORT: [u8; 4] = [17, 0, 0, 0];

/// What the caller provides: the clock, and random bits for what must not be guessed.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Reads the clock.
    pub now: &'a dyn Fn() -> Instant,
    /// Draws random bits.
    pub random: &'a dyn Fn() -> [u8; 16],
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// STUN: it sees us at this address.
    Sees(SocketAddr),
    /// TURN: it relays.
    Relays {
        /// The relayed address, where others would reach us.
        at: SocketAddr,
        /// It relayed without asking for the credentials.
        for_anybody: bool,
    },
    /// Something listens there. Nothing more was tested, because that takes TLS.
    Listens,
    /// Nothing was tested, because that takes DTLS.
    NotTried,
}

/// Why a server is of no use to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its name cannot be resolved.
    Unnamed(Unnamed),
    /// No answer, or none in time.
    Silent(Silence),
    /// It does not accept the credentials (401).
    LoginRefused,
    /// It refuses with another error code.
    Refused(u16),
    /// Its answer lacks what such an answer must contain.
    Senseless,
}

/// The result for one server.
#[derive(Clone, Debug)]
pub struct Report {
    /// The address that was used, once it was known.
    pub address: Option<SocketAddr>,
    /// The result.
    pub result: Result<Finding, Failure>,
}

/// Tests one server; `login` is for TURN servers.
pub fn ask(url: &IceUrl, login: Option<&Login>, around: Surroundings<'_>) -> Report {
    let ip: Result<IpAddr, Unnamed> = match &url.host {
        Host::Ip(ip) => Ok(*ip),
        Host::Name(name) => lookup(name, &names::Sources::of_system(), around),
    };
    match ip {
        Err(unnamed) => Report { address: None, result: Err(Failure::Unnamed(unnamed)) },
        Ok(ip) => {
            let address = SocketAddr::new(ip, url.port());
            Report { address: Some(address), result: ask_at(address, url, login, around) }
        }
    }
}

fn ask_at(
    address: SocketAddr,
    url: &IceUrl,
    login: Option<&Login>,
    around: Surroundings<'_>,
) -> Result<Finding, Failure> {
    if url.scheme.is_secure() && url.transport() == Transport::Udp {
        return Ok(Finding::NotTried);
    }
    let mut channel = Channel::open(address, url.transport(), PATIENCE, around.now)?;
    if url.scheme.is_secure() {
        return Ok(Finding::Listens);
    }
    match login.filter(|_| url.scheme.is_turn()) {
        Some(login) => Talk { channel: &mut channel, login, around, realm: None }.relay(),
        None => {
            let request = Request::new(Method::Binding, transaction(around)).finish();
            let answer = channel.ask(&request)?;
            let answered = message(&answer)?;
            refusal(answered)?;
            let seen = answered.xor_address(attribute::XOR_MAPPED_ADDRESS);
            seen.map(Finding::Sees).ok_or(Failure::Senseless)
        }
    }
}

/// An exchange with a TURN server.
struct Talk<'a, 'b> {
    channel: &'a mut Channel<'b>,
    login: &'a Login,
    around: Surroundings<'b>,
    /// What the server requires in each request, once it has said so.
    realm: Option<Realm>,
}

/// The realm of the credentials, and a nonce against replays (RFC 8489 9.2).
struct Realm {
    name: Vec<u8>,
    nonce: Vec<u8>,
    key: Key,
}

impl Talk<'_, '_> {
    /// Asks for an allocation, and releases it.
    fn relay(&mut self) -> Result<Finding, Failure> {
        let answer =
            self.request(Method::Allocate, attribute::REQUESTED_TRANSPORT, RELAYED_TRANSPORT)?;
        let relayed = message(&answer)?.xor_address(attribute::XOR_RELAYED_ADDRESS);
        let at = relayed.ok_or(Failure::Senseless)?;
        let for_anybody = self.realm.is_none();
        // If there is no answer to this, the allocation expires by itself after some minutes.
        self.request(Method::Refresh, attribute::LIFETIME, [0; 4])?;
        Ok(Finding::Relays { at, for_anybody })
    }

    /// Repeats a request until it is granted: first without credentials, then with what the server
    /// asks for (RFC 8489 9.2.5).
    fn request(&mut self, method: Method, kind: u16, value: [u8; 4]) -> Result<Vec<u8>, Failure> {
        // Once to learn the realm, once with it, and once if the nonce has just become stale.
        const ATTEMPTS: usize = 3;
        let mut stale = false;
        for _ in 0..ATTEMPTS {
            let request = self.write(method, kind, value);
            let answer = self.channel.ask(&request)?;
            let answered = message(&answer)?;
            let code = match refusal(answered) {
                Ok(()) => return self.authentic(answered).map(|()| answer),
                Err(Failure::LoginRefused) => 401,
                Err(Failure::Refused(438)) => 438,
                Err(failure) => return Err(failure),
            };
            if code == 401 && self.realm.is_some() || code == 438 && stale {
                return Err(Failure::LoginRefused);
            }
            stale = code == 438;
            self.note_realm(answered)?;
        }
        Err(Failure::LoginRefused)
    }

    fn write(&self, method: Method, kind: u16, value: [u8; 4]) -> Vec<u8> {
        let request = Request::new(method, transaction(self.around)).with(kind, &value);
        let Some(realm) = &self.realm else { return request.finish() };
        request
            .with(attribute::USERNAME, self.login.username.reveal().as_bytes())
            .with(attribute::REALM, &realm.name)
            .with(attribute::NONCE, &realm.nonce)
            .signed(&realm.key)
            .finish()
    }

    fn note_realm(&mut self, answer: Message<'_>) -> Result<(), Failure> {
        let known = self.realm.as_ref().map(|realm| realm.name.clone());
        let name = answer.find(attribute::REALM).map(<[u8]>::to_vec).or(known);
        let name = name.ok_or(Failure::Senseless)?;
        let nonce = answer.find(attribute::NONCE).ok_or(Failure::Senseless)?.to_vec();
        let Login { username, password } = self.login;
        let key = Key::long_term(username.reveal(), &name, password.reveal());
        self.realm = Some(Realm { name, nonce, key });
        Ok(())
    }

    /// A success response must also prove that the server has the password (RFC 8489 9.2.5).
    fn authentic(&self, answer: Message<'_>) -> Result<(), Failure> {
        match &self.realm {
            Some(realm) if answer.is_signed_by(&realm.key) != Some(true) => Err(Failure::Senseless),
            _ => Ok(()),
        }
    }
}

fn transaction(around: Surroundings<'_>) -> [u8; 12] {
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&(around.random)()[..12]);
    transaction
}

/// Parses an answer, which [`Channel::ask`] has already checked to be a message.
fn message(bytes: &[u8]) -> Result<Message<'_>, Failure> {
    Message::parse(bytes).map_err(|_| Failure::Senseless)
}

fn refusal(answer: Message<'_>) -> Result<(), Failure> {
    match (answer.class(), answer.error_code()) {
        (Class::Success, _) => Ok(()),
        (_, Some(401)) => Err(Failure::LoginRefused),
        (_, Some(code)) => Err(Failure::Refused(code)),
        (_, None) => Err(Failure::Senseless),
    }
}

impl From<Silence> for Failure {
    fn from(silence: Silence) -> Self {
        Self::Silent(silence)
    }
}
