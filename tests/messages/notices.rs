//! Every message of the server is JSON and has exactly the fields of the protocol.

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::ice::IceServers;
use autamedica_signaling::message::notice::{
    self, LeaveReason, MedicalRoom, Participant, RoomStatus, StatusReason, Welcome,
};
use autamedica_signaling::message::problem::{Flaw, Problem};
use autamedica_signaling::message::request::{Media, Request, parse};
use autamedica_signaling::message::{Role, RoomType, SessionId, UserId};
use autamedica_signaling::wire::ice_url::IceUrl;
use autamedica_signaling::wire::sdp::Fault;
use autamedica_signaling::wire::turn::Login;
use serde_json::{Value, json};

use super::write::{DOCTOR, PATIENT, SESSION, STATS, message};

const NOON: WallTime = WallTime::from_millis(1_800_000_000_123);
const NOON_TEXT: &str = "2027-01-15T08:00:00.123Z";

/// The value of what `write` writes, which is appended to what was there before.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = b"before".to_vec();
    write(&mut out);
    let text = out.strip_prefix(b"before").expect("appended");
    serde_json::from_slice(text).expect("JSON")
}

fn session() -> SessionId {
    // What the server writes is lower case, whatever the client wrote.
    SessionId::parse(&SESSION.trim_matches('"').to_uppercase()).expect("a uuid")
}

fn user(text: &str) -> UserId {
    UserId::parse(&text.trim_matches('"').to_uppercase()).expect("a uuid")
}

fn bare(text: &str) -> &str {
    text.trim_matches('"')
}

fn doctor() -> Participant {
    Participant {
        user: user(DOCTOR),
        role: Role::Doctor,
        connection_state: "connected",
        media: Media { audio: true, video: false, screen: true },
        joined_at: NOON,
        emergency: false,
    }
}

#[test]
fn room_joined_tells_all_about_the_room_and_oneself() {
    let patient = Participant { user: user(PATIENT), role: Role::Patient, ..doctor() };
    let room = MedicalRoom {
        session: session(),
        doctor: Some(user(DOCTOR)),
        patient: Some(user(PATIENT)),
        room_type: RoomType::FollowUp,
        created_at: NOON,
        status: RoomStatus::Active,
    };
    let url = |text| IceUrl::parse(text).expect("an address");
    let stun = [url("stun:turn.example.org"), url("stun:192.0.2.7:80")];
    let relays = [url("turn:[2001:db8::7]?transport=tcp")];
    let login = Login {
        username: Redacted::new("1800003600:a\"b".to_owned()),
        password: Redacted::new("\\ \n</script>".to_owned()),
    };
    let turn = json!({
        "urls": ["turn:[2001:db8::7]?transport=tcp"],
        "username": "1800003600:a\"b",
        "credential": "\\ \n</script>",
    });
    let welcome = Welcome {
        polite: false,
        ice_servers: IceServers { stun: &stun, turn: &relays, login: Some(&login) },
        relay_only: true,
        resumed: true,
        stream: 1_800_000_000_007,
        heartbeat: Duration::from_secs(25),
        server_time: NOON,
    };
    let people = [doctor(), patient];
    let seen = |user: &str, role: &str| {
        json!({
            "userId": bare(user), "userType": role, "connectionState": "connected",
            "audio": true, "video": false, "screen": true, "joinedAt": NOON_TEXT,
        })
    };
    let participants = json!([seen(DOCTOR, "doctor"), seen(PATIENT, "patient")]);
    let expected = json!({
        "type": "room-joined",
        "sessionId": bare(SESSION),
        "participants": participants,
        "room": {
            "sessionId": bare(SESSION),
            "doctorId": bare(DOCTOR),
            "patientId": bare(PATIENT),
            "roomType": "follow-up",
            "participants": participants,
            "createdAt": NOON_TEXT,
            "status": "active",
        },
        "polite": false,
        "iceServers": [{"urls": ["stun:turn.example.org", "stun:192.0.2.7:80"]}, turn],
        "iceTransportPolicy": "relay",
        "resumed": true,
        "stream": 1_800_000_000_007_u64,
        "heartbeatSeconds": 25,
        "serverTime": NOON_TEXT,
    });
    let told = written(|out| notice::room_joined(out, &room, people.into_iter(), &welcome));
    assert_eq!(told, expected);

    let empty = MedicalRoom { doctor: None, patient: None, ..room };
    let told = written(|out| notice::room_joined(out, &empty, [].into_iter(), &welcome));
    assert_eq!(told["participants"], json!([]));
    assert_eq!(
        (&told["room"]["doctorId"], &told["room"]["patientId"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn servers_that_nothing_opens_are_not_told() {
    let stun = [IceUrl::parse("stun:turn.example.org").expect("an address")];
    let turn = [IceUrl::parse("turn:turn.example.org").expect("an address")];
    let login =
        Login { username: Redacted::new("u".to_owned()), password: Redacted::new("p".to_owned()) };
    let told = |stun, turn, login| {
        written(|out| notice::ice_servers(out, &IceServers { stun, turn, login }))["iceServers"]
            .take()
    };
    let (seen, relay) = (
        json!({"urls": ["stun:turn.example.org"]}),
        json!({"urls": ["turn:turn.example.org"], "username": "u", "credential": "p"}),
    );
    assert_eq!(told(&[], &[], None), json!([]));
    assert_eq!(told(&[], &[], Some(&login)), json!([]));
    assert_eq!(told(&[], &turn, None), json!([]));
    assert_eq!(told(&stun, &turn, None), json!([seen]));
    assert_eq!(told(&[], &turn, Some(&login)), json!([relay]));
    assert_eq!(told(&stun, &turn, Some(&login)), json!([seen, relay]));
}

#[test]
fn what_others_do_is_told_with_their_names() {
    let about = |kind: &str, more: Value| {
        let mut told = json!({"type": kind, "sessionId": bare(SESSION), "userId": bare(PATIENT)});
        let more = more.as_object().expect("an object").clone();
        told.as_object_mut().expect("an object").extend(more);
        told
    };
    let patient = user(PATIENT);
    let newcomer = Participant { user: patient, role: Role::Patient, ..doctor() };
    let told = written(|out| notice::peer_joined(out, session(), &newcomer));
    let sends = json!({"userType": "patient", "audio": true, "video": false, "screen": true});
    assert_eq!(told, about("peer-joined", sends));
    let ordinary = Participant { media: Media::default(), ..newcomer };
    let told = written(|out| notice::peer_joined(out, session(), &ordinary));
    assert_eq!(told, about("peer-joined", json!({"userType": "patient"})));

    let colleague = Participant { emergency: true, ..doctor() };
    let told = written(|out| notice::peer_joined(out, session(), &colleague));
    assert_eq!((&told["userId"], &told["emergency"]), (&json!(bare(DOCTOR)), &json!(true)));

    let reasons = [
        (LeaveReason::Left, "left"),
        (LeaveReason::Disconnected, "disconnected"),
        (LeaveReason::TokenExpired, "token-expired"),
    ];
    for (reason, name) in reasons {
        let told = written(|out| notice::peer_left(out, session(), patient, reason));
        assert_eq!(told, about("peer-left", json!({"reason": name})));
    }

    let state = Participant { user: patient, connection_state: "reconnecting", ..doctor() };
    let fields =
        json!({"connectionState": "reconnecting", "audio": true, "video": false, "screen": true});
    let told = written(|out| notice::peer_state(out, session(), &state, None));
    assert_eq!(told, about("peer-state", fields.clone()));
    for resumed in [true, false] {
        let mut fields = fields.clone();
        fields["resumed"] = resumed.into();
        let told = written(|out| notice::peer_state(out, session(), &state, Some(resumed)));
        assert_eq!(told, about("peer-state", fields));
    }
}

#[test]
fn room_status_pong_token_expiring_and_ack() {
    let text = message("end-session").with("reason", r#""se\u00f1al \"1\"""#).text();
    let Ok(Request::EndSession(_, Some(reason))) = parse(&text).request else {
        panic!("a reason: {text}");
    };
    let statuses = [
        (RoomStatus::Waiting, None, json!({"status": "waiting"})),
        (RoomStatus::Active, None, json!({"status": "active"})),
        (RoomStatus::Ended, None, json!({"status": "ended"})),
        (
            RoomStatus::Ended,
            Some(StatusReason::AgeLimit),
            json!({"status": "ended", "reason": "age-limit"}),
        ),
        (
            RoomStatus::Ended,
            Some(StatusReason::Given(reason)),
            json!({"status": "ended", "reason": "señal \"1\""}),
        ),
    ];
    for (status, reason, mut expected) in statuses {
        expected["type"] = "room-status".into();
        expected["sessionId"] = bare(SESSION).into();
        let told = written(|out| notice::room_status(out, session(), status, reason));
        assert_eq!(told, expected);
    }
    let told = written(|out| notice::pong(out, NOON));
    assert_eq!(told, json!({"type": "pong", "serverTime": NOON_TEXT}));
    let told = written(|out| notice::token_expiring(out, NOON));
    assert_eq!(told, json!({"type": "token-expiring", "exp": 1_800_000_000}));
    for id in ["0", "18446744073709551615", r#""caf\u00e9\"\\""#, "\"日本\""] {
        let text = message("ping").with("id", id).text();
        let ack = parse(&text).id.expect("an id");
        let mut out = Vec::new();
        notice::ack(&mut out, ack);
        // As it was written, not only of the same value.
        assert_eq!(String::from_utf8_lossy(&out), format!(r#"{{"type":"ack","id":{id}}}"#));
    }
}

#[test]
fn an_error_has_a_code_a_text_and_the_id_of_its_cause() {
    let problems = [
        (Problem::BadJson, "BAD_JSON", None),
        (Problem::BadMessage(Flaw::NotAnObject), "BAD_MESSAGE", None),
        (Problem::BadMessage(Flaw::Repeated), "BAD_MESSAGE", None),
        (Problem::BadMessage(Flaw::Missing("sessionId")), "BAD_MESSAGE", None),
        (Problem::BadMessage(Flaw::Wrong("sdp")), "BAD_MESSAGE", None),
        (Problem::BadMessage(Flaw::Bounds), "BAD_MESSAGE", None),
        (Problem::UnknownType, "UNKNOWN_TYPE", None),
        (Problem::MessageTooLarge, "MESSAGE_TOO_LARGE", Some(1009)),
        (Problem::Unauthorized, "UNAUTHORIZED", None),
        (Problem::TokenInvalid, "TOKEN_INVALID", Some(4401)),
        (Problem::TokenExpired, "TOKEN_EXPIRED", Some(4401)),
        (Problem::Forbidden, "FORBIDDEN", None),
        (Problem::AlreadyJoined, "ALREADY_JOINED", None),
        (Problem::NotInRoom, "NOT_IN_ROOM", None),
        (Problem::PeerNotFound, "PEER_NOT_FOUND", None),
        (Problem::PeerUnreachable, "PEER_UNREACHABLE", None),
        (Problem::SdpRejected(Fault::NoFingerprint), "SDP_REJECTED", None),
        (Problem::SessionEnded, "SESSION_ENDED", Some(4410)),
        (Problem::RoleTaken, "ROLE_TAKEN", None),
        (Problem::RoomFull, "ROOM_FULL", None),
        (Problem::Replaced, "REPLACED", Some(4409)),
        (Problem::ServerShutdown, "SERVER_SHUTDOWN", Some(1012)),
    ];
    let text = message("ping").with("id", "\"a\\u0062\"").text();
    let id = parse(&text).id;
    for (problem, code, close) in problems {
        assert_eq!(problem.close_code().map(u16::from), close, "{code}");
        let mut told = written(|out| notice::error(out, problem, None, None));
        let words = told["message"].take();
        assert!(words.as_str().is_some_and(|words| words.len() > 5), "{code}: {words}");
        assert_eq!(told, json!({"type": "error", "code": code, "message": null}));

        let mut told =
            written(|out| notice::error(out, problem, id, Some(Duration::from_millis(1_500))));
        assert_eq!(told["message"].take(), words);
        let expected = json!({"type": "error", "code": code, "message": null, "id": "ab", "retryAfterMs": 1_500});
        assert_eq!(told, expected);
    }
}

#[test]
fn statistics_are_told_in_the_numbers_of_the_sender() {
    let text = message("connection-stats").text();
    let Ok(Request::ConnectionStats(speaker, stats)) = parse(&text).request else {
        panic!("statistics: {text}");
    };
    let told = written(|out| notice::peer_stats(out, speaker.session, speaker.user, &stats));
    let stats: Value = serde_json::from_str(STATS).expect("JSON");
    let (session, user) = (bare(SESSION), bare(DOCTOR));
    let expected =
        json!({"type": "peer-stats", "sessionId": session, "userId": user, "stats": stats});
    assert_eq!(told, expected);
}

#[test]
fn a_bad_field_is_named_in_the_error() {
    for flaw in [Flaw::Missing("toUserId"), Flaw::Wrong("toUserId")] {
        let told = written(|out| notice::error(out, flaw.into(), None, None));
        assert!(told["message"].as_str().is_some_and(|text| text.contains("toUserId")), "{told}");
    }
}

#[test]
fn an_http_refusal_has_a_code_and_a_text() {
    let told = written(|out| notice::refusal(out, "NOT_FOUND", "nothing \"here\"\n"));
    assert_eq!(told, json!({"code": "NOT_FOUND", "message": "nothing \"here\"\n"}));
}
