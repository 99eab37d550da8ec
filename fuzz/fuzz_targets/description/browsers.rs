//! Descriptions as browsers read them, with all that they forgive.

/// A line, as far as it matters here.
pub enum Line {
    Section { carries_media: bool, is_rejected: bool, is_secure: bool },
    Direction { sends: bool },
    BundleOnly,
    Fingerprint { is_strong: bool },
    Keys,
    Candidate { is_relay: bool },
}

/// What a browser finds in a description.
#[derive(Default)]
pub struct Seen {
    pub sends: bool,
    /// A section without DTLS, or with a fingerprint that is none or too weak.
    pub is_insecure: bool,
    pub has_keys: bool,
    pub leads_past_relays: bool,
}

#[derive(Clone, Copy)]
struct Section {
    carries_media: bool,
    is_rejected: bool,
    is_secure: bool,
    sends: bool,
    has_fingerprint: bool,
}

impl Line {
    pub fn is_direct(found: &Option<Self>) -> bool {
        matches!(found, Some(Self::Candidate { is_relay: false }))
    }
}

/// RFC 8866 6.7: a section that says nothing sends. What stands before the first says nothing to Chromium.
pub fn look(lines: impl Iterator<Item = Line>) -> Seen {
    let mut seen = Seen::default();
    let mut session_has_fingerprint = false;
    let mut section: Option<Section> = None;
    for line in lines {
        match (line, &mut section) {
            (Line::Section { carries_media, is_rejected, is_secure }, _) => {
                seen.close(section, session_has_fingerprint);
                let has_fingerprint = false;
                section = Some(Section {
                    carries_media,
                    is_rejected,
                    is_secure,
                    sends: true,
                    has_fingerprint,
                });
            }
            (Line::Direction { sends }, Some(section)) => section.sends = sends,
            (Line::BundleOnly, Some(section)) => section.is_rejected = false,
            (Line::Fingerprint { is_strong }, place) => {
                seen.is_insecure |= !is_strong;
                match place {
                    Some(section) => section.has_fingerprint = true,
                    None => session_has_fingerprint = true,
                }
            }
            (Line::Keys, _) => seen.has_keys = true,
            (Line::Candidate { is_relay }, _) => seen.leads_past_relays |= !is_relay,
            (Line::Direction { .. } | Line::BundleOnly, None) => {}
        }
    }
    seen.close(section, session_has_fingerprint);
    seen
}

impl Seen {
    fn close(&mut self, section: Option<Section>, session_has_fingerprint: bool) {
        let Some(section) = section.filter(|section| !section.is_rejected) else { return };
        self.sends |= section.carries_media && section.sends;
        self.is_insecure |=
            !section.is_secure || (!section.has_fingerprint && !session_has_fingerprint);
    }
}

/// A name counts where a space or a colon follows it.
pub fn chromium(line: &str) -> Option<Line> {
    let (kind, rest) = line.split_at_checked(2)?;
    match kind {
        "m=" => section(rest),
        "a=" => attribute(rest),
        _ => None,
    }
}

/// Letter case and white space on either side of `=` do not count.
pub fn firefox(line: &str) -> Option<Line> {
    let (kind, value) = line.split_once('=')?;
    match kind.trim() {
        "m" | "M" => section(value.trim()),
        "a" | "A" => {
            let value = value.trim();
            let (name, rest) = value.split_once(':').unwrap_or((value, ""));
            attribute(&format!("{}:{}", name.trim().to_lowercase(), rest.trim()))
        }
        _ => None,
    }
}

fn section(media: &str) -> Option<Line> {
    let mut words = media.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let port = words.next().unwrap_or_default();
    let protocol = words.next().unwrap_or_default().to_uppercase();
    Some(Line::Section {
        // All but data channels.
        carries_media: !(kind.starts_with("application") && protocol.ends_with("SCTP")),
        is_rejected: port == "0",
        is_secure: protocol.contains("TLS")
            && (protocol.ends_with("SAVPF") || protocol.ends_with("SCTP")),
    })
}

/// What stands behind `a=`, or a candidate on its own.
pub fn attribute(attribute: &str) -> Option<Line> {
    let end = attribute.find([' ', ':']).unwrap_or(attribute.len());
    let (name, value) = attribute.split_at(end);
    match name {
        "sendrecv" | "sendonly" => Some(Line::Direction { sends: true }),
        "recvonly" | "inactive" => Some(Line::Direction { sends: false }),
        "bundle-only" => Some(Line::BundleOnly),
        "crypto" => Some(Line::Keys),
        "fingerprint" => {
            let mut words = value.trim_start_matches(':').split_whitespace();
            let hash = words.next().unwrap_or_default().to_lowercase();
            let digest = words.next().unwrap_or_default();
            let strong = ["sha-256", "sha-384", "sha-512"].contains(&&*hash);
            Some(Line::Fingerprint { is_strong: strong && digest.len() >= 95 })
        }
        "candidate" => {
            // Some find the type by its place, some by its name.
            let words: Vec<_> = value.split_whitespace().collect();
            let by_place = words.get(7) == Some(&"relay");
            let by_name = words.windows(2).all(|pair| pair[0] != "typ" || pair[1] == "relay");
            Some(Line::Candidate { is_relay: by_place && by_name })
        }
        _ => None,
    }
}
