//! Replicas compared where no client can look: the batches in their files.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use trimaran_types::record_batch::{BatchHeader, RecordBatch, split};

use super::{Cluster, NodeName};

/// A byte behind the header of a segment's first batch.
const FIRST_RECORD_POSITION: u64 = 65;

/// One batch: its base offset and its bytes.
type StoredBatch = (i64, Bytes);

impl Cluster {
    /// Compares, batch by batch and byte by byte, what each of `brokers` has of each partition of
    /// `topic`, below the least log end among them. Files are read as they lie: the caller sees to it
    /// that nothing is written meanwhile. Returns how many batches were compared.
    ///
    /// # Errors
    /// A broker lacks a partition, a batch is damaged, or two replicas differ.
    pub fn compare_replicas(
        &self,
        topic: &str,
        partitions: u32,
        brokers: &[NodeName],
    ) -> Result<usize> {
        let mut compared = 0;
        for partition in 0..partitions {
            let mut replicas = BTreeMap::new();
            for broker in brokers {
                let folder = self.replica_folder(*broker, topic, partition)?;
                let batches = read_batches(&folder)
                    .with_context(|| format!("{topic}-{partition} on {broker}"))?;
                replicas.insert(*broker, batches);
            }
            compared += compare(&replicas).with_context(|| format!("{topic}-{partition}"))?;
        }
        Ok(compared)
    }

    /// The folder of a broker's replica.
    ///
    /// # Errors
    /// There is none.
    pub fn replica_folder(&self, broker: NodeName, topic: &str, partition: u32) -> Result<PathBuf> {
        let folder = format!("{topic}-{partition}");
        find_folder(self.node(broker)?.data_path(), &folder)?
            .with_context(|| format!("{broker} has no folder {folder}"))
    }

    /// Flips a bit in the first record of a broker's replica, in place, as a dying disk would. The
    /// broker may run, if it does not write that segment any more.
    ///
    /// # Errors
    /// The replica has no record, or its file cannot be changed.
    pub fn damage_first_record(&self, broker: NodeName, topic: &str, partition: u32) -> Result<()> {
        let folder = self.replica_folder(broker, topic, partition)?;
        let path = folder.join("00000000000000000000.log");
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).open(&path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, FIRST_RECORD_POSITION)
            .with_context(|| format!("{} has no record", path.display()))?;
        Ok(file.write_all_at(&[byte[0] ^ 1], FIRST_RECORD_POSITION)?)
    }

    /// The folders of a broker that are named `topic-partition` and something behind it.
    ///
    /// # Errors
    /// Its data folder cannot be read.
    pub fn folders_set_aside(
        &self,
        broker: NodeName,
        topic: &str,
        partition: u32,
    ) -> Result<Vec<String>> {
        let folder = self.replica_folder(broker, topic, partition)?;
        let logs = folder
            .parent()
            .context("a replica's folder has no parent")?;
        let start = format!("{topic}-{partition}.");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(logs)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.retain(|name| name.starts_with(&start));
        Ok(names)
    }
}

impl Cluster {
    /// The batches of one replica, as they lie in its files; nothing may be written meanwhile.
    ///
    /// # Errors
    /// The broker lacks the partition, or a batch is damaged.
    pub fn stored_batches(
        &self,
        topic: &str,
        partition: u32,
        broker: NodeName,
    ) -> Result<Vec<RecordBatch>> {
        let folder = format!("{topic}-{partition}");
        let folder = find_folder(self.node(broker)?.data_path(), &folder)?
            .with_context(|| format!("{broker} has no folder {folder}"))?;
        read_batches(&folder)?
            .into_iter()
            .map(|(_, bytes)| Ok(RecordBatch::parse(bytes)?))
            .collect()
    }
}

fn compare(replicas: &BTreeMap<NodeName, Vec<StoredBatch>>) -> Result<usize> {
    let shortest = replicas.values().map(Vec::len).min().unwrap_or(0);
    let mut all = replicas.iter();
    let Some((first_name, first)) = all.next() else {
        return Ok(0);
    };
    for (name, other) in all {
        for (place, (ours, theirs)) in first.iter().zip(other).enumerate() {
            if ours != theirs {
                bail!(
                    "batch {place} at offset {} of {first_name} differs from that at {} of {name}",
                    ours.0,
                    theirs.0
                );
            }
        }
    }
    Ok(shortest)
}

/// The folder called `name` below `root`, wherever the broker's layout puts it.
fn find_folder(root: &Path, name: &str) -> Result<Option<PathBuf>> {
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                continue;
            }
            if entry.file_name() == name {
                return Ok(Some(entry.path()));
            }
            waiting.push(entry.path());
        }
    }
    Ok(None)
}

/// All batches of a partition's segments, in the order of their names, which is that of offsets.
fn read_batches(folder: &Path) -> Result<Vec<StoredBatch>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            segments.push(path);
        }
    }
    segments.sort();
    let mut batches = Vec::new();
    for segment in segments {
        let bytes = Bytes::from(std::fs::read(&segment)?);
        for batch in split(bytes.slice(..written_end(&bytes))) {
            let batch = batch.with_context(|| format!("damaged batch in {}", segment.display()))?;
            batches.push((batch.header().base_offset.0, batch.into_bytes()));
        }
    }
    Ok(batches)
}

/// Where the batches end: a segment may be longer than what was written, and is zero from there.
fn written_end(bytes: &[u8]) -> usize {
    let mut place = 0;
    while let Ok(header) = BatchHeader::parse(&bytes[place..]) {
        let end = place + header.total_bytes();
        if end > bytes.len() {
            return bytes.len();
        }
        place = end;
    }
    let rest = &bytes[place..];
    if rest.iter().all(|byte| *byte == 0) {
        place
    } else {
        bytes.len()
    }
}
