//! [`CodecWork`]: compressing and decompressing, and large bodies from and to JSON, beside the
//! runtime's own threads.
//!
//! A batch or a body may take tens of milliseconds, in which a runtime's thread could serve thousands of
//! requests. Few run at a time, which bounds the memory of decompressed records, too.

use std::sync::Arc;

use tokio::sync::Semaphore;
use trimaran_api::ApiError;

use crate::beside;

/// What is done at once, where it is asked for: less than a change of threads is worth.
const INLINE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of JSON that cost as much as one byte of a codec.
const JSON_BYTES_PER_CODEC_BYTE: usize = 16;
/// How many run at a time, for each core.
const RUNNING_PER_CORE_MAX: usize = 2;

/// A bound on work with codecs. Cheap to clone; clones share the bound.
#[derive(Debug, Clone)]
pub struct CodecWork {
    running: Arc<Semaphore>,
}

impl Default for CodecWork {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            running: Arc::new(Semaphore::new(cores * RUNNING_PER_CORE_MAX)),
        }
    }
}

impl CodecWork {
    /// What `bytes` of JSON cost, in bytes of a codec.
    #[must_use]
    pub const fn json_effort(bytes: usize) -> usize {
        bytes / JSON_BYTES_PER_CODEC_BYTE
    }

    /// Does `work` on about `bytes` of input, now or when others have done theirs.
    ///
    /// # Errors
    /// The process stops, or `work` broke.
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        if bytes <= INLINE_BYTES_MAX {
            return Ok(work());
        }
        let permit = Arc::clone(&self.running).acquire_owned().await;
        beside::run_with(permit.map_err(beside::failed)?, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;

    #[tokio::test]
    async fn small_work_stays_here_and_large_work_leaves() {
        let codecs = CodecWork::default();
        let here = std::thread::current().id();
        let at = |bytes| codecs.run(bytes, || std::thread::current().id());
        assert_eq!(at(INLINE_BYTES_MAX).await, Ok(here));
        assert_ne!(at(INLINE_BYTES_MAX + 1).await, Ok(here));
    }

    #[tokio::test]
    async fn no_more_run_than_the_bound_even_when_callers_go_away() {
        let codecs = CodecWork {
            running: Arc::new(Semaphore::new(1)),
        };
        let broken = codecs.run(1 << 20, || panic!("on purpose")).await;
        assert!(broken.is_err());
        let (release, waits) = std::sync::mpsc::channel::<()>();
        let mut first = Box::pin(codecs.run(1 << 20, move || waits.recv().unwrap()));
        assert!(poll!(&mut first).is_pending());
        drop(first);
        let mut second = Box::pin(codecs.run(1 << 20, || 2));
        assert!(poll!(&mut second).is_pending());
        assert_eq!(codecs.running.available_permits(), 0);
        release.send(()).unwrap();
        assert_eq!(second.await, Ok(2));
    }
}
