//! [`Lines`]: the input as batches of records. Sends what is there, and never waits to fill a batch.

use std::io::{BufRead as _, BufReader, Read};

use tokio::sync::mpsc;
use trimaran_types::limits::RECORD_BYTES_MAX;

use super::{BadLine, EmbeddedFormat, ProduceRecord};
use crate::failure::Failure;

/// Records in one request, at most.
const BATCH_RECORDS_MAX: usize = 500;

/// Bytes in one request, at most; a single larger record goes alone.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Records read ahead of the sender.
const READ_AHEAD_RECORDS: usize = 1_000;

/// Records of consecutive lines.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<ProduceRecord>,
    /// Number of the first line, from 1.
    pub(super) first_line: u64,
}

/// The input, read by a thread of its own: reading a pipe blocks.
#[derive(Debug)]
pub(super) struct Lines {
    records: mpsc::Receiver<Result<ProduceRecord, BadLine>>,
    held: Option<ProduceRecord>,
    failed: Option<BadLine>,
    next_line: u64,
}

impl Lines {
    /// Starts to read `input`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start<R: Read + Send + 'static>(
        input: R,
        format: EmbeddedFormat,
        key_field: Option<String>,
    ) -> Result<Self, Failure> {
        let (sender, records) = mpsc::channel(READ_AHEAD_RECORDS);
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || read(input, format, key_field.as_deref(), &sender))
            .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            records,
            held: None,
            failed: None,
            next_line: 1,
        })
    }

    /// The next batch: one record at least, and what else has been read by then.
    ///
    /// A line that is no record ends the input, after the batch of the lines before it.
    pub(super) async fn next(&mut self) -> Option<Result<Batch, BadLine>> {
        if let Some(error) = self.failed.take() {
            self.records.close();
            return Some(Err(error));
        }
        let first = match self.held.take() {
            Some(record) => record,
            None => match self.records.recv().await? {
                Ok(record) => record,
                Err(error) => return Some(Err(error)),
            },
        };
        let mut bytes = first.size();
        let mut records = vec![first];
        while records.len() < BATCH_RECORDS_MAX {
            match self.records.try_recv() {
                Ok(Ok(record)) if bytes + record.size() <= BATCH_BYTES_MAX => {
                    bytes += record.size();
                    records.push(record);
                }
                Ok(Ok(record)) => {
                    self.held = Some(record);
                    break;
                }
                Ok(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
                Err(_) => break,
            }
        }
        let first_line = self.next_line;
        self.next_line = first_line.saturating_add(records.len() as u64);
        Some(Ok(Batch {
            records,
            first_line,
        }))
    }
}

fn read<R: Read>(
    input: R,
    format: EmbeddedFormat,
    key_field: Option<&str>,
    records: &mpsc::Sender<Result<ProduceRecord, BadLine>>,
) {
    let mut input = BufReader::with_capacity(128 * 1024, input);
    let mut buffer = Vec::new();
    for line in 1.. {
        let record = match read_line(&mut input, &mut buffer, line) {
            Ok(None) => return,
            Ok(Some(text)) => ProduceRecord::of_line(text, line, format, key_field),
            Err(error) => Err(error),
        };
        let is_last = record.is_err();
        if records.blocking_send(record).is_err() || is_last {
            return;
        }
    }
}

/// One line without its end, of at most the bytes that a record may have.
fn read_line<'a, R: Read>(
    input: &mut BufReader<R>,
    buffer: &'a mut Vec<u8>,
    line: u64,
) -> Result<Option<&'a str>, BadLine> {
    buffer.clear();
    let bytes_max = RECORD_BYTES_MAX as u64 + 2;
    let read = input
        .take(bytes_max)
        .read_until(b'\n', buffer)
        .map_err(|error| BadLine::Unreadable {
            line,
            cause: error.to_string(),
        })?;
    if read == 0 {
        return Ok(None);
    }
    let mut text: &[u8] = buffer;
    text = text.strip_suffix(b"\n").unwrap_or(text);
    text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.len() > RECORD_BYTES_MAX {
        return Err(BadLine::TooLong { line });
    }
    std::str::from_utf8(text)
        .map(Some)
        .map_err(|_| BadLine::NotText { line })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: Vec<u8>) -> (Vec<(u64, usize)>, Option<BadLine>) {
        let mut lines =
            Lines::start(std::io::Cursor::new(input), EmbeddedFormat::Json, None).unwrap();
        let mut batches = Vec::new();
        while let Some(batch) = lines.next().await {
            match batch {
                Ok(batch) => batches.push((batch.first_line, batch.records.len())),
                Err(error) => return (batches, Some(error)),
            }
        }
        (batches, None)
    }

    fn records_in(batches: &[(u64, usize)]) -> usize {
        batches.iter().map(|(_, records)| records).sum()
    }

    #[tokio::test]
    async fn every_line_comes_once_and_in_bounded_batches() {
        let input: String = (0..1_234).map(|n| format!("{n}\r\n")).collect();
        let (batches, error) = all(input.into_bytes()).await;
        assert_eq!(error, None);
        assert_eq!(records_in(&batches), 1_234);
        let mut next = 1;
        for (first_line, records) in batches {
            assert_eq!(first_line, next);
            assert!(records <= BATCH_RECORDS_MAX);
            next += records as u64;
        }
    }

    #[tokio::test]
    async fn large_records_make_small_batches() {
        let record = format!("\"{}\"\n", "x".repeat(400_000));
        let (batches, error) = all(record.repeat(5).into_bytes()).await;
        assert_eq!(error, None);
        assert_eq!(records_in(&batches), 5);
        assert!(
            batches.iter().all(|(_, records)| *records <= 2),
            "{batches:?}"
        );
    }

    #[tokio::test]
    async fn a_bad_line_ends_the_input_after_those_before_it() {
        let (batches, error) = all(b"1\n2\n{\n4\n".to_vec()).await;
        assert_eq!(records_in(&batches), 2);
        assert!(error.unwrap().to_string().starts_with("line 3 is not JSON"));
    }

    #[tokio::test]
    async fn the_last_line_needs_no_newline_and_size_is_bounded() {
        assert_eq!(records_in(&all(b"1\n2".to_vec()).await.0), 2);
        let (_, error) = all(vec![b'1'; RECORD_BYTES_MAX + 5]).await;
        assert_eq!(error, Some(BadLine::TooLong { line: 1 }));
        let (_, error) = all(vec![0xff]).await;
        assert_eq!(error, Some(BadLine::NotText { line: 1 }));
    }
}
