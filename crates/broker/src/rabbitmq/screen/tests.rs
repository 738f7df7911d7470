use std::collections::VecDeque;
use std::task::Waker;

use lapin::protocol::constants::FRAME_BODY;

use super::*;

/// What a socket delivers, piece by piece; an empty piece stands for a moment without data.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<Result<usize, Error>> {
        let pieces = &mut self.get_mut().0;
        let Some(mut piece) = pieces.pop_front() else { return Poll::Ready(Ok(0)) };
        if piece.is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = piece.len().min(out.len());
        let rest = piece.split_off(count);
        out[..count].copy_from_slice(&piece);
        if !rest.is_empty() {
            pieces.push_front(rest);
        }
        Poll::Ready(Ok(count))
    }
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, 1], &size[..], payload, &[206]].concat()
}

/// A content header with one property, its id.
fn header(id: &[u8]) -> Vec<u8> {
    let id = [&[u8::try_from(id.len()).unwrap()], id].concat();
    frame(FRAME_HEADER, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0x80], &id[..]].concat())
}

/// Everything that the client gets when it reads `at_once` bytes at a time and the socket delivers `pieces` bytes at
/// a time.
fn screened(bytes: &[u8], at_once: usize, pieces: usize) -> Result<Vec<u8>, Error> {
    let pieces = bytes.chunks(pieces).flat_map(|piece| [piece.to_vec(), Vec::new()]).collect();
    let mut screened = Screened::new(Pieces(pieces));
    let (mut got, mut out) = (Vec::new(), vec![0; at_once]);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut screened).poll_read(&mut cx, &mut out) {
            Poll::Ready(Ok(0)) => return Ok(got),
            Poll::Ready(count) => got.extend(&out[..count?]),
            Poll::Pending => {}
        }
    }
}

#[test]
fn however_the_bytes_come_the_same_frames_go_on_and_the_flawed_one_is_mended() {
    // A body that looks like a flawed header is a body.
    let body = frame(FRAME_BODY, &header(b"\xff"));
    let large = frame(FRAME_BODY, &vec![7; 100_000]);
    let heartbeat = frame(8, b"");
    let method = frame(FRAME_METHOD, &[0, 60, 0, 80, 0xff]);
    let flawed = header(b"caf\xe9");
    let mended = mended(&flawed).unwrap();
    let good = header(b"m1");
    let comes =
        [&method[..], &good, &body, &flawed, &large, &heartbeat, &flawed, &flawed, &good, &body].concat();
    let goes =
        [&method[..], &good, &body, &mended, &large, &heartbeat, &mended, &mended, &good, &body].concat();
    for at_once in [1, 7, 64, 1 << 20] {
        for pieces in [1, 3, 8, 1000, BUFFER_BYTES, 1 << 20] {
            assert_eq!(screened(&comes, at_once, pieces).unwrap(), goes, "{at_once} at once of {pieces}");
        }
    }
}

#[test]
fn a_header_is_held_back_until_it_is_whole_and_a_body_is_not() {
    let (header, body) = (header(b"m1"), frame(FRAME_BODY, &[7; 5000]));
    assert_eq!(screened(&header[..header.len() - 1], 100, 5).unwrap(), b"");
    assert_eq!(screened(&body[..100], 100, 5).unwrap(), &body[..100]);
}

#[test]
fn a_header_larger_than_any_buffer_makes_room_up_to_a_limit() {
    let large = |bytes: usize| frame(FRAME_METHOD, &vec![0; bytes]);
    let three = large(3_000_000);
    assert_eq!(screened(&three, 1 << 20, 1 << 20).unwrap(), three);
    let why = screened(&large(HELD_BYTES_MAX), 1 << 20, 1 << 20).unwrap_err();
    assert!(why.to_string().contains("no more than"), "{why}");
}
