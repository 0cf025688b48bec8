//! The bytes of a group: what one write puts into the journal, whole or not at all.
//!
//! A group is a number of blocks of 4 KiB. Each block begins with a marker of eight bytes, one for the
//! first block of a group and another for those behind it. So no byte of a record ever stands where a
//! block begins, and a reader that looks at any block knows whether a group begins there. What the
//! blocks have behind their markers, put together, is the group's stream:
//!
//! ```text
//! CRC-32C u32 over all that follows, the zeros at the end included
//! blocks u32 | sequence u64 | low-water u64 | entries u32 | bytes of the entries u32
//! entries, then zeros
//! ```
//!
//! An entry is a kind u8 and the length u8 and bytes of a log's folder name. Kind 1, bytes of a
//! segment: base offset i64, position u64, length u32, the bytes. Kind 2, forget the log: nothing
//! more. All big-endian.

use std::ops::Range;

use bytes::Bytes;
use trimaran_types::Offset;

use crate::log_dir::parse_partition_dir;

/// Groups begin and end at multiples of it.
pub(super) const BLOCK_BYTES: usize = 4096;
/// The same, for positions.
pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;
/// Most blocks of a group; more than a writer ever makes.
pub(super) const GROUP_BLOCKS_MAX: usize = 4096;

const MARKER_BYTES: usize = 8;
const FIRST: [u8; MARKER_BYTES] = *b"TRIMJNL1";
const NEXT: [u8; MARKER_BYTES] = *b"trimjnl1";
/// What a block has behind its marker.
const PIECE_BYTES: usize = BLOCK_BYTES - MARKER_BYTES;
const CRC_BYTES: usize = 4;
const HEADER_BYTES: usize = 32;

const KIND_BYTES: u8 = 1;
const KIND_FORGET: u8 = 2;

/// What an entry of so many bytes takes in a group, at most.
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 2 + 255 + 8 + 8 + 4;

/// One thing that the journal notes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted<'a> {
    /// These bytes stand at this position in the file of the segment at this base.
    Bytes {
        base: Offset,
        position: u64,
        bytes: &'a [u8],
    },
    /// Everything that was noted of the log before is void.
    Forget,
}

/// A group as it was read, its checksum and its entries verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) sequence: u64,
    pub(super) low_water: u64,
    stream: Vec<u8>,
    /// Where its entries stand in the stream.
    entries: Range<usize>,
}

impl Group {
    /// Folder name, and what is noted, in order. Nothing is copied.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, Noted<'_>)> {
        let mut body = self.stream.get(self.entries.clone()).unwrap_or_default();
        // Looked at when the group was read.
        std::iter::from_fn(move || decode_entry(&mut body))
    }

    /// Whether it only says from where on groups count.
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.start == self.entries.end
    }
}

/// What the first block of a group says, not verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) blocks: usize,
}

/// A group that is being put together.
#[derive(Debug)]
pub(super) struct GroupBuilder {
    stream: Vec<u8>,
    entries: u32,
}

impl GroupBuilder {
    pub(super) fn new() -> Self {
        Self::within(Vec::new())
    }

    /// Puts a group together in memory that was used before.
    pub(super) fn within(mut stream: Vec<u8>) -> Self {
        stream.clear();
        stream.resize(HEADER_BYTES, 0);
        Self { stream, entries: 0 }
    }

    /// Notes bytes, given in pieces.
    pub(super) fn push_bytes(&mut self, name: &str, base: Offset, position: u64, pieces: &[Bytes]) {
        self.push_name(KIND_BYTES, name);
        self.stream.extend_from_slice(&base.0.to_be_bytes());
        self.stream.extend_from_slice(&position.to_be_bytes());
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.stream.extend_from_slice(&count(bytes).to_be_bytes());
        for piece in pieces {
            self.stream.extend_from_slice(piece);
        }
    }

    /// Notes that a log is to be forgotten.
    pub(super) fn push_forget(&mut self, name: &str) {
        self.push_name(KIND_FORGET, name);
    }

    fn push_name(&mut self, kind: u8, name: &str) {
        let bytes = u8::try_from(name.len()).expect("a file name has at most 255 bytes");
        self.stream.extend_from_slice(&[kind, bytes]);
        self.stream.extend_from_slice(name.as_bytes());
        self.entries += 1;
    }

    /// How long the group is.
    pub(super) const fn blocks(&self) -> usize {
        self.stream.len().div_ceil(PIECE_BYTES)
    }

    /// The group's bytes.
    pub(super) fn finish(self, sequence: u64, low_water: u64) -> Vec<u8> {
        let mut group = Vec::new();
        self.finish_into(&mut group, sequence, low_water);
        group
    }

    /// Makes `group` the group's bytes, and gives its own memory back.
    pub(super) fn finish_into(
        mut self,
        group: &mut Vec<u8>,
        sequence: u64,
        low_water: u64,
    ) -> Vec<u8> {
        let blocks = self.blocks();
        let bytes = self.stream.len() - HEADER_BYTES;
        let mut header = Vec::with_capacity(HEADER_BYTES - CRC_BYTES);
        header.extend_from_slice(&count(blocks).to_be_bytes());
        header.extend_from_slice(&sequence.to_be_bytes());
        header.extend_from_slice(&low_water.to_be_bytes());
        header.extend_from_slice(&self.entries.to_be_bytes());
        header.extend_from_slice(&count(bytes).to_be_bytes());
        self.stream[CRC_BYTES..HEADER_BYTES].copy_from_slice(&header);
        self.stream.resize(blocks * PIECE_BYTES, 0);
        let crc = crc32c::crc32c(&self.stream[CRC_BYTES..]);
        self.stream[..CRC_BYTES].copy_from_slice(&crc.to_be_bytes());
        group.clear();
        group.reserve(blocks * BLOCK_BYTES);
        for (number, piece) in self.stream.chunks(PIECE_BYTES).enumerate() {
            group.extend_from_slice(if number == 0 { &FIRST } else { &NEXT });
            group.extend_from_slice(piece);
        }
        self.stream
    }
}

/// A length of a group, all of which are far below the bound.
fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a group has few MiB")
}

/// What a block says if a group begins with it.
pub(super) fn claim(block: &[u8]) -> Option<Claim> {
    let stream = block.strip_prefix(&FIRST)?;
    let blocks = u32::from_be_bytes(*stream.get(CRC_BYTES..)?.first_chunk()?);
    let blocks = usize::try_from(blocks).ok()?;
    (1..=GROUP_BLOCKS_MAX)
        .contains(&blocks)
        .then_some(Claim { blocks })
}

/// Reads a group; `None` when it is not all there, or not what was written.
pub(super) fn decode(group: &[u8]) -> Option<Group> {
    let blocks = claim(group)?.blocks;
    if group.len() != blocks * BLOCK_BYTES {
        return None;
    }
    let mut stream = Vec::with_capacity(blocks * PIECE_BYTES);
    for (number, block) in group.chunks(BLOCK_BYTES).enumerate() {
        let marker = if number == 0 { &FIRST } else { &NEXT };
        stream.extend_from_slice(block.strip_prefix(marker)?);
    }
    let (crc, mut rest) = stream.split_first_chunk::<CRC_BYTES>()?;
    if crc32c::crc32c(rest).to_be_bytes() != *crc {
        return None;
    }
    let _blocks = u32::from_be_bytes(take(&mut rest)?);
    let sequence = u64::from_be_bytes(take(&mut rest)?);
    let low_water = u64::from_be_bytes(take(&mut rest)?);
    let count = u32::from_be_bytes(take(&mut rest)?);
    let bytes = u32::from_be_bytes(take(&mut rest)?);
    let mut body = rest.get(..usize::try_from(bytes).ok()?)?;
    let entries = HEADER_BYTES..HEADER_BYTES + body.len();
    for _ in 0..count {
        decode_entry(&mut body)?;
    }
    (body.is_empty() && low_water <= sequence).then_some(Group {
        sequence,
        low_water,
        stream,
        entries,
    })
}

fn decode_entry<'a>(body: &mut &'a [u8]) -> Option<(&'a str, Noted<'a>)> {
    let [kind, name_bytes] = take(body)?;
    let name = take_slice(body, usize::from(name_bytes))?;
    let name = std::str::from_utf8(name).ok()?;
    // Nothing else is a folder of a log, and nothing else is ever written to.
    parse_partition_dir(name)?;
    let noted = match kind {
        KIND_BYTES => {
            let base = Offset(i64::from_be_bytes(take(body)?));
            let position = u64::from_be_bytes(take(body)?);
            let length = u32::from_be_bytes(take(body)?);
            let bytes = take_slice(body, usize::try_from(length).ok()?)?;
            Noted::Bytes {
                base,
                position,
                bytes,
            }
        }
        KIND_FORGET => Noted::Forget,
        _ => return None,
    };
    Some((name, noted))
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*taken)
}

fn take_slice<'a>(from: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(bytes)?;
    *from = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Vec<u8> {
        let mut builder = GroupBuilder::new();
        let pieces = [Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        builder.push_bytes("t-7", Offset(0x0102), 0x0304, &pieces);
        builder.push_forget("u-0");
        builder.finish(9, 5)
    }

    #[test]
    fn golden() {
        let group = small();
        assert_eq!(group.len(), BLOCK_BYTES);
        assert_eq!(&group[..8], b"TRIMJNL1");
        let crc = crc32c::crc32c(&group[12..]);
        assert_eq!(group[8..12], crc.to_be_bytes());
        let header = [
            0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 33,
        ];
        assert_eq!(group[12..40], header);
        let mut entries = vec![1, 3];
        entries.extend_from_slice(b"t-7\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\x03\x04\0\0\0\x03abc");
        entries.extend_from_slice(b"\x02\x03u-0");
        assert_eq!(group[40..73], entries);
        assert!(group[73..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_was_written_is_read() {
        let expected = Noted::Bytes {
            base: Offset(0x0102),
            position: 0x0304,
            bytes: b"abc",
        };
        let read = decode(&small()).unwrap();
        assert_eq!((read.sequence, read.low_water), (9, 5));
        let entries: Vec<_> = read.entries().collect();
        assert_eq!(entries, [("t-7", expected), ("u-0", Noted::Forget)]);
        let empty = decode(&GroupBuilder::new().finish(9, 9)).unwrap();
        assert!(empty.is_empty() && !read.is_empty());
        assert_eq!(empty.entries().count(), 0);
        for bytes in [0, 4000, PIECE_BYTES, 3 * PIECE_BYTES - 60, 70_000] {
            let payload = Bytes::from(vec![7; bytes]);
            let mut builder = GroupBuilder::new();
            builder.push_bytes("a-b-3", Offset(1), 2, std::slice::from_ref(&payload));
            let blocks = builder.blocks();
            let group = builder.finish(1, 1);
            assert_eq!(group.len(), blocks * BLOCK_BYTES);
            let read = decode(&group).unwrap();
            assert!(
                matches!(read.entries().next(), Some((_, Noted::Bytes { bytes, .. })) if bytes == payload),
                "{bytes}"
            );
        }
    }

    #[test]
    fn no_flipped_bit_and_no_missing_end_is_believed() {
        let mut builder = GroupBuilder::new();
        builder.push_bytes("t-0", Offset(0), 0, &[Bytes::from(vec![1; 5000])]);
        let group = builder.finish(3, 2);
        for at in 0..group.len() {
            let mut bad = group.clone();
            bad[at] ^= 1 << (at % 8);
            assert_eq!(decode(&bad), None, "byte {at}");
        }
        assert_eq!(decode(&group[..BLOCK_BYTES]), None);
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&vec![0; BLOCK_BYTES]), None);
    }

    #[test]
    fn a_record_cannot_pass_for_a_group() {
        let forged = small();
        for shift in 0..BLOCK_BYTES {
            let mut payload = vec![0; shift];
            payload.extend_from_slice(&forged);
            let mut builder = GroupBuilder::new();
            builder.push_bytes("t-0", Offset(0), 0, &[payload.into()]);
            let group = builder.finish(1, 1);
            let begins = group.chunks(BLOCK_BYTES).filter(|b| claim(b).is_some());
            assert_eq!(begins.count(), 1);
        }
    }

    #[test]
    fn only_folders_of_logs_are_named() {
        for name in ["..", "t", "t-0/../../x-0", "t-00", ""] {
            let mut builder = GroupBuilder::new();
            builder.push_forget(name);
            assert_eq!(decode(&builder.finish(1, 1)), None, "{name}");
        }
    }
}
