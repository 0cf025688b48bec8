//! A flush journal by a second reading of `docs/formats.md`: groups written, groups read, and what a start
//! must make of two files of any bytes. Shares no code with the log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use trimaran_commit_log::parse_partition_dir;

use crate::Draws;
use crate::directory::logs_dir;

/// The files, below the data directory.
pub const HALVES: [&str; 2] = ["logs/flush-journal.0", "logs/flush-journal.1"];

const BLOCK: usize = 4096;
const PIECE: usize = BLOCK - 8;
const FIRST: &[u8; 8] = b"TRIMJNL1";
const NEXT: &[u8; 8] = b"trimjnl1";
const HEADER: usize = 32;
const BLOCKS_MAX: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Note {
    Bytes {
        base: i64,
        position: u64,
        bytes: Vec<u8>,
    },
    Forget,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    sequence: u64,
    low_water: u64,
    notes: Vec<(String, Note)>,
}

impl Group {
    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, note) in &self.notes {
            body.push(if *note == Note::Forget { 2 } else { 1 });
            body.push(u8::try_from(name.len()).expect("a short name"));
            body.extend_from_slice(name.as_bytes());
            if let Note::Bytes {
                base,
                position,
                bytes,
            } = note
            {
                body.extend_from_slice(&base.to_be_bytes());
                body.extend_from_slice(&position.to_be_bytes());
                body.extend_from_slice(&count(bytes.len()).to_be_bytes());
                body.extend_from_slice(bytes);
            }
        }
        let blocks = (HEADER + body.len()).div_ceil(PIECE);
        let mut stream = vec![0; 4];
        stream.extend_from_slice(&count(blocks).to_be_bytes());
        stream.extend_from_slice(&self.sequence.to_be_bytes());
        stream.extend_from_slice(&self.low_water.to_be_bytes());
        stream.extend_from_slice(&count(self.notes.len()).to_be_bytes());
        stream.extend_from_slice(&count(body.len()).to_be_bytes());
        stream.extend_from_slice(&body);
        stream.resize(blocks * PIECE, 0);
        let mut group = Vec::new();
        for (number, piece) in stream.chunks(PIECE).enumerate() {
            group.extend_from_slice(if number == 0 { FIRST } else { NEXT });
            group.extend_from_slice(piece);
        }
        make_checksum_right(&mut group);
        group
    }

    /// The group that begins with a block, and how many blocks it has.
    fn decode(from: &[u8]) -> Option<(Self, usize)> {
        let (blocks, stream) = stream_of(from)?;
        let mut draws = Reader(&stream);
        if u32::from_be_bytes(draws.take()?) != crc32c::crc32c(&stream[4..]) {
            return None;
        }
        draws.take::<4>()?;
        let mut group = Self {
            sequence: u64::from_be_bytes(draws.take()?),
            low_water: u64::from_be_bytes(draws.take()?),
            notes: Vec::new(),
        };
        let entries = u32::from_be_bytes(draws.take()?);
        let bytes = u32::from_be_bytes(draws.take()?);
        let mut body = Reader(draws.0.get(..bytes as usize)?);
        for _ in 0..entries {
            let [kind, name_bytes] = body.take()?;
            let name = String::from_utf8(body.some(usize::from(name_bytes))?.to_vec()).ok()?;
            parse_partition_dir(&name)?;
            let note = match kind {
                1 => Note::Bytes {
                    base: i64::from_be_bytes(body.take()?),
                    position: u64::from_be_bytes(body.take()?),
                    bytes: {
                        let length = u32::from_be_bytes(body.take()?);
                        body.some(length as usize)?.to_vec()
                    },
                },
                2 => Note::Forget,
                _ => return None,
            };
            group.notes.push((name, note));
        }
        (body.0.is_empty() && group.low_water <= group.sequence).then_some((group, blocks))
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("few bytes")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.some(N)?.try_into().ok()
    }

    fn some(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }
}

/// How many blocks the group that begins here says it has, and what they have behind their markers.
fn stream_of(from: &[u8]) -> Option<(usize, Vec<u8>)> {
    let blocks = u32::from_be_bytes(from.get(12..16)?.try_into().ok()?) as usize;
    if !from.starts_with(FIRST) || !(1..=BLOCKS_MAX).contains(&blocks) {
        return None;
    }
    let mut stream = Vec::new();
    for (number, block) in from.get(..blocks * BLOCK)?.chunks(BLOCK).enumerate() {
        stream.extend_from_slice(block.strip_prefix(if number == 0 { FIRST } else { NEXT })?);
    }
    Some((blocks, stream))
}

fn make_checksum_right(group: &mut [u8]) {
    if let Some((_, stream)) = stream_of(group) {
        let crc = crc32c::crc32c(&stream[4..]);
        group[8..12].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Puts the checksum right of whatever stands where a group may begin.
pub fn make_checksums_right(half: &mut [u8]) {
    for at in (0..half.len()).step_by(BLOCK) {
        make_checksum_right(&mut half[at..]);
    }
}

/// What a start owes to a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// Nothing of it is believed, and no log that is there.
    Distrust,
    /// These files, each with its whole content. Others stay as they are. The log is distrusted when one
    /// of them ends before what was synced.
    Files {
        files: BTreeMap<PathBuf, Vec<u8>>,
        is_short: bool,
    },
}

/// Both halves, which `None` says are not there, beside segments with these contents.
pub fn owed(halves: [Option<&[u8]>; 2], segments: &BTreeMap<PathBuf, Vec<u8>>) -> Owed {
    let mut groups: BTreeMap<u64, Group> = BTreeMap::new();
    let mut is_twice = false;
    for half in halves.into_iter().flatten() {
        let mut at = 0;
        while at + BLOCK <= half.len() {
            let found = Group::decode(&half[at..]);
            let blocks = found.as_ref().map_or(1, |(_, blocks)| *blocks);
            if let Some((group, _)) = found {
                is_twice |= groups.insert(group.sequence, group).is_some();
            }
            at += blocks * BLOCK;
        }
    }
    let mut files = segments.clone();
    let mut is_short = false;
    let Some((newest, last)) = groups.last_key_value() else {
        return Owed::Files { files, is_short };
    };
    let live = *newest - last.low_water;
    // No number is left behind the largest one, so nobody can have written it.
    let is_whole = *newest < u64::MAX
        && groups.range(last.low_water..).count() as u128 == u128::from(live) + 1;
    if is_twice || halves.contains(&None) || !is_whole {
        return Owed::Distrust;
    }
    let notes: Vec<_> = groups
        .range(last.low_water..)
        .flat_map(|(_, group)| &group.notes)
        .collect();
    for (number, (name, note)) in notes.iter().enumerate() {
        let is_void = notes[number..]
            .iter()
            .any(|(other, later)| other == name && *later == Note::Forget);
        let Note::Bytes {
            base,
            position,
            bytes,
        } = note
        else {
            continue;
        };
        let path = logs_dir().join(name).join(format!("{base:020}.log"));
        let Some(file) = files.get_mut(&path).filter(|_| !is_void) else {
            continue;
        };
        // Behind what does not join nothing is put in place.
        let at = usize::try_from(*position).ok();
        let Some(at) = at.filter(|at| *at <= file.len() && !is_short) else {
            is_short = true;
            continue;
        };
        file.resize(file.len().max(at + bytes.len()), 0);
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }
    Owed::Files { files, is_short }
}

const NAMES: [&str; 6] = ["t-0", "t-0", "t-0", "t-1", "u-0", ".."];

/// Both halves as some writer may have left them: most of the time by the rules, one group behind the
/// other with numbers that grow by one, and sometimes not. Beside segments of these bases and lengths.
pub fn drawn(draws: &mut Draws<'_>, segments: &[(i64, usize)]) -> [Vec<u8>; 2] {
    let mut halves = [Vec::new(), Vec::new()];
    let (mut half, mut at, mut sequence) = (0, 0, u64::from(draws.byte()));
    let mut low_water = sequence + 1;
    for _ in 0..=draws.byte() % 8 {
        let rules = draws.byte();
        sequence = sequence.saturating_add(1);
        match rules & 0x1f {
            0 => sequence = sequence.saturating_add(1),
            1 => sequence = sequence.saturating_sub(u64::from(draws.byte())),
            2 => sequence = u64::MAX - u64::from(draws.byte() & 1),
            3..6 => low_water = sequence,
            6 => low_water += u64::from(draws.byte() & 7),
            7..11 => (half, at) = (1 - half, 0),
            _ => {}
        }
        let notes = (0..rules >> 5).map(|_| drawn_note(draws, segments));
        let group = Group {
            sequence,
            low_water,
            notes: notes.collect(),
        };
        let bytes = group.encode();
        let content = &mut halves[half];
        content.resize(content.len().max(at + bytes.len()), 0);
        content[at..at + bytes.len()].copy_from_slice(&bytes);
        at += bytes.len();
        if sequence == u64::MAX {
            break;
        }
    }
    halves
}

fn drawn_note(draws: &mut Draws<'_>, segments: &[(i64, usize)]) -> (String, Note) {
    let kind = draws.byte();
    let name = NAMES[usize::from(kind) % NAMES.len()].to_owned();
    if kind >= 0xe0 {
        return (name, Note::Forget);
    }
    let place = draws.byte();
    let (base, length) = segments[usize::from(place) % segments.len()];
    let base = if place >= 0xf0 { base - 1 } else { base };
    let position = match place >> 4 & 7 {
        0 => draws.short(),
        1 => length + draws.short() % 100,
        _ => length,
    };
    let bytes = match draws.byte() {
        repeated @ 0x80.. => vec![repeated; draws.short() % 9000],
        few => draws.bytes(usize::from(few)).to_vec(),
    };
    let position = position as u64;
    (
        name,
        Note::Bytes {
            base,
            position,
            bytes,
        },
    )
}

/// Changes bytes of both, near the beginning of a block or anywhere.
pub fn damage(draws: &mut Draws<'_>, halves: &mut [Vec<u8>; 2]) {
    for _ in 0..draws.byte() % 6 {
        let how = draws.byte();
        let half = &mut halves[usize::from(how & 1)];
        let anywhere = draws.short() * 7;
        let in_header = anywhere / 7 / 48 * BLOCK + anywhere / 7 % 48;
        let at = if how & 2 == 2 { in_header } else { anywhere };
        if how & 0xf0 == 0xf0 {
            half.truncate(at);
        } else if let Some(byte) = half.get_mut(at) {
            *byte ^= draws.byte().max(1);
        }
    }
}
