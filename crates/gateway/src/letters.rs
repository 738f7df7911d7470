//! Writes ids that customers send back to us in letters only, so that none can be mistaken for a card number.

use uuid::Uuid;

/// `pi_` and 32 letters from a to p.
pub(super) fn written(prefix: &str, id: Uuid) -> String {
    let letters = id.into_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    prefix.chars().chain(letters.map(|half| char::from(b'a' + half))).collect()
}

pub(super) fn read(prefix: &str, text: &str) -> Option<Uuid> {
    let letters = text.strip_prefix(prefix)?.as_bytes();
    let half = |letter: u8| letter.checked_sub(b'a').filter(|half| *half < 16);
    let mut bytes = [0; 16];
    if letters.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(letters.chunks_exact(2)) {
        *byte = half(pair[0])? << 4 | half(pair[1])?;
    }
    Some(Uuid::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_and_nothing_else_is() {
        let id = Uuid::from_u128(0x0193_2b4a_1111_7000_8000_0000_0000_00ff);
        let text = written("pi_", id);
        assert_eq!(text, "pi_abjdclekbbbbhaaaiaaaaaaaaaaaaapp");
        assert_eq!(read("pi_", &text), Some(id));
        for wrong in
            ["pi_", "pm_abjdclekbbbbhaaaiaaaaaaaaaaaaapp", "pi_abjdclekbbbbhaaaiaaaaaaaaaaaaapq", "pi_é"]
        {
            assert_eq!(read("pi_", wrong), None, "{wrong}");
        }
    }
}
