//! Valid and invalid claims, and the result of each.

use super::*;

const USER: &str = "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21";
const SESSION: &str = "0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34";

/// The required claims as JSON, with the value of `name` replaced (or the claim left out, if that
/// is empty) and `more` at the end.
fn claims(name: &str, value: &str, more: &str) -> String {
    let (user, session) = (format!("\"{USER}\""), format!("\"{SESSION}\""));
    let required = [
        ("userId", user.as_str()),
        ("userType", "\"doctor\""),
        ("sessionId", session.as_str()),
        ("permissions", "[\"room:join\"]"),
        ("exp", "2000"),
        ("iat", "1000"),
    ];
    let members: Vec<_> = required
        .iter()
        .map(|(key, usual)| (key, if *key == name { value } else { usual }))
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}{more}}}", members.join(","))
}

fn read_all(payload: &str) -> Result<Claims, BadClaims> {
    read(payload, None, None)
}

#[test]
fn every_claim_is_read() {
    let more =
        r#","roomType":"follow-up","nbf":1500,"jti":"7","iss":"us","aud":"them","sub":{"x":[1]}"#;
    let read = read_all(&claims("", "", more)).expect("good claims");
    let grant = Grant {
        user: UserId::parse(USER).expect("a uuid"),
        role: Role::Doctor,
        session: SessionId::parse(SESSION).expect("a uuid"),
        permissions: Permissions::JOIN,
        room_type: Some(RoomType::FollowUp),
        token: Some(token_id("7")),
        expires_at: WallTime::from_secs(2_000),
    };
    assert_eq!(read.grant, grant);
    assert_eq!(read.issued_at, WallTime::from_secs(1_000));
    assert_eq!(read.not_before, Some(WallTime::from_secs(1_500)));

    let read = read_all(&claims("", "", "")).expect("the optional ones may be missing");
    assert_eq!((read.grant.room_type, read.not_before), (None, None));
    assert_eq!(read.grant.token, None);
    assert_ne!(token_id("7"), token_id("8"));
}

#[test]
fn each_required_claim_is_required() {
    for name in ["userId", "userType", "sessionId", "permissions", "exp", "iat"] {
        assert_eq!(read_all(&claims(name, "", "")), Err(BadClaims), "{name}");
    }
}

/// Values that no claim may have, separated by blanks.
const WRONG_EVERYWHERE: &str = r#"null true {} [null] [1] {"x":1}"#;

/// Further values that a claim may not have.
const WRONG: &[(&str, &str)] = &[
    (
        "userId",
        r#"1 [] "" "x" "6f1f0c2e8a524c6e9d1e0b6f3a7c5d21" "urn:uuid:6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21""#,
    ),
    (
        "sessionId",
        r#"1 [] "" "{0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34}" "0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34\u0020""#,
    ),
    ("userType", r#"1 [] "" "Doctor" "nurse" "doctor\u0000" ["doctor"] {"doctor":null}"#),
    (
        "permissions",
        r#"1 "" "room:join" [["room:join"]] ["room:join",1] ["room:join",null] {"room:join":true}"#,
    ),
    ("roomType", r#"1 [] "" "Consultation" "surgery" ["emergency"]"#),
    (
        "exp",
        r#""2000" "" [] [2000] -1 -1.5 -0.001 02000 +2000 2000. .5 0x10 NaN Infinity -Infinity"#,
    ),
    ("exp", "253402300800 253402300799.5 1e12 1e300 -1e300 1e999 -1e999"),
    (
        "exp",
        "9223372036854775807 18446744073709551615 18446744073709551616 99999999999999999999999999",
    ),
    ("iat", r#""1000" [] -1 NaN 1e999 253402300800 9223372036854775807 -9223372036854775808"#),
    ("nbf", r#""1000" [] -1 NaN 1e999 253402300800 9223372036854775807 -9223372036854775808"#),
    ("jti", r#"1 [] ["7"]"#),
    ("iss", r#"1 [] ["us"]"#),
    ("aud", r#"1 [["them"]] ["them",1] ["them",null]"#),
];

#[test]
fn a_claim_of_a_wrong_type_or_an_unknown_value_is_refused() {
    for (name, wrong) in WRONG {
        for value in WRONG_EVERYWHERE.split(' ').chain(wrong.split(' ')) {
            let is_required = claims(name, "", "") != claims("", "", "");
            let text = match is_required {
                true => claims(name, value, ""),
                false => claims("", "", &format!(",\"{name}\":{value}")),
            };
            assert_eq!(read_all(&text), Err(BadClaims), "{text}");
        }
    }
}

#[test]
fn dates_may_have_a_fraction_and_an_exponent() {
    let table = [
        ("0", 0),
        ("-0", 0),
        ("0.0", 0),
        ("1700000000", 1_700_000_000_000),
        ("1700000000.0", 1_700_000_000_000),
        ("1700000000.123", 1_700_000_000_123),
        ("1700000000.9996", 1_700_000_001_000),
        ("1.7e9", 1_700_000_000_000),
        ("253402300799", 253_402_300_799_000),
    ];
    for (date, millis) in table {
        let read = read_all(&claims("exp", date, "")).map(|read| read.grant.expires_at);
        assert_eq!(read, Ok(WallTime::from_millis(millis)), "{date}");
    }
}

#[test]
fn permissions_add_up_and_unknown_ones_are_ignored() {
    let permissions =
        |list| read_all(&claims("permissions", list, "")).map(|c| c.grant.permissions);
    assert_eq!(permissions("[]"), Ok(Permissions::NONE));
    assert_eq!(permissions("[\"records:read\",\"ROOM:JOIN\",\"\"]"), Ok(Permissions::NONE));
    assert_eq!(permissions("[\"room:*\",\"room:join\"]"), Ok(Permissions::ALL));
    let both = Permissions::JOIN.with(Permissions::SIGNAL);
    assert_eq!(permissions("[\"room:\\u006aoin\",\"x\",\"room:signal\"]"), Ok(both));
}

#[test]
fn no_claim_comes_twice_known_or_not_however_it_is_spelled() {
    for more in [
        format!(",\"userId\":\"{USER}\""),
        format!(",\"\\u0075serId\":\"{SESSION}\""),
        ",\"userType\":\"patient\"".into(),
        ",\"permissions\":[\"room:*\"]".into(),
        ",\"exp\":9999".into(),
        ",\"e\\u0078p\":9999".into(),
        ",\"nbf\":1,\"nbf\":1".into(),
        ",\"iss\":\"us\",\"i\\u0073s\":\"them\"".into(),
        ",\"aud\":[\"a\"],\"aud\":[\"b\"]".into(),
        ",\"x\":1,\"x\":2".into(),
        ",\"x\":1,\"\\u0078\":2".into(),
        ",\"\\u0078\":1,\"\\u0078\":2".into(),
    ] {
        assert_eq!(read_all(&claims("", "", &more)), Err(BadClaims), "{more}");
    }
}

#[test]
fn the_claims_are_one_object() {
    let good = claims("", "", "");
    for text in [
        String::new(),
        "{}".into(),
        "null".into(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good}."),
        format!("[\"{USER}\",\"doctor\",\"{SESSION}\",[\"room:join\"],2000,1000]"),
        good[..good.len() - 1].to_owned(),
    ] {
        assert_eq!(read_all(&text), Err(BadClaims), "{text}");
    }
}

#[test]
fn issuer_and_audience_are_compared_where_asked_for() {
    let addressed = |more: &str, issuer, audience| {
        let read = read(&claims("", "", more), issuer, audience).expect("good claims");
        (read.is_from_issuer, read.is_for_audience)
    };
    let table = [
        ("", None, None, (true, true)),
        (r#","iss":"us","aud":"them""#, None, None, (true, true)),
        (r#","aud":[]"#, None, None, (true, true)),
        ("", Some("us"), Some("them"), (false, false)),
        (r#","iss":"us","aud":"them""#, Some("us"), Some("them"), (true, true)),
        (r#","iss":"u\u0073","aud":"the\u006d""#, Some("us"), Some("them"), (true, true)),
        (r#","iss":"US","aud":"THEM""#, Some("us"), Some("them"), (false, false)),
        (r#","iss":"us ","aud":"them,x""#, Some("us"), Some("them"), (false, false)),
        (r#","aud":["x","them","y"]"#, None, Some("them"), (true, true)),
        (r#","aud":["x","y"]"#, None, Some("them"), (true, false)),
        (r#","aud":[]"#, None, Some("them"), (true, false)),
    ];
    for (more, issuer, audience, expected) in table {
        assert_eq!(addressed(more, issuer, audience), expected, "{more}");
    }
}
