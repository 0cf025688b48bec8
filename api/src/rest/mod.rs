//! Messages of the client listener: the REST APIs of the field, and what we add in their style.

mod lenient;
mod v2;
mod v3;
mod write_outcome;

pub use v2::{
    BrokersV2, FetchedRecord, OffsetsAtTimeV2, OffsetsV2, PartitionV2, ProduceOffset,
    ProduceResponseV2, RecordHeaderV2, ReplicaV2, TopicV2,
};
pub use v3::{
    AlterConfigEntry, AlterConfigsBody, BrokerConfigData, BrokerData, BrokerList, ClusterData,
    ClusterList, ConfigOperation, ConfigSource, ConfigSynonym, CreateTopicBody, Link, ListMetadata,
    Metadata, PartitionData, ProducedData, ProducedRecord, ReassignmentData, ReplicaData,
    ResourceList, SetConfigBody, SettingData, TopicConfigData, TopicData, TopicList, TruncateBody,
    TruncationData,
};
pub use write_outcome::WriteOutcome;
