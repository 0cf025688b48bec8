//! Settings that brokers take from the cluster: all of them, as one broker has them, and those that
//! are set for every broker. To be read only. What stands in a broker's own file is not known here.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::rest::{
    BrokerConfigData, ConfigSource, ConfigSynonym, ResourceList, SettingData,
};
use trimaran_metadata::MetadataImage;
use trimaran_types::BrokerId;

use super::answer::json;
use super::brokers;
use super::links::Links;
use crate::http::app::ForClients;
use crate::http::path_names::{PathParts, check_cluster};
use crate::http::v2::topic_configs::built_in;
use crate::http::{Refusal, Service};

/// Whose settings.
#[derive(Debug, Clone, Copy)]
enum Of {
    Broker(BrokerId),
    Cluster,
}

/// The settings of one broker.
pub(in crate::http) async fn of_broker(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let image = service.image();
    let of = Of::Broker(brokers::found(&service, &image, &path)?.broker_id);
    list(&service, &image, of)
}

/// One setting of one broker.
pub(in crate::http) async fn one_of_broker(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let image = service.image();
    let of = Of::Broker(brokers::found(&service, &image, &path)?.broker_id);
    one(&service, &image, of, path.at(2))
}

/// What is set for every broker.
pub(in crate::http) async fn of_cluster(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    list(&service, &service.image(), Of::Cluster)
}

/// One setting that is set for every broker.
pub(in crate::http) async fn one_of_cluster(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    one(&service, &service.image(), Of::Cluster, path.at(1))
}

fn list(service: &Service, image: &MetadataImage, of: Of) -> Result<Response, Refusal> {
    let kind = match of {
        Of::Broker(_) => "KafkaBrokerConfigList",
        Of::Cluster => "KafkaClusterConfigList",
    };
    let list = ResourceList {
        kind: kind.to_owned(),
        metadata: Links(service).list(&of.path()),
        data: settings(image, of)
            .into_iter()
            .map(|(name, synonyms)| described(service, of, name, synonyms))
            .collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

fn one(service: &Service, image: &MetadataImage, of: Of, name: &str) -> Result<Response, Refusal> {
    let Some((name, synonyms)) = settings(image, of).remove_entry(name) else {
        let shown: String = name.chars().take(64).collect();
        let message = match of {
            Of::Broker(id) => format!("Config {shown} cannot be found for BROKER {id}."),
            Of::Cluster => format!("Config {shown} cannot be found for CLUSTER BROKER."),
        };
        return Err(ApiError::new(404, message).into());
    };
    Ok(json(
        StatusCode::OK,
        &described(service, of, name, synonyms),
    )?)
}

impl Of {
    fn path(self) -> String {
        match self {
            Self::Broker(id) => format!("/brokers/{id}/configs"),
            Self::Cluster => "/broker-configs".to_owned(),
        }
    }

    /// Its name, with the cluster's before it.
    fn crn(self, name: &str) -> String {
        match self {
            Self::Broker(id) => format!("/broker={id}/config={name}"),
            Self::Cluster => format!("/broker-config={name}"),
        }
    }
}

/// The values of each setting, the one in force first.
fn settings(image: &MetadataImage, of: Of) -> BTreeMap<String, Vec<ConfigSynonym>> {
    let mut settings: BTreeMap<String, Vec<ConfigSynonym>> = BTreeMap::new();
    let mut add = |name: &str, value: Option<String>, source| {
        let name = name.to_owned();
        let values = settings.entry(name.clone()).or_default();
        values.push(ConfigSynonym {
            name,
            value,
            source,
        });
    };
    for (name, value) in image.configs.cluster() {
        let source = ConfigSource::DynamicDefaultBrokerConfig;
        add(name, Some(value.to_owned()), source);
    }
    if matches!(of, Of::Broker(_)) {
        for (topic_key, default) in built_in() {
            let (name, _) = image.cluster_default(topic_key);
            add(name, default, ConfigSource::DefaultConfig);
        }
    }
    settings
}

fn described(
    service: &Service,
    of: Of,
    name: String,
    synonyms: Vec<ConfigSynonym>,
) -> BrokerConfigData {
    let (broker_id, config_type, kind) = match of {
        Of::Broker(id) => (Some(id), None, "KafkaBrokerConfig"),
        Of::Cluster => (None, Some("BROKER".to_owned()), "KafkaClusterConfig"),
    };
    let in_force = synonyms.first().and_then(|nearest| nearest.value.clone());
    let below = format!("{}/{name}", of.path());
    BrokerConfigData {
        kind: kind.to_owned(),
        metadata: Links(service).resource(&below, &of.crn(&name)),
        cluster_id: service.cluster_id(),
        broker_id,
        config_type,
        setting: SettingData::new(name, in_force, true, synonyms),
    }
}
