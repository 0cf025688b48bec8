//! What the listeners' tests ask with: a router over partitions in memory, without a socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;
use trimaran_api::client::Controllers;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerId, ClusterId};

use super::{App, Service, ServiceParts, client_router, inter_node_router};
use crate::config::{RequestsConfig, TopicDefaults};
use crate::metrics::Metrics;
use crate::readiness::{Phase, Readiness};
use crate::routing::fake::{FakePartitions, image, uuid};
use crate::routing::{PartitionRouter, Remote};

/// A broker's listeners over a topic `t` of three partitions, of which 0 and 1 are led here and 2
/// has no leader.
pub(super) struct TestBroker {
    pub(super) app: Arc<App>,
    pub(super) partitions: Arc<FakePartitions>,
    pub(super) images: watch::Sender<Arc<MetadataImage>>,
    clients: Router,
    nodes: Router,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn error_code(&self) -> u64 {
        self.json()["error_code"].as_u64().expect("an error_code")
    }
}

pub(super) fn cluster_id() -> ClusterId {
    ClusterId::from_uuid(uuid(77))
}

impl TestBroker {
    pub(super) fn serving() -> Self {
        // Nobody listens on port 1: every question to the controllers is refused at once.
        Self::serving_by("127.0.0.1:1".to_owned())
    }

    /// With a controller at this address.
    pub(super) fn serving_by(controller: String) -> Self {
        let broker = Self::starting_by(controller);
        broker.app.readiness.reached(Phase::Serving);
        broker.app.readiness.fenced(false);
        broker
    }

    pub(super) fn starting() -> Self {
        Self::starting_by("127.0.0.1:1".to_owned())
    }

    fn starting_by(controller: String) -> Self {
        let readiness = Arc::new(Readiness::default());
        let metrics = Arc::new(Metrics::default());
        let requests = RequestsConfig {
            timeout: Duration::from_millis(200),
            body_bytes_max: 64 * 1024 * 1024,
            answer_bytes_max: 64 * 1024 * 1024,
        };
        let app = Arc::new(App::new(readiness, metrics, &requests));
        let (images, received) = watch::channel(Arc::new(image("t", &[Some(1), Some(1), None])));
        let partitions = Arc::new(FakePartitions::default());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let router = PartitionRouter::new(
            BrokerId(1),
            received.clone(),
            Arc::clone(&partitions) as _,
            Remote::new(http.clone(), cluster_id()),
        );
        let controllers = Controllers::new(http, vec![controller]);
        app.serve(Service::new(ServiceParts {
            broker_id: BrokerId(1),
            cluster_id: cluster_id(),
            image: received,
            router,
            controllers: Arc::new(controllers),
            requests,
            topic_defaults: TopicDefaults {
                partitions: 1,
                replication_factor: None,
            },
            client_address: "127.0.0.1:8082".to_owned(),
        }));
        Self {
            clients: client_router(Arc::clone(&app)),
            nodes: inter_node_router(Arc::clone(&app)),
            app,
            partitions,
            images,
        }
    }

    pub(super) fn clients(&self) -> Router {
        self.clients.clone()
    }

    pub(super) fn nodes(&self) -> Router {
        self.nodes.clone()
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Answer {
        answered(self.clients.clone(), request).await
    }

    pub(super) async fn ask_as_node(&self, request: Request<Body>) -> Answer {
        answered(self.nodes.clone(), request).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(super) async fn post(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header("content-type", content_type)
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.ask(request).await
    }
}

async fn answered(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}
