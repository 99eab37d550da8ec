//! The shapes that WebRTC gives to descriptions and candidates, checked without being read.

use serde::Deserialize;

use super::request::{Content, RelayKind};
use crate::wire::json::{self, Field, Fields, Raw, present};

/// An `RTCSessionDescriptionInit` (WebRTC 1.0, 4.4.1.2) that fits the message it is in: an offer holds an `offer`, an
/// answer an `answer` or `pranswer`, and either a `rollback`, which needs no text.
pub(super) fn read_description(raw: Raw<'_>, kind: RelayKind) -> Option<Content<'_>> {
    #[derive(Default, Deserialize)]
    struct Init<'a> {
        #[serde(rename = "type", borrow, default, deserialize_with = "present")]
        kind: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        sdp: Field<'a>,
    }
    impl<'a> Fields<'a> for Init<'a> {
        fn place(&mut self, name: &str) -> Option<&mut Field<'a>> {
            Some(match name {
                "type" => &mut self.kind,
                "sdp" => &mut self.sdp,
                _ => return None,
            })
        }
    }
    let init: Init = json::object(raw)?;
    let sdp = init.sdp.filter(|sdp| json::is_string(*sdp));
    match (json::string(init.kind?)?.as_ref(), kind, sdp) {
        ("offer", RelayKind::Offer, Some(sdp))
        | ("answer" | "pranswer", RelayKind::Answer, Some(sdp)) => Some(Content::Description(sdp)),
        // Browsers write `""` where nothing stands.
        ("rollback", _, Some(sdp)) if sdp.get() != "\"\"" => Some(Content::Rollback(sdp)),
        ("rollback", _, None) if !init.sdp.is_none_or(is_null) => None,
        ("rollback", ..) => Some(Content::Nothing),
        _ => None,
    }
}

/// An `RTCIceCandidateInit` (WebRTC 1.0, 4.8.1), or `null` for the end of candidates.
pub(super) fn read_candidate(raw: Raw<'_>) -> Option<Content<'_>> {
    #[derive(Default, Deserialize)]
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
    impl<'a> Fields<'a> for Init<'a> {
        fn place(&mut self, name: &str) -> Option<&mut Field<'a>> {
            Some(match name {
                "candidate" => &mut self.candidate,
                "sdpMid" => &mut self.sdp_mid,
                "sdpMLineIndex" => &mut self.sdp_m_line_index,
                "usernameFragment" => &mut self.username_fragment,
                _ => return None,
            })
        }
    }
    if is_null(raw) {
        return Some(Content::Nothing);
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
    fits.then(|| init.candidate.map_or(Content::Nothing, Content::Candidate))
}

fn is_null(raw: Raw<'_>) -> bool {
    raw.get() == "null"
}
