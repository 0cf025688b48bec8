//! `/v3/clusters/{cluster}/brokers` and one of them.

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::rest::{BrokerData, BrokerList};
use trimaran_metadata::{BrokerRegistration, MetadataImage};
use trimaran_types::BrokerId;

use super::answer::json;
use super::links::Links;
use crate::http::app::ForClients;
use crate::http::path_names::{PathParts, check_cluster};
use crate::http::{Refusal, Service};

/// The brokers in service.
pub(in crate::http) async fn brokers(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let image = service.image();
    let active = image.brokers.iter().filter(|broker| broker.is_active());
    let list = BrokerList {
        kind: "KafkaBrokerList".to_owned(),
        metadata: Links(&service).list("/brokers"),
        data: active.map(|broker| described(&service, broker)).collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

/// One broker, in service or not: replicas on a fenced one link here.
pub(in crate::http) async fn broker(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let image = service.image();
    let broker = found(&service, &image, &path)?;
    Ok(json(StatusCode::OK, &described(&service, broker))?)
}

/// The registered broker that a path names.
pub(super) fn found<'a>(
    service: &Service,
    image: &'a MetadataImage,
    path: &PathParts,
) -> Result<&'a BrokerRegistration, ApiError> {
    check_cluster(service, path.at(0))?;
    let id = path.at(1).parse().ok().map(BrokerId);
    id.and_then(|id| image.brokers.get(id)).ok_or_else(|| {
        let shown: String = path.at(1).chars().take(64).collect();
        ApiError::new(404, format!("Broker {shown} cannot be found."))
    })
}

fn described(service: &Service, broker: &BrokerRegistration) -> BrokerData {
    let links = Links(service);
    let below = format!("/brokers/{}", broker.broker_id);
    let (host, port) = match broker.client_address.rsplit_once(':') {
        Some((host, port)) => (Some(host.to_owned()), port.parse().ok()),
        None => (None, None),
    };
    BrokerData {
        kind: "KafkaBroker".to_owned(),
        metadata: links.resource(&below, &format!("/broker={}", broker.broker_id)),
        cluster_id: service.cluster_id(),
        broker_id: broker.broker_id,
        host,
        port,
        rack: broker.rack.clone(),
        configs: links.related(&format!("{below}/configs")),
        partition_replicas: links.related(&format!("{below}/partition-replicas")),
    }
}
