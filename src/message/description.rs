//! The shapes that WebRTC gives to descriptions and candidates, checked without being read.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::RelayKind;
use crate::wire::json::{self, Field, present};

/// An `RTCSessionDescriptionInit` (WebRTC 1.0, 4.4.1.2) that fits the message it is in: an offer holds an `offer`, an
/// answer an `answer` or `pranswer`, and either a `rollback`, which needs no text. Returns the text, a JSON string.
pub(super) fn read_description(raw: &RawValue, kind: RelayKind) -> Option<Field<'_>> {
    #[derive(Deserialize)]
    struct Init<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a RawValue,
        #[serde(borrow, default, deserialize_with = "present")]
        sdp: Field<'a>,
    }
    let init: Init = json::object(raw)?;
    let sdp = init.sdp.filter(|sdp| json::is_string(sdp));
    let fits = match (json::string(init.kind)?.as_ref(), kind) {
        ("offer", RelayKind::Offer) | ("answer" | "pranswer", RelayKind::Answer) => sdp.is_some(),
        ("rollback", _) => sdp.is_some() || init.sdp.is_none_or(is_null),
        _ => false,
    };
    fits.then_some(sdp)
}

/// An `RTCIceCandidateInit` (WebRTC 1.0, 4.8.1), or `null` for the end of candidates.
pub(super) fn check_candidate(raw: &RawValue) -> Option<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Init<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        candidate: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        sdp_mid: Field<'a>,
        // The specification's own spelling has three capitals.
        #[serde(rename = "sdpMLineIndex", borrow, default, deserialize_with = "present")]
        sdp_m_line_index: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        username_fragment: Field<'a>,
    }
    if is_null(raw) {
        return Some(());
    }
    let init: Init = json::object(raw)?;
    let string_or_null =
        |field: Field| field.is_none_or(|raw| json::is_string(raw) || is_null(raw));
    let index =
        |field: Field| field.is_none_or(|raw| raw.get().parse::<u16>().is_ok() || is_null(raw));
    let fits = init.candidate.is_none_or(json::is_string)
        && string_or_null(init.sdp_mid)
        && index(init.sdp_m_line_index)
        && string_or_null(init.username_fragment);
    fits.then_some(())
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}
