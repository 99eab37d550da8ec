//! Packets on a WebSocket.

use serde_json::json;

use crate::client::{connect, connect_web_socket, heard, open_web_socket, text};
use crate::common::raw::{BINARY, CLOSE, TEXT, frame};
use crate::common::{TestServer, people};

#[test]
fn who_speaks_another_protocol_is_told_so_and_closed() {
    let server = TestServer::start();
    for (packet, code) in [
        (&b"451-[\"a\",{\"_placeholder\":true,\"num\":0}]"[..], 1003),
        (b"461-[]", 1003),
        (b"bAQID", 1003),
        (b"", 1002),
        (b"2", 1002),
        (b"2probe", 1002),
        (b"5", 1002),
        (b"0{}", 1002),
        (b"40", 1002),
        (b"44{}", 1002),
        (b"42/admin,[\"a\"]", 1002),
    ] {
        let mut raw = connect_web_socket(&server, &people().0);
        raw.send(&frame(TEXT, packet));
        let (name, error) = heard(&mut raw);
        assert_eq!((name.as_str(), &error["code"]), ("error", &json!("BAD_MESSAGE")));
        assert_eq!(text(&mut raw), "41");
        assert_eq!(raw.answer_close(), code, "{}", String::from_utf8_lossy(packet));
    }
    let mut raw = connect_web_socket(&server, &people().0);
    raw.send(&frame(BINARY, &[1, 2, 3]));
    assert_eq!(heard(&mut raw).1["code"], "BAD_MESSAGE");
    assert_eq!(text(&mut raw), "41");
    assert_eq!(raw.read_close(), 1003);
    // Before anybody is there who could be told anything.
    let mut raw = open_web_socket(&server);
    raw.send(&frame(TEXT, b"42[\"ping\"]"));
    assert_eq!(raw.answer_close(), 1002);
    server.wait_until_empty();
}

#[test]
fn what_is_wrong_with_an_event_is_answered_like_any_wrong_message() {
    let server = TestServer::start();
    let mut raw = connect_web_socket(&server, &people().0);
    for (arguments, code) in [
        ("", "BAD_JSON"),
        ("[", "BAD_JSON"),
        ("{}", "BAD_MESSAGE"),
        ("{\"type\":\"ping\"}", "BAD_MESSAGE"),
        ("[]", "BAD_MESSAGE"),
        ("[7]", "BAD_MESSAGE"),
        ("[\"ping\",7]", "BAD_MESSAGE"),
        ("[\"ping\",{},{}]", "BAD_MESSAGE"),
        ("[\"ping\",{\"type\":\"offer\"}]", "BAD_MESSAGE"),
        ("[\"ping\",{\"type\":\"ping\",\"\\u0074ype\":\"ping\"}]", "BAD_MESSAGE"),
        ("[\"ping\",{\"a\":}]", "BAD_JSON"),
        ("[\"ping\",{\"a\":1}} ]", "BAD_JSON"),
        ("[\"pingg\"]", "UNKNOWN_TYPE"),
        ("[\"offer\",{}]", "BAD_MESSAGE"),
    ] {
        raw.send(&frame(TEXT, format!("42{arguments}").as_bytes()));
        let (name, error) = heard(&mut raw);
        assert_eq!((name.as_str(), &error["code"]), ("error", &json!(code)), "{arguments}");
        raw.send(&frame(TEXT, format!("4213{arguments}").as_bytes()));
        let answer = text(&mut raw);
        let expected = format!("4313[{{\"ok\":false,\"code\":\"{code}\",\"message\":\"");
        assert!(answer.starts_with(&expected) && answer.ends_with("\"}]"), "{answer}");
    }
    // The id of the message is another matter than the number of the callback.
    raw.send(&frame(TEXT, b"42[\"ping\",{\"id\":\"x\"}]"));
    assert_eq!(heard(&mut raw).0, "pong");
    assert_eq!(heard(&mut raw), ("ack".to_owned(), json!({ "type": "ack", "id": "x" })));
    // Nobody can write the id of a callback.
    raw.send(&frame(TEXT, b"42[\"ping\",{\"id\":[7]}]"));
    assert_eq!(heard(&mut raw).1["code"], "BAD_MESSAGE");
}

#[test]
fn other_namespaces_are_refused_and_this_one_is_entered_once() {
    let server = TestServer::start();
    let (doctor, _) = people();
    let mut raw = open_web_socket(&server);
    raw.send(&frame(TEXT, b"40/admin,{}"));
    assert_eq!(text(&mut raw), "44/admin,{\"message\":\"Invalid namespace\"}");
    raw.send(&frame(TEXT, b"40{\"token\":7}"));
    let refused = text(&mut raw);
    assert!(refused.ends_with("\"data\":{\"code\":\"BAD_MESSAGE\"}}"), "{refused}");
    raw.send(&frame(TEXT, connect(&doctor).as_bytes()));
    assert!(text(&mut raw).starts_with("40{"));
    raw.send(&frame(TEXT, connect(&doctor).as_bytes()));
    assert_eq!(heard(&mut raw).0, "error");
    let mut raw = open_web_socket(&server);
    raw.send(&frame(TEXT, connect(&doctor.expired()).as_bytes()));
    let refused = text(&mut raw);
    assert!(refused.starts_with("44{\"message\":") && refused.contains("TOKEN_EXPIRED"));
    assert_eq!(raw.answer_close(), 4401);
    let mut raw = open_web_socket(&server);
    raw.send(&frame(CLOSE, &[]));
    assert_eq!(raw.read_close(), 1000);
}
