//! `check --network` against a real TURN server, and against servers that misbehave.

#[path = "network_check/coturn.rs"]
mod coturn;
#[path = "network_check/fakes.rs"]
mod fakes;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::reactor::clock::{self, Clock};
use autamedica_signaling::service::network::exchange::Silence;
use autamedica_signaling::service::network::names::{Sources, Unnamed, lookup};
use autamedica_signaling::service::network::{Failure, Finding, Report, Surroundings, ask};
use autamedica_signaling::wire::ice_url::IceUrl;
use autamedica_signaling::wire::stun::{Message, Method, attribute};
use autamedica_signaling::wire::turn::Login;

use coturn::{Coturn, free_address};
use fakes::{datagrams, reply, requests, stream, xored_address};

const SECRET: &str = "marker-secret-of-the-turn-server-0123456789";
const PREVIOUS: &str = "marker-secret-before-it-0123456789-012345";

/// What the program left behind.
struct Outcome {
    status: i32,
    out: String,
    err: String,
}

impl Outcome {
    /// What was said of the server whose title begins so.
    fn verdict(&self, title: &str) -> &str {
        let mut lines = self.out.lines().skip_while(|line| !line.starts_with(title));
        lines.nth(1).unwrap_or_else(|| panic!("no {title} in\n{}", self.out)).trim_start()
    }
}

/// Runs the check with these settings.
fn check(settings: &[(&str, &str)]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
        .args(["check", "--network"])
        .env_clear()
        .env("NODE_ENV", "development")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let outcome = Outcome {
        status: output.status.code().expect("an exit status"),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    let said = format!("{}{}", outcome.out, outcome.err);
    assert!(!said.contains("marker"), "a secret is shown: {said}");
    outcome
}

/// Asks one server in this process.
fn ask_at(url: &str, login: Option<&Login>) -> Report {
    with_surroundings(|around| ask(&IceUrl::parse(url).expect("an address"), login, around))
}

fn with_surroundings<T>(act: impl FnOnce(Surroundings<'_>) -> T) -> T {
    let clock = Clock::new();
    let now = || clock.read().instant;
    let random = || *clock::random_uuid().as_bytes();
    act(Surroundings { now: &now, random: &random })
}

fn login() -> Login {
    let text = |text: &str| Redacted::new(text.to_owned());
    Login { username: text("someone"), password: text("a password") }
}

#[test]
fn good_servers_pass_over_udp_and_tcp_and_the_relays_are_given_back() {
    let server = Coturn::start(&[&format!("--static-auth-secret={SECRET}")]);
    let port = server.port();
    let stun = format!("stun:127.0.0.1:{port},stun:localhost:{port}");
    let (udp, tcp) =
        (format!("turn:127.0.0.1:{port}"), format!("turn:localhost:{port}?transport=tcp"));
    let outcome = check(&[
        ("STUN_URLS", &stun),
        ("TURN_SERVER_URL", &format!("{udp},{tcp}")),
        ("TURN_SECRET", SECRET),
    ]);
    assert_eq!(outcome.status, 0, "{}{}", outcome.out, outcome.err);
    for title in [&format!("STUN stun:127.0.0.1:{port}"), &format!("STUN stun:localhost:{port}")] {
        let verdict = outcome.verdict(title);
        assert!(
            verdict.starts_with("ok: it answers, and sees this machine as 127.0.0.1:"),
            "{verdict}"
        );
    }
    for title in [&format!("TURN {udp}"), &format!("TURN {tcp}")] {
        let verdict = outcome.verdict(title);
        assert!(
            verdict.starts_with("ok: it accepts the credentials, and relays at 127.0.0.1:40"),
            "{verdict}"
        );
    }
    assert!(outcome.out.contains("All 4 checks passed."));
    assert!(outcome.out.contains("3478/udp") && outcome.out.contains("49152-65535/udp"));
    for _ in [udp, tcp] {
        server.wait_for_line(&["refreshed", "lifetime=0"]);
    }
}

#[test]
fn a_wrong_secret_is_named_as_such_and_both_secrets_are_tried() {
    let server = Coturn::start(&[&format!("--static-auth-secret={PREVIOUS}")]);
    let url = format!("turn:127.0.0.1:{0},turn:127.0.0.1:{0}?transport=tcp", server.port());
    let settings =
        [("TURN_SERVER_URL", &*url), ("TURN_SECRET", SECRET), ("TURN_SECRET_PREVIOUS", PREVIOUS)];
    let outcome = check(&settings);
    assert_eq!(outcome.status, 69, "{}{}", outcome.out, outcome.err);
    assert_eq!(
        outcome.out.matches("FAILED: it answers, and refuses the credentials (401)").count(),
        2
    );
    assert_eq!(outcome.out.matches("static-auth-secret").count(), 2);
    assert_eq!(outcome.out.matches("ok: it accepts the credentials").count(), 2);
    assert!(outcome.out.contains("2 of 4 checks FAILED."));

    // The change is over at the server, and not here.
    let outcome =
        check(&[settings[0], ("TURN_SECRET", PREVIOUS), ("TURN_SECRET_PREVIOUS", SECRET)]);
    assert_eq!(outcome.status, 69);
    assert_eq!(outcome.out.matches("take TURN_SECRET_PREVIOUS out").count(), 2, "{}", outcome.out);
    // And during it, both count.
    let both = [PREVIOUS, SECRET].map(|secret| format!("--static-auth-secret={secret}"));
    let server = Coturn::start(&[&both[0], &both[1]]);
    let url = format!("turn:127.0.0.1:{}", server.port());
    let outcome = check(&[("TURN_SERVER_URL", &url), settings[1], settings[2]]);
    assert_eq!(outcome.status, 0, "{}", outcome.out);
}

#[test]
fn fixed_credentials_are_checked_too() {
    let server =
        Coturn::start_bare(&["--lt-cred-mech", "--realm=somewhere", "--user=clinic:marker-word"]);
    let url = format!("turn:127.0.0.1:{}", server.port());
    let with = |password| {
        let settings = [("TURN_USERNAME", "clinic"), ("TURN_CREDENTIAL", password)];
        check(&[("TURN_SERVER_URL", &*url), settings[0], settings[1]])
    };
    let good = with("marker-word");
    assert_eq!(good.status, 0, "{}", good.out);
    let wrong = with("marker-other");
    assert_eq!(wrong.status, 69, "{}", wrong.out);
    assert!(wrong.verdict("TURN").ends_with("(401): user name or password is wrong"));
}

#[test]
fn an_expired_login_is_refused() {
    let server = Coturn::start(&[&format!("--static-auth-secret={SECRET}")]);
    let minter = autamedica_signaling::wire::turn::Minter::new(SECRET.as_bytes(), &[7; 32]);
    let minter = minter.expect("long enough");
    let at = |secs: i64| {
        let wall = autamedica_signaling::base::time::WallTime::from_secs(
            clock::wall_time().as_secs() + secs,
        );
        let url = format!("turn:127.0.0.1:{}", server.port());
        ask_at(&url, Some(&minter.mint(secs.unsigned_abs(), wall))).result
    };
    let good = at(600);
    assert!(matches!(good, Ok(Finding::Relays { for_anybody: false, .. })), "{good:?}");
    assert_eq!(at(-600), Err(Failure::LoginRefused));
}

#[test]
fn nobody_there_is_told_apart_from_nobody_who_answers() {
    let free = free_address().port();
    let mute = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let mute = mute.local_addr().map(|address| (mute, address.port())).expect("an address");
    let stun = format!("stun:127.0.0.1:{free},stun:127.0.0.1:{}", mute.1);
    let turn = format!("turn:127.0.0.1:{free}?transport=tcp,turns:127.0.0.1:{free}");
    let outcome =
        check(&[("STUN_URLS", &stun), ("TURN_SERVER_URL", &turn), ("TURN_SECRET", SECRET)]);
    assert_eq!(outcome.status, 69, "{}", outcome.out);
    let nobody = outcome.verdict(&format!("STUN stun:127.0.0.1:{free}"));
    assert!(nobody.contains(&format!("nothing listens on {free}/udp")), "{nobody}");
    let silent = outcome.verdict(&format!("STUN stun:127.0.0.1:{}", mute.1));
    assert!(
        silent.contains(&format!(
            "no answer within 6 seconds. Usually a firewall: open {}/udp",
            mute.1
        ))
    );
    for title in ["TURN turn:", "TURN turns:"] {
        let nobody = outcome.verdict(title);
        assert!(nobody.contains(&format!("nothing listens on {free}/tcp")), "{nobody}");
    }
}

#[test]
fn a_port_that_wants_tls_is_only_connected_to_and_said_so() {
    let (address, thread) = stream(b"");
    let outcome = check(&[
        (
            "TURN_SERVER_URL",
            &format!("turns:{address}?transport=tcp,turns:{address}?transport=udp"),
        ),
        ("TURN_SECRET", SECRET),
        ("TURN_SECRET_PREVIOUS", PREVIOUS),
    ]);
    assert_eq!(outcome.status, 0, "{}", outcome.out);
    assert_eq!(outcome.out.matches("TLS and what is behind it were not checked").count(), 1);
    assert_eq!(outcome.out.matches("not checked: this would be DTLS").count(), 1);
    thread.join().expect("it was connected to");
}

#[test]
fn a_wrong_configuration_is_78_and_none_at_all_is_told() {
    let outcome = check(&[("TURN_SERVER_URL", "turn://turn.example.org"), ("TURN_SECRET", SECRET)]);
    assert_eq!((outcome.status, outcome.out.as_str()), (78, ""));
    assert!(outcome.err.starts_with("TURN_SERVER_URL: "), "{}", outcome.err);
    let outcome = check(&[]);
    assert_eq!(outcome.status, 0);
    assert!(outcome.out.contains("No STUN and no TURN server is set"), "{}", outcome.out);
}

#[test]
fn a_datagram_that_is_lost_is_sent_again_as_it_was() {
    let (address, thread) = datagrams(3, |number, request| {
        let seen = xored_address();
        let good = reply(request, None, &[(attribute::XOR_MAPPED_ADDRESS, &seen)]);
        // The second is answered with somebody else's answer.
        let mut foreign = good.clone();
        foreign[8] ^= 1;
        [None, Some(foreign), Some(good)][number].clone()
    });
    let seen: SocketAddr = "192.0.2.7:4660".parse().expect("an address");
    let report = ask_at(&format!("stun:{address}"), None);
    assert_eq!((report.address, report.result), (Some(address), Ok(Finding::Sees(seen))));
    let received = thread.join().expect("the server");
    assert!(received.iter().all(|request| *request == received[0]), "the same transaction");
    assert_eq!(Message::parse(&received[0]).map(|request| request.method()), Ok(Method::Binding));
}

#[test]
fn a_stale_nonce_is_replaced_once() {
    const REALM: (u16, &[u8]) = (attribute::REALM, b"somewhere");
    let nonce = |request: &[u8]| {
        Message::parse(request).ok().and_then(|one| one.find(attribute::NONCE)).map(<[u8]>::to_vec)
    };
    let (address, thread) = requests(3, move |number, request| {
        let (code, nonce): (u16, &[u8]) =
            [(401, &b"first"[..]), (438, b"second"), (438, b"third")][number];
        reply(request, Some(code), &[REALM, (attribute::NONCE, nonce)])
    });
    let report = ask_at(&format!("turn:{address}"), Some(&login()));
    // One that is never content is as good as one that refuses.
    assert_eq!(report.result, Err(Failure::LoginRefused));
    let received = thread.join().expect("the server");
    let nonces: Vec<_> = received.iter().map(|request| nonce(request)).collect();
    assert_eq!(nonces, [None, Some(b"first".to_vec()), Some(b"second".to_vec())]);
}

#[test]
fn answers_without_sense_are_told_apart() {
    let relayed = (attribute::XOR_RELAYED_ADDRESS, &xored_address()[..]);
    let realm = [(attribute::REALM, &b"r"[..]), (attribute::NONCE, &b"n"[..])];
    type Answer<'a> = (Option<u16>, Vec<(u16, &'a [u8])>);
    let cases: Vec<(Vec<Answer<'_>>, Result<Finding, Failure>)> = vec![
        // No relayed address; no realm; an error without a code; a code of its own.
        (vec![(None, vec![])], Err(Failure::Senseless)),
        (vec![(Some(401), vec![])], Err(Failure::Senseless)),
        (vec![(Some(0), vec![])], Err(Failure::Senseless)),
        (vec![(Some(508), vec![])], Err(Failure::Refused(508))),
        (vec![(Some(401), realm.to_vec()), (Some(486), vec![])], Err(Failure::Refused(486))),
        // A success that nobody has signed may come from anybody.
        (vec![(Some(401), realm.to_vec()), (None, vec![relayed])], Err(Failure::Senseless)),
        // No credentials were asked for.
        (
            vec![(None, vec![relayed]), (None, vec![])],
            Ok(Finding::Relays {
                at: "192.0.2.7:4660".parse().expect("an address"),
                for_anybody: true,
            }),
        ),
    ];
    for (answers, expected) in cases {
        let owned: Vec<(Option<u16>, Vec<_>)> = answers
            .into_iter()
            .map(|(code, list)| {
                let owned =
                    list.into_iter().map(|(kind, value): (u16, &[u8])| (kind, value.to_vec()));
                (code, owned.collect())
            })
            .collect();
        let (address, thread) = requests(owned.len(), move |number, request| {
            let (code, list) = &owned[number];
            let list: Vec<(u16, &[u8])> =
                list.iter().map(|(kind, value)| (*kind, &value[..])).collect();
            reply(request, *code, &list)
        });
        assert_eq!(ask_at(&format!("turn:{address}"), Some(&login())).result, expected);
        thread.join().expect("the server");
    }
    for text in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01\x03"] {
        let (address, thread) = stream(text);
        let report = ask_at(&format!("turn:{address}?transport=tcp"), Some(&login()));
        assert_eq!(report.result, Err(Failure::Silent(Silence::NotStun)));
        thread.join().expect("the server");
    }
}

#[test]
fn names_are_looked_up_at_the_name_servers() {
    // A and AAAA of a name that has an alias and an IPv6 address only, as a resolver answers.
    let (address, thread) = requests(4, |number, query| {
        let mut answer = query.to_vec();
        answer[2] |= 0x80;
        answer[3] = 0x80;
        match number {
            0 => {
                answer[7] = 1;
                answer.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x0c");
            }
            1 => {
                answer[7] = 1;
                answer.extend_from_slice(b"\xc0\x0c\0\x1c\0\x01\0\0\0\x3c\0\x10");
                answer.extend_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
            }
            2 => answer[3] |= 3,
            _ => answer[3] |= 2,
        }
        answer
    });
    let sources =
        Sources { hosts: "192.0.2.9 listed.example\n".to_owned(), servers: vec![address] };
    with_surroundings(|around| {
        let of = |name| lookup(name, &sources, around);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(of("listed.example"), Ok(ip("192.0.2.9")));
        assert_eq!(of("turn.example"), Ok(ip("2001:db8::7")));
        assert_eq!(of("nowhere.example"), Err(Unnamed::NoSuchName));
        assert_eq!(of("broken.example"), Err(Unnamed::NobodyTells(vec![address])));
    });
    thread.join().expect("the name server");
}
