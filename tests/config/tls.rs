//! The certificate and its key, and the proxies.

use autamedica_signaling::Config;

use crate::given::{Given, PATH, SECRET};

/// A certificate and its key, one behind the other: each is found where it is looked for.
#[cfg(feature = "tls")]
pub fn pair() -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    made.cert.pem() + &made.signing_key.serialize_pem()
}

/// A production in the open that has nothing but these values and one file.
fn given(file: Option<&str>, values: &[(&str, &str)]) -> Given {
    let values = [&[("JWT_SECRET", SECRET)], values].concat();
    Given { file: file.map(Into::into), ..Given::new(&values) }
}

const BOTH: [(&str, &str); 2] = [("TLS_CERT", PATH), ("TLS_KEY", PATH)];

#[cfg(feature = "tls")]
#[test]
fn with_a_certificate_production_needs_no_proxy() {
    let config = Config::read(&given(Some(&pair()), &BOTH)).expect("starts");
    assert!(!config.behind_proxy && config.tls_files().is_some());
}

#[cfg(feature = "tls")]
#[test]
fn a_pair_that_is_of_no_use_is_refused_under_the_name_of_what_is_wrong() {
    let (good, other) = (pair(), pair());
    let (cert, key) = good.split_at(good.find("-----BEGIN PRIVATE").expect("a key"));
    let mismatched = [cert, &other[other.find("-----BEGIN PRIVATE").expect("a key")..]].concat();
    let damaged = good.replacen("MII", "MIJ", 1);
    let encrypted = good.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (file, name, said) in [
        (None, "TLS_CERT", "does not exist"),
        (Some(""), "TLS_CERT", "no certificate"),
        (Some("marker-secret"), "TLS_CERT", "no certificate"),
        (Some(key), "TLS_CERT", "no certificate"),
        (Some(damaged.as_str()), "TLS_CERT", "no certificate"),
        (Some(cert), "TLS_KEY", "no private key"),
        (Some(encrypted.as_str()), "TLS_KEY", "pass phrase"),
        (Some(mismatched.as_str()), "TLS_KEY", "not the key of the first certificate"),
    ] {
        let lines = given(file, &BOTH).refused();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(&format!("{name}: ")) && lines[0].contains(said), "{lines:?}");
        assert!(!lines[0].contains("marker-secret"));
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_program_without_tls_refuses_to_be_given_a_certificate() {
    let lines = given(Some("anything"), &BOTH).refused();
    assert!(lines.len() == 1 && lines[0].contains("built without TLS"), "{lines:?}");
}

#[test]
fn one_without_the_other_is_refused() {
    for (set, missing) in [("TLS_CERT", "TLS_KEY"), ("TLS_KEY", "TLS_CERT")] {
        let lines = given(None, &[(set, PATH), ("HOST", "127.0.0.1")]).refused();
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("{missing}: is not set")));
    }
}

#[test]
fn a_proxy_protocol_needs_proxies() {
    let lines = Given::production(&[("PROXY_PROTOCOL", "true")]).refused();
    assert!(lines.len() == 1 && lines[0].starts_with("PROXY_PROTOCOL: "), "{lines:?}");
    let named = [("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "10.0.0.0/8, ::1")];
    let config = Config::read(&Given::production(&named)).expect("starts");
    assert_eq!(config.trusted_proxies.to_string(), "10.0.0.0/8,::1/128");
    for name in ["TRUSTED_PROXIES", "IP_ALLOWLIST"] {
        for wrong in ["localhost", "10.0.0.0/8,", "10.1.2.3/8", "*"] {
            let lines = Given::production(&[(name, wrong)]).refused();
            assert!(lines.len() == 1 && lines[0].starts_with(&format!("{name}: ")), "{lines:?}");
        }
    }
}

#[test]
fn not_everybody_is_a_proxy() {
    for everybody in ["0.0.0.0/0", "::/0", "10.0.0.5, ::ffff:0.0.0.0/96", "0.0.0.0/1,128.0.0.0/1"] {
        let lines = Given::production(&[("TRUSTED_PROXIES", everybody)]).refused();
        assert!(lines.len() == 1 && lines[0].starts_with("TRUSTED_PROXIES: "), "{lines:?}");
        assert!(lines[0].contains("holds every address"), "{lines:?}");
    }
    // To let everybody in is something else.
    let config = Config::read(&Given::production(&[("IP_ALLOWLIST", "0.0.0.0/0,::/0")]));
    assert!(config.is_ok(), "{config:?}");
}
