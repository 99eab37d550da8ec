//! Session descriptions (RFC 8866), read where they stand: within a JSON string, escapes and all, without allocating.

use serde_json::value::RawValue;

/// How much of a line is looked at. What matters stands at its beginning.
const LINE_BYTES_MAX: usize = 64;

/// Whether the description may make its sender send sound or picture: whether any audio or video section that is not
/// rejected does not itself say `recvonly` or `inactive` (RFC 8866 6.7; none at all means `sendrecv`).
///
/// It must not depend on who reads it. Browsers pass over a direction before the first section, end lines at LF only, and
/// take names that are followed by a space or a colon, or written in capitals: what any of them may take for sending counts
/// as sending, and so does every line that is not plainly written.
///
/// `raw` is the JSON string that holds the description.
pub fn may_send(raw: &RawValue) -> bool {
    let mut section = Section::default();
    let mut sends = false;
    let plain = for_each_line(raw.get(), |line| match line {
        [] => {}
        [b'm', b'=', media @ ..] => {
            sends |= section.sends();
            section = Section::begin(media);
        }
        [b'a', b'=', attribute @ ..] => section.note(attribute),
        [b'a'..=b'z', b'=', ..] => {}
        _ => sends = true,
    });
    sends || section.sends() || !plain
}

/// One media section, as far as it matters here; by default what stands before the first.
#[derive(Debug, Default)]
struct Section {
    audio_or_video: bool,
    port_is_zero: bool,
    /// Then a port of zero does not reject it (RFC 8843 6).
    bundle_only: bool,
    says_it_sends: bool,
    says_it_does_not: bool,
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
            // A kind with a tab in it is two words to some readers, and the port another one.
            port_is_zero: port == b"0" && kind.iter().all(u8::is_ascii_graphic),
            ..Self::default()
        }
    }

    /// Notes what stands behind `a=`. What is against us is recognised in any spelling, what is for us in one.
    fn note(&mut self, attribute: &[u8]) {
        let is_end = |byte: &u8| matches!(byte, b':' | b' ' | b'\t');
        let name = attribute.trim_ascii_start().split(is_end).next().unwrap_or_default();
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        self.says_it_sends |= is("sendrecv") || is("sendonly");
        self.bundle_only |= is("bundle-only");
        self.says_it_does_not |= matches!(attribute, b"recvonly" | b"inactive");
    }

    fn sends(&self) -> bool {
        let rejected = self.port_is_zero && !self.bundle_only;
        // Of two that contradict each other the one that sends counts.
        self.audio_or_video && !rejected && (self.says_it_sends || !self.says_it_does_not)
    }
}

/// Calls `each` with the beginning of each line of the text that the JSON string `quoted` stands for. Lines end in LF or
/// CR LF; what is not ASCII is shown as `?`. `false`: there are control characters, and so other lines for other readers.
fn for_each_line(quoted: &str, mut each: impl FnMut(&[u8])) -> bool {
    // The last place tells that the line was cut off, so that it is not taken for what is left of it.
    let mut line = [0; LINE_BYTES_MAX + 1];
    let mut len = 0;
    let (mut plain, mut after_cr) = (true, false);
    for byte in unescaped(quoted) {
        plain &= byte == b'\n' || !after_cr;
        after_cr = byte == b'\r';
        match byte {
            b'\n' => {
                each(&line[..len]);
                len = 0;
            }
            b'\r' => {}
            _ => {
                plain &= byte == b'\t' || !byte.is_ascii_control();
                line[len.min(LINE_BYTES_MAX)] = if len < LINE_BYTES_MAX { byte } else { b'?' };
                len = (len + 1).min(line.len());
            }
        }
    }
    each(&line[..len]);
    plain
}

/// The bytes that a JSON string stands for, where they are ASCII, and `?` for what is not.
fn unescaped(quoted: &str) -> impl Iterator<Item = u8> {
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut rest = inner.unwrap_or_default().as_bytes();
    std::iter::from_fn(move || {
        let (&first, behind) = rest.split_first()?;
        rest = behind;
        if first != b'\\' {
            return Some(if first.is_ascii() { first } else { b'?' });
        }
        let (&escape, behind) = rest.split_first()?;
        rest = behind;
        Some(match escape {
            b'b' => 0x08,
            b'f' => 0x0c,
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
            // What some reader takes for sending, though another does not.
            "a=recvonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
            "i=x\ra=recvonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\ni=x\ra=recvonly\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=x\0\r\na=recvonly\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=sendrecv x\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=sendonly:x\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=SendRecv\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na = sendrecv\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n a= sendrecv\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\nA=sendrecv\r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly                                                       x \r\n",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\t\r\n",
            "m=video 00 UDP/TLS/RTP/SAVPF 96\r\n",
            "m=video\t9 0 UDP/TLS/RTP/SAVPF 96\r\n",
            "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only:\r\na=sendrecv\r\n",
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
