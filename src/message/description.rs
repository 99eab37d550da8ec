//! The shapes that WebRTC gives to descriptions and candidates, checked without being read.

use serde::Deserialize;

use super::request::{Content, RelayKind};
use crate::wire::json::{self, Field, Fields, Quoted, Raw, present};

/// An `RTCSessionDescriptionInit` (WebRTC 1.0, 4.4.1.2).
#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct DescriptionInit<'a> {
    #[serde(rename = "type", borrow, default, deserialize_with = "present")]
    kind: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    sdp: Field<'a>,
}

/// An `RTCIceCandidateInit` (WebRTC 1.0, 4.8.1).
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CandidateInit<'a> {
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

impl<'a> Fields<'a> for DescriptionInit<'a> {
    #[inline]
    fn place(&mut self, name: &[u8]) -> Option<&mut Field<'a>> {
        json::place!(self, name, {
            b"type" => kind,
            b"sdp" => sdp,
        })
    }

    #[inline]
    fn is_checked_later(outer: Option<&[u8]>, name: &[u8]) -> bool {
        outer.is_none() && name == b"sdp"
    }
}

impl<'a> Fields<'a> for CandidateInit<'a> {
    #[inline]
    fn place(&mut self, name: &[u8]) -> Option<&mut Field<'a>> {
        json::place!(self, name, {
            b"candidate" => candidate,
            b"sdpMid" => sdp_mid,
            b"sdpMLineIndex" => sdp_m_line_index,
            b"usernameFragment" => username_fragment,
        })
    }
}

impl<'a> DescriptionInit<'a> {
    /// Whether the text in it is JSON. Everything else was checked already.
    pub(super) fn is_json(&self) -> bool {
        self.sdp.and_then(Quoted::from_raw).is_none_or(Quoted::is_json)
    }

    /// What it holds, where it fits the message that it is in: an offer holds an `offer`, an answer an `answer` or `pranswer`,
    /// and either a `rollback`, which needs no text.
    pub(super) fn content(&self, kind: RelayKind) -> Option<Content<'a>> {
        let sdp = self.sdp.and_then(Quoted::from_raw);
        match (json::string(self.kind?)?.as_ref(), kind, sdp) {
            ("offer", RelayKind::Offer, Some(sdp))
            | ("answer" | "pranswer", RelayKind::Answer, Some(sdp)) => {
                Some(Content::Description(sdp))
            }
            // Browsers write `""` where nothing stands.
            ("rollback", _, Some(sdp)) if sdp.get() != "\"\"" => Some(Content::Rollback(sdp)),
            ("rollback", _, None) if !self.sdp.is_none_or(is_null) => None,
            ("rollback", ..) => Some(Content::Nothing),
            _ => None,
        }
    }
}

impl<'a> CandidateInit<'a> {
    /// What it holds, where its members are of the right kinds.
    pub(super) fn content(&self) -> Option<Content<'a>> {
        let string_or_null =
            |field: Field| field.is_none_or(|raw| json::is_string(raw) || is_null(raw));
        let index =
            |field: Field| field.is_none_or(|raw| raw.get().parse::<u16>().is_ok() || is_null(raw));
        let fits = self.candidate.is_none_or(json::is_string)
            && string_or_null(self.sdp_mid)
            && index(self.sdp_m_line_index)
            && string_or_null(self.username_fragment);
        fits.then(|| self.candidate.map_or(Content::Nothing, Content::Candidate))
    }
}

pub(super) fn is_null(raw: Raw<'_>) -> bool {
    raw.get() == "null"
}
