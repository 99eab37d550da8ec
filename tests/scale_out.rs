//! Several servers behind HAProxy, with `deploy/haproxy-scale-out.cfg` unchanged except for ports
//! and paths: a session has one server, and another one if that dies.
#![cfg(feature = "tls")]

mod common;

use std::net::TcpStream;
use std::time::Instant;

use autamedica_signaling::message::{Role, SessionId};
use serde_json::{Value, json};

use common::program::Program;
use common::programs::{Beside, example, free_port};
use common::secure::{HOST, Pair};
use common::{Client, PATIENCE, Person, client, session};

type Stream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

const ROOMS: usize = 24;

/// Two servers and a balancer.
struct Site {
    pair: Pair,
    port: u16,
    servers: Vec<Option<Program>>,
    balancer: Beside,
}

impl Site {
    fn new() -> Self {
        let (pair, port) = (Pair::new(), free_port());
        let bundle = pair.cert_file.with_extension("bundle");
        std::fs::write(&bundle, format!("{}{}", pair.cert, pair.key)).expect("a file");
        let servers: Vec<_> = (0..2).map(|_| start("0")).collect();
        let config = example(
            "haproxy-scale-out.cfg",
            &[
                ("bind :443", &format!("bind 127.0.0.1:{port}")),
                ("/etc/ssl/signaling/bundle.pem", &bundle.display().to_string()),
                ("127.0.0.1:10000", &format!("127.0.0.1:{}", free_port())),
                ("192.0.2.11:8080", &servers[0].address.to_string()),
                ("192.0.2.12:8080", &servers[1].address.to_string()),
            ],
        );
        let balancer = Beside::start("haproxy", &["-f", "CONFIG", "-db"], &config, port);
        Self { pair, port, servers: servers.into_iter().map(Some).collect(), balancer }
    }

    fn stream(&self) -> Stream {
        let stream = client::connect(([127, 0, 0, 1], self.port).into());
        self.pair.over(stream, self.pair.client(rustls::ALL_VERSIONS))
    }

    /// Comes in with the token where a browser or a native client shows it, or only within `join-room`.
    fn enter(&self, person: &Person, way: Way) -> Client<Stream> {
        let bearer = format!("Bearer {}", person.token);
        let protocols = format!("autamedica.v1, bearer.{}", person.token);
        let query = format!("/ws?session={}", person.session.to_uppercase());
        let mut request = person.join_request();
        let (path, fields) = match way {
            Way::Authorization => ("/ws", vec![("Authorization", bearer.as_str())]),
            Way::Subprotocol => ("/", vec![("Sec-WebSocket-Protocol", protocols.as_str())]),
            Way::JoinRoom => {
                request["authToken"] = person.token.as_str().into();
                (query.as_str(), Vec::new())
            }
        };
        let upgraded = client::upgrade_over(self.stream(), HOST, path, &fields);
        let (socket, _) = upgraded.expect("an upgrade");
        let mut client = Client { socket, person: person.clone() };
        client.send(&request);
        client
    }

    /// Which servers hold connections, by how many.
    fn connections(&self, server: usize) -> usize {
        let program = self.servers[server].as_ref().expect("it runs");
        established(program.address.port())
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Authorization,
    Subprotocol,
    JoinRoom,
}

fn start(port: &str) -> Program {
    let settings = [
        ("PORT", port),
        ("PROXY_PROTOCOL", "true"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("CONNECTIONS_PER_ADDRESS_MAX", "unlimited"),
    ];
    Program::start(1_000, &settings)
}

/// Connections that a server of this port holds (proc(5), `net/tcp`).
fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table");
    let own = format!(":{port:04X}");
    let mine = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().is_some_and(|local| local.ends_with(&own));
        local && fields.nth(1) == Some("01")
    };
    table.lines().filter(mine).count()
}

/// A doctor and a patient who have met.
struct Room {
    session: SessionId,
    doctor: Client<Stream>,
    patient: Client<Stream>,
}

impl Room {
    fn new(site: &Site) -> Self {
        let session = session();
        let (doctor, patient) =
            (Person::new(Role::Doctor, session), Person::new(Role::Patient, session));
        let mut doctor = site.enter(&doctor, Way::Authorization);
        doctor.expect("room-joined");
        let mut patient = site.enter(&patient, Way::Subprotocol);
        patient.expect("room-joined");
        doctor.expect("peer-joined");
        doctor.expect("room-status");
        patient.expect("room-status");
        Self { session, doctor, patient }
    }

    fn talks(&mut self) {
        let offer = self.doctor.offer_to(&self.patient.person, 5_000);
        self.doctor.send(&offer);
        assert_eq!(self.patient.receive(), offer);
    }

    /// Both come again, as clients do whose connection has broken.
    fn comes_again(&mut self, site: &Site) {
        for client in [&mut self.doctor, &mut self.patient] {
            let person = client.person.clone();
            let back = site.enter(&person, Way::Authorization);
            let before = std::mem::replace(client, back);
            drop(before);
            let joined = client.expect("room-joined");
            assert_eq!(joined["resumed"], false, "nobody there knows what was said: {joined}");
        }
        self.doctor.expect("peer-joined");
        self.doctor.expect("room-status");
        self.patient.expect("room-status");
    }

    /// Somebody else comes to the room, and finds both.
    fn is_found(&mut self, site: &Site) {
        let observer = Person::new(Role::Observer, self.session);
        let mut observer = site.enter(&observer, Way::JoinRoom);
        let joined = observer.expect("room-joined");
        assert_eq!(joined["participants"].as_array().map(Vec::len), Some(3), "{joined}");
        for client in [&mut self.doctor, &mut self.patient] {
            client.expect("peer-joined");
        }
        observer.send(&json!({
            "type": "leave-room", "sessionId": observer.person.session, "userId": observer.person.user
        }));
        for client in [&mut self.doctor, &mut self.patient] {
            let left = client.expect("peer-left");
            assert_eq!(left["reason"], "left");
        }
    }

    /// Whether the doctor's connection has ended, also with a word of good-bye. Nothing else is expected.
    fn is_cut_off(&mut self) -> bool {
        self.doctor.send(&json!({ "type": "ping" }));
        loop {
            match self.doctor.socket.read() {
                Ok(message) if message.is_text() => {
                    let text: Value =
                        serde_json::from_str(&message.into_text().expect("text")).expect("JSON");
                    if text["code"] == "SERVER_SHUTDOWN" {
                        continue;
                    }
                    assert_eq!(text["type"], "pong", "{text}");
                    return false;
                }
                Ok(message) if message.is_close() => return true,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_session_has_one_server_and_another_when_that_dies() {
    let mut site = Site::new();
    let mut rooms: Vec<Room> = (0..ROOMS).map(|_| Room::new(&site)).collect();
    rooms.iter_mut().for_each(Room::talks);
    rooms.iter_mut().for_each(|room| room.is_found(&site));
    let spread = [site.connections(0), site.connections(1)];
    assert!(spread.iter().all(|count| *count >= 4), "both have rooms: {spread:?}");

    // One dies. Those in its rooms are cut off, come again at once, and meet.
    let dead = site.servers[0].take().expect("it runs");
    let port = dead.address.port().to_string();
    drop(dead);
    let mut moved = Vec::new();
    for (index, room) in rooms.iter_mut().enumerate() {
        if room.is_cut_off() {
            room.comes_again(&site);
            moved.push(index);
        }
    }
    assert!((2..ROOMS - 1).contains(&moved.len()), "{} rooms have moved", moved.len());
    // The others have noticed nothing, and all are whole.
    rooms.iter_mut().for_each(Room::talks);
    rooms.iter_mut().for_each(|room| room.is_found(&site));

    // It comes back. Rooms stay where they are, also for those who come later; new ones go to both.
    site.servers[0] = Some(start(&port));
    wait_until("the balancer to see it", || site.balancer.log().contains("rooms/one is UP"));
    rooms.iter_mut().for_each(|room| room.is_found(&site));
    rooms.iter_mut().for_each(Room::talks);
    let mut more: Vec<Room> = (0..ROOMS).map(|_| Room::new(&site)).collect();
    more.iter_mut().for_each(|room| room.is_found(&site));
    assert!(site.connections(0) >= 4, "it has rooms again: {}", site.connections(0));
}

#[test]
fn a_server_that_is_told_to_end_sends_its_people_to_the_other() {
    let mut site = Site::new();
    let mut rooms: Vec<Room> = (0..ROOMS).map(|_| Room::new(&site)).collect();
    site.servers[1].as_ref().expect("it runs").terminate();
    wait_until("the balancer to see it", || site.balancer.log().contains("rooms/two is DOWN"));
    let mut moved = 0;
    for room in &mut rooms {
        if room.is_cut_off() {
            room.comes_again(&site);
            moved += 1;
        }
    }
    assert!((2..ROOMS - 1).contains(&moved), "{moved} rooms have moved");
    rooms.iter_mut().for_each(Room::talks);
    rooms.iter_mut().for_each(|room| room.is_found(&site));
    let mut ended = site.servers[1].take().expect("it ran");
    assert!(ended.child.wait().expect("it ends").success());
}

/// One request of a Socket.IO client that polls, on a connection of its own; the body of the answer.
fn poll(site: &Site, session: &str, sid: &str, body: Option<&str>) -> String {
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let request = format!(
        "{method} /socket.io/?EIO=4&transport=polling&session={session}{sid} HTTP/1.1\r\nHost: {HOST}\r\n\
         Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = common::secure::ask(&mut site.stream(), &request);
    let text = String::from_utf8(answer.body).expect("UTF-8");
    assert_eq!(answer.status, 200, "{text}");
    text
}

#[test]
fn socket_io_that_polls_with_its_session_in_the_query_stays_at_one_server_and_meets_the_others() {
    let site = Site::new();
    for _ in 0..8 {
        let session = session();
        let (doctor, patient) =
            (Person::new(Role::Doctor, session), Person::new(Role::Patient, session));
        let name = doctor.session.as_str();
        let opening: Value = serde_json::from_str(&poll(&site, name, "", None)[1..]).expect("JSON");
        let sid = format!("&sid={}", opening["sid"].as_str().expect("a name"));
        let connect = format!("40{}", json!({ "token": doctor.token, "sessionId": name }));
        assert_eq!(poll(&site, name, &sid, Some(&connect)), "ok");
        assert!(poll(&site, name, &sid, None).starts_with("40"));
        let join = format!("42{}", json!(["join-room", doctor.join_request()]));
        assert_eq!(poll(&site, name, &sid, Some(&join)), "ok");
        assert!(poll(&site, name, &sid, None).contains("room-joined"));

        let mut patient = site.enter(&patient, Way::Subprotocol);
        let joined = patient.expect("room-joined");
        assert_eq!(joined["participants"].as_array().map(Vec::len), Some(2), "{joined}");
    }
}

#[test]
fn who_does_not_say_where_it_belongs_is_told_so_and_health_needs_no_session() {
    let site = Site::new();
    for path in ["/ws", "/ws?session=somewhere", "/", "/socket.io/?EIO=4&transport=websocket"] {
        let refused = client::upgrade_over(site.stream(), HOST, path, &[]).err();
        assert_eq!(refused.map(|status| status.as_u16()), Some(400), "{path}");
    }
    let mut stream = site.stream();
    std::io::Write::write_all(&mut stream, b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("sent");
    let mut status = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut status).expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 200");
}
