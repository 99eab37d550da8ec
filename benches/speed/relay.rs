//! A message's whole path through connection and rooms, without sockets: from the bytes of one
//! participant to the bytes for another, compared with two copies of the same bytes, in and out.
//! The buffer of retained messages is full.

use std::hint::black_box;

use crate::ratios::{Pair, Speed};
use crate::support::clinic::Kind;
use crate::support::room::Room;

pub fn bench(speed: &mut Speed) {
    for (kind_name, kind) in [("offer", Kind::Offer), ("candidate", Kind::Candidate)] {
        for others in [1, 7] {
            let mut room = Room::new(others + 1);
            let frames: Vec<_> = (1..=others).map(|to| room.say(kind, to)).collect();
            let bytes = frames.iter().map(Vec::len).sum();
            let floor_frames = frames.clone();
            let work = || {
                frames.iter().for_each(|frame| room.receive(0, black_box(frame)));
                room.seats.iter_mut().for_each(|seat| black_box(&mut seat.outbound).clear());
            };
            let (mut buffer, mut outbound) = (vec![0; 1 << 16], Vec::with_capacity(1 << 16));
            let floor = || {
                for frame in black_box(&floor_frames) {
                    buffer[..frame.len()].copy_from_slice(frame);
                    outbound.extend_from_slice(black_box(&buffer[..frame.len()]));
                }
                black_box(&mut outbound).clear();
            };
            let name = format!("{kind_name}, 1 to {others}");
            let pair = Pair { group: "relay", name: &name, floor: "memcpy in and out", bytes };
            speed.compare(&pair, work, floor);
        }
    }
}
