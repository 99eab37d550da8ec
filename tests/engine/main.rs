//! The rooms, as plays: at a given time somebody says something, and these people hear something.
//! Nothing else happens, and in no other order.
//!
//! ```text
//! at 0 doctor connects with $token
//! at 0 doctor says join-room {"id": 1}
//!     doctor hears room-joined {"polite": false} and more
//!     doctor hears ack {"id": 1}
//! at 2.5 patient says leave-room
//!     patient is closed with 1000
//!     doctor hears peer-left {"userId": "$patient", "reason": "left"}
//! ```
//!
//! - A name is a person in a role, followed by `@` and the room (`doctor`, `observer-2`;
//!   `doctor@night` is the same doctor in another room). After a `/` comes the name of one of their
//!   connections (`doctor/phone`).
//! - `says` fills in the required fields of a message, `"$absent"` removes a field; `sends` is
//!   followed by the raw text.
//! - `hears` is a complete message, compared by value; the `sessionId` is filled in, and the
//!   wording of an error is not compared. With `and more`, other fields may be present. `hears the
//!   same` is the message that was just sent, and `hears message 3` the one that was sent earlier
//!   with the id 3, byte for byte.
//! - Pings are answered at once and not listed, unless a play contains the word `pinged`.
//! - `$doctor`, `$room`, `$now`, `$time(2.5)`, `$token(room:join, of patient, ends 60, forged)`
//!   stand for what they say.
//!
//! In every play, the stage also checks that the engine's state is consistent after each step, that
//! nobody hears anything before they connected or after they were closed, and that nobody hears of
//! another room.

mod beside;
mod cast;
mod descriptions;
mod emergency;
mod ending;
mod entering;
mod ice;
mod leaving;
mod limits;
mod media;
mod relaying;
mod retaining;
mod returning;
mod rooms;
mod script;
mod seats;
mod stage;
mod takeover;
mod token_life;
mod wrong;

use stage::{play, play_with};

/// How most plays begin.
const DOCTOR_AND_PATIENT: &str = r#"
    at 0 doctor connects with $token
    at 0 doctor says join-room
        doctor hears room-joined {} and more
    at 0 patient connects with $token
    at 0 patient says join-room
        patient hears room-joined {} and more
        doctor hears peer-joined {"userId": "$patient", "userType": "patient"}
        doctor, patient hear room-status {"status": "active"}
"#;
