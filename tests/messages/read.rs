//! The result of reading a valid message.

use autamedica_signaling::message::request::{
    ConnectionState, MediaChange, Parsed, RelayKind, Request, parse,
};
use autamedica_signaling::message::{Role, RoomType, SessionId, UserId};

use super::write::*;

fn user(text: &str) -> UserId {
    UserId::parse(text.trim_matches('"')).expect("a uuid")
}

fn session() -> SessionId {
    SessionId::parse(SESSION.trim_matches('"')).expect("a uuid")
}

#[test]
fn a_join_says_who_where_and_with_what() {
    let full = message("join-room")
        .with("userId", &DOCTOR.to_uppercase())
        .with("authToken", r#""a.\u0062.c""#)
        .with("roomType", "\"follow-up\"")
        .with("media", r#"{"audio":false,"screen":true}"#)
        .with("resume", r#"{"received":17}"#)
        .with("reason", r#""it \u0062urns""#)
        .text();
    let Parsed { id: None, request: Ok(Request::Join(join)) } = parse(&full) else {
        panic!("a join-room: {full}");
    };
    assert_eq!((join.speaker.session, join.speaker.user), (session(), user(DOCTOR)));
    assert_eq!(join.role, Role::Doctor);
    assert_eq!(join.token.as_deref(), Some("a.b.c"));
    assert_eq!(join.room_type, Some(RoomType::FollowUp));
    assert_eq!(join.media, MediaChange { audio: Some(false), ..MediaChange::default() });
    assert_eq!(join.received, Some(17));
    assert_eq!(join.reason.map(|reason| reason.as_json()), Some(r#""it \u0062urns""#));

    let plain = message("join-room").with("userType", "\"observer\"").text();
    let Parsed { request: Ok(Request::Join(join)), .. } = parse(&plain) else {
        panic!("a join-room: {plain}");
    };
    assert_eq!((join.role, join.token, join.room_type), (Role::Observer, None, None));
    assert_eq!(join.media, MediaChange::default());
    assert!(join.received.is_none() && join.reason.is_none());
}

#[test]
fn a_relayed_message_says_from_whom_and_to_whom() {
    let kinds = [
        ("offer", RelayKind::Offer),
        ("answer", RelayKind::Answer),
        ("ice-candidate", RelayKind::IceCandidate),
        ("media-control", RelayKind::MediaControl),
    ];
    for (name, kind) in kinds {
        let text = message(name).text();
        let Parsed { request: Ok(Request::Relay(relay)), .. } = parse(&text) else {
            panic!("a relayed message: {text}");
        };
        assert_eq!(relay.kind, kind);
        assert_eq!((relay.speaker.session, relay.speaker.user), (session(), user(DOCTOR)));
        assert_eq!(relay.to, user(PATIENT));
    }
}

#[test]
fn states_and_statistics_are_read() {
    let text = message("media-state").with("screen", "true").text();
    let Parsed { request: Ok(Request::MediaState(speaker, change)), .. } = parse(&text) else {
        panic!("a media-state: {text}");
    };
    assert_eq!((speaker.session, speaker.user), (session(), user(DOCTOR)));
    let all = MediaChange { audio: Some(true), video: Some(false), screen: Some(true) };
    assert_eq!(change, all);
    let text = message("media-state").text();
    let Parsed { request: Ok(Request::MediaState(_, change)), .. } = parse(&text) else {
        panic!("a media-state: {text}");
    };
    assert_eq!(change.screen, None, "it says nothing of the screen");

    for state in ["new", "connecting", "connected", "disconnected", "failed", "closed"] {
        let text = message("connection-state").with("state", &format!("\"{state}\"")).text();
        let Parsed { request: Ok(Request::ConnectionState(_, read, _)), .. } = parse(&text) else {
            panic!("a connection-state: {text}");
        };
        assert_eq!(Some(read), ConnectionState::parse(state));
        assert_eq!(read.as_str(), state);
    }

    let text = message("connection-stats").text();
    let Parsed { request: Ok(Request::ConnectionStats(_, stats)), .. } = parse(&text) else {
        panic!("a connection-stats: {text}");
    };
    let numbers = (stats.bitrate, stats.latency, stats.packet_loss, stats.quality);
    assert_eq!(numbers, ("1200.5", "40", "0", "good"));
}

#[test]
fn an_end_has_its_reason_and_a_refresh_its_token() {
    let text = message("end-session").with("reason", "\"fin\"").text();
    let Parsed { request: Ok(Request::EndSession(_, reason)), .. } = parse(&text) else {
        panic!("an end-session: {text}");
    };
    assert_eq!(reason.map(|reason| reason.as_json()), Some("\"fin\""));
    for said in
        ["\"x\"", "\" . \"", "\"\u{200b}no\"", r#""\u200d\u4e2d""#, "\"👩\u{200d}⚕\u{fe0f}\""]
    {
        let text = message("end-session").with("reason", said).text();
        let Parsed { request: Ok(Request::EndSession(_, reason)), .. } = parse(&text) else {
            panic!("an end-session: {text}");
        };
        assert_eq!(reason.map(|reason| reason.as_json()), Some(said), "as it was written");
    }
    let invisible = "\"\u{200b}\u{feff}\u{ad}\u{3164}\u{a0}\u{2060}\u{2800}\"";
    for blank in
        ["null", "\"\"", "\" \"", r#""\t\u0020\n""#, r#""\u200b""#, r#""\u0000\u200d""#, invisible]
    {
        let text = message("end-session").with("reason", blank).text();
        let Parsed { request: Ok(Request::EndSession(_, None)), .. } = parse(&text) else {
            panic!("an end-session without a reason: {text}");
        };
    }

    let text = message("refresh-token").with("authToken", r#""\u0061.b""#).text();
    let Parsed { request: Ok(Request::RefreshToken(token)), .. } = parse(&text) else {
        panic!("a refresh-token: {text}");
    };
    assert_eq!(token, "a.b");
}
