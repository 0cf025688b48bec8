//! Logs that are damaged or gone: out of service, told, set aside, fetched anew; never served, never
//! thrown away, never silently empty (promise P-CORRUPT).

use std::time::Duration;

use trimaran_api::controller::DamageCause;
use trimaran_api::replica::ReadQuery;
use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{ChangeReason, MetadataRecord};
use trimaran_types::{BrokerId, DirectoryId, KafkaError, LeaderEpoch, Offset, TopicIdPartition};

use super::pair::{ONE, Pair, TWO, read_all};
use super::quorum::directory;
use crate::partition::PartitionRole;
use crate::replicas::quarantine::DAMAGED_LOGS_MAX;

const NAME: &str = "flights-0";

/// A partition led by broker 1, with records.
async fn written(pair: &Pair, replicas: &[BrokerId]) -> TopicIdPartition {
    let id = pair.create("flights", replicas, replicas).await;
    if replicas.len() == 1 {
        pair.set_config(id, "min.insync.replicas", "1");
    }
    for text in ["a", "b", "c"] {
        pair.append(ONE, id, text).await.unwrap();
    }
    id
}

/// The same, with so much behind the first record that no start after a clean stop looks at it.
async fn written_long(pair: &Pair, replicas: &[BrokerId]) -> (TopicIdPartition, Vec<String>) {
    let id = written(pair, replicas).await;
    let mut texts = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    for letter in ["d", "e", "f"] {
        let text = letter.repeat(9_000);
        pair.append(ONE, id, &text).await.unwrap();
        texts.push(text);
    }
    (id, texts)
}

fn held_by(pair: &Pair, at: BrokerId, id: TopicIdPartition) -> Vec<String> {
    read_all(&pair.broker(at).replicas.get(id).unwrap())
}

#[tokio::test]
async fn a_condemned_leader_hands_over_and_comes_back_with_every_record() {
    let mut pair = Pair::start().await;
    let id = written(&pair, &[ONE, TWO]).await;
    pair.hear(ONE);
    let replicas = std::sync::Arc::clone(&pair.broker(ONE).replicas);
    assert!(replicas.condemn(id, DamageCause::Corrupt).await);
    assert!(!replicas.condemn(id, DamageCause::Corrupt).await, "once");
    pair.until_isr(id, &[TWO, ONE]).await;
    pair.until(TWO, id, |status| status.role == PartitionRole::Leader)
        .await;
    pair.append(TWO, id, "d").await.unwrap();
    assert_eq!(held_by(&pair, ONE, id), ["a", "b", "c", "d"]);
    let kept = pair.folders_ending_in(ONE, "-damaged");
    assert!(kept.len() == 1 && kept[0].join("00000000000000000000.log").exists());
    pair.until_out_of_service(ONE, &[]).await;
    assert_eq!(
        (replicas.damaged_logs_kept(), replicas.replicas_begun_anew()),
        (1, 1)
    );
}

#[tokio::test]
async fn nothing_begins_anew_before_the_controllers_have_taken_the_replica_out() {
    let mut pair = Pair::start().await;
    let id = written(&pair, &[ONE, TWO]).await;
    let replicas = std::sync::Arc::clone(&pair.broker(TWO).replicas);
    assert!(replicas.condemn(id, DamageCause::Failed).await);
    pair.until_out_of_service(TWO, &[NAME]).await;
    let reason = &replicas.out_of_service_reasons()[0];
    assert!(reason.contains("being told"), "{reason}");
    // An image that changes something else is no reason to begin.
    pair.set_config(id, "retention.ms", "1000");
    let mut reports = replicas.reports();
    let told = reports.wait_for(|report| !report.damaged.is_empty()).await;
    let told = told.unwrap().damaged.clone();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].cause, told[0].served_up_to),
        (DamageCause::Failed, Some(LeaderEpoch(0)))
    );
    assert!(replicas.get(id).is_none());
    assert!(pair.folders_ending_in(TWO, "-damaged").is_empty());
    pair.hear(TWO);
    pair.until_out_of_service(TWO, &[]).await;
    pair.until_isr(id, &[ONE, TWO]).await;
    assert_eq!(held_by(&pair, TWO, id), ["a", "b", "c"]);
    assert_eq!(replicas.reports().borrow().damaged, vec![]);
}

#[tokio::test]
async fn a_leader_that_remembers_the_old_log_is_never_shown_the_new_one() {
    let pair = Pair::start().await;
    let id = written(&pair, &[ONE, TWO]).await;
    let replicas = std::sync::Arc::clone(&pair.broker(TWO).replicas);
    assert!(replicas.condemn(id, DamageCause::Corrupt).await);
    // Out of the ISR and marked, but the leader goes on in the epoch in which it saw everything
    // arrive at broker 2: it would ask at once for the empty log to be in the ISR.
    let mut change = PartitionChange::new(id.topic_id, id.partition, ChangeReason::ReplicaDamaged);
    change.isr = Some(vec![ONE]);
    change.directories = Some(vec![directory(ONE), DirectoryId::LOST]);
    pair.quorum
        .change(&[MetadataRecord::PartitionChange(change)]);
    let image = std::sync::Arc::clone(&pair.quorum.image.borrow());
    let topic = image.topics.get(id.topic_id).unwrap().name.clone();
    let name = trimaran_types::TopicPartition {
        topic,
        partition: id.partition,
    };
    let state = image.partition(id).unwrap();
    let early = replicas.ensure(&image, name, id, state).await;
    assert!(early.is_err() && pair.folders_ending_in(TWO, "-damaged").is_empty());
    pair.elect(id, ONE);
    pair.until_isr(id, &[ONE, TWO]).await;
    assert_eq!(held_by(&pair, TWO, id), ["a", "b", "c"]);
}

#[tokio::test]
async fn the_last_replica_stays_as_it_is_and_leads_again_once_it_is_in_order() {
    let mut pair = Pair::start().await;
    let id = written(&pair, &[ONE]).await;
    pair.hear(ONE);
    let replicas = std::sync::Arc::clone(&pair.broker(ONE).replicas);
    assert!(replicas.condemn(id, DamageCause::Corrupt).await);
    let mut images = pair.quorum.image.subscribe();
    let leaderless = images.wait_for(|image| image.partition(id).unwrap().leader.is_none());
    drop(leaderless.await.unwrap());
    pair.until_out_of_service(ONE, &[NAME]).await;
    let reason = async {
        while !replicas.out_of_service_reasons()[0].contains("kept as it is") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    reason.await;
    assert!(pair.log_dir(ONE, NAME).exists());
    assert!(pair.folders_ending_in(ONE, "-damaged").is_empty());
    drop((replicas, images));
    assert!(
        !pair.stop(ONE).await,
        "a damaged log is not marked as clean"
    );
    assert_eq!(pair.restart(ONE).await.opened, 1);
    pair.hear(ONE);
    pair.until(ONE, id, |status| status.role == PartitionRole::Leader)
        .await;
    assert_eq!(held_by(&pair, ONE, id), ["a", "b", "c"]);
}

/// A log that vanishes before its first recovery point, in each way that it can.
async fn vanished(lose: impl FnOnce(&Pair)) {
    let mut pair = Pair::start().await;
    let id = written(&pair, &[ONE, TWO]).await;
    pair.crash(ONE).await;
    lose(&pair);
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.out_of_service), (0, 1));
    pair.until_out_of_service(ONE, &[NAME]).await;
    assert!(pair.broker(ONE).replicas.get(id).is_none());
    pair.hear(ONE);
    pair.until_isr(id, &[TWO, ONE]).await;
    assert_eq!(held_by(&pair, ONE, id), ["a", "b", "c"]);
    // It is as good as any other now.
    pair.crash(ONE).await;
    assert_eq!(pair.restart(ONE).await.opened, 1);
}

#[tokio::test]
async fn a_folder_lost_before_its_first_recovery_point_is_not_a_new_one() {
    vanished(|pair| pair.lose(ONE, NAME)).await;
}

#[tokio::test]
async fn a_folder_that_lost_its_files_is_not_a_new_one() {
    vanished(|pair| {
        let folder = pair.log_dir(ONE, NAME);
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_directory_that_lost_everything_but_its_identity_is_not_a_new_one() {
    vanished(|pair| {
        let logs = pair.log_dir(ONE, "");
        std::fs::remove_dir_all(&logs).unwrap();
        std::fs::create_dir(&logs).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_partition_that_was_never_begun_here_begins_without_ado() {
    let mut pair = Pair::start().await;
    pair.crash(ONE).await;
    // Its broker was killed between the creation and its own hearing of it.
    let id = pair.create_unseen("flights", &[ONE, TWO]);
    assert_eq!(pair.restart(ONE).await.out_of_service, 0);
    pair.append(ONE, id, "a").await.unwrap();
    pair.until_out_of_service(ONE, &[]).await;
}

#[tokio::test]
async fn a_reader_that_meets_damaged_bytes_gets_none_and_the_replica_is_fetched_anew() {
    let mut pair = Pair::start().await;
    let (id, texts) = written_long(&pair, &[ONE, TWO]).await;
    assert!(pair.stop(ONE).await);
    pair.damage(ONE, NAME);
    // A clean stop says that all is in order, so nothing is scanned.
    assert_eq!(pair.restart(ONE).await.opened, 1);
    pair.hear(ONE);
    pair.until(ONE, id, |status| status.role == PartitionRole::Leader)
        .await;
    let query = ReadQuery {
        offset: Offset(0),
        bytes_max: 1 << 20,
        bytes_min: 0,
        wait_ms: 0,
    };
    let refusal = pair
        .broker(ONE)
        .replicas
        .read(id, &query)
        .await
        .unwrap_err();
    assert_eq!(
        refusal.body.kafka_error,
        Some(KafkaError::KafkaStorageError)
    );
    pair.until_isr(id, &[TWO, ONE]).await;
    pair.until(TWO, id, |status| status.role == PartitionRole::Leader)
        .await;
    for broker in [ONE, TWO] {
        assert_eq!(held_by(&pair, broker, id), texts);
    }
}

#[tokio::test]
async fn the_last_one_in_sync_goes_on_with_what_is_good_of_it() {
    let mut pair = Pair::start().await;
    let (id, texts) = written_long(&pair, &[ONE]).await;
    assert!(pair.stop(ONE).await);
    pair.damage(ONE, NAME);
    pair.restart(ONE).await;
    pair.hear(ONE);
    pair.until(ONE, id, |status| status.role == PartitionRole::Leader)
        .await;
    let read = |offset| ReadQuery {
        offset: Offset(offset),
        bytes_max: 1 << 20,
        bytes_min: 0,
        wait_ms: 0,
    };
    let replicas = std::sync::Arc::clone(&pair.broker(ONE).replicas);
    assert!(replicas.read(id, &read(0)).await.is_err());
    pair.append(ONE, id, "d").await.unwrap();
    assert!(!replicas.read(id, &read(1)).await.unwrap().bytes.is_empty());
    assert_eq!(texts.len(), 6);
    assert_eq!(replicas.out_of_service(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_given_up_is_checked_whole_if_it_was_not_set_aside_in_time() {
    let mut pair = Pair::start().await;
    let (id, texts) = written_long(&pair, &[ONE, TWO]).await;
    assert!(pair.stop(ONE).await);
    pair.restart(ONE).await;
    // Below the recovery point that the clean stop has left: no restart looks there.
    pair.damage(ONE, NAME);
    let replicas = std::sync::Arc::clone(&pair.broker(ONE).replicas);
    pair.until(ONE, id, |status| status.leader_epoch.is_some())
        .await;
    assert!(replicas.condemn(id, DamageCause::Corrupt).await);
    let mut reports = replicas.reports();
    let report = reports.wait_for(|report| !report.damaged.is_empty()).await;
    let report = std::sync::Arc::clone(&report.unwrap());
    drop(replicas);
    pair.crash(ONE).await;
    pair.quorum.heard(ONE, &report);
    let opened = pair.restart(ONE).await;
    assert_eq!((opened.opened, opened.refetched), (1, 1));
    pair.until_isr(id, &[TWO, ONE]).await;
    assert_eq!(held_by(&pair, ONE, id), texts);
}

#[tokio::test]
async fn so_many_damaged_logs_are_kept_and_no_more() {
    let mut pair = Pair::start().await;
    let id = written(&pair, &[ONE, TWO]).await;
    for number in 0..DAMAGED_LOGS_MAX {
        let folder = pair.log_dir(TWO, &format!("old-{number}.00-damaged"));
        std::fs::create_dir(folder).unwrap();
    }
    pair.hear(TWO);
    let replicas = std::sync::Arc::clone(&pair.broker(TWO).replicas);
    assert!(replicas.condemn(id, DamageCause::Corrupt).await);
    pair.until_isr(id, &[ONE]).await;
    let waits = async {
        while !replicas.out_of_service_reasons()[0].contains("too many") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    waits.await;
    assert!(
        pair.log_dir(TWO, NAME)
            .join("00000000000000000000.log")
            .exists()
    );
    std::fs::remove_dir(pair.log_dir(TWO, "old-7.00-damaged")).unwrap();
    pair.until_isr(id, &[ONE, TWO]).await;
    assert_eq!(held_by(&pair, TWO, id), ["a", "b", "c"]);
}

/// One bad block of a journal does it to every log of a directory: no number of them is too large.
#[tokio::test]
async fn logs_that_a_damaged_journal_made_doubtful_are_kept_whatever_their_number() {
    let mut pair = Pair::start().await;
    let id = written(&pair, &[ONE, TWO]).await;
    pair.crash(TWO).await;
    for number in 0..DAMAGED_LOGS_MAX {
        let folder = pair.log_dir(TWO, &format!("old-{number}.00-damaged"));
        std::fs::create_dir(folder).unwrap();
    }
    let distrust = pair.log_dir(TWO, "flush-journal-distrust");
    let sealed = |text: String| format!("{text}#crc32c {}\n", crc32c::crc32c(text.as_bytes()));
    std::fs::write(&distrust, sealed(format!("0\n1\n{NAME}\n"))).unwrap();
    pair.restart(TWO).await;
    pair.until_out_of_service(TWO, &[NAME]).await;
    pair.hear(TWO);
    pair.until_out_of_service(TWO, &[]).await;
    pair.until_isr(id, &[ONE, TWO]).await;
    assert_eq!(held_by(&pair, TWO, id), ["a", "b", "c"]);
    assert_eq!(pair.folders_ending_in(TWO, "-distrusted").len(), 1);
    let kept = pair.broker(TWO).replicas.damaged_logs_kept();
    assert_eq!(kept, DAMAGED_LOGS_MAX as u64);
    let left = std::fs::read_to_string(distrust).unwrap();
    assert_eq!(left, sealed("0\n0\n".to_owned()));
}
