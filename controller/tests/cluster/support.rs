//! A cluster under test, and calls to it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use trimaran_config::Settings;
use trimaran_controller::{Controller, ControllerConfig};

/// Everything here is done well before; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Cluster {
    pub(crate) controllers: Vec<Option<Controller>>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) http: reqwest::Client,
    settings: String,
    folder: TempDir,
}

/// What a call was answered: status and JSON.
pub(crate) type Answer = (u16, Value);

/// Free ports, held open.
pub(crate) async fn listeners(count: usize) -> Vec<TcpListener> {
    let mut listeners = Vec::new();
    for _ in 0..count {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    listeners
}

pub(crate) fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect()
}

pub(crate) fn config(
    place: usize,
    addresses: &[SocketAddr],
    directory: &Path,
    settings: &str,
) -> ControllerConfig {
    let voters: Vec<String> = addresses
        .iter()
        .enumerate()
        .map(|(place, address)| format!("{}@{address}", place + 1))
        .collect();
    let text = format!(
        "node.id = {}\nmetadata.log.dir = '{}'\ncontroller.quorum.voters = '{}'\n\
         controller.quorum.heartbeat.interval.ms = 50\n\
         controller.quorum.election.timeout.ms = 300\n{settings}\n",
        place + 1,
        directory.display(),
        voters.join(",")
    );
    ControllerConfig::from_settings(Settings::parse(&text, &[]).unwrap()).unwrap()
}

pub(crate) fn http() -> reqwest::Client {
    trimaran_api::client::http_client(Duration::from_secs(1)).unwrap()
}

pub(crate) fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_default();
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init(),
    );
}

impl Cluster {
    pub(crate) async fn start(count: usize, settings: &str) -> Self {
        log();
        let listeners = listeners(count).await;
        let addresses = addresses(&listeners);
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut cluster = Self {
            controllers: Vec::new(),
            addresses,
            http: http(),
            settings: settings.to_owned(),
            folder,
        };
        for (place, listener) in listeners.into_iter().enumerate() {
            let config = cluster.config(place);
            cluster
                .controllers
                .push(Some(Controller::start_on(config, listener).await.unwrap()));
        }
        cluster.leader().await;
        cluster
    }

    pub(crate) fn directory(&self, place: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("controller-{}", place + 1))
    }

    pub(crate) fn config(&self, place: usize) -> ControllerConfig {
        config(
            place,
            &self.addresses,
            &self.directory(place),
            &self.settings,
        )
    }

    pub(crate) async fn kill(&mut self, place: usize) {
        self.controllers[place]
            .take()
            .unwrap()
            .stop_at_once()
            .await
            .unwrap();
    }

    pub(crate) async fn stop(&mut self, place: usize) {
        self.controllers[place]
            .take()
            .unwrap()
            .stop()
            .await
            .unwrap();
    }

    pub(crate) async fn restart(&mut self, place: usize) {
        let address = self.addresses[place];
        let listener = eventually("the port is free", || async move {
            TcpListener::bind(address).await.ok()
        })
        .await;
        let controller = Controller::start_on(self.config(place), listener)
            .await
            .unwrap();
        self.controllers[place] = Some(controller);
    }

    pub(crate) async fn get(&self, place: usize, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.addresses[place]);
        answer(self.named(self.http.get(url))).await
    }

    pub(crate) async fn post(&self, place: usize, path: &str, body: &Value) -> Answer {
        let url = format!("http://{}{path}", self.addresses[place]);
        answer(self.named(self.http.post(url).json(body))).await
    }

    pub(crate) async fn delete(&self, place: usize, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.addresses[place]);
        answer(self.named(self.http.delete(url))).await
    }

    /// The call with the cluster that it is for, as nodes send it; before the founding there is none.
    pub(crate) fn named(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.property(0, "cluster.id") {
            Some(id) => request.header("trimaran-cluster-id", id),
            None => request,
        }
    }

    /// A line of a controller's `meta.properties`.
    pub(crate) fn property(&self, place: usize, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.directory(place).join("meta.properties")).ok()?;
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    }

    fn running(&self) -> Vec<usize> {
        (0..self.controllers.len())
            .filter(|place| self.controllers[*place].is_some())
            .collect()
    }

    /// The place of the leader that all running controllers agree on, once it is ready.
    pub(crate) async fn leader(&self) -> usize {
        eventually("all agree on a leader", || async {
            let mut leader = None;
            for place in self.running() {
                let (status, quorum) = self.get(place, "/v1/quorum").await;
                let found = quorum["leader_id"].as_u64().filter(|_| status == 200)?;
                if *leader.get_or_insert(found) != found
                    || self.get(place, "/readyz").await.0 != 200
                {
                    return None;
                }
            }
            let place = usize::try_from(leader?).ok()? - 1;
            self.controllers[place].is_some().then_some(place)
        })
        .await
    }

    pub(crate) async fn follower(&self) -> usize {
        let leader = self.leader().await;
        self.running()
            .into_iter()
            .find(|place| *place != leader)
            .unwrap()
    }

    /// Registers a broker and takes it into service; returns its epoch.
    pub(crate) async fn join(&self, place: usize, broker: u32, inter_node: SocketAddr) -> u64 {
        let (status, registered) = self
            .post(place, "/v1/brokers", &registration(broker, inter_node))
            .await;
        assert_eq!(status, 200, "{registered}");
        let epoch = registered["broker_epoch"].as_u64().unwrap();
        let (status, beaten) = self.beat(place, broker, epoch).await;
        assert_eq!(status, 200, "{beaten}");
        assert_eq!(beaten["is_fenced"], json!(false), "{beaten}");
        epoch
    }

    pub(crate) async fn beat(&self, place: usize, broker: u32, epoch: u64) -> Answer {
        let body = json!({
            "broker_id": broker, "broker_epoch": epoch, "metadata_end": u32::MAX,
            "want_fence": false, "want_shutdown": false,
        });
        self.post(place, "/v1/brokers/heartbeat", &body).await
    }

    pub(crate) async fn create_topic(&self, place: usize, name: &str) -> Answer {
        self.post(place, "/v1/topics", &json!({"name": name, "partitions": 2}))
            .await
    }

    /// Names of the topics that a controller has applied itself.
    pub(crate) async fn applied_topics(&self, place: usize) -> Vec<String> {
        let (_, topics) = self.get(place, "/v1/metadata/get/topics").await;
        topics
            .as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) async fn applied_end(&self, place: usize) -> u64 {
        let (_, page) = self.get(place, "/v1/metadata/log?from=0&max_bytes=1").await;
        page["applied_end"].as_u64().unwrap_or(0)
    }
}

pub(crate) fn registration(broker: u32, inter_node: SocketAddr) -> Value {
    let text = |high: u128| {
        trimaran_types::DirectoryId::from_uuid(uuid::Uuid::from_u128(
            (high << 64) + u128::from(broker),
        ))
        .to_string()
    };
    json!({
        "cluster_id": null, "broker_id": broker, "incarnation_id": text(1),
        "client_address": "127.0.0.1:1", "inter_node_address": inter_node.to_string(),
        "directories": [text(2)],
    })
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            (status, response.json().await.unwrap_or(Value::Null))
        }
        Err(error) => (0, json!(error.to_string())),
    }
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    ask: impl Fn() -> F,
) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| panic!("in time: {what}"))
}
