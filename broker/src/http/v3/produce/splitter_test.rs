//! Streams cut at every place.

use proptest::prelude::*;

use super::splitter::{RECORD_TEXT_BYTES_MAX, SplitError, Splitter};

fn split(pieces: &[&[u8]]) -> (Vec<String>, Result<(), SplitError>) {
    let mut splitter = Splitter::default();
    let mut objects = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        loop {
            match splitter.next() {
                Ok(Some(object)) => objects.push(String::from_utf8_lossy(&object).into_owned()),
                Ok(None) => break,
                Err(error) => return (objects, Err(error)),
            }
        }
    }
    let finished = splitter.finish();
    (objects, finished)
}

#[test]
fn byte_by_byte_as_in_one_piece() {
    let stream = br#" {"a":"}\"{"}{"b":[1,{"c":"\\"}]}

        {} "#;
    let expected = [r#"{"a":"}\"{"}"#, r#"{"b":[1,{"c":"\\"}]}"#, "{}"];
    let whole = split(&[stream]);
    assert_eq!(whole.0, expected);
    assert_eq!(whole.1, Ok(()));
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(split(&bytes), whole);
}

#[test]
fn what_is_no_stream_of_objects_ends_it() {
    for (stream, count, error) in [
        (&b"{} x {}"[..], 1, SplitError::NoObject { byte: b'x' }),
        (b"[{}]", 0, SplitError::NoObject { byte: b'[' }),
        (b"{}{\"a\":", 1, SplitError::Truncated),
        (b"{\"a\":\"}", 0, SplitError::Truncated),
    ] {
        let (objects, result) = split(&[stream]);
        assert_eq!((objects.len(), result), (count, Err(error)));
    }
    assert_eq!(split(&[b" \r\n "]), (Vec::new(), Ok(())));
}

#[test]
fn an_object_longer_than_any_record_is_not_waited_for() {
    let mut splitter = Splitter::default();
    splitter.push(b"{\"a\":\"");
    let piece = vec![b'x'; 64 * 1024];
    let mut pushed = 0;
    loop {
        splitter.push(&piece);
        pushed += piece.len();
        match splitter.next() {
            Ok(None) => assert!(pushed <= RECORD_TEXT_BYTES_MAX, "{pushed}"),
            Err(error) => {
                assert_eq!(error, SplitError::TooLong);
                break;
            }
            Ok(Some(_)) => panic!("the object has no end"),
        }
    }
}

proptest! {
    #[test]
    fn cuts_do_not_matter(
        values in proptest::collection::vec("[ -~]{0,12}", 0..8),
        cuts in proptest::collection::vec(1_usize..7, 1..60),
    ) {
        let objects: Vec<String> = values
            .iter()
            .map(|value| serde_json::json!({ "v": value, "n": [value] }).to_string())
            .collect();
        let stream = objects.join("\n");
        let mut pieces = Vec::new();
        let mut rest = stream.as_bytes();
        for cut in cuts.iter().cycle().take(stream.len()) {
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        pieces.push(rest);
        prop_assert_eq!(split(&pieces), (objects, Ok(())));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
        let _ = split(&pieces);
    }
}
