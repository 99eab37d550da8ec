//! Optional fields: `null` counts as absent; a wrong value is refused if the field has a meaning.

use autamedica_signaling::message::problem::Flaw;

use super::write::*;

/// Checks values of an optional field of some type of message.
fn check(kind: &str, name: &'static str, right: &[&str], wrong: &[&str]) {
    for value in right.iter().chain(&["null"]) {
        let text = message(kind).with(name, value).text();
        assert_eq!(code(&text), None, "{text}");
    }
    for value in wrong {
        let text = message(kind).with(name, value).text();
        assert_eq!(flaw(&text), Some(Flaw::Wrong(name)), "{text}");
        // Where the field means nothing it is not looked at.
        assert_eq!(code(&message("ping").with(name, value).text()), None, "{name} {value}");
    }
}

#[test]
fn of_a_join() {
    let tokens = ["\"\"", "\"a.b.c\"", r#""\u0061.b.c""#];
    check("join-room", "authToken", &tokens, &["1", "true", "{}", "[]"]);

    let kinds = ["\"consultation\"", "\"emergency\"", "\"follow-up\"", r#""follow\u002dup""#];
    let wrong = ["\"\"", "\"Emergency\"", "\"follow_up\"", "1", "{\"emergency\":null}", "[]"];
    check("join-room", "roomType", &kinds, &wrong);

    let media = [
        "{}",
        r#"{"audio":false}"#,
        r#"{"video":true,"audio":true}"#,
        r#"{"audio":null}"#,
        r#"{"later":1,"screen":1}"#,
    ];
    let wrong = [
        "true",
        "\"audio\"",
        "[]",
        "[true,false]",
        r#"{"audio":1}"#,
        r#"{"video":"true"}"#,
        r#"{"audio":true,"audio":true}"#,
        r#"{"audio":true,"\u0061udio":true}"#,
    ];
    check("join-room", "media", &media, &wrong);

    let resume = [
        r#"{"received":0}"#,
        r#"{"received":18446744073709551615}"#,
        r#"{"rec\u0065ived":7,"later":{}}"#,
    ];
    let wrong = [
        "7",
        "[]",
        "[7]",
        "{}",
        r#"{"received":null}"#,
        r#"{"received":-1}"#,
        r#"{"received":-0}"#,
        r#"{"received":1.0}"#,
        r#"{"received":1e3}"#,
        r#"{"received":"1"}"#,
        r#"{"received":18446744073709551616}"#,
        r#"{"received":1,"received":1}"#,
    ];
    check("join-room", "resume", &resume, &wrong);
}

#[test]
fn reasons_and_error_codes_have_a_length() {
    let string = |len: usize| format!("\"{}\"", "x".repeat(len));
    let escaped = |count: usize| format!("\"{}\"", r"\u00e9".repeat(count));
    for kind in ["join-room", "end-session"] {
        let right = [string(0), string(256), escaped(128)];
        let right = right.each_ref().map(String::as_str);
        let wrong = [string(257), escaped(129)];
        let wrong = [&wrong[0], &wrong[1], "7", "[]", "{}", "true"];
        check(kind, "reason", &right, &wrong);
    }
    let right = ["\"ICE_FAILED\"", &string(64)];
    check("connection-state", "errorCode", &right, &[&string(65), "7", "[]", "{}"]);
    check("media-state", "screen", &["true", "false"], &["1", "\"true\"", "{}", "[]"]);
}

#[test]
fn a_media_control_has_sound_or_picture_or_both() {
    let control = || message("media-control").without("audio");
    for (audio, video) in [("true", "null"), ("null", "false"), ("true", "true")] {
        let text = control().with("audio", audio).with("video", video).text();
        assert_eq!(code(&text), None, "{text}");
    }
    assert_eq!(code(&control().with("video", "true").text()), None);
    for text in [control().text(), control().with("audio", "null").text()] {
        assert_eq!(code(&text), Some("BAD_MESSAGE"), "{text}");
    }
    for name in ["audio", "video"] {
        for value in ["1", "\"true\"", "[]", "{}"] {
            let text = control().with("audio", "true").with(name, value).text();
            assert_eq!(flaw(&text), Some(Flaw::Wrong(name)), "{text}");
        }
    }
}

#[test]
fn statistics_are_whole_and_measure_something() {
    let good = [
        STATS,
        r#"{"quality":"poor","packetLoss":100,"latency":0.5e1,"bitrate":0,"codec":"opus"}"#,
        r#"{"bitrate":1,"latency":1,"packetLoss":1,"qualit\u0079":"excellent"}"#,
        r#"{"bitrate":0,"latency":-0,"packetLoss":-0.0,"quality":"good"}"#,
    ];
    for stats in good {
        let text = message("connection-stats").with("stats", stats).text();
        assert_eq!(code(&text), None, "{text}");
    }
    let with = |name: &str, value: &str| {
        let member = |known: &str, usual: &str| {
            format!("\"{known}\":{}", if known == name { value } else { usual })
        };
        let members = [
            member("bitrate", "1"),
            member("latency", "1"),
            member("packetLoss", "1"),
            member("quality", "\"fair\""),
        ];
        format!("{{{}}}", members.join(","))
    };
    let numbers = ["-1", "-0.5", "1e999", "null", "\"1\"", "true", "[1]", "{}"];
    let digits = format!("1.{}", "0".repeat(40));
    let mut wrong: Vec<_> = ["bitrate", "latency", "packetLoss"]
        .iter()
        .flat_map(|name| {
            numbers.into_iter().chain([digits.as_str()]).map(|value| with(name, value))
        })
        .collect();
    wrong.extend(["\"\"", "\"Good\"", "\"bad\"", "1", "null"].map(|value| with("quality", value)));
    wrong.extend(["[1,1,1,\"good\"]", "{}", "\"good\""].map(str::to_owned));
    wrong.push(STATS.replace("\"latency\":40,", ""));
    wrong.push(STATS.replace('}', ",\"latency\":40}"));
    for stats in wrong {
        let text = message("connection-stats").with("stats", &stats).text();
        assert_eq!(flaw(&text), Some(Flaw::Wrong("stats")), "{text}");
    }
}
