//! [`FetchStream`]: the connection on which a loop asks its leader, one fetch after the other.

use bytes::BytesMut;
use reqwest::Upgraded;
use trimaran_api::client::CallError;
use trimaran_api::paths;
use trimaran_api::replica::{REPLICA_FETCH_PROTOCOL, ReplicaFetchRequest, ReplicaFetchResponse};
use trimaran_types::BrokerId;

use crate::context::BrokerContext;
use crate::node_stream::{MessageError, Opening, make_room, open, read_message, write_message};

/// Largest answer that a follower accepts, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room for answers that is kept from one to the next.
const INPUT_BYTES: usize = 64 * 1024;

/// An open connection on which nothing is owed.
pub(super) struct FetchStream {
    address: String,
    stream: Upgraded,
    input: BytesMut,
    output: Vec<u8>,
}

impl std::fmt::Debug for FetchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchStream")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl FetchStream {
    /// Connects to the leader.
    ///
    /// # Errors
    /// It does not agree to a stream.
    pub(super) async fn open(
        context: &BrokerContext,
        leader: BrokerId,
        address: &str,
    ) -> Result<Self, CallError> {
        let opening = Opening {
            cluster_id: context.cluster_id,
            broker_id: leader,
            address,
            path: paths::REPLICA_FETCH,
            protocol: REPLICA_FETCH_PROTOCOL,
        };
        Ok(Self {
            address: address.to_owned(),
            stream: open(&context.http, opening).await?,
            input: BytesMut::new(),
            output: Vec::new(),
        })
    }

    /// Whether it leads there.
    pub(super) fn leads_to(&self, address: &str) -> bool {
        self.address == address
    }

    /// One fetch. After an error, or when it is given up midway, the stream must be dropped: the
    /// next answer on it would belong to another question.
    ///
    /// # Errors
    /// The stream ended, or something else than an answer came.
    pub(super) async fn ask(
        &mut self,
        request: &ReplicaFetchRequest,
    ) -> Result<ReplicaFetchResponse, MessageError> {
        write_message(&mut self.stream, &mut self.output, request).await?;
        make_room(&mut self.input, INPUT_BYTES);
        read_message(&mut self.stream, &mut self.input, ANSWER_BYTES_MAX).await
    }
}
