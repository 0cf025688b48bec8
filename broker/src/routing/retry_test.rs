//! The retry rule, with attempts that are closures.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_types::{BrokerId, KafkaError};

use super::Whereabouts;
use super::fake::{image, partition, with_address};
use super::retry::{Failure, until_deadline};

const ME: BrokerId = BrokerId(1);

fn moved() -> Failure {
    Failure {
        error: ApiError::kafka(KafkaError::NotLeaderOrFollower, "moved"),
        may_retry: true,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn there(id: u32) -> Whereabouts {
    Whereabouts::There {
        broker_id: BrokerId(id),
        address: format!("127.0.0.1:{}", 100 + id),
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_answered_at_once() {
    let (_sender, images) = watch::channel(Arc::new(image("t", &[Some(1)])));
    let started = Instant::now();
    for (wanted, code) in [(partition(1, 5), 40402), (partition(9, 0), 40403)] {
        let asked = until_deadline(&images, ME, wanted, soon(), |_| async {
            unreachable!("nobody leads it") as Result<(), Failure>
        });
        let error = asked.await.unwrap_err();
        assert_eq!(error.body.error_code, code);
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_follows_the_leader() {
    let (sender, images) = watch::channel(Arc::new(image("t", &[Some(2)])));
    let places = RefCell::new(Vec::new());
    let asked = until_deadline(&images, ME, partition(1, 0), soon(), |place| {
        places.borrow_mut().push(place.clone());
        let sender = &sender;
        async move {
            if place == Whereabouts::Here {
                return Ok(7);
            }
            sender.send_replace(Arc::new(image("t", &[Some(1)])));
            Err(moved())
        }
    });
    assert_eq!(asked.await.unwrap(), 7);
    assert_eq!(*places.borrow(), [there(2), Whereabouts::Here]);
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_it_waits_for_one_and_gives_up_in_time() {
    let (sender, images) = watch::channel(Arc::new(image("t", &[None])));
    let started = Instant::now();
    let asked = until_deadline(&images, ME, partition(1, 0), soon(), |_| async {
        unreachable!("nobody leads it") as Result<(), Failure>
    });
    let error = asked.await.unwrap_err();
    assert_eq!(error.body.kafka_error, Some(KafkaError::LeaderNotAvailable));
    assert_eq!(started.elapsed(), Duration::from_secs(5));

    let elect = async {
        tokio::time::sleep(Duration::from_millis(80)).await;
        sender.send_replace(Arc::new(image("t", &[Some(1)])));
    };
    let started = Instant::now();
    let asked = until_deadline(&images, ME, partition(1, 0), soon(), |_| async { Ok(()) });
    let (asked, ()) = tokio::join!(asked, elect);
    assert!(asked.is_ok());
    assert_eq!(started.elapsed(), Duration::from_millis(80));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_done_again() {
    let (_sender, images) = watch::channel(Arc::new(image("t", &[Some(2)])));
    let tries = RefCell::new(0);
    let asked = until_deadline(&images, ME, partition(1, 0), soon(), |_| {
        *tries.borrow_mut() += 1;
        async { Err::<(), _>(Failure::last(ApiError::new(50003, "unknown"))) }
    });
    assert_eq!(asked.await.unwrap_err().body.error_code, 50003);
    assert_eq!(*tries.borrow(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_refuses_is_asked_again_with_pauses_until_the_deadline() {
    let (_sender, images) = watch::channel(Arc::new(image("t", &[Some(2)])));
    let started = Instant::now();
    let tries = RefCell::new(0_u32);
    let asked = until_deadline(&images, ME, partition(1, 0), soon(), |_| {
        *tries.borrow_mut() += 1;
        async { Err::<(), _>(moved()) }
    });
    let error = asked.await.unwrap_err();
    assert_eq!(
        error.body.kafka_error,
        Some(KafkaError::NotLeaderOrFollower)
    );
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert!(
        (20..40).contains(&*tries.borrow()),
        "{} tries",
        tries.borrow()
    );
}

#[tokio::test]
async fn a_leader_that_hangs_is_not_waited_for_once_it_is_replaced() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It takes connections and never answers.
    let hanging = listener.local_addr().unwrap().to_string();
    let mut led_elsewhere = image("t", &[Some(2)]);
    led_elsewhere = with_address(&led_elsewhere, BrokerId(2), &hanging);
    let (sender, images) = watch::channel(Arc::new(led_elsewhere));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let cluster_id = trimaran_types::ClusterId::from_uuid(super::fake::uuid(1));
    let local = Arc::new(super::fake::FakePartitions::default());
    let remote = super::Remote::new(http, cluster_id);
    let router = super::PartitionRouter::new(ME, images, local, remote);
    let deadline = Instant::now() + Duration::from_secs(60);
    let asked = router.append(
        partition(1, 0),
        Vec::new(),
        trimaran_api::replica::RequiredAcks::All,
        deadline,
    );
    let elect = async {
        let _held = listener.accept().await.unwrap();
        sender.send_replace(Arc::new(image("t", &[Some(1)])));
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = asked => answer,
        () = elect => unreachable!("it never ends"),
    };
    let refusal = answer.unwrap_err();
    assert_eq!(refusal.body.error_code, 50003);
    assert_eq!(
        super::outcome_of(&refusal),
        trimaran_api::rest::WriteOutcome::Unknown
    );
}
