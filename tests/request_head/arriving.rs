//! A head that arrives in pieces.

use autamedica_signaling::wire::http::{self, FIELDS_MAX, Fault, HEAD_BYTES_MAX};

use super::{fault, get, head};

/// What is known once all of `reads` have come, each joined to those before it: the method, the path and the length of the
/// head, as soon as there is one.
fn arrive(
    bytes: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Result<Option<(String, String, usize)>, Fault> {
    let mut seen = 0;
    for end in ends {
        let here = &bytes[..end];
        if let Some((request, len)) = http::parse(here, seen)? {
            return Ok(Some((request.method.to_owned(), request.path.to_owned(), len)));
        }
        seen = end;
    }
    Ok(None)
}

fn heads() -> Vec<Vec<u8>> {
    vec![
        get("/"),
        get("/ws?a=b&c=%20d"),
        head(&["GET /health HTTP/1.0"]),
        head(&["", "", "GET /after-empty-lines HTTP/1.1", "Host: a"]),
        head(&["HEAD / HTTP/1.1", "host:a", "x:", "y:  b\t c \t", "Content-Length: 0"]),
    ]
}

#[test]
fn a_head_is_the_same_wherever_it_is_cut_and_whatever_follows() {
    for head in heads() {
        for behind in [&b""[..], b"\x81\x85", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
            let bytes = [&head[..], behind].concat();
            let whole = arrive(&bytes, [bytes.len()]);
            let (_, _, len) = whole.clone().expect("no fault").expect("a whole head");
            assert_eq!(len, head.len(), "what follows is not the head's");
            assert_eq!(arrive(&bytes, 1..=bytes.len()), whole, "a byte at a time");
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let cut = arrive(&bytes, [first, second, bytes.len()]);
                    assert_eq!(cut, whole, "cut at {first} and {second}");
                }
            }
        }
    }
}

#[test]
fn a_head_without_its_end_is_waited_for() {
    for head in heads() {
        for end in 0..head.len() {
            assert_eq!(arrive(&head, 0..=end), Ok(None), "{end} of {} bytes", head.len());
        }
    }
}

#[test]
fn a_wrong_head_is_wrong_wherever_it_is_cut() {
    let wrong = [
        head(&["GET / HTTP/1.1"]),
        head(&["GET / HTTP/1.1", "Host: a", "Host: a"]),
        head(&["GET / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]),
        b"GET / HTTP/1.1\nHost: a\n\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\r\n\n".to_vec(),
    ];
    for bytes in wrong {
        for cut in 0..=bytes.len() {
            assert_eq!(arrive(&bytes, [cut, bytes.len()]), Err(Fault::Malformed), "cut at {cut}");
        }
        assert_eq!(arrive(&bytes, 1..=bytes.len()), Err(Fault::Malformed), "a byte at a time");
    }
}

#[test]
fn a_head_has_at_most_8_kib() {
    let long = |len: usize| {
        let without = head(&["GET / HTTP/1.1", "Host: a", "x: "]).len();
        head(&["GET / HTTP/1.1", "Host: a", &format!("x: {}", "y".repeat(len - without))])
    };
    let (fits, over) = (long(HEAD_BYTES_MAX), long(HEAD_BYTES_MAX + 1));
    assert_eq!(fits.len(), HEAD_BYTES_MAX);
    for step in [1, 100, 10_000] {
        let ends = |len: usize| (0..).map(move |n| (n * step).min(len)).take(len / step + 2);
        assert!(matches!(arrive(&fits, ends(fits.len())), Ok(Some(_))), "in steps of {step}");
        assert_eq!(arrive(&over, ends(over.len())), Err(Fault::TooLarge), "in steps of {step}");
    }
    // Known as soon as it is certain, not when the head ends; what follows a head does not count.
    assert_eq!(fault(&over[..HEAD_BYTES_MAX]), Some(Fault::TooLarge));
    assert!(matches!(arrive(&over, [HEAD_BYTES_MAX - 1]), Ok(None)));
    assert!(matches!(http::parse(&[fits, vec![0; 100_000]].concat(), 0), Ok(Some(_))));
}

#[test]
fn a_head_has_at_most_64_fields() {
    let fields = |count: usize| {
        let more: Vec<_> = (1..count).map(|n| format!("x{n}: y")).collect();
        let lines = ["GET / HTTP/1.1", "Host: a"].into_iter();
        head(&lines.chain(more.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    assert!(matches!(http::parse(&fields(FIELDS_MAX), 0), Ok(Some(_))));
    assert_eq!(fault(&fields(FIELDS_MAX + 1)), Some(Fault::TooLarge));
}
