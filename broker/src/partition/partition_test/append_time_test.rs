//! `message.timestamp.type`: whose time records get, and who is told.

use trimaran_api::replica::RequiredAcks;
use trimaran_types::record_batch::{RecordBatch, TimestampType};

use super::fixture::{LONG, OWN, assignment, batch, fixture};
use super::*;

#[tokio::test]
async fn the_leader_s_time_is_in_the_answer_and_in_the_log() {
    let fixture = fixture();
    for (epoch, timestamp_type) in [
        (0, TimestampType::CreateTime),
        (1, TimestampType::LogAppendTime),
    ] {
        let mut assigned = assignment(AssignedRole::Leader, &[OWN], epoch, 1);
        assigned.settings.log.timestamp_type = timestamp_type;
        assert!(fixture.handle.assign(assigned).await);
        fixture
            .until(|status| status.leader_epoch == Some(LeaderEpoch(epoch)))
            .await;
        let sent = batch(&["a", "b"]);
        let append = fixture
            .handle
            .append(vec![sent.clone()], RequiredAcks::All, LONG);
        let answer = append.await.unwrap();
        let base = answer.base_offset.unwrap();
        let bytes = fixture.handle.reader().read(base, base.plus(2), 1 << 20);
        let stored = RecordBatch::parse(bytes.unwrap()).unwrap();
        let header = stored.header();
        assert_eq!(header.attributes.timestamp_type(), timestamp_type);
        assert_eq!(stored.record_bytes(), sent.record_bytes());
        match timestamp_type {
            TimestampType::CreateTime => {
                assert_eq!(answer.log_append_time, None);
                assert_eq!(header.max_timestamp, sent.header().max_timestamp);
            }
            TimestampType::LogAppendTime => {
                assert_eq!(answer.log_append_time, Some(header.max_timestamp));
                assert_ne!(header.max_timestamp, sent.header().max_timestamp);
            }
        }
    }
}
