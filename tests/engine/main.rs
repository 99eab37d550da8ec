//! The rooms, as plays: at this time one says this, and these hear that. Nothing else happens, and in no other order.
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
//! - A name is a person in a role, in the room after the `@` (`doctor`, `observer-2`, and `doctor@night` is the same doctor);
//!   behind a `/` stands which connection of theirs it is (`doctor/phone`).
//! - `says` fills in what a message must have, `"$absent"` takes a field away; `sends` is the text itself.
//! - `hears` is all there is to hear, compared by value; the `sessionId` is filled in, and the words of an error are free.
//!   With `and more` other fields may be there. `hears the same` is what was just sent, and `hears message 3` what was sent
//!   earlier with the id 3, byte for byte.
//! - Pings are answered at once and not spoken of, but where a play has the word `pinged`.
//! - `$doctor`, `$room`, `$now`, `$time(2.5)`, `$token(room:join, of patient, ends 60, forged)` stand for what they say.
//!
//! Whatever is played, the stage also sees to it that what the engine holds is consistent after each step, that nobody hears
//! anything before they came or after they were closed, and that no one hears of another room.

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
