//! Checks whether a token is valid here and now.

use super::{Grant, claims};
use crate::base::time::{Duration, WallTime};
use crate::wire::jwt::{self, Key};

/// Checks the tokens of one deployment. Made once from the configuration, shared by all
/// connections.
#[derive(Clone, Debug)]
pub struct Tokens {
    rules: TokenRules,
}

/// A deployment's rules for its tokens.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The secrets that may have signed a token: the present one, and during a rotation the
    /// previous one.
    pub keys: Vec<Key>,
    /// The `iss` that a token must have; if `None`, `iss` is not compared.
    pub issuer: Option<String>,
    /// What `aud` must be or contain; if `None`, `aud` is not compared.
    pub audience: Option<String>,
    /// How far the clocks of the issuer and of this server may differ, in either direction.
    pub leeway: Duration,
}

/// Why a token is invalid. It says no more than this, so that nobody can probe their way to a valid
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Anything but its age.
    Invalid,
    /// It was valid in every other way and has expired.
    Expired,
}

impl Tokens {
    /// A checker by these rules. Without keys it refuses every token.
    pub const fn new(rules: TokenRules) -> Self {
        Self { rules }
    }

    /// What `token` grants at `now`. Allocates nothing for a token without escapes in its JSON.
    ///
    /// # Errors
    ///
    /// [`TokenFault`]; expired only if nothing else is wrong.
    pub fn check(&self, token: &str, now: WallTime) -> Result<Grant, TokenFault> {
        let mut scratch = [0; jwt::SCRATCH_BYTES];
        let payload = jwt::verify(token, &self.rules.keys, &mut scratch)?;
        let TokenRules { issuer, audience, leeway, .. } = &self.rules;
        let claims = claims::read(payload, issuer.as_deref(), audience.as_deref())?;
        let grant = claims.grant;

        let issued_at = claims.issued_at;
        let counts_from = claims.not_before.map_or(issued_at, |nbf| nbf.max(issued_at));
        let is_addressed = claims.is_from_issuer && claims.is_for_audience;
        // The leeway is for different clocks; the times in one token come from one clock.
        if !is_addressed || grant.expires_at < counts_from || now < counts_from.minus(*leeway) {
            return Err(TokenFault::Invalid);
        }
        // RFC 7519 4.1.4: not accepted on or after the time.
        if now >= self.ends_at(&grant) {
            return Err(TokenFault::Expired);
        }
        Ok(grant)
    }

    /// How far clocks may differ.
    pub const fn leeway(&self) -> Duration {
        self.rules.leeway
    }

    /// The first moment at which the token of `grant` is no longer valid: its `exp` plus the
    /// leeway.
    pub const fn ends_at(&self, grant: &Grant) -> WallTime {
        grant.expires_at.plus(self.rules.leeway)
    }
}

impl From<jwt::Broken> for TokenFault {
    fn from(_: jwt::Broken) -> Self {
        Self::Invalid
    }
}

impl From<claims::BadClaims> for TokenFault {
    fn from(_: claims::BadClaims) -> Self {
        Self::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::mint::{Ticket, mint};
    use crate::message::{Permissions, Role, RoomType, SessionId, UserId};

    const NOON: WallTime = WallTime::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);
    const LEEWAY: Duration = Duration::from_secs(60);
    const MOMENT: Duration = Duration::from_millis(1);

    fn key(fill: u8) -> Key {
        Key::new(&[fill; 32]).expect("32 bytes")
    }

    fn rules() -> TokenRules {
        TokenRules { keys: vec![key(1)], issuer: None, audience: None, leeway: LEEWAY }
    }

    fn user() -> UserId {
        UserId::parse("6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21").expect("a uuid")
    }

    fn session() -> SessionId {
        SessionId::parse("0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34").expect("a uuid")
    }

    fn ticket() -> Ticket<'static> {
        Ticket {
            user: user(),
            role: Role::Patient,
            session: session(),
            permissions: &["room:join", "room:signal"],
            room_type: None,
            issued_at: NOON,
            lifetime: HOUR,
            issuer: None,
            audience: None,
            id: None,
        }
    }

    /// A token with these dates, as JSON writes them.
    fn dated(iat: &str, nbf: &str, exp: &str) -> String {
        let nbf = if nbf.is_empty() { String::new() } else { format!(",\"nbf\":{nbf}") };
        let claims = format!(
            "{{\"userId\":\"6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21\",\"userType\":\"patient\",\
             \"sessionId\":\"0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34\",\"permissions\":[],\
             \"iat\":{iat},\"exp\":{exp}{nbf}}}"
        );
        jwt::sign(&key(1), &claims)
    }

    #[test]
    fn a_minted_token_grants_what_its_ticket_says() {
        let tokens = Tokens::new(rules());
        let whole = Ticket {
            room_type: Some(RoomType::Emergency),
            id: Some("\"\\\n\u{1f600}"),
            ..ticket()
        };
        let grant = Grant {
            user: user(),
            role: Role::Patient,
            session: session(),
            permissions: Permissions::JOIN.with(Permissions::SIGNAL),
            room_type: Some(RoomType::Emergency),
            token: Some(claims::token_id("\"\\\n\u{1f600}")),
            expires_at: NOON.plus(HOUR),
        };
        assert_eq!(tokens.check(&mint(&key(1), &whole), NOON), Ok(grant));
        assert_eq!(tokens.ends_at(&grant), NOON.plus(HOUR).plus(LEEWAY));
    }

    #[test]
    fn a_token_counts_from_its_start_less_the_leeway_to_its_end_and_the_leeway() {
        let tokens = Tokens::new(rules());
        let check = |token: &str, now| tokens.check(token, now).map(|_| ());
        let token = mint(&key(1), &ticket());
        let (opens, ends) = (NOON.minus(LEEWAY), NOON.plus(HOUR).plus(LEEWAY));
        assert_eq!(check(&token, opens.minus(MOMENT)), Err(TokenFault::Invalid));
        assert_eq!(check(&token, opens), Ok(()));
        assert_eq!(check(&token, ends.minus(MOMENT)), Ok(()));
        assert_eq!(check(&token, ends), Err(TokenFault::Expired));

        // `nbf` counts if it is later than `iat`; an earlier one does not make the token valid
        // before `iat`.
        let later = dated("1800000000", "1800000100", "1800003600");
        assert_eq!(check(&later, opens), Err(TokenFault::Invalid));
        assert_eq!(check(&later, opens.plus(Duration::from_secs(100))), Ok(()));
        let earlier = dated("1800000000", "1700000000", "1800003600");
        assert_eq!(check(&earlier, opens.minus(MOMENT)), Err(TokenFault::Invalid));

        let with_fractions = dated("1799999999.5", "", "1800000000.25");
        let ends = NOON.plus(Duration::from_millis(250)).plus(LEEWAY);
        assert_eq!(check(&with_fractions, ends.minus(MOMENT)), Ok(()));
        assert_eq!(check(&with_fractions, ends), Err(TokenFault::Expired));
    }

    #[test]
    fn a_token_that_ends_before_it_starts_never_counts() {
        let tokens = Tokens::new(rules());
        for (token, is_good) in [
            (dated("1800000000", "", "1800000000"), true),
            (dated("1800000001", "", "1800000000"), false),
            (dated("1799999000", "1800000001", "1800000000"), false),
        ] {
            assert_eq!(tokens.check(&token, NOON).is_ok(), is_good);
            let late = tokens.check(&token, NOON.plus(HOUR));
            assert_eq!(late, Err(if is_good { TokenFault::Expired } else { TokenFault::Invalid }));
        }
    }

    #[test]
    fn expired_is_said_only_of_a_token_that_is_good_otherwise() {
        let rules = TokenRules {
            issuer: Some("https://clinic.example".into()),
            audience: Some("calls".into()),
            ..rules()
        };
        let tokens = Tokens::new(rules);
        let good =
            Ticket { issuer: Some("https://clinic.example"), audience: Some("calls"), ..ticket() };
        let late = NOON.plus(Duration::from_secs(1_000_000));
        let fault = |key: &Key, ticket: Ticket<'_>| tokens.check(&mint(key, &ticket), late);
        assert!(tokens.check(&mint(&key(1), &good), NOON).is_ok());
        assert_eq!(fault(&key(1), good), Err(TokenFault::Expired));
        for (key, ticket) in [
            (key(2), good),
            (key(1), Ticket { issuer: None, ..good }),
            (key(1), Ticket { issuer: Some("https://clinic.example/"), ..good }),
            (key(1), Ticket { audience: None, ..good }),
            (key(1), Ticket { audience: Some("records"), ..good }),
        ] {
            assert_eq!(fault(&key, ticket), Err(TokenFault::Invalid), "{ticket:?}");
        }
        let token = mint(&key(1), &good);
        for broken in ["", ".", "..", &token[1..], &token[..token.len() - 1]] {
            assert_eq!(tokens.check(broken, late), Err(TokenFault::Invalid));
        }
    }

    #[test]
    fn issuer_and_audience_survive_quotes_and_escapes() {
        let odd = "a\"b\\c\n\u{0}\u{1f600}é</script>";
        let rules = TokenRules { issuer: Some(odd.into()), audience: Some(odd.into()), ..rules() };
        let token = mint(&key(1), &Ticket { issuer: Some(odd), audience: Some(odd), ..ticket() });
        assert!(Tokens::new(rules).check(&token, NOON).is_ok());
    }

    #[test]
    fn no_clock_and_no_leeway_overflows() {
        let (min, max) = (WallTime::from_millis(i64::MIN), WallTime::from_millis(i64::MAX));
        let forever = Duration::from_micros(u64::MAX);
        let tokens = [dated("0", "0", "0"), dated("253402300799", "253402300799", "253402300799")];
        for leeway in [Duration::default(), LEEWAY, forever] {
            let checker = Tokens::new(TokenRules { leeway, ..rules() });
            for token in &tokens {
                assert_eq!(checker.check(token, min).err(), Some(TokenFault::Invalid));
                assert_eq!(checker.check(token, max).err(), Some(TokenFault::Expired));
            }
        }
    }

    #[test]
    fn every_single_byte_changed_anywhere_is_refused() {
        let tokens = Tokens::new(rules());
        let good = mint(&key(1), &ticket());
        for at in 0..good.len() {
            for other in ["A", "z", "0", "_", "-", ".", "=", "+", "/", " "] {
                let changed = [&good[..at], other, &good[at + 1..]].concat();
                let expected = if changed == good { None } else { Some(TokenFault::Invalid) };
                assert_eq!(tokens.check(&changed, NOON).err(), expected, "at {at}: {other}");
            }
        }
    }

    #[test]
    fn nothing_that_could_be_logged_shows_a_secret_or_a_person() {
        let marked = TokenRules { keys: vec![Key::new(&[b'!'; 32]).expect("32 bytes")], ..rules() };
        let shown = format!("{:?} {:?}", Tokens::new(marked), ticket());
        assert!(!shown.contains("!!") && !shown.contains("33, 33") && !shown.contains("6f1f0c2e"));
    }
}
