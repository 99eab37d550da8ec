//! What may pass in session descriptions (RFC 8866) and candidates (RFC 8839), read where they stand: within a JSON
//! string, escapes and all, without allocating.
//!
//! The verdict must not depend on who reads. Browsers differ in what they forgive: letter case, blanks, where a line ends.
//! What any of them may take against a rule counts, and what is not plainly written passes nowhere.

mod candidate;
mod fingerprint;
mod lines;
#[cfg(test)]
mod tests;

pub use candidate::CandidateRules;
use fingerprint::Fingerprints;
pub use fingerprint::{FingerprintHash, LastHash};
use lines::{Head, for_each_line, plain_line};

use super::json::{Quoted, Raw};
use super::scan;

/// Why a description or a candidate may not pass. The text is for whoever wrote the client; it repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line is not `x=…`, an attribute has no plain name, or there are control characters.
    Line,
    /// An `m=` line does not begin with a kind, a port and a protocol, one blank between them.
    MediaLine,
    /// Media without DTLS.
    Protocol,
    /// Keys in the description (RFC 4568).
    Crypto,
    /// A fingerprint of a hash that is too weak or unknown, or not of its length in hexadecimal.
    Fingerprint,
    /// More different fingerprints than anyone has certificates.
    Fingerprints,
    /// A media section without a fingerprint.
    NoFingerprint,
    /// A role in DTLS that is none.
    Setup,
    /// A media section without a role in DTLS.
    NoSetup,
    /// An observer would send.
    Sends,
    /// A `rollback` with a text.
    Rollback,
    /// A candidate that is not written as RFC 8839 5.1 has it, or is more than a line.
    Candidate,
    /// A candidate that is not a relay, where only those may pass.
    NotRelay,
    /// A candidate with an address that may not pass.
    Address,
}

/// What holds for the description of one sender, beside what holds for all.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Whether its sender may send media: sound, picture, text, or whatever else has a section of its own that is no data channel.
    pub may_send: bool,
    /// What holds for the candidates in it.
    pub candidates: CandidateRules<'a>,
}

/// Checks a description by RFC 8827 6.5, and returns the hash of the fingerprints in it, where there are any.
///
/// `text` is the string that holds the description.
///
/// # Errors
///
/// A [`Fault`], of several any; [`Fault::Line`] also if the string is no JSON.
pub fn check_description(
    text: Quoted<'_>,
    rules: Rules<'_>,
) -> Result<Option<FingerprintHash>, Fault> {
    check_next_description(text, rules, &mut LastHash::default())
}

/// The same for one of many, of which each often shows what the last one did.
///
/// # Errors
///
/// A [`Fault`], of several any.
pub fn check_next_description(
    text: Quoted<'_>,
    rules: Rules<'_>,
    last: &mut LastHash,
) -> Result<Option<FingerprintHash>, Fault> {
    let mut reader = Reader {
        rules,
        session: Transport::default(),
        section: None,
        fingerprints: Fingerprints::new(),
    };
    for_each_line(text, is_idle, |line| reader.line(line))?;
    reader.end_section()?;
    Ok(last.hash(&reader.fingerprints))
}

/// Checks the `candidate` of an `RTCIceCandidateInit`: one line, that fits the rules.
///
/// `raw` is the JSON string that holds the candidate; an empty one is the end of candidates.
///
/// # Errors
///
/// A [`Fault`], of several any.
pub fn check_candidate(raw: Raw<'_>, rules: CandidateRules<'_>) -> Result<(), Fault> {
    let mut count = 0;
    let mut check = |line: &[u8]| {
        count += 1;
        // Browsers take it with the `a=` of a description too.
        let candidate = line.strip_prefix(b"a=").unwrap_or(line);
        if line.is_empty() { Ok(()) } else { rules.check(candidate) }
    };
    let Some(text) = Quoted::from_raw(raw) else { return Err(Fault::Candidate) };
    if let Some(line) = plain_line(text) {
        return check(line);
    }
    for_each_line(text, |_| false, check)
        .map_err(|fault| if fault == Fault::Line { Fault::Candidate } else { fault })?;
    if count == 1 { Ok(()) } else { Err(Fault::Candidate) }
}

/// Reads a description line by line.
struct Reader<'a> {
    rules: Rules<'a>,
    /// What stands before the first section holds for all of them.
    session: Transport,
    section: Option<Section>,
    fingerprints: Fingerprints,
}

/// How a section is secured, as far as it says so.
#[derive(Clone, Copy, Default)]
struct Transport {
    has_fingerprint: bool,
    has_setup: bool,
}

/// One media section, as far as it matters here.
struct Section {
    own: Transport,
    protocol_is_secure: bool,
    /// It is no data channel.
    carries_media: bool,
    port_is_zero: bool,
    /// Then a port of zero does not reject it (RFC 8843 6).
    bundle_only: bool,
    says_it_sends: bool,
    says_it_does_not: bool,
}

/// Whether a line is irrelevant here, as far as that shows at once: it is no attribute and no media section, or one of the most
/// common attributes.
#[inline(always)]
fn is_idle(head: &Head) -> bool {
    const fn word(text: &[u8; 8]) -> u64 {
        u64::from_le_bytes(*text)
    }
    const fn first(bytes: u32) -> u64 {
        u64::MAX >> (64 - 8 * bytes)
    }
    let [kind, equals, name @ .., ninth, tenth] = head;
    if u16::from_le_bytes([*kind, *equals]) != u16::from_le_bytes(*b"a=") {
        return kind.is_ascii_lowercase() && *kind != b'm' && *equals == b'=';
    }
    let (name, rest) = (word(name), [*ninth, *tenth]);
    name == word(b"rtcp-fb:")
        || name & first(7) == word(b"rtpmap:\0")
        || name & first(5) == word(b"fmtp:\0\0\0")
        || name & first(7) == word(b"extmap:\0")
        || name & first(5) == word(b"ssrc:\0\0\0")
        || name & first(5) == word(b"msid:\0\0\0")
        || name & first(5) == word(b"rtcp:\0\0\0")
        || name & first(4) == word(b"mid:\0\0\0\0")
        || name & first(6) == word(b"group:\0\0")
        || name == word(b"ice-pwd:")
        || name == word(b"ice-ufra") && rest == *b"g:"
        || name == word(b"rtcp-mux") && rest == *br"\r"
}

impl Reader<'_> {
    #[inline(never)]
    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        match line {
            [] => Ok(()),
            [b'm', b'=', media @ ..] => self.begin_section(media),
            [b'a', b'=', attribute @ ..] => self.attribute(attribute),
            [b'a'..=b'z', b'=', ..] => Ok(()),
            _ => Err(Fault::Line),
        }
    }

    fn begin_section(&mut self, media: &[u8]) -> Result<(), Fault> {
        self.end_section()?;
        self.section = Some(Section::begin(media)?);
        Ok(())
    }

    /// Takes what stands behind `a=`. What is against us is recognised in any spelling, what is for us in one.
    fn attribute(&mut self, attribute: &[u8]) -> Result<(), Fault> {
        let section = self.section.as_mut();
        if let Some(fingerprint) = attribute.strip_prefix(b"fingerprint:") {
            self.fingerprints.add(fingerprint)?;
            section.map_or(&mut self.session, |section| &mut section.own).has_fingerprint = true;
        } else if matches!(attribute, b"setup:actpass" | b"setup:active" | b"setup:passive") {
            section.map_or(&mut self.session, |section| &mut section.own).has_setup = true;
        } else {
            return self.other_attribute(attribute);
        }
        Ok(())
    }

    /// Takes one that says nothing for us.
    fn other_attribute(&mut self, attribute: &[u8]) -> Result<(), Fault> {
        let (name, value) = attribute.split_at(name_len(attribute));
        // With blanks in it, or letters that are blanks elsewhere, it is another name to some readers.
        if name.is_empty() || !matches!(value, [] | [b':', ..]) {
            return Err(Fault::Line);
        }
        // Browsers take a name in any letter case.
        let lower = scan::padded(name).map(|byte| byte.to_ascii_lowercase());
        // A longer one does not matter.
        let Some(lower) = lower.get(..name.len()) else { return Ok(()) };
        match lower {
            b"fingerprint" => return Err(Fault::Fingerprint),
            // `holdconn` must not be used with DTLS (RFC 8842 5.2).
            b"setup" => return Err(Fault::Setup),
            b"crypto" => return Err(Fault::Crypto),
            b"candidate" => self.rules.candidates.check(attribute)?,
            direction => {
                if let Some(section) = &mut self.section {
                    section.note_direction(direction, attribute);
                }
            }
        }
        Ok(())
    }

    fn end_section(&mut self) -> Result<(), Fault> {
        let Some(section) = self.section.take().filter(|section| !section.is_rejected()) else {
            return Ok(());
        };
        let (own, session) = (section.own, self.session);
        if !section.protocol_is_secure {
            return Err(Fault::Protocol);
        }
        if !own.has_fingerprint && !session.has_fingerprint {
            return Err(Fault::NoFingerprint);
        }
        if !own.has_setup && !session.has_setup {
            return Err(Fault::NoSetup);
        }
        if section.sends() && !self.rules.may_send {
            return Err(Fault::Sends);
        }
        Ok(())
    }
}

/// How many bytes there are before a colon, or anything that no name holds.
#[inline]
fn name_len(attribute: &[u8]) -> usize {
    let ends =
        |block| scan::equal(block, b':') | scan::up_to(block, b' ') | scan::not_printable(block);
    scan::position(attribute, 0, ends).unwrap_or(attribute.len())
}

/// The bytes before the first blank, and those behind it.
#[inline]
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = scan::position(text, 0, |block| scan::equal(block, b' ')).unwrap_or(text.len());
    (&text[..end], text.get(end + 1..).unwrap_or_default())
}

impl Section {
    /// From what stands behind `m=`: `audio 9 UDP/TLS/RTP/SAVPF 111`.
    fn begin(line: &[u8]) -> Result<Self, Fault> {
        let (kind, rest) = split_word(line);
        let (port, rest) = split_word(rest);
        let (protocol, _) = split_word(rest);
        // With a tab in it a word is two to some readers, and the next one is not what it seems.
        let plain = !kind.is_empty() && kind.iter().all(u8::is_ascii_graphic);
        if !plain || port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
            return Err(Fault::MediaLine);
        }
        let is_sctp = matches!(protocol, b"UDP/DTLS/SCTP" | b"TCP/DTLS/SCTP");
        let is_rtp = matches!(protocol, b"UDP/TLS/RTP/SAVPF" | b"TCP/TLS/RTP/SAVPF");
        Ok(Self {
            own: Transport::default(),
            protocol_is_secure: is_sctp || is_rtp,
            // A kind that is not known may carry anything. Text has its own (RFC 4103, 9071).
            carries_media: !(is_sctp && kind == b"application"),
            port_is_zero: port == b"0",
            bundle_only: false,
            says_it_sends: false,
            says_it_does_not: false,
        })
    }

    /// Takes the name of an attribute in lower case, and all of it as it is written.
    fn note_direction(&mut self, name: &[u8], attribute: &[u8]) {
        match name {
            b"sendrecv" | b"sendonly" => self.says_it_sends = true,
            b"bundle-only" => self.bundle_only = true,
            _ => self.says_it_does_not |= matches!(attribute, b"recvonly" | b"inactive"),
        }
    }

    fn is_rejected(&self) -> bool {
        self.port_is_zero && !self.bundle_only
    }

    /// Whether it may make its sender send media (RFC 8866 6.7: what says nothing is `sendrecv`). What stands
    /// before the first section says nothing to some browsers; of two that contradict each other the one that sends counts.
    fn sends(&self) -> bool {
        self.carries_media && (self.says_it_sends || !self.says_it_does_not)
    }
}

impl Fault {
    /// What is wrong, in half a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Line => "a line is not plainly written (x=…, LF or CR LF, no control characters)",
            Self::MediaLine => "an m= line does not say kind, port and protocol",
            Self::Protocol => {
                "a section is neither UDP/TLS/RTP/SAVPF nor UDP/DTLS/SCTP (nor the same over TCP)"
            }
            Self::Crypto => "keys are agreed on by DTLS, without a=crypto",
            Self::Fingerprint => "a fingerprint is not of SHA-256, SHA-384 or SHA-512",
            Self::Fingerprints => "there are too many fingerprints",
            Self::NoFingerprint => "a section has no fingerprint",
            Self::Setup => "an a=setup is not actpass, active or passive",
            Self::NoSetup => "a section has no a=setup",
            Self::Sends => "an observer only receives",
            Self::Rollback => "a rollback has no text",
            Self::Candidate => "a candidate is not one line as in RFC 8839",
            Self::NotRelay => "a candidate is not of typ relay",
            Self::Address => "a candidate has an address that is not allowed",
        }
    }
}
