//! Laws of every codec: what goes in comes out; damage and bombs are named, and cost little.

use bytes::Bytes;
use proptest::prelude::*;
use trimaran_types::limits::BATCH_BYTES_MAX;
use trimaran_types::record_batch::{BatchBuilder, Compression, RecordBatch, TimestampType};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use super::*;

const CODECS: [Codec; 4] = [
    Codec::Gzip { level: 6 },
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd { level: 3 },
];

fn batch_of(values: &[Vec<u8>]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for (place, value) in values.iter().enumerate() {
        let timestamp = Timestamp(1_000 + i64::try_from(place).unwrap());
        let headers: &[(&str, Option<&[u8]>)] = &[("h", Some(b"v"))];
        builder
            .push(timestamp, Some(b"key"), Some(value), headers)
            .unwrap();
    }
    builder.build().unwrap()
}

/// Decompresses a bare block as if it lay in a batch.
fn open(codec: Codec, block: &[u8], limits: &DecompressLimits) -> Result<Bytes, DecompressError> {
    let plain = batch_of(&[vec![1]]);
    let mut header = *plain.header();
    header.attributes = header.attributes.with_compression(codec.compression());
    let batch = RecordBatch::assemble(&header, block).unwrap();
    decompress(&batch, limits).map(|plain| plain.bytes().clone())
}

fn is_malformed<T>(result: &Result<T, DecompressError>) -> bool {
    matches!(result, Err(DecompressError::Malformed { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_compressed_is_read_back(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..40),
        repeated in 1..40_usize,
        base in 0..1_i64 << 40,
    ) {
        let values: Vec<Vec<u8>> = values.iter().map(|value| value.repeat(repeated)).collect();
        let plain = batch_of(&values).stamped(Offset(base), LeaderEpoch(3));
        let limits = DecompressLimits::default();
        for codec in CODECS {
            let packed = compress(&plain, codec, &limits).unwrap();
            // As a reader gets it, checksum included.
            let packed = RecordBatch::parse(packed.into_bytes()).unwrap();
            prop_assert_eq!(packed.header().attributes.compression(), codec.compression());
            let opened = decompress(&packed, &limits).unwrap();
            prop_assert_eq!(opened.bytes(), &plain.record_bytes());
            prop_assert!(opened.records().eq(plain.records().unwrap()));
            let unpacked = opened.to_batch().unwrap();
            prop_assert_eq!(&unpacked, &plain);
            // From one codec to any other.
            for other in CODECS {
                let again = compress(&packed, other, &limits).unwrap();
                let again = decompress(&again, &limits).unwrap();
                prop_assert_eq!(again.bytes(), opened.bytes());
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for codec in CODECS {
            let _ = open(codec, &bytes, &DecompressLimits::default());
        }
    }
}

#[test]
fn a_block_cut_anywhere_or_with_more_behind_it_is_malformed() {
    let limits = DecompressLimits::default();
    let plain: Vec<u8> = (0..90_000_u64).map(|n| (n * n % 251) as u8).collect();
    for codec in CODECS {
        let block = codec.compress_bytes(&plain).unwrap();
        let step = (block.len() / 400).max(1);
        for length in (0..block.len()).step_by(step) {
            let opened = open(codec, &block[..length], &limits);
            // Xerial's frames do not say how long they are: cut between chunks, one is whole.
            let shorter = matches!(&opened, Ok(bytes) if bytes.len() < plain.len());
            let is_between_chunks = codec == Codec::Snappy && shorter;
            assert!(
                is_malformed(&opened) || is_between_chunks,
                "{codec:?} {length}"
            );
        }
        let longer = [&block[..], b"\0more"].concat();
        assert!(is_malformed(&open(codec, &longer, &limits)), "{codec:?}");
    }
}

#[test]
fn a_flip_at_every_byte_never_panics_and_never_becomes_more() {
    let limits = DecompressLimits {
        bytes_max: 10_000,
        ..DecompressLimits::default()
    };
    let plain: Vec<u8> = b"one two three four ".repeat(20);
    for codec in CODECS {
        let block = codec.compress_bytes(&plain).unwrap();
        for at in 0..block.len() {
            for bit in 0..8 {
                let mut damaged = block.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(bytes) = open(codec, &damaged, &limits) {
                    assert!(bytes.len() <= 10_000);
                }
            }
        }
    }
}

#[test]
fn a_bomb_is_refused_by_name() {
    let zeros = vec![0; 2_000_000];
    for codec in CODECS {
        let block = codec.compress_bytes(&zeros).unwrap();
        let compressed_bytes = block.len();
        let bombs = [
            (
                DecompressLimits {
                    bytes_max: 1_999_999,
                    ..DecompressLimits::default()
                },
                1_999_999,
            ),
            (
                DecompressLimits {
                    any_ratio_bytes_max: 1_000,
                    ratio_max: 3,
                    ..DecompressLimits::default()
                },
                (compressed_bytes * 3).max(1_000),
            ),
        ];
        for (limits, bytes_max) in bombs {
            let expected = DecompressError::TooLarge {
                codec: codec.compression(),
                compressed_bytes,
                bytes_max,
            };
            assert_eq!(open(codec, &block, &limits), Err(expected));
        }
        let opened = open(codec, &block, &DecompressLimits::default());
        assert_eq!(opened.unwrap().len(), zeros.len());
    }
}

#[test]
fn the_largest_batch_that_can_be_built_can_be_read_under_every_codec() {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let value = vec![b'x'; 1024 * 1024];
    while builder.push(Timestamp(1), None, Some(&value), &[]).is_ok() {}
    let batch = builder.build().unwrap();
    assert!(batch.bytes().len() > BATCH_BYTES_MAX - 2 * value.len());
    let limits = DecompressLimits::default();
    for codec in CODECS {
        let packed = compress(&batch, codec, &limits).unwrap();
        assert_eq!(
            decompress(&packed, &limits).unwrap().bytes(),
            &batch.record_bytes()
        );
    }
}

#[test]
fn a_snappy_block_that_claims_more_than_it_has_reserves_nothing() {
    // A claim of 4 GiB less one, or of 5 MiB, and one literal of one byte.
    for claim in [
        &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[0x80, 0x80, 0xc0, 0x02],
    ] {
        let block = [claim, &[0x00, b'x']].concat();
        let opened = open(Codec::Snappy, &block, &DecompressLimits::default());
        let Err(DecompressError::Malformed { codec, cause }) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(codec, Compression::Snappy);
        assert!(cause.starts_with("a block claims"), "{cause}");
    }
}

#[test]
fn lz4_frames_that_kafka_does_not_read_are_refused() {
    let limits = DecompressLimits::default();
    let frame = Codec::Lz4
        .compress_bytes(b"some bytes of a record")
        .unwrap();
    // Version 1, independent blocks, no checksums; blocks of 64 KiB: as Kafka writes it.
    assert_eq!(frame[4..6], [0x60, 0x40]);
    for (at, byte, cause) in [
        (0, 0x05, "magic"),
        (4, 0xa0, "version"),
        (4, 0x40, "depend"),
        (4, 0x61, "dictionary"),
        (5, 0x30, "block size"),
        (6, frame[6] ^ 1, "hecksum"),
    ] {
        let mut other = frame.clone();
        other[at] = byte;
        match open(Codec::Lz4, &other, &limits) {
            Err(DecompressError::Malformed { cause: found, .. }) => {
                assert!(found.contains(cause), "{found}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_topic_gets_what_it_asks_for_and_nothing_is_touched_needlessly() {
    let limits = DecompressLimits::default();
    let plain = batch_of(&[b"same again ".repeat(50)]);
    for codec in CODECS {
        let name = codec.compression().name();
        let wanted: TopicCompression = name.parse().unwrap();
        let packed = wanted.apply(plain.clone(), &limits).unwrap();
        assert_eq!(
            packed.header().attributes.compression(),
            codec.compression()
        );
        assert!(packed.bytes().len() < plain.bytes().len());
        for untouched in [wanted, TopicCompression::Producer] {
            let same = untouched.apply(packed.clone(), &limits).unwrap();
            assert_eq!(same.bytes(), packed.bytes());
        }
        let back = TopicCompression::Uncompressed
            .apply(packed, &limits)
            .unwrap();
        assert_eq!(back.bytes(), plain.bytes());
        // Nothing to gain: it stays as it is.
        let noise = batch_of(&[vec![7]]);
        let kept = wanted.apply(noise.clone(), &limits).unwrap();
        assert_eq!(kept.bytes(), noise.bytes());
    }
    let error = "brotli".parse::<TopicCompression>().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("compression.type is 'brotli'")
    );
}

#[test]
fn levels_change_the_size_and_are_bounded() {
    let text: Vec<u8> = (0..5_000_u64)
        .flat_map(|n| format!("{{\"id\":{n},\"v\":{}}}", n * n % 7919).into_bytes())
        .collect();
    let bytes = |codec: Codec| codec.compress_bytes(&text).unwrap().len();
    assert!(bytes(Codec::Gzip { level: 9 }) < bytes(Codec::Gzip { level: 1 }));
    assert!(bytes(Codec::Zstd { level: 19 }) < bytes(Codec::Zstd { level: 1 }));
    assert_eq!(
        bytes(Codec::Gzip { level: 99 }),
        bytes(Codec::Gzip { level: 9 })
    );
    let gzip: TopicCompression = "gzip".parse().unwrap();
    let zstd: TopicCompression = "zstd".parse().unwrap();
    assert_eq!(
        gzip.with_levels(Some(1), Some(7)),
        TopicCompression::Codec(Codec::Gzip { level: 1 })
    );
    assert_eq!(
        zstd.with_levels(Some(1), None),
        TopicCompression::Codec(Codec::Zstd { level: 3 })
    );
}
