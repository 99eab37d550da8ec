//! The most memory that the process can need: a sum with a reason for each term. It uses the same
//! limits and the same code as the pools. Sockets in the kernel are not included.

use super::Config;
use crate::admission::fixed_windows;

/// One part of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it is for, as the table in `docs/limits.md` names it.
    pub what: &'static str,
    /// The maximum number of bytes.
    pub bytes: usize,
}

/// How many connections may use all the memory that the limits allow to each at the same time. Past
/// that the pools are empty, and a connection that needs more is refused.
const AT_THEIR_LIMITS: usize = 256;

/// Every connection may have a partial candidate and a short unsent notice.
const ORDINARY_BYTES: usize = 2 * 1024;

/// And every participant a few candidates that must be kept.
const ORDINARY_RETAINED_BYTES: usize = 1_024;

/// The code, what the allocator keeps for itself, the shared read buffer, the lists of a turn.
const PROGRAM_BYTES: usize = 16 * 1024 * 1024;

/// The same again for each event loop beside the first: its stack, its read buffer, the lists of
/// its turns.
const LOOP_BYTES: usize = 1024 * 1024;

/// The free blocks that each of the two pools of an event loop keeps, in addition to those in use.
const FREE_BLOCKS_BYTES: usize = 4 * 1024 * 1024;

/// All table entries of an open connection, except its place in a room, which is counted there.
/// About a third of a KiB is in use (`cargo bench --bench memory`, minus the place). The rest is
/// for tables that double and hold the old copy meanwhile.
pub const CONNECTION_BYTES: usize = 1_024;

/// The TLS library's memory for one connection: its keys, a partial record, and up to 64 KiB that
/// the socket does not accept yet.
const TLS_BYTES: usize = 96 * 1024;

/// How many connections over `CONNECTIONS_MAX` are accepted to be told that the server is full.
const TURNED_AWAY_MAX: usize = 64;

/// A room, or a place in one: entry, deadlines, index, and the doubling.
const ROOM_BYTES: usize = 512;
const PLACE_BYTES: usize = 384;

/// The sessions that have ended: 65,536 of them in two ordered tables.
const ENDED_SESSIONS_BYTES: usize = 8 * 1024 * 1024;

/// An entry for a network that has presented invalid tokens, or for a user who was closed for
/// misbehaviour, has joined or has shown a new certificate.
const FAILURE_BYTES: usize = 128;

/// `join-room` messages that may wait for an older connection.
const WAITING_MAX: usize = 64;

/// The maximum number of bytes for partial heads and messages.
pub fn cut_bytes_max(config: &Config) -> usize {
    pool(config, config.message_bytes_max)
}

/// The maximum number of unsent bytes.
pub fn unsent_bytes_max(config: &Config) -> usize {
    pool(config, config.send_queue_bytes_max)
}

/// The maximum number of bytes of relayed messages retained for all participants.
pub fn retained_bytes_max(config: &Config) -> usize {
    let ordinary = config.connections_max.saturating_mul(ORDINARY_RETAINED_BYTES);
    ordinary.saturating_add(AT_THEIR_LIMITS.saturating_mul(config.retained_bytes_max))
}

/// The maximum number of rooms.
pub fn rooms_max(config: &Config) -> usize {
    config.rooms_max.unwrap_or(config.connections_max)
}

/// The most memory that the process can need.
pub fn terms(config: &Config) -> [Term; 11] {
    let connections = config.connections_max.saturating_add(TURNED_AWAY_MAX);
    let tls = if config.tls_files().is_some() { TLS_BYTES } else { 0 };
    let retained = retained_bytes_max(config);
    let room = ROOM_BYTES.saturating_add(PLACE_BYTES.saturating_mul(config.room_participants_max));
    // A `room-joined`, followed by everything that a participant has missed; the buffer doubles,
    // and is copied to grow.
    let turn = config.retained_bytes_max.saturating_add(config.message_bytes_max);
    let loops = config.event_loops();
    let free_blocks = loops.saturating_mul(FREE_BLOCKS_BYTES);
    [
        ("the program", PROGRAM_BYTES.saturating_add((loops - 1).saturating_mul(LOOP_BYTES))),
        ("connections", connections.saturating_mul(CONNECTION_BYTES)),
        ("TLS", connections.saturating_mul(tls)),
        ("cut messages", cut_bytes_max(config).saturating_add(free_blocks)),
        ("unsent bytes", unsent_bytes_max(config).saturating_add(free_blocks)),
        // Each KiB has an entry in three lists.
        ("retained messages", retained.saturating_add(retained / 16)),
        ("rooms and places", rooms_max(config).saturating_mul(room)),
        ("ended sessions", loops.saturating_mul(ENDED_SESSIONS_BYTES)),
        ("failed authentications", fixed_windows::KEYS_MAX * FAILURE_BYTES),
        (
            "users who came, were closed or showed certificates",
            3 * fixed_windows::KEYS_MAX * FAILURE_BYTES,
        ),
        (
            "answers under way",
            turn.saturating_mul(4)
                .saturating_add(WAITING_MAX.saturating_mul(config.message_bytes_max))
                .saturating_mul(loops),
        ),
    ]
    .map(|(what, bytes)| Term { what, bytes })
}

/// All terms together.
pub fn sum(config: &Config) -> usize {
    terms(config).iter().fold(0, |sum, term| sum.saturating_add(term.bytes))
}

/// Blocks are up to twice as large as their content.
fn pool(config: &Config, limit: usize) -> usize {
    let ordinary = config.connections_max.saturating_mul(ORDINARY_BYTES);
    ordinary.saturating_add((AT_THEIR_LIMITS * 2).saturating_mul(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_grows_with_each_limit_and_never_overflows() {
        let least = Config { connections_max: 100, ..Config::production("") };
        let more: [fn(&mut Config, usize); 6] = [
            |config, number| config.connections_max = number,
            |config, number| config.message_bytes_max = number,
            |config, number| config.send_queue_bytes_max = number,
            |config, number| config.retained_bytes_max = number,
            |config, number| config.rooms_max = Some(number),
            |config, number| config.room_participants_max = number,
        ];
        for set in more {
            let mut config = least.clone();
            set(&mut config, 1_000_000);
            assert!(sum(&config) > sum(&least));
            set(&mut config, usize::MAX);
            assert_eq!(sum(&config), usize::MAX);
        }
    }
}
