//! [`Served`]: how a broker of a pair is reached by the other one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::Semaphore;
use trimaran_api::ApiError;
use trimaran_api::replica::{
    AppendResponse, PartitionOffsets, REPLICA_FETCH_PROTOCOL, ReadQuery, ReplicaFetchRequest,
    ReplicaFetchResponse, RequiredAcks, TimestampQuery,
};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{KafkaError, Offset, TopicIdPartition};

use crate::http::fetch_stream;
use crate::node_stream::accept;
use crate::replicas::Replicas;
use crate::routing::{LocalPartitions, Records};

/// A broker's replicas as followers reach them: fetches are counted, and end when the broker does.
#[derive(Debug, Clone)]
pub(super) struct Served {
    replicas: Weak<Replicas>,
    fetches: Arc<AtomicUsize>,
}

impl Served {
    pub(super) fn new(replicas: &Arc<Replicas>, fetches: &Arc<AtomicUsize>) -> Self {
        Self {
            replicas: Arc::downgrade(replicas),
            fetches: Arc::clone(fetches),
        }
    }

    fn replicas(&self) -> Result<Arc<Replicas>, ApiError> {
        let ended = || ApiError::kafka(KafkaError::BrokerNotAvailable, "the broker has ended");
        self.replicas.upgrade().ok_or_else(ended)
    }
}

impl LocalPartitions for Served {
    fn append(
        &self,
        partition: TopicIdPartition,
        batches: Vec<RecordBatch>,
        acks: RequiredAcks,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<AppendResponse, ApiError>> {
        async move {
            let replicas = self.replicas()?;
            replicas.append(partition, batches, acks, timeout).await
        }
        .boxed()
    }

    fn read(&self, _: TopicIdPartition, _: ReadQuery) -> BoxFuture<'_, Result<Records, ApiError>> {
        unreachable!("followers only fetch")
    }

    fn offsets(
        &self,
        _: TopicIdPartition,
        _: Option<TimestampQuery>,
    ) -> BoxFuture<'_, Result<PartitionOffsets, ApiError>> {
        unreachable!("followers only fetch")
    }

    fn trim(
        self: Arc<Self>,
        _partition: TopicIdPartition,
        _before: Offset,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<Offset, ApiError>> {
        unreachable!("only followers' fetches come here")
    }

    fn fetch(
        &self,
        request: ReplicaFetchRequest,
    ) -> BoxFuture<'_, Result<ReplicaFetchResponse, ApiError>> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        async move {
            let replicas = self.replicas()?;
            Ok(replicas.follower_fetch(&request).await)
        }
        .boxed()
    }
}

/// A follower's stream.
pub(super) async fn fetch(State(served): State<Served>, request: Request) -> Response {
    let places = Arc::new(Semaphore::new(1));
    let serve = |stream| async move { fetch_stream::serve(stream, &served).await };
    accept(request, REPLICA_FETCH_PROTOCOL, &places, serve).unwrap()
}
