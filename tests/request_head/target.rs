//! The request target: path and query (RFC 9112 3.2).

use autamedica_signaling::wire::http::Fault;

use super::{fault, get, read};

#[test]
fn origin_form_and_absolute_form_name_the_same() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/ws", "/ws", None),
        ("/ws?", "/ws", Some("")),
        ("/ws?a=b", "/ws", Some("a=b")),
        ("/ws?a?b", "/ws", Some("a?b")),
        ("//ws", "//ws", None),
        ("/%77s", "/%77s", None),
        ("http://clinic.example/ws", "/ws", None),
        ("http://clinic.example:8080/ws?a=b", "/ws", Some("a=b")),
        ("HTTP://clinic.example/ws", "/ws", None),
        ("https://clinic.example/ws?a=b", "/ws", Some("a=b")),
        ("http://clinic.example", "/", None),
        ("http://clinic.example?a=/b", "/", Some("a=/b")),
    ] {
        let bytes = get(target);
        let request = read(&bytes);
        assert_eq!((request.path, request.query), (path, query), "{target}");
    }
}

#[test]
fn other_targets_are_malformed() {
    for target in [
        "*",
        "ws",
        "clinic.example:443",
        "ftp://clinic.example/",
        "http:/ws",
        "http:///ws",
        "https://",
        "/ws#token=x",
        "http://clinic.example/#a",
        "?token=x",
        "http://user:password@clinic.example/ws",
        "http://clinic.example\\ws",
    ] {
        assert_eq!(fault(&get(target)), Some(Fault::Malformed), "{target}");
    }
}

#[test]
fn a_query_parameter_is_found_however_it_is_spelled() {
    for query in [
        "token",
        "token=",
        "token=abc",
        "TOKEN=abc",
        "a=b&token=c",
        "a=b;token=c",
        "&&token=c",
        "%74oken=c",
        "%74%6F%6b%65%6E=c",
        "a&tok%65n",
    ] {
        let bytes = get(&format!("/ws?{query}"));
        assert!(read(&bytes).has_query_parameter("token"), "{query}");
    }
    for query in
        ["", "tokens=c", "atoken=c", "a=token", "a=b%26token=c", "to+ken", "%2574oken=c", "t%6"]
    {
        let bytes = get(&format!("/ws?{query}"));
        assert!(!read(&bytes).has_query_parameter("token"), "{query}");
    }
}

#[test]
fn names_and_values_of_the_query_are_decoded_once() {
    let decoded = |query: &str| -> Vec<(String, String)> {
        let bytes = get(&format!("/?{query}"));
        let request = read(&bytes);
        let owned = |(name, value): (std::borrow::Cow<str>, std::borrow::Cow<str>)| {
            (name.into_owned(), value.into_owned())
        };
        request.query_parameters().map(owned).collect()
    };
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(decoded("a=b"), one("a", "b"));
    assert_eq!(decoded("a=b=c"), one("a", "b=c"));
    assert_eq!(decoded("a+b=c%20d%2Be"), one("a b", "c d+e"));
    assert_eq!(decoded("se%C3%B1al=%E2%82%AC"), one("señal", "€"));
    assert_eq!(decoded("a=%"), one("a", "%"));
    assert_eq!(decoded("a=%4"), one("a", "%4"));
    assert_eq!(decoded("a=%+1"), one("a", "% 1"));
    assert_eq!(decoded("a=%zz%41"), one("a", "%zzA"));
    assert_eq!(decoded("a=%25%34%31"), one("a", "%41"));
    assert_eq!(decoded("a=%ff"), one("a", "\u{fffd}"));
    assert_eq!(decoded("role=doctor&room=1").len(), 2);
}
