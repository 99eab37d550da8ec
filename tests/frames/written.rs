//! Frames that the server writes, as another implementation reads them.

use autamedica_signaling::wire::frame::{
    CloseCode, Data, HEADER_BYTES_MAX, Header, OpCode, write_close, write_control,
};
use tungstenite::protocol::frame::FrameHeader;

use super::client::CONTROLS;

/// The header at the front of `bytes`, its length, and that of the payload it announces.
fn read_back(bytes: &[u8]) -> (FrameHeader, usize, u64) {
    let mut reader = std::io::Cursor::new(bytes);
    let (header, len) = FrameHeader::parse(&mut reader).expect("no error").expect("a whole header");
    (header, reader.position() as usize, len)
}

#[test]
fn a_message_is_one_final_frame_without_a_mask_and_with_the_shortest_length() {
    let lengths = [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (1 << 24, 10)];
    for kind in [Data::Text, Data::Binary] {
        for (payload_len, header_len) in lengths {
            let header = Header::new(OpCode::Data(kind), payload_len);
            let bytes = header.as_bytes();
            assert_eq!(bytes.len(), header_len, "{payload_len}");
            assert!(header_len <= HEADER_BYTES_MAX);
            let (read, read_len, announced) = read_back(bytes);
            assert_eq!((read_len, announced), (header_len, payload_len as u64));
            assert_eq!(read.opcode, OpCode::Data(kind));
            assert!(read.is_final && read.mask.is_none() && !read.rsv1 && !read.rsv2 && !read.rsv3);
        }
    }
}

#[test]
fn control_frames_hold_at_most_125_bytes() {
    for (opcode, control) in CONTROLS {
        for (given, kept) in [(0, 0), (1, 1), (125, 125), (126, 125), (1_000, 125)] {
            let mut out = b"before".to_vec();
            write_control(&mut out, control, &vec![b'x'; given]);
            let frame = out.strip_prefix(b"before").expect("appended");
            let (read, header_len, announced) = read_back(frame);
            assert_eq!(u8::from(read.opcode), opcode);
            assert!(read.is_final && read.mask.is_none());
            assert_eq!((header_len, announced, frame.len()), (2, kept, 2 + kept as usize));
        }
    }
}

#[test]
fn a_close_frame_holds_its_code() {
    let mut out = Vec::new();
    write_close(&mut out, CloseCode::Restart);
    assert_eq!(out, [0x88, 2, 0x03, 0xf4]);
}
