//! Tokens with another algorithm, key, shape or spelling.

use autamedica_signaling::base::redacted::Redacted;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::Hmac;
use sha2::{Sha256, Sha384, Sha512};

use crate::common::{Person, Raw, SECRET};

use super::hall::{Hall, Way};
use super::tokens::{Bearer, HEADER, invalid, mac, run, run_in, signed, signed_with, unsigned};

/// What issuers publish of a key pair: no secret, and often at hand as a text.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n\
    q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n";

/// Every way to write a word in large and small letters.
fn letter_cases(word: &str) -> Vec<String> {
    let letters = word.len() as u32;
    let of = |bits: u32| {
        let each = word.chars().enumerate().map(|(at, letter)| match bits >> at & 1 {
            0 => letter.to_ascii_lowercase(),
            _ => letter.to_ascii_uppercase(),
        });
        each.collect()
    };
    (0..1 << letters).map(of).collect()
}

both_ways! {
    algorithms,
    headers,
    keys_and_extensions_that_a_token_brings_along,
    names_of_keys,
    shapes,
    spellings,
}

fn algorithms(way: Way) {
    let bearer = Bearer::new();
    let claims = bearer.claims(&[]);
    let mut rows = Vec::new();
    for none in letter_cases("none").into_iter().chain([
        String::new(),
        " none".into(),
        "none\\u0000".into(),
    ]) {
        let header = format!(r#"{{"alg":"{none}","typ":"JWT"}}"#);
        rows.push(invalid(format!("alg {none:?}, no signature"), unsigned(&header, &claims) + "."));
        rows.push(invalid(format!("alg {none:?}, a good signature"), signed(&header, &claims)));
    }
    for algorithm in [
        "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES256K", "EdDSA", "hs256",
        "Hs256", "HS256 ", " HS256", "HS-256", "SHA256", "HS25６", "dir", "A256KW",
    ] {
        let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
        rows.push(invalid(format!("alg {algorithm:?}"), signed(&header, &claims)));
        rows.push(invalid(
            format!("alg {algorithm:?}, signed with a public key"),
            signed_with(PUBLIC_KEY.as_bytes(), &header, &claims),
        ));
    }
    let header = r#"{"alg":"HS384","typ":"JWT"}"#;
    let long = unsigned(header, &claims);
    rows.push(invalid(
        "HS384 with our secret",
        format!("{long}.{}", mac::<Hmac<Sha384>>(SECRET, &long)),
    ));
    let header = r#"{"alg":"HS512","typ":"JWT"}"#;
    let long = unsigned(header, &claims);
    rows.push(invalid(
        "HS512 with our secret",
        format!("{long}.{}", mac::<Hmac<Sha512>>(SECRET, &long)),
    ));
    for secret in [
        &b""[..],
        b"secret",
        b"null",
        &[0; 32],
        PUBLIC_KEY.as_bytes(),
        PUBLIC_KEY.trim().as_bytes(),
        &SECRET[..32],
        b"a secret that only the tests know\n",
    ] {
        let token = signed_with(secret, HEADER, &claims);
        rows.push(invalid(format!("signed with {:?}", String::from_utf8_lossy(secret)), token));
    }
    run(way, "algorithms", &bearer, rows);
}

fn headers(way: Way) {
    let bearer = Bearer::new();
    let claims = bearer.claims(&[]);
    let mut rows = Vec::new();
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":256}"#,
        r#"{"alg":null}"#,
        r#"{"alg":true}"#,
        r#"{"alg":{"alg":"HS256"}}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"typ":"JWT"}"#,
        "{}",
        "[]",
        r#"["HS256"]"#,
        r#""HS256""#,
        "null",
        "",
        " ",
        r#"{"alg":"HS256"}{"alg":"none"}"#,
        r#"{"alg":"HS256"} x"#,
        "\u{feff}{\"alg\":\"HS256\"}",
    ] {
        rows.push(invalid(format!("the header {header}"), signed(header, &claims)));
    }
    run(way, "headers", &bearer, rows);
}

fn keys_and_extensions_that_a_token_brings_along(way: Way) {
    let bearer = Bearer::new();
    let claims = bearer.claims(&[]);
    let mut rows = Vec::new();
    let mine = b"the attacker's own secret, which is long enough";
    let jwk = format!(r#"{{"kty":"oct","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(mine));
    for member in [
        format!(r#""jwk":{jwk}"#),
        format!(r#""jwk":{jwk},"kid":"mine""#),
        r#""jku":"http://127.0.0.1:1/keys""#.to_owned(),
        r#""x5u":"http://127.0.0.1:1/keys""#.to_owned(),
        r#""x5c":["MII"]"#.to_owned(),
        r#""kid":"../../../../dev/null""#.to_owned(),
        r#""kid":"/proc/self/environ""#.to_owned(),
        r#""kid":"x' UNION SELECT 'y""#.to_owned(),
        r#""kid":"$(sleep 9)""#.to_owned(),
        r#""kid":"""#.to_owned(),
        r#""kid":"\u0000""#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        for secret in [&mine[..], b"", b"y", &[0; 32]] {
            let name = format!("{member}, signed with {:?}", String::from_utf8_lossy(secret));
            rows.push(invalid(name, signed_with(secret, &header, &claims)));
        }
    }
    for member in [
        r#""kid":1"#,
        r#""kid":null"#,
        r#""kid":["a"]"#,
        r#""kid":{"a":1}"#,
        r#""kid":"a","kid":"a""#,
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":true"#,
        r#""b64":false"#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""cty":"JWT""#,
        r#""typ":"at+jwt""#,
        r#""typ":"JWE""#,
        r#""typ":1"#,
        r#""typ":"JWT","typ":"JWT""#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        rows.push(invalid(format!("{member}, signed by us"), signed(&header, &claims)));
    }
    run(way, "keys and extensions", &bearer, rows);
}

fn names_of_keys(way: Way) {
    const PREVIOUS: &[u8] = b"the secret of the time before this";
    let hall = Hall::with(way, |config| {
        config.jwt_secret_previous = Redacted::new(PREVIOUS.to_vec());
        (config.jwt_kid, config.jwt_kid_previous) = (Some("now".into()), Some("before".into()));
    });
    let bearer = Bearer::new();
    let claims = bearer.claims(&[]);
    let named = |kid: &str| format!(r#"{{"alg":"HS256","kid":{kid}}}"#);
    // These are as good as ever.
    for (header, secret) in [
        (HEADER.to_owned(), SECRET),
        (HEADER.to_owned(), PREVIOUS),
        (named(r#""now""#), SECRET),
        (named(r#""before""#), PREVIOUS),
    ] {
        let token = signed_with(secret, &header, &claims);
        Raw::connect(&hall.server).join(&Person { token, ..bearer.person.clone() });
    }
    let mut rows = Vec::new();
    for kid in [
        r#""""#,
        r#""NOW""#,
        r#""now ""#,
        r#""now\u0000""#,
        r#""other""#,
        r#""no\u200bw""#,
        r#""now","kid":"now""#,
        r#"["now"]"#,
        "null",
        "0",
    ] {
        for secret in [SECRET, PREVIOUS] {
            rows.push(invalid(format!("kid {kid}"), signed_with(secret, &named(kid), &claims)));
        }
    }
    for (kid, secret) in [("now", PREVIOUS), ("before", SECRET), ("now", &[0; 32]), ("before", b"")]
    {
        let header = named(&format!("{kid:?}"));
        rows.push(invalid(format!("{kid}, of another key"), signed_with(secret, &header, &claims)));
    }
    run_in(hall, "names of keys", &bearer, rows);
}

fn shapes(way: Way) {
    let bearer = Bearer::new();
    let good = bearer.good();
    let parts: Vec<_> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let mut rows = Vec::new();
    for (name, token) in [
        ("nothing", String::new()),
        ("a point", ".".to_owned()),
        ("two points", "..".to_owned()),
        ("three points", "...".to_owned()),
        ("a header", header.to_owned()),
        ("no signature", format!("{header}.{payload}")),
        ("an empty signature", format!("{header}.{payload}.")),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        ("parts in another order", format!("{payload}.{header}.{signature}")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts, as of an encrypted one", format!("{header}.{payload}.{signature}.x.y")),
        ("two tokens", format!("{good},{good}")),
        ("`Bearer` twice", format!("Bearer {good}")),
        (
            "a JSON of it",
            format!(
                r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
            ),
        ),
        ("small letters", good.to_lowercase()),
        ("padding", format!("{good}=")),
        ("padding of the payload", format!("{header}.{payload}=.{signature}")),
        ("padding of the header", format!("{header}=.{payload}.{signature}")),
        ("points as escapes", good.replace('.', "%2E")),
        ("a blank before it", format!(" {good}")),
        ("a blank behind it", format!("{good} ")),
        ("a tab behind it", format!("{good}\t")),
        ("a line end behind it", format!("{good}\n")),
        ("NUL behind it", format!("{good}\0")),
        ("NUL and more behind it", format!("{good}\0x")),
        ("a byte order mark before it", format!("\u{feff}{good}")),
        ("a space of no width in it", format!("{header}.\u{200b}{payload}.{signature}")),
        ("a line end in it", format!("{header}.\n{payload}.{signature}")),
        ("other letters that look the same", good.replacen('e', "е", 1)),
        ("quotes around it", format!("\"{good}\"")),
        (
            "the signature of another",
            format!("{header}.{payload}.{}", mac::<Hmac<Sha256>>(SECRET, "x.y")),
        ),
        ("a signature of zeros", format!("{header}.{payload}.{}", "A".repeat(43))),
        ("a signature twice", format!("{good}{signature}")),
        (
            "4,097 bytes",
            signed(HEADER, &bearer.claims(&[("x", &format!("\"{}\"", "x".repeat(2_900)))])),
        ),
    ] {
        rows.push(invalid(name, token));
    }
    run(way, "shapes of tokens", &bearer, rows);
}

fn spellings(way: Way) {
    let bearer = Bearer::new();
    let good = bearer.good();
    let (header, _) = good.split_once('.').expect("a header");
    let mut rows = Vec::new();
    for cut in [1, 2, 3, 4, 42, 43, 44, 45, 100] {
        rows.push(invalid(format!("{cut} characters less"), &good[..good.len() - cut]));
        rows.push(invalid(format!("{cut} characters less in front"), &good[cut..]));
    }
    // The last character has four bits that are no part of the 32 bytes: sixteen spellings, of which one is right.
    let (rest, last) = good.split_at(good.len() - 1);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = alphabet.iter().position(|one| last.as_bytes()[0] == *one).expect("base64url");
    for other in (0..4).filter(|low| low | (value & !3) != value) {
        let spelled = char::from(alphabet[(value & !3) | other]);
        rows.push(invalid(
            format!("spelled with {spelled} for {last}"),
            format!("{rest}{spelled}"),
        ));
    }
    // A payload whose two alphabets differ, signed as it stands.
    let claims = bearer.claims(&[("x", "\"???>>>\u{7ff}\"")]);
    let other = format!("{header}.{}", STANDARD_NO_PAD.encode(&claims));
    assert!(other.contains(['+', '/']), "{other}");
    rows.push(invalid(
        "the other alphabet",
        format!("{other}.{}", mac::<Hmac<Sha256>>(SECRET, &other)),
    ));
    run(way, "spellings of tokens", &bearer, rows);
}
