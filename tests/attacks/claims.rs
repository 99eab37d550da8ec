//! Correctly signed tokens with invalid claims: wrong types, repeated claims, wrong times.

use autamedica_signaling::message::Role;

use crate::common::{Person, session};

use super::hall::Way;
use super::tokens::{Bearer, EXPIRED, HEADER, INVALID, invalid, run, signed};

both_ways! {
    types_of_claims,
    claims_twice,
    payloads,
    times,
}

fn types_of_claims(way: Way) {
    let bearer = Bearer::new();
    let user = format!("\"{}\"", bearer.person.user);
    let (braced, urn, simple) = (
        format!("\"{{{}}}\"", bearer.person.user),
        format!("\"urn:uuid:{}\"", bearer.person.user),
        user.replace('-', ""),
    );
    let mut rows = Vec::new();
    for (name, values) in [
        (
            "userId",
            &["", "null", "1", "true", "[]", "{}", "\"\"", "\"*\"", &braced, &urn, &simple][..],
        ),
        (
            "userType",
            &[
                "",
                "null",
                "1",
                "[\"doctor\"]",
                "\"Doctor\"",
                "\"admin\"",
                "\"doctor \"",
                "\"doctor\\u0000\"",
            ],
        ),
        ("sessionId", &["", "null", "1", "[]", "\"*\"", "\"\""]),
        ("permissions", &["", "null", "1", "\"room:*\"", "{}", "[1]", "[null]", "[[\"room:*\"]]"]),
        ("roomType", &["1", "null", "\"x\"", "[\"emergency\"]"]),
        (
            "exp",
            &[
                "",
                "null",
                "true",
                "\"9999999999\"",
                "-1",
                "1e400",
                "1e300",
                "[]",
                "{}",
                "253402300800",
                "99999999999999999999",
            ],
        ),
        ("iat", &["", "null", "\"0\"", "-1", "[]", "1e400"]),
        ("nbf", &["null", "\"0\"", "-1", "true"]),
        ("iss", &["1", "null"]),
        ("jti", &["1", "null"]),
    ] {
        for value in values {
            let name = format!("{name} is {value:?}");
            let (claim, _) = name.split_once(' ').expect("its name");
            rows.push(invalid(name.clone(), signed(HEADER, &bearer.claims(&[(claim, value)]))));
        }
    }
    run(way, "types of claims", &bearer, rows);
}

fn claims_twice(way: Way) {
    let bearer = Bearer::new();
    let user = format!("\"{}\"", bearer.person.user);
    let mut rows = Vec::new();
    let whole = bearer.claims(&[]);
    let other = Person::new(Role::Doctor, session());
    for (name, again) in [
        ("another user", format!(r#""userId":"{}""#, other.user)),
        ("the same user", format!(r#""userId":{user}"#)),
        ("another user, escaped", format!(r#""user\u0049d":"{}""#, other.user)),
        ("another part", r#""userType":"patient""#.to_owned()),
        ("another session", format!(r#""sessionId":"{}""#, other.session)),
        ("other permissions", r#""permissions":[]"#.to_owned()),
        ("another end", r#""exp":253402300799"#.to_owned()),
        ("what nobody knows, twice", r#""x":1,"x":1"#.to_owned()),
    ] {
        let behind = format!("{},{again}}}", &whole[..whole.len() - 1]);
        let before = format!("{{{again},{}", &whole[1..]);
        rows.push(invalid(format!("{name} behind"), signed(HEADER, &behind)));
        rows.push(invalid(format!("{name} before"), signed(HEADER, &before)));
    }
    run(way, "claims twice", &bearer, rows);
}

fn payloads(way: Way) {
    let bearer = Bearer::new();
    let whole = bearer.claims(&[]);
    let mut rows = Vec::new();
    let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
    let wide: String = (0..60).map(|number| format!(r#","m{number}":1"#)).collect();
    for (name, claims) in [
        ("a list", format!("[{whole}]")),
        ("two objects", whole.repeat(2)),
        ("a text", format!("{whole:?}")),
        ("null", "null".to_owned()),
        ("nothing", String::new()),
        ("an object within", format!(r#"{{"claims":{whole}}}"#)),
        ("something behind", format!("{whole} x")),
        ("NUL behind", format!("{whole}\0")),
        ("a byte order mark", format!("\u{feff}{whole}")),
        ("17 levels", bearer.claims(&[("x", &deep)])),
        ("a thousand levels that do not end", bearer.claims(&[("x", &"[".repeat(1_000))])),
        ("66 members", format!("{}{wide}}}", &whole[..whole.len() - 1])),
    ] {
        rows.push(invalid(name, signed(HEADER, &claims)));
    }
    run(way, "payloads", &bearer, rows);
}

fn times(way: Way) {
    let bearer = Bearer::new();
    let now = bearer.now;
    let mut rows = Vec::new();
    for (name, iat, nbf, exp, code) in [
        ("ended an hour ago", now - 7_200, None, now - 3_600, EXPIRED),
        ("ended just before the leeway", now - 7_200, None, now - 62, EXPIRED),
        ("ended in 1970", 0, None, 1, EXPIRED),
        ("begins in an hour", now, Some(now + 3_600), now + 7_200, INVALID),
        ("issued in an hour", now + 3_600, None, now + 7_200, INVALID),
        ("issued in an hour, good from now on", now + 3_600, Some(now), now + 7_200, INVALID),
        ("issued in 9999", 253_402_300_799, None, 253_402_300_799, INVALID),
        ("ends before it was issued", now, None, now - 10, INVALID),
        ("ends before it begins", now - 100, Some(now + 20), now + 10, INVALID),
        ("ended before it was issued, long ago", now - 3_600, None, now - 7_200, INVALID),
    ] {
        let nbf = nbf.map(|nbf: i64| nbf.to_string()).unwrap_or_default();
        let claims =
            bearer.claims(&[("iat", &iat.to_string()), ("nbf", &nbf), ("exp", &exp.to_string())]);
        rows.push((name.to_owned(), signed(HEADER, &claims), code));
    }
    run(way, "times", &bearer, rows);
}
