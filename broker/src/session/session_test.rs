//! A session against a controller that says what the test wants.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trimaran_api::controller::{
    DamageCause, DamagedReplica, HeartbeatRequest, HeartbeatResponse, RegisterBrokerRequest,
    RegisterBrokerResponse, SessionLease,
};
use trimaran_api::{ApiError, paths};
use trimaran_metadata::MetadataImage;
use trimaran_types::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, IncarnationId, KafkaError, MetadataOffset,
    PartitionIndex, TopicId, TopicIdPartition,
};

use super::{
    BrokerIdentity, DamageReport, Lease, Session, SessionStart, SessionState, SessionWants,
};
use crate::config::SessionConfig;
use crate::controller_link::ControllerLink;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct Controller {
    refusals: Mutex<VecDeque<KafkaError>>,
    heard: Mutex<Vec<HeartbeatRequest>>,
    next_epoch: AtomicU64,
    sessions: Mutex<Vec<u64>>,
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

fn cluster_id() -> ClusterId {
    ClusterId::from_uuid(uuid(1))
}

async fn heartbeat(
    State(controller): State<Arc<Controller>>,
    Json(request): Json<HeartbeatRequest>,
) -> Response {
    let refusal = controller.refusals.lock().unwrap().pop_front();
    if let Some(error) = refusal {
        let refusal = ApiError::kafka(error, "no");
        return (refusal.status, Json(refusal.body)).into_response();
    }
    let response = HeartbeatResponse {
        is_caught_up: true,
        is_fenced: request.want_fence,
        should_shut_down: request.want_shutdown,
        lease: Some(SessionLease {
            session_ms: 600_000,
            quorum_age_ms: 0,
            metadata_end: MetadataOffset(0),
        }),
    };
    controller.heard.lock().unwrap().push(request);
    Json(response).into_response()
}

async fn register(
    State(controller): State<Arc<Controller>>,
    Json(_): Json<RegisterBrokerRequest>,
) -> Json<RegisterBrokerResponse> {
    let broker_epoch = BrokerEpoch(controller.next_epoch.fetch_add(1, Ordering::Relaxed));
    Json(RegisterBrokerResponse {
        cluster_id: cluster_id(),
        broker_epoch,
    })
}

async fn session(
    State(controller): State<Arc<Controller>>,
    axum::extract::Query(query): axum::extract::Query<Vec<(String, u64)>>,
) -> (StatusCode, Body) {
    controller.sessions.lock().unwrap().push(query[0].1);
    let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    (StatusCode::OK, Body::from_stream(endless))
}

struct Started {
    state: watch::Receiver<SessionState>,
    wants: watch::Sender<SessionWants>,
    lease: watch::Receiver<Option<Lease>>,
    running: tokio::task::JoinHandle<Result<(), super::SessionError>>,
    _image: watch::Sender<Arc<MetadataImage>>,
    _offline: watch::Sender<Vec<DirectoryId>>,
    damage: watch::Sender<Arc<DamageReport>>,
}

async fn started(controller: &Arc<Controller>) -> Started {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new()
        .route(paths::BROKER_HEARTBEAT, post(heartbeat))
        .route(paths::BROKERS, post(register))
        .route(paths::BROKER_SESSION, get(session))
        .with_state(Arc::clone(controller));
    let (limits, never) = (
        trimaran_listener::Limits::default(),
        CancellationToken::new(),
    );
    tokio::spawn(trimaran_listener::serve(listener, router, limits, never));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (image_sender, image) = watch::channel(Arc::new(MetadataImage::default().advance(3, 1)));
    let (offline_sender, offline_directories) = watch::channel(Vec::new());
    let (damage_sender, damage) = watch::channel(Arc::default());
    let session = Session::new(SessionStart {
        link: Arc::new(ControllerLink::new(http, vec![address])),
        identity: BrokerIdentity {
            broker_id: BrokerId(1),
            incarnation_id: IncarnationId::from_uuid(uuid(2)),
            client_address: "127.0.0.1:1".to_owned(),
            inter_node_address: "127.0.0.1:2".to_owned(),
            rack: None,
            directories: vec![DirectoryId::from_uuid(uuid(3))],
            previous_broker_epoch: None,
        },
        cluster_id: cluster_id(),
        state: SessionState::registered(BrokerEpoch(5)),
        image,
        offline_directories,
        damage,
        config: SessionConfig {
            heartbeat_interval: Duration::from_millis(20),
            session_timeout: Duration::from_secs(5),
            registration_timeout: PATIENCE,
            shutdown_timeout: PATIENCE,
        },
        lag_time_max: PATIENCE,
        stop: CancellationToken::new(),
    });
    Started {
        state: session.state(),
        wants: session.wants(),
        lease: session.lease(),
        running: tokio::spawn(session.run()),
        _image: image_sender,
        _offline: offline_sender,
        damage: damage_sender,
    }
}

async fn until(
    state: &mut watch::Receiver<SessionState>,
    reached: impl Fn(&SessionState) -> bool,
) -> SessionState {
    let waited = tokio::time::timeout(PATIENCE, state.wait_for(|state| reached(state))).await;
    *waited.expect("in time").expect("the session runs")
}

#[tokio::test]
async fn it_says_what_the_broker_wants_and_hears_what_was_decided() {
    let controller = Arc::new(Controller::default());
    let mut session = started(&controller).await;
    until(&mut session.state, |state| state.is_caught_up).await;
    assert!(session.state.borrow().is_fenced);
    session.wants.send_replace(SessionWants::SERVING);
    until(&mut session.state, |state| !state.is_fenced).await;
    session.wants.send_replace(SessionWants::STOPPING);
    until(&mut session.state, |state| state.should_shut_down).await;
    let heard = controller.heard.lock().unwrap();
    assert!(
        heard
            .iter()
            .all(|request| request.broker_epoch == BrokerEpoch(5))
    );
    assert_eq!(
        heard.last().map(|request| request.want_shutdown),
        Some(true)
    );
}

#[tokio::test]
async fn a_lost_registration_is_made_again_and_the_connection_follows_it() {
    let controller = Arc::new(Controller::default());
    controller.next_epoch.store(40, Ordering::Relaxed);
    controller
        .refusals
        .lock()
        .unwrap()
        .extend([KafkaError::NotController, KafkaError::StaleBrokerEpoch]);
    let mut session = started(&controller).await;
    let again = until(&mut session.state, |state| {
        state.broker_epoch == BrokerEpoch(40) && state.is_caught_up
    })
    .await;
    assert!(again.is_heard);
    let follows = async {
        while controller.sessions.lock().unwrap().last() != Some(&40) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, follows).await.unwrap();
}

#[tokio::test]
async fn a_broker_whose_registration_is_gone_has_no_lease() {
    let controller = Arc::new(Controller::default());
    let mut session = started(&controller).await;
    until(&mut session.state, |state| state.is_caught_up).await;
    assert_eq!(*session.lease.borrow(), None, "fenced brokers lead nothing");
    session.wants.send_replace(SessionWants::SERVING);
    let given = session.lease.wait_for(Option::is_some);
    tokio::time::timeout(PATIENCE, given)
        .await
        .unwrap()
        .unwrap();
    // No heartbeat is answered afterwards, so nothing else can take it away.
    let lost = [KafkaError::StaleBrokerEpoch];
    let silence = std::iter::repeat_n(KafkaError::NotController, 10_000);
    let refusals = lost.into_iter().chain(silence);
    controller.refusals.lock().unwrap().extend(refusals);
    let ended = session.lease.wait_for(Option::is_none);
    tokio::time::timeout(PATIENCE, ended)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn another_cluster_s_controller_ends_it() {
    let controller = Arc::new(Controller::default());
    controller
        .refusals
        .lock()
        .unwrap()
        .push_back(KafkaError::InconsistentClusterId);
    let session = started(&controller).await;
    let ended = tokio::time::timeout(PATIENCE, session.running)
        .await
        .unwrap();
    assert!(matches!(
        ended.unwrap(),
        Err(super::SessionError::Refused { .. })
    ));
}

#[tokio::test]
async fn a_broker_asks_for_service_only_with_all_of_its_damage_told() {
    let controller = Arc::new(Controller::default());
    let mut session = started(&controller).await;
    let replica = |number| DamagedReplica {
        partition: TopicIdPartition {
            topic_id: TopicId::from_uuid(uuid(number)),
            partition: PartitionIndex(0),
        },
        cause: DamageCause::Corrupt,
        served_up_to: None,
    };
    let report = |number, has_more| {
        Arc::new(DamageReport {
            damaged: vec![replica(number)],
            has_more,
            ..DamageReport::default()
        })
    };
    session.damage.send_replace(report(7, true));
    session.wants.send_replace(SessionWants::SERVING);
    let told = |number| {
        let controller = Arc::clone(&controller);
        async move {
            let is_told =
                |request: &HeartbeatRequest| request.damaged_replicas == [replica(number)];
            while !controller.heard.lock().unwrap().iter().any(is_told) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, told(7)).await.unwrap();
    session.damage.send_replace(report(8, false));
    until(&mut session.state, |state| !state.is_fenced).await;
    for request in controller.heard.lock().unwrap().iter() {
        let is_first_part = request.damaged_replicas == [replica(7)];
        assert!(request.want_fence || !is_first_part, "{request:?}");
    }
    // In service, the length of the list is no reason to leave it.
    session.damage.send_replace(report(9, true));
    tokio::time::timeout(PATIENCE, told(9)).await.unwrap();
    assert!(!session.state.borrow().is_fenced);
}

#[tokio::test]
async fn it_says_which_replicas_lack_room_until_they_have_some() {
    let controller = Arc::new(Controller::default());
    let session = started(&controller).await;
    session.wants.send_replace(SessionWants::SERVING);
    let partition = TopicIdPartition {
        topic_id: TopicId::from_uuid(uuid(7)),
        partition: PartitionIndex(3),
    };
    for lacking_room in [vec![partition], Vec::new()] {
        let heard = controller.heard.lock().unwrap().len();
        let report = DamageReport {
            lacking_room: lacking_room.clone(),
            ..DamageReport::default()
        };
        session.damage.send_replace(Arc::new(report));
        let is_said = |request: &HeartbeatRequest| request.replicas_lacking_room == lacking_room;
        let said = async {
            while !controller.heard.lock().unwrap()[heard..]
                .iter()
                .any(is_said)
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap();
    }
    assert!(!session.state.borrow().is_fenced);
    assert!(session.lease.borrow().is_some(), "it stays in every ISR");
}

#[test]
fn a_heartbeat_of_a_broker_that_knows_nothing_of_room_is_understood() {
    let text = r#"{"broker_id":1,"broker_epoch":5,"metadata_end":3,"want_fence":false,"want_shutdown":false}"#;
    let request: HeartbeatRequest = serde_json::from_str(text).unwrap();
    assert_eq!(request.replicas_lacking_room, []);
    assert!(!serde_json::to_string(&request).unwrap().contains("room"));
}
