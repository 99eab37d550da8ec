//! The WebRTC types in relayed messages: `RTCSessionDescriptionInit` and `RTCIceCandidateInit`.

use autamedica_signaling::message::problem::Flaw;

use serde_json::{Value, json};

use super::write::*;

#[test]
fn an_offer_holds_an_offer_and_an_answer_an_answer() {
    let offers = [OFFER, r#"{"sdp":"","type":"offer"}"#, r#"{"type":"\u006fffer","sdp":"v=0"}"#];
    let answers = [ANSWER, r#"{"type":"pranswer","sdp":"v=0"}"#];
    let either = [
        r#"{"type":"rollback"}"#,
        r#"{"type":"rollback","sdp":null}"#,
        r#"{"type":"rollback","sdp":""}"#,
        // Whether it may have a text is not a matter of its shape.
        r#"{"type":"rollback","sdp":"v=0"}"#,
    ];
    for (kind, right, wrong) in
        [("offer", &offers[..], &answers[..]), ("answer", &answers, &offers)]
    {
        for sdp in right.iter().chain(&either) {
            assert_eq!(code(&message(kind).with("sdp", sdp).text()), None, "{kind} {sdp}");
        }
        for sdp in wrong {
            let text = message(kind).with("sdp", sdp).text();
            assert_eq!(flaw(&text), Some(Flaw::Wrong("sdp")), "{text}");
        }
    }
}

#[test]
fn what_is_no_description_is_refused() {
    for sdp in [
        "{}",
        "\"v=0\"",
        r#"["offer","v=0"]"#,
        r#"{"type":"offer"}"#,
        r#"{"sdp":"v=0"}"#,
        r#"{"type":"offer","sdp":null}"#,
        r#"{"type":"offer","sdp":7}"#,
        r#"{"type":"offer","sdp":["v=0"]}"#,
        r#"{"type":"Offer","sdp":"v=0"}"#,
        r#"{"type":"","sdp":"v=0"}"#,
        r#"{"type":null,"sdp":"v=0"}"#,
        r#"{"type":["offer"],"sdp":"v=0"}"#,
        r#"{"type":{"offer":null},"sdp":"v=0"}"#,
        r#"{"type":"rollback","sdp":7}"#,
        r#"{"type":"offer","sdp":"v=0","sdp":"v=0"}"#,
        r#"{"type":"offer","sdp":"v=0","s\u0064p":"v=1"}"#,
        r#"{"type":"offer","\u0074ype":"offer","sdp":"v=0"}"#,
    ] {
        let text = message("offer").with("sdp", sdp).text();
        assert_eq!(flaw(&text), Some(Flaw::Wrong("sdp")), "{text}");
    }
}

#[test]
fn a_candidate_is_an_object_of_the_right_members_or_null() {
    for candidate in [
        "null",
        "{}",
        CANDIDATE,
        r#"{"candidate":""}"#,
        r#"{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}"#,
        r#"{"candidate":"x","sdpMLineIndex":65535,"usernameFragment":"a\u002fb","extra":[1]}"#,
    ] {
        let text = message("ice-candidate").with("candidate", candidate).text();
        assert_eq!(code(&text), None, "{text}");
    }
    for candidate in [
        "\"candidate:1\"",
        "1",
        "[]",
        r#"["x"]"#,
        r#"{"candidate":null}"#,
        r#"{"candidate":1}"#,
        r#"{"candidate":{}}"#,
        r#"{"sdpMid":0}"#,
        r#"{"sdpMLineIndex":"0"}"#,
        r#"{"sdpMLineIndex":-1}"#,
        r#"{"sdpMLineIndex":65536}"#,
        r#"{"sdpMLineIndex":0.5}"#,
        r#"{"sdpMLineIndex":true}"#,
        r#"{"usernameFragment":1}"#,
        r#"{"candidate":"a","candidate":"b"}"#,
        r#"{"sdpMid":"0","sdp\u004did":"1"}"#,
    ] {
        let text = message("ice-candidate").with("candidate", candidate).text();
        assert_eq!(flaw(&text), Some(Flaw::Wrong("candidate")), "{text}");
    }
}

#[test]
fn a_message_carries_only_what_it_is_about() {
    let description = json!({ "type": "offer", "sdp": "v=0\r\n" });
    let candidate = json!({ "candidate": "", "sdpMid": "0" });
    for (kind, own, other) in [
        ("offer", "sdp", "candidate"),
        ("answer", "sdp", "candidate"),
        ("ice-candidate", "candidate", "sdp"),
        ("media-control", "audio", "sdp"),
        ("media-control", "audio", "candidate"),
    ] {
        let mut message = json!({
            "type": kind,
            "sessionId": "6f1e8a3c-0b5d-4c5e-9d3a-2f7b8c9d0e1f",
            "fromUserId": "6f1e8a3c-0b5d-4c5e-9d3a-2f7b8c9d0e2f",
            "toUserId": "6f1e8a3c-0b5d-4c5e-9d3a-2f7b8c9d0e3f",
        });
        let mut described = description.clone();
        described["type"] = kind.into();
        let value = |name: &str| match name {
            "sdp" => described.clone(),
            "candidate" => candidate.clone(),
            _ => json!(true),
        };
        message[own] = value(own);
        assert_eq!(flaw(&message.to_string()), None, "{message}");
        message[other] = Value::Null;
        assert_eq!(flaw(&message.to_string()), None, "{message}");
        for said in [value(other), json!({}), json!("x"), json!(false)] {
            message[other] = said;
            assert_eq!(flaw(&message.to_string()), Some(Flaw::Wrong(other)), "{message}");
        }
    }
}
