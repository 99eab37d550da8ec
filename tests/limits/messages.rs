//! Messages, control frames and bytes faster than allowed.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::message::{Role, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::{Value, json};

use crate::beside::Call;
use crate::common::raw::{CLOSE, PING, PONG, TEXT, frame, part, upgrade_request};
use crate::common::{Client, Person, Raw, TestServer, couple, people, scratch, session};

/// What somebody heard who sent as fast as possible.
#[derive(Debug, Default)]
struct Heard {
    /// The `id` of what was obeyed, and of what was refused.
    obeyed: Vec<u64>,
    refused: Vec<u64>,
    pongs: usize,
    code: u16,
}

/// Sends the same frame with other ids until the end, and reads what comes.
fn flood(mut raw: Raw, message: impl Fn(u64) -> Vec<u8> + Send + 'static) -> Heard {
    let mut writer = raw.stream.try_clone().expect("a second end");
    let sender = std::thread::spawn(move || {
        // Until the server has closed the connection.
        for number in 0.. {
            if std::io::Write::write_all(&mut writer, &message(number)).is_err() {
                return;
            }
        }
    });
    let mut heard = Heard::default();
    while let Some(frame) = raw.next_frame() {
        match frame.opcode {
            TEXT => {
                let text: Value = serde_json::from_slice(&frame.payload).expect("JSON");
                let id = text["id"].as_u64();
                match text["type"].as_str() {
                    Some("ack") => heard.obeyed.extend(id),
                    Some("error") => {
                        assert_eq!(text["code"], "RATE_LIMITED", "{text}");
                        heard.refused.extend(id);
                    }
                    _ => {}
                }
            }
            PONG => heard.pongs += 1,
            CLOSE => {
                heard.code = frame.close_code();
                break;
            }
            _ => {}
        }
    }
    // All that matters was heard: the sender need not wait until the server has given up to wait for the end.
    raw.stream.shutdown(Shutdown::Both).expect("a connection");
    sender.join().expect("the sender ends");
    heard
}

/// Two who are in a room, one of them as bytes.
fn raw_couple(server: &TestServer) -> (Raw, Person, Client) {
    let (doctor, patient) = people();
    let patient = Client::join(server, &patient);
    let mut raw = Raw::connect(server.address());
    raw.join(&doctor);
    (raw, doctor, patient)
}

fn text(message: &Value) -> Vec<u8> {
    frame(TEXT, message.to_string().as_bytes())
}

#[test]
fn candidates_faster_than_allowed_are_refused_one_by_one_and_in_the_end_all() {
    let server = TestServer::start();
    let mut call = Call::new(&server);
    let (raw, doctor, mut patient) = raw_couple(&server);
    let to = patient.person.clone();
    let heard = call.goes_on_beside(move || {
        flood(raw, move |number| {
            text(&json!({
                "type": "ice-candidate", "sessionId": doctor.session, "fromUserId": doctor.user,
                "toUserId": to.user, "candidate": { "candidate": "" }, "id": number,
            }))
        })
    });
    assert_eq!(heard.code, 4429);
    assert!(heard.obeyed.len() >= 200, "the burst: {heard:?}");
    assert_eq!(
        heard.obeyed[..200],
        (0..200).collect::<Vec<_>>()[..],
        "and nothing was refused before"
    );
    assert!(heard.refused.len() >= 100, "{heard:?}");
    let refused = heard.refused.len() as u64;
    server.wait_until("each to be counted", |now| {
        (now.limits.of(Limit::Refused), now.limits.of(Limit::SignalRate)) == (1, refused - 1)
    });
    // What was obeyed has arrived, in order, and the place is kept.
    patient.expect("peer-joined");
    patient.expect("room-status");
    for number in heard.obeyed {
        assert_eq!(patient.expect("ice-candidate")["id"], number);
    }
    assert_eq!(patient.expect("peer-state")["connectionState"], "reconnecting");
}

/// Sends offers with these certificates, whatever else comes meanwhile; those that were obeyed.
fn show(client: &mut Client, to: &Person, certificates: std::ops::Range<u16>) -> Vec<u16> {
    for number in certificates.clone() {
        let [high, low] = number.to_be_bytes();
        let mut offer = client.offer_to(to, 0);
        offer["id"] = number.into();
        let one = format!("sha-256 {high:02X}:{low:02X}:");
        client.send_text(offer.to_string().replacen("sha-256 4A:4A:", &one, 1));
    }
    let mut obeyed = Vec::new();
    for number in certificates {
        let answer = loop {
            let heard = client.receive();
            if matches!(heard["type"].as_str(), Some("ack" | "error")) {
                break heard;
            }
        };
        assert_eq!(answer["id"], number, "{answer}");
        if answer["type"] == "ack" {
            obeyed.push(number);
            continue;
        }
        assert_eq!(answer["code"], "RATE_LIMITED", "{answer}");
        assert!(answer["message"].as_str().is_some_and(|text| text.contains("certificate")));
    }
    obeyed
}

#[test]
fn new_certificates_without_end_are_refused_and_those_that_were_passed_on_stand_in_the_audit_log() {
    let folder = scratch("certificates").join("audit");
    let server = TestServer::start_with(|config| {
        config.signal_rate = usize::MAX;
        config.audit_log = true;
        config.audit_dir.clone_from(&folder);
    });
    let start = Instant::now();
    let (mut doctor, mut patient) = couple(&server);
    let to = patient.person.clone();
    let mut passed = show(&mut doctor, &to, 0..306);
    assert_eq!(passed[..256], (0..256).collect::<Vec<_>>()[..], "far more than a client has");
    // The one that is in use is none of them, as after an ICE restart.
    let last = passed[passed.len() - 1];
    assert_eq!(show(&mut doctor, &to, last..last + 1), [last]);
    // Whoever leaves and comes again goes on where it was.
    let leave =
        json!({ "type": "leave-room", "sessionId": to.session, "userId": doctor.person.user });
    doctor.send(&leave);
    assert_eq!(doctor.expect_close(), 1000);
    let mut doctor = Client::join(&server, &doctor.person);
    passed.extend(show(&mut doctor, &to, 1_200..1_250));
    let most = 256 + 5 * (start.elapsed().as_secs() as usize + 1);
    assert!(passed.len() <= most, "{passed:?} of {most}");
    // Others in the same room have their own, and after a while there is one again.
    passed.extend(show(&mut patient, &doctor.person, 1_300..1_310));
    assert!(passed.ends_with(&(1_300..1_310).collect::<Vec<_>>()), "{passed:?}");
    while show(&mut doctor, &to, 1_400..1_401).is_empty() {
        // Asked without a pause, it would be one refusal too many.
        std::thread::sleep(Duration::from_millis(100));
    }
    passed.push(1_400);
    assert!(server.counters().limits.of(Limit::CertificateRate) > 0);
    drop((doctor, patient));
    server.wait_until_empty();
    server.stop();
    let segment = std::fs::read_to_string(folder.join("00000001.jsonl")).expect("the audit log");
    assert_eq!(segment.matches("\"fingerprint\"").count(), passed.len(), "each that was passed on");
}

#[test]
fn who_shows_new_certificates_as_fast_as_may_be_is_closed_in_the_end() {
    let server = TestServer::start_with(|config| config.signal_rate = usize::MAX);
    let mut call = Call::new(&server);
    let (raw, doctor, patient) = raw_couple(&server);
    let offer = patient.offer_to(&patient.person, 0);
    let heard = call.goes_on_beside(move || {
        flood(raw, move |number| {
            let mut offer = offer.clone();
            offer["fromUserId"] = doctor.user.as_str().into();
            offer["id"] = number.into();
            let one = format!("sha-256 {:02X}:{:02X}:", number >> 8 & 0xff, number & 0xff);
            frame(TEXT, offer.to_string().replacen("sha-256 4A:4A:", &one, 1).as_bytes())
        })
    });
    assert_eq!((heard.code, heard.obeyed.len() >= 256), (4429, true), "{heard:?}");
    assert!(heard.refused.len() >= 100, "{heard:?}");
    drop(patient);
}

#[test]
fn other_messages_have_a_limit_of_their_own() {
    let server = TestServer::start();
    let mut call = Call::new(&server);
    let (raw, ..) = raw_couple(&server);
    let heard = call.goes_on_beside(move || {
        flood(raw, |number| text(&json!({ "type": "ping", "id": number })))
    });
    assert_eq!(heard.code, 4429);
    assert_eq!(heard.obeyed[..39], (0..39).collect::<Vec<_>>()[..], "one of 40 was the join");
    assert!(heard.refused.len() >= 100, "{heard:?}");
    let refused = heard.refused.len() as u64;
    server.wait_until("each to be counted", |now| now.limits.of(Limit::StateRate) + 1 == refused);
}

#[test]
fn what_is_no_message_counts_like_one() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    raw.join(&people().0);
    raw.send(&frame(TEXT, b"{").repeat(200));
    let codes: Vec<_> = (0..139).map(|_| raw.json()["code"].as_str().map(str::to_owned)).collect();
    assert!(codes[..39].iter().all(|code| code.as_deref() == Some("BAD_JSON")), "{codes:?}");
    assert_eq!(codes[138].as_deref(), Some("RATE_LIMITED"));
    assert_eq!(raw.answer_close(), 4429);
}

#[test]
fn pings_faster_than_allowed_are_not_answered_and_end_the_connection() {
    let server = TestServer::start();
    let mut call = Call::new(&server);
    let (raw, ..) = raw_couple(&server);
    let heard = call.goes_on_beside(move || flood(raw, |_| frame(PING, b"are you there")));
    assert_eq!(heard.code, 4429);
    assert!(heard.pongs >= 39, "{heard:?}");
    let (raw, ..) = raw_couple(&server);
    let heard = call.goes_on_beside(move || flood(raw, |_| frame(PONG, b"nobody asked")));
    assert_eq!((heard.code, heard.pongs), (4429, 0));
    server.wait_until("two ends", |now| now.limits.of(Limit::Refused) == 2);
}

#[test]
fn bytes_faster_than_allowed_wait_and_arrive_all() {
    let server = TestServer::start_with(|config| {
        config.signal_rate = usize::MAX;
        config.bytes_rate = 128 * 1024;
        config.bytes_burst = 8 * 1024; // less than one of the offers
    });
    let mut call = Call::new(&server);
    let (mut doctor, mut patient) = couple(&server);
    let offers: Vec<_> = (0..15)
        .map(|number| {
            let mut offer = doctor.offer_to(&patient.person, 40_000);
            offer["id"] = number.into();
            offer
        })
        .collect();
    call.goes_on_beside(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| offers.iter().for_each(|offer| doctor.send(offer)));
            for offer in &offers {
                assert_eq!(&patient.receive(), offer);
            }
        });
    });
    (0..15).for_each(|number| assert_eq!(doctor.expect("ack")["id"], number));
    assert!(server.counters().limits.of(Limit::BytesRate) > 0, "{:?}", server.counters());
}

#[test]
fn who_is_in_no_room_has_little_to_send_at_once_however_often_it_comes() {
    let server = TestServer::start_with(|config| config.bytes_rate = 4_096);
    let waits = || server.counters().limits.of(Limit::BytesRate);
    let ping = |bytes| text(&json!({ "type": "ping", "padding": "x".repeat(bytes) }));
    let pings = [ping(60_000), ping(8_000)].concat();
    let (doctor, _) = people();
    for _ in 0..2 {
        let mut raw = Raw::connect(server.address());
        let bearer = format!("Authorization: Bearer {}\r\n", doctor.token);
        raw.send(upgrade_request(&bearer).as_bytes());
        raw.expect_upgrade();
        let before = waits();
        raw.send(&pings);
        (0..2).for_each(|_| assert_eq!(raw.json()["type"], "pong"));
        assert!(waits() > before, "the second ping comes more than a second later");
    }
    // In the room it has all of it.
    let mut raw = Raw::connect(server.address());
    raw.join(&doctor);
    let before = waits();
    raw.send(&pings);
    (0..2).for_each(|_| assert_eq!(raw.json()["type"], "pong"));
    assert_eq!(waits(), before);
}

#[test]
fn who_has_sent_too_much_is_heard_to_its_end() {
    let server = TestServer::start_with(|config| {
        config.bytes_rate = 64 * 1024;
        config.bytes_burst = 16 * 1024;
    });
    let (mut raw, doctor, mut patient) = raw_couple(&server);
    patient.expect("peer-joined");
    patient.expect("room-status");
    let candidate = json!({
        "type": "ice-candidate", "sessionId": doctor.session, "fromUserId": doctor.user,
        "toUserId": patient.person.user, "candidate": { "candidate": "x".repeat(2_000) },
    });
    // All of it and the end at once: the last of it is read a second later.
    raw.send(&[text(&candidate).repeat(40), frame(CLOSE, &[3, 232])].concat());
    raw.half_close();
    (0..40).for_each(|_| assert_eq!(patient.receive(), candidate));
    assert_eq!(patient.expect("peer-state")["connectionState"], "reconnecting");
    assert_eq!(raw.read_close(), 1000);
}

#[test]
fn a_stranger_may_say_little_and_only_shortly() {
    let server = TestServer::start();
    let mut call = Call::new(&server);
    let heard = call.goes_on_beside(|| {
        let raw = Raw::upgrade(server.address());
        flood(raw, |number| text(&json!({ "type": "ping", "id": number })))
    });
    assert_eq!(heard.code, 4429);
    assert_eq!(heard.obeyed[..10], (0..10).collect::<Vec<_>>()[..]);
    let refused = heard.refused.len() as u64;
    server
        .wait_until("each to be counted", |now| now.limits.of(Limit::StrangerRate) + 1 == refused);

    let large = vec![b'x'; 16 * 1024 + 1];
    let mut raw = Raw::upgrade(server.address());
    raw.send(&frame(TEXT, &large));
    assert_eq!(raw.json()["code"], "MESSAGE_TOO_LARGE");
    assert_eq!(raw.answer_close(), 1009);
    let mut raw = Raw::upgrade(server.address());
    raw.send(&part(TEXT, b" "));
    (0..64).for_each(|_| raw.send(&part(0, b" ")));
    assert_eq!(raw.json()["code"], "MESSAGE_TOO_LARGE");
    assert_eq!(raw.answer_close(), 1009);
    // The same is nothing special of somebody with a token.
    let (doctor, _) = people();
    let mut raw = Raw::connect(server.address());
    raw.join(&doctor);
    raw.send(&frame(TEXT, &large));
    assert_eq!(raw.json()["code"], "BAD_JSON");
    server.wait_until("two refusals", |now| now.limits.of(Limit::MessageBytes) == 2);
}

#[test]
fn a_token_of_the_largest_size_finds_its_way() {
    let server = TestServer::start();
    let many: Vec<_> = (0..90).map(|number| format!("hospital:permission:{number}")).collect();
    let permissions: Vec<_> = many.iter().map(String::as_str).chain(["room:*"]).collect();
    let user = UserId::new(clock::random_uuid());
    let doctor = Person::with(Role::Doctor, session(), user, &permissions);
    assert!((2_000..=4_096).contains(&doctor.token.len()), "{}", doctor.token.len());
    let mut raw = Raw::connect(server.address());
    raw.send(upgrade_request("").as_bytes());
    raw.expect_upgrade();
    let mut join = doctor.join_request();
    join["authToken"] = doctor.token.into();
    raw.send(&text(&join));
    assert_eq!(raw.json()["type"], "room-joined");
}
