//! [`Link`]: the stream to one leader, and the task that owns its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use reqwest::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trimaran_api::client::CallError;
use trimaran_api::paths;
use trimaran_api::replica::append_stream::PROTOCOL;
use trimaran_types::{BrokerId, ClusterId};

use super::pending::{Pending, unsent};
use super::{Callee, Outgoing};
use crate::node_stream::{Opening, make_room, open};

/// Appends that wait for the stream; a further one waits outside, with a deadline.
const WAITING_MAX: usize = 1_024;
/// Appends without an answer; above it the rest waits.
const PENDING_MAX: usize = 4_096;
/// Bytes that wait to be written, above which no more appends are taken.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Room for answers that arrive together.
const INPUT_BYTES: usize = 32 * 1024;

/// The stream to one leader. It ends with its connection; the next append makes another one.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) appends: mpsc::Sender<Outgoing>,
    silence: Arc<Silence>,
    given_up: CancellationToken,
}

/// When the leader was last heard.
#[derive(Debug)]
struct Silence {
    began: Instant,
    /// Microseconds after the beginning, at least 1; 0 before anything was heard.
    heard_after_us: AtomicU64,
}

impl Silence {
    fn heard(&self) {
        let after = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.heard_after_us.store(after.max(1), Ordering::Relaxed);
    }

    fn lasts_since(&self, then: Instant) -> bool {
        let then = then.saturating_duration_since(self.began).as_micros();
        let heard = self.heard_after_us.load(Ordering::Relaxed);
        heard == 0 || u128::from(heard) < then
    }
}

impl Link {
    /// Begins to open a stream; appends may be handed over at once.
    pub(super) fn start(http: Client, cluster_id: ClusterId, callee: &Callee) -> Self {
        let (sender, appends) = mpsc::channel(WAITING_MAX);
        let silence = Arc::new(Silence {
            began: Instant::now(),
            heard_after_us: AtomicU64::new(0),
        });
        let given_up = CancellationToken::new();
        let task = Task {
            http,
            cluster_id,
            leader: callee.broker_id,
            address: callee.address.clone(),
            silence: Arc::clone(&silence),
            given_up: given_up.clone(),
        };
        tokio::spawn(task.run(appends));
        Self {
            appends: sender,
            silence,
            given_up,
        }
    }

    /// Ends the stream if the leader has sent nothing since `then`: its connection leads nowhere,
    /// and whatever is sent on it would wait as long.
    pub(super) fn give_up_if_silent_since(&self, then: Instant) {
        if self.silence.lasts_since(then) {
            self.given_up.cancel();
        }
    }
}

struct Task {
    http: Client,
    cluster_id: ClusterId,
    leader: BrokerId,
    address: String,
    silence: Arc<Silence>,
    given_up: CancellationToken,
}

impl Task {
    async fn run(self, mut appends: mpsc::Receiver<Outgoing>) {
        let address = self.address.as_str();
        let opening = Opening {
            cluster_id: self.cluster_id,
            broker_id: self.leader,
            address,
            path: paths::APPEND_STREAM,
            protocol: PROTOCOL,
        };
        let error = match open(&self.http, opening).await {
            Ok(stream) => {
                let mut pending = Pending::default();
                let cause = self.carry(stream, &mut appends, &mut pending).await;
                tracing::debug!(leader = %self.leader, address, cause, "the stream of appends ended");
                appends.close();
                pending.end(address, &cause);
                unsent(address, &cause)
            }
            Err(error) => {
                tracing::debug!(leader = %self.leader, address, %error, "no stream of appends");
                appends.close();
                error
            }
        };
        while let Some(outgoing) = appends.recv().await {
            // A refusal is the leader's word on every append; anything else happened before any.
            let told = match &error {
                CallError::Refused(refusal) => CallError::Refused(refusal.clone()),
                other => unsent(address, other),
            };
            let _ = outgoing.reply.send(Err(told));
        }
    }

    /// Carries appends and answers until the connection ends; tells why it did.
    async fn carry(
        &self,
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite,
        appends: &mut mpsc::Receiver<Outgoing>,
        pending: &mut Pending,
    ) -> String {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut taken = Vec::new();
        loop {
            make_room(&mut input, INPUT_BYTES);
            let takes = pending.len() < PENDING_MAX && output.len() < OUTPUT_BYTES_MAX;
            tokio::select! {
                read = reader.read_buf(&mut input) => match read {
                    Ok(0) => return "the leader closed it".to_owned(),
                    Ok(_) => {
                        self.silence.heard();
                        if let Err(error) = pending.answer(&mut input) {
                            return error.to_string();
                        }
                    }
                    Err(error) => return error.to_string(),
                },
                written = writer.write_buf(&mut output), if !output.is_empty() => match written {
                    Ok(0) => return "the leader takes no more".to_owned(),
                    Ok(_) => {}
                    Err(error) => return error.to_string(),
                },
                count = appends.recv_many(&mut taken, WAITING_MAX), if takes => {
                    if count == 0 {
                        return "it is needed no more".to_owned();
                    }
                    for outgoing in taken.drain(..) {
                        pending.put(outgoing, &self.address, &mut output);
                    }
                }
                () = self.given_up.cancelled() => return "the leader is silent".to_owned(),
            }
        }
    }
}
