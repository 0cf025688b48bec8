//! `/v3/clusters/{cluster}/topics/{topic}/configs`: a topic's settings, all and one.

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::rest::{ConfigSource, ConfigSynonym, ResourceList, SettingData, TopicConfigData};
use trimaran_metadata::MetadataImage;
use trimaran_types::TopicName;

use super::answer::json;
use super::links::Links;
use super::topics;
use crate::http::app::ForClients;
use crate::http::path_names::PathParts;
use crate::http::v2::topic_configs::{built_in, effective};
use crate::http::{Refusal, Service};

/// Every setting with its value in force.
pub(in crate::http) async fn configs(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, found) = topics::found(&service, &path).await?;
    let image = found.image();
    let list = ResourceList {
        kind: "KafkaTopicConfigList".to_owned(),
        metadata: Links(&service).list(&format!("/topics/{name}/configs")),
        data: effective(image, &name)
            .into_iter()
            .map(|(key, value)| described(&service, image, &name, &key, value))
            .collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

/// One setting.
pub(in crate::http) async fn config(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, found) = topics::found(&service, &path).await?;
    let mut all = effective(found.image(), &name);
    let key = path.at(2);
    let Some(value) = all.remove(key) else {
        let shown: String = key.chars().take(64).collect();
        let message = format!("Config {shown} cannot be found for TOPIC {name}.");
        return Err(ApiError::new(404, message).into());
    };
    let data = described(&service, found.image(), &name, key, value);
    Ok(json(StatusCode::OK, &data)?)
}

fn described(
    service: &Service,
    image: &MetadataImage,
    topic: &TopicName,
    key: &str,
    value: Option<String>,
) -> TopicConfigData {
    let links = Links(service);
    let below = format!("/topics/{topic}/configs/{key}");
    let synonyms = synonyms(image, topic, key);
    TopicConfigData {
        kind: "KafkaTopicConfig".to_owned(),
        metadata: links.resource(&below, &format!("/topic={topic}/config={key}")),
        cluster_id: service.cluster_id(),
        topic_name: topic.clone(),
        setting: SettingData::new(key.to_owned(), value, false, synonyms),
    }
}

/// All values that the setting has, the one in force first.
fn synonyms(image: &MetadataImage, topic: &TopicName, key: &str) -> Vec<ConfigSynonym> {
    let mut own = image.configs.topic(topic);
    let own = own.find(|(set, _)| *set == key).map(|(_, value)| value);
    let (cluster_key, of_cluster) = image.cluster_default(key);
    let default = built_in().into_iter().find(|(known, _)| *known == key);
    let synonym = |name: &str, value: Option<String>, source| ConfigSynonym {
        name: name.to_owned(),
        value,
        source,
    };
    let set = |value: &str| Some(value.to_owned());
    own.map(|value| synonym(key, set(value), ConfigSource::DynamicTopicConfig))
        .into_iter()
        .chain(of_cluster.map(|value| {
            let source = ConfigSource::DynamicDefaultBrokerConfig;
            synonym(cluster_key, set(value), source)
        }))
        .chain(default.map(|(_, value)| synonym(cluster_key, value, ConfigSource::DefaultConfig)))
        .collect()
}
