//! Texts that are not JSON, JSON that is not a message, and the bounds of a message.

use autamedica_signaling::message::problem::Flaw;

use super::write::*;

#[test]
fn what_is_not_a_json_text_is_bad_json() {
    for text in [
        "",
        " ",
        "hello",
        "{",
        "}",
        "{\"type\":\"ping\"",
        "{\"type\":\"ping\"}}",
        "{\"type\":\"ping\"} x",
        "{\"type\":\"ping\"}{\"type\":\"ping\"}",
        "{\"type\":\"ping\",}",
        "{type:\"ping\"}",
        "{'type':'ping'}",
        "{\"type\" \"ping\"}",
        "{\"type\":ping}",
        "{\"type\":\"ping\",\"n\":01}",
        "{\"type\":\"ping\",\"n\":1.}",
        "{\"type\":\"ping\",\"n\":.5}",
        "{\"type\":\"ping\",\"n\":+1}",
        "{\"type\":\"ping\",\"n\":NaN}",
        "{\"type\":\"ping\",\"n\":0x1}",
        "{\"type\":\"ping\",\"n\":\"\n\"}",
        "{\"type\":\"ping\",\"n\":\"\\x\"}",
        "{\"type\":\"ping\",\"n\":\"\\u12g4\"}",
        "{\"type\":\"ping\",\"n\":\"\\u123\"}",
        "{\"type\":\"ping\"}\0",
        "{\"type\":\"ping\"} // why",
        "\u{feff}{\"type\":\"ping\"}",
        "\u{a0}{\"type\":\"ping\"}",
        "[1,2",
        "[1,2]]",
        "\"ping",
        "nul",
        // What is wrong with the fields only counts once the whole is JSON.
        "{\"type\":1,\"type\":2",
        "{\"type\":\"ping\",\"type\":\"ping\",}",
    ] {
        assert_eq!(code(text), Some("BAD_JSON"), "{text:?}");
    }
    assert_eq!(code(&"[".repeat(16)), Some("BAD_JSON"));
    assert_eq!(code(&"{\"a\":".repeat(16)), Some("BAD_JSON"));
}

#[test]
fn what_stands_behind_the_17th_level_is_not_read() {
    let ping = |rest: &str| format!("{{\"type\":\"ping\"{rest}");
    for text in [
        "[".repeat(17),
        "[".repeat(65_536),
        "{\"a\":".repeat(13_000),
        ping(&format!(",\"a\":{}", "[".repeat(65_000))),
        ping(&format!(",\"a\":{}", "[}".repeat(7) + &"[".repeat(17))),
        // Whatever else is wrong stands before it or behind it.
        format!("no JSON {}", "[".repeat(17)),
        ping(&format!(",\"type\":7,\"a\":\"\\ud83d\",\"b\":{} ]}}", "[".repeat(16))),
    ] {
        assert_eq!(flaw(&text), Some(Flaw::Bounds), "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn a_message_nested_too_deep_is_answered_with_an_id_that_stands_before_the_17th_level() {
    let deep = format!("\"x\":{}{}", "[".repeat(16), "]".repeat(16));
    for (text, id) in [
        (format!("{{\"id\":7,{deep}}}"), Some("7")),
        (format!("{{\"a\":[{{\"id\":1}}],\"i\\u0064\":\"seven\",{deep}}}"), Some("\"seven\"")),
        (format!("{{\"id\":7,{deep},\"id\":8}}"), Some("7")),
        (format!("{{\"id\":7,{}", &deep[..20]), Some("7")),
        (format!("{{{deep},\"id\":7}}"), None),
        (format!("{{\"id\":7,\"id\":7,{deep}}}"), None),
        (format!("{{\"id\":-7,{deep}}}"), None),
        (format!("{{\"id\":7,,{deep}}}"), None),
        (format!("{{\"id\":7,{}}}", deep.replace(':', "")), None),
        (format!("[{{\"id\":7,{deep}}}]"), None),
    ] {
        assert_eq!(flaw(&text), Some(Flaw::Bounds), "{text}");
        let parsed = autamedica_signaling::message::request::parse(&text);
        assert_eq!(parsed.id.map(|id| id.as_json()), id, "{text}");
    }
}

#[test]
fn json_that_is_not_an_object_is_a_bad_message() {
    for text in [
        "null",
        "true",
        "0",
        "-1.5e3",
        "\"ping\"",
        "[]",
        "[\"ping\"]",
        "[{\"type\":\"ping\"}]",
        // What a struct would be read from by position.
        "[\"ping\",null,null,null,null,null,null,null,null,null,null,null]",
    ] {
        for text in [text.to_owned(), format!(" \r\n\t{text} ")] {
            assert_eq!(flaw(&text), Some(Flaw::NotAnObject), "{text:?}");
        }
    }
    assert_eq!(flaw("{}"), Some(Flaw::Missing("type")));
}

#[test]
fn a_message_has_at_most_16_levels() {
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        // The message itself is the first.
        let nested = |levels: usize| {
            let inner = format!("{}0{}", open.repeat(levels - 1), close.repeat(levels - 1));
            message("ping").with("extra", &inner).with("id", "7").text()
        };
        assert_eq!(code(&nested(16)), None);
        assert_eq!(flaw(&nested(17)), Some(Flaw::Bounds));
        assert_eq!(flaw(&nested(10_000)), Some(Flaw::Bounds));
    }
    // The objects that are passed on are part of it.
    for (kind, field, start) in [
        ("offer", "sdp", r#"{"type":"offer","sdp":"""#),
        ("ice-candidate", "candidate", r#"{"candidate":"""#),
    ] {
        let nested = |levels: usize| {
            let inner = format!("{}{}", "[".repeat(levels - 2), "]".repeat(levels - 2));
            message(kind).with(field, &format!("{start},\"x\":{inner}}}")).text()
        };
        assert_eq!(code(&nested(16)), None, "{kind}");
        assert_eq!(flaw(&nested(17)), Some(Flaw::Bounds), "{kind}");
    }
    let in_string = message("ping").with("extra", &format!("\"{}\"", "[{".repeat(100))).text();
    assert_eq!(code(&in_string), None);
}

#[test]
fn an_object_has_at_most_64_members() {
    let many = |count: usize| {
        (0..count)
            .fold(Message::new("ping", &[]), |message, n| message.again(&format!("k{n}"), "0"))
    };
    assert_eq!(code(&many(63).text()), None);
    assert_eq!(flaw(&many(64).text()), Some(Flaw::Bounds));
    // Also deeper down.
    let inside = |count| message("ping").with("extra", &many(count).text()).text();
    assert_eq!(code(&inside(63)), None);
    assert_eq!(flaw(&inside(64)), Some(Flaw::Bounds));
    for (kind, field, own) in [
        ("offer", "sdp", r#"{"type":"offer","sdp":"""#),
        ("ice-candidate", "candidate", r#"{"candidate":"","sdpMid":"0""#),
    ] {
        let with = |count: usize| {
            let more: String = (0..count).map(|n| format!(",\"k{n}\":0")).collect();
            message(kind).with(field, &format!("{own}{more}}}")).text()
        };
        assert_eq!(code(&with(62)), None, "{kind}");
        assert_eq!(flaw(&with(63)), Some(Flaw::Bounds), "{kind}");
    }
}

#[test]
fn half_of_a_surrogate_pair_is_refused_wherever_it_stands() {
    let lone = [r"\ud800", r"\udbff", r"\udc00", r"\uDFFF", r"\ud83d\ud83d\ude00", r"\ude00\ud83d"];
    for lone in lone {
        let sdp = format!(r#"{{"type":"offer","sdp":"v=0 {lone}"}}"#);
        let texts = [
            message("ping").with("extra", &format!("\"{lone}\"")),
            message("ping").again(lone, "0"),
            message("ping").with("extra", &format!("[{{\"{lone}\":1}}]")),
            message("ping").with("id", &format!("\"{lone}\"")),
            message("offer").with("sdp", &sdp),
            message("offer")
                .with("sdp", &sdp.replace("v=0", "").replace("offer\"", "offer\",\"x\":0")),
            message("ice-candidate").with("candidate", &format!(r#"{{"candidate":"{lone}"}}"#)),
            message("ice-candidate").with("candidate", &format!(r#"{{"{lone}":0}}"#)),
            message("join-room").with("userId", &format!("\"{lone}\"")),
            Message::new(lone, &[]),
        ];
        for text in texts.map(|message| message.text()) {
            assert_eq!(flaw(&text), Some(Flaw::Bounds), "{text}");
        }
    }
    let pair = message("ping").with("extra", r#""\ud83d\ude00 \\ud800 \u00e9""#).text();
    assert_eq!(code(&pair), None);
}
