//! Session descriptions (RFC 8866), read where they stand: within a JSON string, escapes and all, without allocating.

use serde_json::value::RawValue;

/// How much of a line is looked at. What matters stands at its beginning.
const LINE_BYTES_MAX: usize = 64;

/// Whether the description may make its sender send sound or picture: whether any audio or video section that is not
/// rejected has another direction than `recvonly` or `inactive` (RFC 8866 6.7; none at all means `sendrecv`).
///
/// `raw` is the JSON string that holds the description.
pub fn may_send(raw: &RawValue) -> bool {
    let mut session_sends = None;
    let mut section: Option<Section> = None;
    let mut sends = false;
    for_each_line(raw.get(), |line| {
        if let Some(media) = line.strip_prefix(b"m=") {
            sends |= section.take().is_some_and(|section| section.sends(session_sends));
            section = Some(Section::begin(media));
            return;
        }
        let direction = match line {
            b"a=sendrecv" | b"a=sendonly" => Some(true),
            b"a=recvonly" | b"a=inactive" => Some(false),
            b"a=bundle-only" => {
                section.iter_mut().for_each(|section| section.bundle_only = true);
                None
            }
            _ => None,
        };
        if let Some(sending) = direction {
            let place = section.as_mut().map_or(&mut session_sends, |section| &mut section.sends);
            // Of two that contradict each other the one that sends counts.
            *place = Some(sending || *place == Some(true));
        }
    });
    sends || section.is_some_and(|section| section.sends(session_sends))
}

/// One media section, as far as it matters here.
#[derive(Debug)]
struct Section {
    audio_or_video: bool,
    port_is_zero: bool,
    /// Then a port of zero does not reject it (RFC 8843 6).
    bundle_only: bool,
    sends: Option<bool>,
}

impl Section {
    /// From what stands behind `m=`: `audio 9 UDP/TLS/RTP/SAVPF 111`.
    fn begin(line: &[u8]) -> Self {
        let mut words = line.split(|byte| *byte == b' ');
        let kind = words.next().unwrap_or_default();
        let port = words.next().unwrap_or_default();
        Self {
            // A kind that is not known may carry either.
            audio_or_video: !matches!(kind, b"application" | b"text" | b"message"),
            port_is_zero: !port.is_empty() && port.iter().all(|digit| *digit == b'0'),
            bundle_only: false,
            sends: None,
        }
    }

    fn sends(&self, session_sends: Option<bool>) -> bool {
        let rejected = self.port_is_zero && !self.bundle_only;
        self.audio_or_video && !rejected && self.sends.or(session_sends).unwrap_or(true)
    }
}

/// Calls `each` with the beginning of each line of the text that the JSON string `quoted` stands for. Lines end in CR, LF
/// or both; what is not ASCII is shown as `?`, and spaces at the end of a line are left out.
fn for_each_line(quoted: &str, mut each: impl FnMut(&[u8])) {
    let mut line = [0; LINE_BYTES_MAX];
    let mut len = 0;
    let mut end = |line: &[u8]| each(line.trim_ascii_end());
    for byte in unescaped(quoted) {
        if matches!(byte, b'\r' | b'\n') {
            end(&line[..len]);
            len = 0;
        } else if len < LINE_BYTES_MAX {
            line[len] = byte;
            len += 1;
        }
    }
    end(&line[..len]);
}

/// The bytes that a JSON string stands for, where they are ASCII, and `?` for what is not.
fn unescaped(quoted: &str) -> impl Iterator<Item = u8> {
    let mut rest = quoted.trim_matches('"').as_bytes();
    std::iter::from_fn(move || {
        let (&first, behind) = rest.split_first()?;
        rest = behind;
        if first != b'\\' {
            return Some(if first.is_ascii() { first } else { b'?' });
        }
        let (&escape, behind) = rest.split_first()?;
        rest = behind;
        Some(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'u' => {
                let digits = rest.get(..4).and_then(|digits| str::from_utf8(digits).ok());
                rest = rest.get(4..).unwrap_or_default();
                let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
                unit.and_then(|unit| u8::try_from(unit).ok()).filter(u8::is_ascii).unwrap_or(b'?')
            }
            other => other,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sends(sdp: &str) -> bool {
        let quoted = serde_json::to_string(sdp).expect("a string");
        may_send(serde_json::from_str(&quoted).expect("JSON"))
    }

    const HEAD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

    #[test]
    fn who_only_receives_sends_nothing() {
        for sections in [
            "",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=inactive\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly",
            "a=recvonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
            "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=recvonly\nm=application 9 UDP/DTLS/SCTP x\na=sendrecv\n",
        ] {
            assert!(!sends(&format!("{HEAD}{sections}")), "{sections}");
        }
    }

    #[test]
    fn any_section_that_may_send_is_found() {
        for sections in [
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=sendrecv\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\na=recvonly\r\n",
            "a=recvonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly \r\n",
            "a=sendrecv\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
            "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=sendrecv\r\n",
            "m=image 9 UDP/TLS/RTP/SAVPF 96\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\ra=sendonly\r",
        ] {
            assert!(sends(&format!("{HEAD}{sections}")), "{sections}");
        }
    }

    #[test]
    fn escapes_hide_nothing() {
        let hidden = r#""v=0\u000d\u000am=aud\u0069o 9 UDP\/TLS\/RTP\/SAVPF 111\n\u0061=recvonly\r\na=\u0073endonly\r\n""#;
        assert!(may_send(serde_json::from_str(hidden).expect("JSON")));
        let open = hidden.replace(r"a=\u0073endonly", "a=mid:0");
        assert!(!may_send(serde_json::from_str(&open).expect("JSON")));
    }
}
