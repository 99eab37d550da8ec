//! Header fields of a valid request.

use super::{head, read};

#[test]
fn a_field_is_found_in_any_letter_case_and_without_the_space_around_it() {
    let bytes = head(&["GET / HTTP/1.1", "Host: a", "oRiGiN: \t https://clinic.example \t", "x:"]);
    let request = read(&bytes);
    assert_eq!(request.field("Origin"), Some("https://clinic.example"));
    assert_eq!(request.field("x"), Some(""));
    assert_eq!(request.field("y"), None);
    assert!(request.has_field("X") && !request.has_field("y"));
}

#[test]
fn a_value_that_is_not_ascii_is_there_but_cannot_be_read() {
    let mut bytes = head(&["GET / HTTP/1.1", "Host: a", "Origin: https://cl?nic.example"]);
    let at = bytes.iter().rposition(|byte| *byte == b'?').expect("a place");
    bytes[at] = 0xed;
    let request = read(&bytes);
    assert!(request.has_field("origin"));
    assert_eq!(request.field("origin"), None);
}

#[test]
fn a_list_goes_over_all_its_lines() {
    let bytes = head(&[
        "GET / HTTP/1.1",
        "Host: a",
        "Connection: keep-alive ,, Upgrade",
        "x: no",
        "connection:\t",
        "CONNECTION: other",
    ]);
    let request = read(&bytes);
    let list: Vec<_> = request.list("connection").collect();
    assert_eq!(list, ["keep-alive", "Upgrade", "other"]);
    assert_eq!(request.list("upgrade").count(), 0);
}
