//! [`Questions`]: one question at a time about each partition, shared by all who ask meanwhile.
//!
//! An answer tells how things stood after its question was begun. So it counts for those who asked
//! before that, and for nobody who came later: they share the next question.
//!
//! Bounds: one question for each partition, [`QUESTIONS_MAX`] together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use trimaran_types::TopicIdPartition;

/// Questions that one broker has open at one time.
const QUESTIONS_MAX: usize = 64;

/// The questions that are open. `T` is what an answer says.
#[derive(Debug)]
pub(super) struct Questions<T> {
    topics: Mutex<HashMap<TopicIdPartition, Arc<Topic<T>>>>,
    places: Semaphore,
}

/// What is asked about one partition.
#[derive(Debug)]
struct Topic<T> {
    /// How many questions were begun.
    begun: AtomicU64,
    /// The number and the answer of the last one that was answered. Whoever holds the lock asks.
    last: tokio::sync::Mutex<Option<(u64, T)>>,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self {
            topics: Mutex::default(),
            places: Semaphore::new(QUESTIONS_MAX),
        }
    }
}

impl<T: Clone> Questions<T> {
    /// The answer to a question that was begun after this call: one's own or another's. `None` while
    /// too many others are open: there was no place for it before `patience` was over.
    pub(super) async fn ask(
        &self,
        partition: TopicIdPartition,
        patience: std::time::Duration,
        question: impl Future<Output = T>,
    ) -> Option<T> {
        let asking = self.begin(partition);
        let seen = asking.topic.begun.load(Ordering::SeqCst);
        let mut last = asking.topic.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number > seen
        {
            return Some(answer.clone());
        }
        let place = tokio::time::timeout(patience, self.places.acquire()).await;
        let _place = place.ok()?.ok()?;
        let number = asking.topic.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = question.await;
        *last = Some((number, answer.clone()));
        Some(answer)
    }

    fn begin(&self, partition: TopicIdPartition) -> Asking<'_, T> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(partition).or_insert_with(|| {
            Arc::new(Topic {
                begun: AtomicU64::new(0),
                last: tokio::sync::Mutex::new(None),
            })
        });
        Asking {
            questions: self,
            partition,
            topic: Arc::clone(topic),
        }
    }
}

/// Somebody who asks about a partition; the last one to go clears up.
struct Asking<'a, T> {
    questions: &'a Questions<T>,
    partition: TopicIdPartition,
    topic: Arc<Topic<T>>,
}

impl<T> Drop for Asking<'_, T> {
    fn drop(&mut self) {
        let topics = &self.questions.topics;
        let mut topics = topics.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one.
        if Arc::strong_count(&self.topic) <= 2 {
            topics.remove(&self.partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::sync::oneshot;
    use trimaran_types::{PartitionIndex, TopicId};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn partition(number: u32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(1)),
            partition: PartitionIndex(number),
        }
    }

    #[tokio::test]
    async fn who_asks_while_a_question_is_open_shares_the_next_one() {
        let questions = Questions::default();
        let asked = AtomicU64::new(0);
        let count = || async { asked.fetch_add(1, Ordering::SeqCst) + 1 };
        let (answer, answered) = oneshot::channel::<u64>();
        let mut first =
            Box::pin(questions.ask(partition(0), LONG, async { answered.await.unwrap() }));
        assert_eq!(first.as_mut().now_or_never(), None);
        let mut later = Box::pin(join_all(
            (0..100).map(|_| questions.ask(partition(0), LONG, count())),
        ));
        assert!(later.as_mut().now_or_never().is_none());
        // Another partition does not wait.
        assert_eq!(questions.ask(partition(1), LONG, count()).await, Some(1));
        answer.send(0).unwrap();
        assert_eq!(first.as_mut().await, Some(0));
        drop(first);
        // Begun before they asked, the first answer says nothing to them.
        assert_eq!(later.as_mut().await, vec![Some(2); 100]);
        drop(later);
        assert!(questions.topics.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_question_that_is_given_up_is_asked_by_the_next_one() {
        let questions = Questions::default();
        let mut first = Box::pin(questions.ask(partition(0), LONG, std::future::pending::<u64>()));
        assert_eq!(first.as_mut().now_or_never(), None);
        let mut second = Box::pin(questions.ask(partition(0), LONG, std::future::ready(7)));
        assert_eq!(second.as_mut().now_or_never(), None);
        drop(first);
        assert_eq!(second.await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_place_there_is_no_answer() {
        let questions = Questions::default();
        let mut open: Vec<_> = (0..64)
            .map(|number| {
                Box::pin(questions.ask(partition(number), LONG, std::future::pending::<u64>()))
            })
            .collect();
        for question in &mut open {
            assert_eq!(question.as_mut().now_or_never(), None);
        }
        let late = questions.ask(partition(64), LONG, std::future::ready(1));
        assert_eq!(late.await, None);
    }
}
