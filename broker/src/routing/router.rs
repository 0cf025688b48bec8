//! [`PartitionRouter`]: append, read and offsets for any partition of the cluster.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::client::CallError;
use trimaran_api::replica::{
    AppendResponse, PartitionOffsets, ReadQuery, RequiredAcks, TimestampQuery,
};
use trimaran_api::rest::WriteOutcome;
use trimaran_metadata::MetadataImage;
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{BrokerId, KafkaError, Offset, TopicIdPartition};

use super::remote::Callee;
use super::retry::{Failure, is_about_leadership, until_deadline};
use super::{
    LocalPartitions, Records, Remote, Whereabouts, outcome_of, unknown_outcome, with_outcome,
};

/// How long a read waits for a leader before it says that there is none.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// When a leader that was asked is given up.
#[derive(Debug, Clone, Copy)]
enum GiveUp {
    /// When another one leads: of what was written, the one that was asked may yet tell for sure, as
    /// long as nobody else leads.
    WhenAnotherLeads,
    /// When it does not lead: somebody else may answer sooner.
    WhenItDoesNotLead,
}

/// How long a leader that was replaced may still answer. One that lives answers at once, since it
/// was deposed; one that hangs would keep the caller until its deadline.
const REPLACED_GRACE: Duration = Duration::from_millis(250);

/// Does a request where it has to be done.
#[derive(Debug, Clone)]
pub struct PartitionRouter {
    me: BrokerId,
    image: watch::Receiver<Arc<MetadataImage>>,
    local: Arc<dyn LocalPartitions>,
    remote: Remote,
}

impl PartitionRouter {
    /// For the broker `me`, which holds `local`.
    #[must_use]
    pub fn new(
        me: BrokerId,
        image: watch::Receiver<Arc<MetadataImage>>,
        local: Arc<dyn LocalPartitions>,
        remote: Remote,
    ) -> Self {
        Self {
            me,
            image,
            local,
            remote,
        }
    }

    /// The partitions of this broker itself.
    #[must_use]
    pub fn local(&self) -> &Arc<dyn LocalPartitions> {
        &self.local
    }

    /// Appends at the leader; at most until `deadline`.
    ///
    /// # Errors
    /// The leader's refusal, or that none could be reached; the details tell whether something may
    /// have been written.
    pub async fn append(
        &self,
        partition: TopicIdPartition,
        batches: Vec<RecordBatch>,
        acks: RequiredAcks,
        deadline: Instant,
    ) -> Result<AppendResponse, ApiError> {
        let batches = &batches;
        until_deadline(&self.image, self.me, partition, deadline, |place| async {
            let timeout = deadline.saturating_duration_since(Instant::now());
            let callee = match callee(place, partition) {
                None => {
                    let appended = self.local.append(partition, batches.clone(), acks, timeout);
                    return appended.await.map_err(refused_append);
                }
                Some(callee) => callee,
            };
            let answer = self.remote.append(&callee, batches, acks, timeout);
            let give_up = GiveUp::WhenAnotherLeads;
            let answer = self.unless_replaced(&callee, give_up, answer).await;
            answer.map_err(failed_append)
        })
        .await
        .map_err(|error| {
            let outcome = outcome_of(&error);
            with_outcome(error, outcome)
        })
    }

    /// Reads at the leader; waits for data as the query says, and a moment for a leader.
    ///
    /// # Errors
    /// The leader's refusal, or that none could be reached.
    pub async fn read(
        &self,
        partition: TopicIdPartition,
        query: ReadQuery,
    ) -> Result<Records, ApiError> {
        let deadline = Instant::now() + READ_PATIENCE;
        let query = &query;
        until_deadline(&self.image, self.me, partition, deadline, |place| async {
            match callee(place, partition) {
                None => {
                    let read = self.local.read(partition, query.clone()).await;
                    read.map_err(refused_question)
                }
                Some(callee) => {
                    let asked = self.remote.read(&callee, query);
                    let asked = self
                        .unless_replaced(&callee, GiveUp::WhenItDoesNotLead, asked)
                        .await;
                    asked.map_err(failed_question)
                }
            }
        })
        .await
    }

    /// Asks the leader for the bounds of a log, and for the record that is `wanted` by its timestamp.
    ///
    /// # Errors
    /// As [`PartitionRouter::read`].
    pub async fn offsets(
        &self,
        partition: TopicIdPartition,
        wanted: Option<TimestampQuery>,
    ) -> Result<PartitionOffsets, ApiError> {
        let deadline = Instant::now() + READ_PATIENCE;
        until_deadline(&self.image, self.me, partition, deadline, |place| async {
            match callee(place, partition) {
                None => self
                    .local
                    .offsets(partition, wanted)
                    .await
                    .map_err(refused_question),
                Some(callee) => {
                    let timeout = deadline.saturating_duration_since(Instant::now());
                    let asked = self.remote.offsets(&callee, wanted, timeout);
                    let asked = self
                        .unless_replaced(&callee, GiveUp::WhenItDoesNotLead, asked)
                        .await;
                    asked.map_err(failed_question)
                }
            }
        })
        .await
    }

    /// Has the leader delete the records before an offset; answers with the first offset that is
    /// left. Doing it twice does no more than doing it once, so it is tried again until `deadline`.
    ///
    /// # Errors
    /// The leader's refusal, or that none could be reached.
    pub async fn trim(
        &self,
        partition: TopicIdPartition,
        before: Offset,
        deadline: Instant,
    ) -> Result<Offset, ApiError> {
        until_deadline(&self.image, self.me, partition, deadline, |place| async {
            let timeout = deadline.saturating_duration_since(Instant::now());
            match callee(place, partition) {
                None => {
                    let trimmed = Arc::clone(&self.local).trim(partition, before, timeout);
                    trimmed.await.map_err(refused_question)
                }
                Some(callee) => {
                    let asked = self.remote.trim(&callee, before, timeout);
                    let asked = self
                        .unless_replaced(&callee, GiveUp::WhenItDoesNotLead, asked)
                        .await;
                    let trimmed = asked.map_err(failed_question)?;
                    Ok(trimmed.log_start)
                }
            }
        })
        .await
    }
}

impl PartitionRouter {
    /// Waits for an answer, but not for that of a leader which the cluster has given up. A later epoch
    /// of the same leader is none of that: what waits there goes on waiting.
    async fn unless_replaced<T>(
        &self,
        callee: &Callee,
        give_up: GiveUp,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut images = self.image.clone();
        let asked = Some(callee.broker_id);
        let replaced = async {
            let moved = images.wait_for(|image| match image.partition(callee.partition) {
                None => true,
                Some(state) => match give_up {
                    GiveUp::WhenAnotherLeads => state.leader.is_some() && state.leader != asked,
                    GiveUp::WhenItDoesNotLead => state.leader != asked,
                },
            });
            if moved.await.is_err() {
                // The broker stops; the call has a deadline of its own.
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(REPLACED_GRACE).await;
        };
        tokio::select! {
            answer = answer => answer,
            () = replaced => Err(CallError::TimedOut {
                address: callee.address.clone(),
            }),
        }
    }
}

fn callee(place: Whereabouts, partition: TopicIdPartition) -> Option<Callee> {
    match place {
        Whereabouts::Here => None,
        Whereabouts::There { broker_id, address } => Some(Callee {
            broker_id,
            address,
            partition,
        }),
    }
}

/// A leader's refusal of an append: to be tried again only when it wrote nothing.
fn refused_append(error: ApiError) -> Failure {
    let wrote_nothing = outcome_of(&error) == WriteOutcome::NothingWritten;
    let may_retry = wrote_nothing && error.body.kafka_error.is_some_and(is_about_leadership);
    Failure { error, may_retry }
}

/// An append that got no answer: only one that never arrived may be sent again.
fn failed_append(error: CallError) -> Failure {
    match error {
        CallError::Refused(refusal) => refused_append(refusal),
        CallError::Unreachable { .. } => Failure {
            error: unreachable(&error),
            may_retry: true,
        },
        CallError::TimedOut { .. } => Failure::last(unknown_outcome(
            KafkaError::RequestTimedOut,
            &error.to_string(),
        )),
        CallError::Broken { .. } | CallError::Unreadable { .. } => Failure::last(unknown_outcome(
            KafkaError::NetworkException,
            &error.to_string(),
        )),
    }
}

/// A question may always be asked again.
fn refused_question(error: ApiError) -> Failure {
    let may_retry = error.body.kafka_error.is_some_and(is_about_leadership);
    Failure { error, may_retry }
}

fn failed_question(error: CallError) -> Failure {
    match error {
        CallError::Refused(refusal) => refused_question(refusal),
        CallError::Unreadable { .. } => Failure::last(ApiError::kafka(
            KafkaError::UnknownServerError,
            error.to_string(),
        )),
        _ => Failure {
            error: unreachable(&error),
            may_retry: true,
        },
    }
}

fn unreachable(error: &CallError) -> ApiError {
    let message = format!("the partition's leader did not answer: {error}");
    ApiError::kafka(KafkaError::BrokerNotAvailable, message)
}

#[cfg(test)]
mod tests {
    use trimaran_metadata::{MetadataRecord, Snapshot};

    use super::*;
    use crate::routing::fake::{FakePartitions, image, partition, uuid};

    /// The partition under its leader's next epoch.
    fn in_a_later_epoch(image: &MetadataImage) -> MetadataImage {
        let mut snapshot = Snapshot::of(image);
        for record in &mut snapshot.records {
            if let MetadataRecord::Partition(partition) = record {
                partition.leader_epoch = partition.leader_epoch.next();
            }
        }
        snapshot.image().unwrap()
    }

    /// Whether a leader that takes its time is waited for, when the metadata changes meanwhile.
    async fn is_waited_for(give_up: GiveUp, changed: MetadataImage) -> bool {
        let (sender, images) = watch::channel(Arc::new(image("t", &[Some(2)])));
        let cluster_id = trimaran_types::ClusterId::from_uuid(uuid(1));
        let remote = Remote::new(reqwest::Client::new(), cluster_id);
        let local = Arc::new(FakePartitions::default());
        let router = PartitionRouter::new(BrokerId(1), images, local, remote);
        let callee = Callee {
            broker_id: BrokerId(2),
            address: address(),
            partition: partition(1, 0),
        };
        let answer = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.send_replace(Arc::new(changed));
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok::<(), CallError>(())
        };
        router
            .unless_replaced(&callee, give_up, answer)
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_append_is_waited_for_until_another_broker_leads() {
        let led = |leader| image("t", &[leader]);
        let later = in_a_later_epoch(&led(Some(2)));
        for (changed, append, question) in [
            (later, true, true),
            (led(None), true, false),
            (led(Some(3)), false, false),
            (MetadataImage::default(), false, false),
        ] {
            let text = format!("{:?}", changed.partition(partition(1, 0)));
            let waits = is_waited_for(GiveUp::WhenAnotherLeads, changed.clone()).await;
            assert_eq!(waits, append, "append, {text}");
            let waits = is_waited_for(GiveUp::WhenItDoesNotLead, changed).await;
            assert_eq!(waits, question, "question, {text}");
        }
    }

    fn address() -> String {
        "127.0.0.1:1".to_owned()
    }

    #[test]
    fn an_append_is_sent_again_only_when_it_surely_did_nothing() {
        let cause = || "x".to_owned();
        let may_retry = |error| failed_append(error).may_retry;
        assert!(may_retry(CallError::Unreachable {
            address: address(),
            cause: cause()
        }));
        for error in [
            CallError::TimedOut { address: address() },
            CallError::Broken {
                address: address(),
                cause: cause(),
            },
            CallError::Unreadable {
                address: address(),
                cause: cause(),
            },
        ] {
            let failure = failed_append(error);
            assert!(!failure.may_retry);
            assert_eq!(outcome_of(&failure.error), WriteOutcome::Unknown);
            assert_eq!(failure.error.body.error_code, 50003);
        }
    }

    #[test]
    fn a_deposed_leader_s_refusal_counts_by_what_it_says_of_the_records() {
        let deposed = || ApiError::kafka(KafkaError::NotLeaderOrFollower, "deposed");
        assert!(!refused_append(deposed()).may_retry);
        let told = |outcome| refused_append(with_outcome(deposed(), outcome)).may_retry;
        assert!(told(WriteOutcome::NothingWritten));
        assert!(!told(WriteOutcome::Unknown));
        let too_few = ApiError::kafka(KafkaError::NotEnoughReplicas, "too few");
        assert!(!refused_append(too_few).may_retry);
        let full = ApiError::new(507, "the disk is full").retriable();
        let full = with_outcome(full, WriteOutcome::NothingWritten);
        assert!(
            !refused_append(full).may_retry,
            "the client hears it at once"
        );
    }

    #[test]
    fn a_question_is_asked_again_whatever_happened_to_it() {
        assert!(failed_question(CallError::TimedOut { address: address() }).may_retry);
        let moved = ApiError::kafka(KafkaError::NotLeaderOrFollower, "moved");
        assert!(refused_question(moved).may_retry);
        let range = ApiError::kafka(KafkaError::OffsetOutOfRange, "range");
        assert!(!refused_question(range).may_retry);
    }
}
