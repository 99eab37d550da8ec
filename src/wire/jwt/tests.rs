//! Valid and malformed tokens, and the result of each.

use super::*;

const CLAIMS: &str = r#"{"sub":"someone"}"#;

fn key(fill: u8) -> Key {
    Key::new(&[fill; 32]).expect("32 bytes")
}

fn check(token: &str, keys: &[Key]) -> Result<String, Broken> {
    let mut scratch = [0; SCRATCH_BYTES];
    verify(token, keys, &mut scratch).map(str::to_owned)
}

/// The characters of base64url, in the order of their values.
fn alphabet() -> impl Iterator<Item = char> {
    ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_'])
}

#[test]
fn the_example_of_rfc_7515_a_1_is_good() {
    let secret =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = Key::new(&BASE64URL.decode(secret).expect("base64url")).expect("64 bytes");
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
        .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
        .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let payload =
        "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    assert_eq!(check(token, &[key]).as_deref(), Ok(payload));
}

#[test]
fn any_configured_key_may_have_signed_and_no_other() {
    let token = sign(&key(1), CLAIMS);
    assert_eq!(check(&token, &[key(1)]).as_deref(), Ok(CLAIMS));
    assert_eq!(check(&token, &[key(1), key(2)]).as_deref(), Ok(CLAIMS));
    assert_eq!(check(&token, &[key(2), key(1)]).as_deref(), Ok(CLAIMS));
    assert_eq!(check(&token, &[key(2), key(3)]), Err(Broken::Signature));
    assert_eq!(check(&token, &[]), Err(Broken::Signature));
}

#[test]
fn a_kid_chooses_among_the_keys_that_have_names() {
    let header = |kid: &str| format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
    let [one, two, other] = [key(1).named(Some("one")), key(2).named(Some("two")), key(3)];
    let both = [one.clone(), two.clone()];
    for (kid, signer, keys, expected) in [
        ("one", &one, &both[..], Ok(())),
        ("two", &two, &both, Ok(())),
        ("one", &two, &both, Err(Broken::Header)),
        ("two", &one, &both, Err(Broken::Header)),
        ("three", &one, &both, Err(Broken::Header)),
        ("", &one, &both, Err(Broken::Header)),
        ("One", &one, &both, Err(Broken::Header)),
        ("one ", &one, &both, Err(Broken::Header)),
        (r"\u006fne", &one, &both, Ok(())),
        ("one", &other, &both, Err(Broken::Signature)),
        // If a token has a `kid`, a key without a name does not match it.
        ("one", &one, &[one.clone(), other.clone()], Ok(())),
        ("one", &other, &[one.clone(), other.clone()], Err(Broken::Header)),
        // One secret with two names.
        ("one", &one, &[one.clone(), key(1).named(Some("two"))], Ok(())),
        ("two", &one, &[one.clone(), key(1).named(Some("two"))], Ok(())),
        // No key has a name: any `kid` is accepted.
        ("anything", &other, &[key(1), other.clone()], Ok(())),
    ] {
        let token = sign_under(&header(kid), signer, CLAIMS);
        assert_eq!(check(&token, keys).map(|_| ()), expected, "{kid}");
    }
    for signer in &both {
        assert!(
            check(&sign(signer, CLAIMS), &both).is_ok(),
            "without one, any key may have signed"
        );
    }
    let twice = sign_under(r#"{"alg":"HS256","kid":"one","kid":"one"}"#, &one, CLAIMS);
    assert_eq!(check(&twice, &both), Err(Broken::Header));
}

#[test]
fn a_secret_has_at_least_32_bytes_and_is_not_shown() {
    for length in [0, 1, 31] {
        assert_eq!(Key::new(&vec![7; length]).map(|_| ()), Err(ShortSecret), "{length}");
    }
    assert!(Key::new(&[7; 32]).is_ok() && Key::new(&[7; 1000]).is_ok());
    assert_eq!(format!("{:?}", Key::new(b"marker-marker-marker-marker-mark")), "Ok(Key[redacted])");
}

#[test]
fn a_token_with_one_character_changed_added_or_lost_is_broken() {
    let (keys, good) = ([key(1)], sign(&key(1), CLAIMS));
    let broken = |token: String| assert!(check(&token, &keys).is_err(), "{token}");
    for at in 0..good.len() {
        broken([&good[..at], &good[at + 1..]].concat());
        for other in ['A', 'b', '7', '-', '_', '.', '=', '+', '/', ' ', '\n', '\0', 'é'] {
            let other = other.to_string();
            broken([&good[..at], &other, &good[at..]].concat());
            if good[at..at + 1] != other {
                broken([&good[..at], &other, &good[at + 1..]].concat());
            }
        }
        for bit in 0..7 {
            let mut flipped = good.clone().into_bytes();
            flipped[at] ^= 1 << bit;
            broken(String::from_utf8(flipped).expect("still ASCII"));
        }
    }
}

#[test]
fn a_signature_has_one_spelling() {
    let (keys, good) = ([key(1)], sign(&key(1), CLAIMS));
    let all_but_last = &good[..good.len() - 1];
    // The last of the 43 characters carries 4 bits of the signature and 2 bits that must be zero.
    // Without that check, 4 characters would be accepted.
    let accepted: String =
        alphabet().filter(|last| check(&format!("{all_but_last}{last}"), &keys).is_ok()).collect();
    assert_eq!(accepted, good[good.len() - 1..]);
    for tail in ["=", "==", "A", ".", " ", "\n", "\0"] {
        assert!(check(&format!("{good}{tail}"), &keys).is_err(), "{tail:?}");
    }
}

#[test]
fn the_parts_are_three_and_base64url() {
    let key = key(1);
    // Correctly signed, so that only the form can be the reason.
    let signed =
        |text: &str| format!("{text}.{}", BASE64URL.encode(key.over(text).finalize().into_bytes()));
    let (header, payload) = (BASE64URL.encode(HEADER), BASE64URL.encode("{\"a\":\">>>???\"}"));
    assert!(payload.contains('_') || payload.contains('-'));
    assert!(check(&signed(&format!("{header}.{payload}")), std::slice::from_ref(&key)).is_ok());
    let standard = payload.replace('-', "+").replace('_', "/");
    let not_utf8 = BASE64URL.encode(b"{\"a\":\"\xff\"}");
    let table = [
        (String::new(), Broken::Shape),
        (".".into(), Broken::Shape),
        ("..".into(), Broken::Signature),
        ("...".into(), Broken::Shape),
        (header.clone(), Broken::Shape),
        (format!("{header}.{payload}"), Broken::Shape),
        (format!("{header}.{payload}."), Broken::Signature),
        (signed(&format!("{header}.{payload}.")), Broken::Shape),
        (signed(&format!(".{header}.{payload}")), Broken::Shape),
        (signed(&format!("{header}.{payload}.{payload}")), Broken::Shape),
        (signed(&format!("{header}.{payload}.{payload}.{payload}")), Broken::Shape),
        (signed(&header), Broken::Shape),
        (signed(&format!(".{payload}")), Broken::Header),
        (signed(&format!("{header}=.{payload}")), Broken::Header),
        (signed(&format!(" {header}.{payload}")), Broken::Header),
        (signed(&format!("{HEADER}.{payload}")), Broken::Header),
        (signed(&format!("{header}.{payload}=")), Broken::Payload),
        (signed(&format!("{header}.{payload}\n")), Broken::Payload),
        (signed(&format!("{header}.{standard}")), Broken::Payload),
        (signed(&format!("{header}.A")), Broken::Payload),
        (signed(&format!("{header}.e31")), Broken::Payload), // bits beyond the last byte
        (signed(&format!("{header}.{not_utf8}")), Broken::Payload),
    ];
    for (token, broken) in table {
        assert_eq!(check(&token, std::slice::from_ref(&key)), Err(broken), "{token}");
    }
}

const GOOD_HEADERS: &[&str] = &[
    r#"{"alg":"HS256"}"#,
    r#" { "typ" : "jwt" , "alg" : "HS256" } "#,
    r#"{"\u0061lg":"HS\u003256"}"#,
    r#"{"alg":"HS256","typ":"application/jwt"}"#,
    r#"{"alg":"HS256","kid":"2026-a"}"#,
    r#"{"alg":"HS256","kid":""}"#,
    r#"{"alg":"HS256","jku":"https://attacker.example/keys","jwk":{"kty":"oct","k":"AAAA"},"x5c":["AA"]}"#,
];

const BAD_HEADERS: &[&str] = &[
    r#"{"alg":"none"}"#,
    r#"{"alg":"None"}"#,
    r#"{"alg":"NONE"}"#,
    r#"{"alg":""}"#,
    r#"{"alg":null}"#,
    r#"{"alg":"hs256"}"#,
    r#"{"alg":"HS256 "}"#,
    r#"{"alg":"HS256\u0000"}"#,
    r#"{"alg":"HS384"}"#,
    r#"{"alg":"HS512"}"#,
    r#"{"alg":"RS256"}"#,
    r#"{"alg":"ES256"}"#,
    r#"{"alg":"PS256"}"#,
    r#"{"alg":"EdDSA"}"#,
    r#"{"alg":"dir"}"#,
    r#"{"alg":["HS256"]}"#,
    r#"{"alg":{"HS256":null}}"#,
    r#"{"alg":256}"#,
    r#"{"alg":true}"#,
    r#"{"Alg":"HS256"}"#,
    r#"{"ALG":"HS256"}"#,
    r#"{}"#,
    r#"{"typ":"JWT"}"#,
    r#"{"kid":"HS256"}"#,
    "",
    "null",
    "[]",
    r#"["HS256"]"#,
    r#"["alg","HS256"]"#,
    r#"[{"alg":"HS256"}]"#,
    r#""HS256""#,
    r#"{"alg":"HS256""#,
    r#"{"alg":"HS256"}}"#,
    r#"{"alg":"HS256",}"#,
    r#"{"alg":"HS256"} {"alg":"none"}"#,
    "\u{feff}{\"alg\":\"HS256\"}",
    "{\"alg\":\"HS256\"}\0",
    r#"{"alg":"HS256","alg":"HS256"}"#,
    r#"{"alg":"HS256","alg":"none"}"#,
    r#"{"alg":"none","alg":"HS256"}"#,
    r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
    r#"{"\u0061lg":"none","alg":"HS256"}"#,
    r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
    r#"{"alg":"HS256","x":1,"x":1}"#,
    r#"{"alg":"HS256","x":1,"\u0078":1}"#,
    r#"{"alg":"HS256","crit":[]}"#,
    r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
    r#"{"alg":"HS256","crit":null}"#,
    r#"{"alg":"HS256","\u0063rit":["x"]}"#,
    r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
    r#"{"alg":"HS256","b64":false}"#,
    r#"{"alg":"HS256","b64":true}"#,
    r#"{"alg":"HS256","zip":"DEF"}"#,
    r#"{"alg":"HS256","enc":"A128GCM"}"#,
    r#"{"alg":"HS256","cty":"JWT"}"#,
    r#"{"alg":"HS256","typ":"at+jwt"}"#,
    r#"{"alg":"HS256","typ":"application/at+jwt"}"#,
    r#"{"alg":"HS256","typ":"JWE"}"#,
    r#"{"alg":"HS256","typ":""}"#,
    r#"{"alg":"HS256","typ":null}"#,
    r#"{"alg":"HS256","typ":["JWT"]}"#,
    r#"{"alg":"HS256","typ":1}"#,
    r#"{"alg":"HS256","kid":1}"#,
    r#"{"alg":"HS256","kid":null}"#,
    r#"{"alg":"HS256","kid":["a"]}"#,
    r#"{"alg":"HS256","x":"\ud800"}"#,
    r#"{"alg":"HS256","x":1e999}"#,
    r#"{"alg":"HS256","x":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}"#,
];

#[test]
fn headers_and_what_they_get() {
    for header in GOOD_HEADERS {
        assert!(check(&sign_under(header, &key(1), CLAIMS), &[key(1)]).is_ok(), "{header}");
    }
    for header in BAD_HEADERS {
        let token = sign_under(header, &key(1), CLAIMS);
        assert_eq!(check(&token, &[key(1)]), Err(Broken::Header), "{header}");
    }
}

#[test]
fn no_algorithm_of_the_header_makes_up_for_the_signature() {
    for algorithm in ["none", "None", "HS256", "HS384"] {
        let header = BASE64URL.encode(format!("{{\"alg\":\"{algorithm}\"}}"));
        let signed = format!("{header}.{}", BASE64URL.encode(CLAIMS));
        for signature in
            [String::new(), "A".repeat(42), "A".repeat(43), "A".repeat(44), "A".repeat(64)]
        {
            let token = format!("{signed}.{signature}");
            assert_eq!(check(&token, &[key(1)]), Err(Broken::Signature), "{token}");
        }
    }
}

#[test]
fn a_header_that_nobody_signed_is_not_parsed() {
    let bomb = BASE64URL.encode("[".repeat(2_000));
    let token = format!("{bomb}.e30.{}", "A".repeat(43));
    assert_eq!(check(&token, &[key(1)]), Err(Broken::Signature));
}

#[test]
fn the_longest_token_is_read_and_a_longer_one_is_not() {
    let padded = |length: usize| sign(&key(1), &format!("{{\"x\":\"{}\"}}", "y".repeat(length)));
    let of_length = |chars: usize| {
        let token = (2_900..3_100).map(padded).find(|token| token.len() == chars);
        token.expect("a payload that makes this length")
    };
    assert!(check(&of_length(TOKEN_BYTES_MAX), &[key(1)]).is_ok());
    assert_eq!(check(&of_length(TOKEN_BYTES_MAX + 1), &[key(1)]), Err(Broken::TooLong));
    assert_eq!(check(&"A".repeat(TOKEN_BYTES_MAX), &[key(1)]), Err(Broken::Shape));
    assert_eq!(check(&"A".repeat(TOKEN_BYTES_MAX + 1), &[key(1)]), Err(Broken::TooLong));
    assert_eq!(check(&".".repeat(TOKEN_BYTES_MAX), &[key(1)]), Err(Broken::Shape));
}
