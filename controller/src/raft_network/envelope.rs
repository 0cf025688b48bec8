//! [`Identity`]: what each call says about its two ends, and the check of it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use trimaran_api::{ApiError, headers};
use trimaran_types::{ClusterId, ControllerId, DirectoryId, KafkaError};

const SOURCE_NODE: &str = "trimaran-source-node";
const TARGET_DIRECTORY: &str = "trimaran-target-directory";
const RAFT_FORMAT: &str = "trimaran-raft-format";

/// Version of the bodies. Nodes of different versions do not talk raft to each other.
const FORMAT: &str = "1";

/// Who a controller is, for its calls and for the calls to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The controller.
    pub controller_id: ControllerId,
    /// The directory that it votes from.
    pub directory_id: DirectoryId,
}

impl Identity {
    /// The headers of a call to the `target` node with `directory`.
    pub(crate) fn headers_to(&self, target: u64, directory: DirectoryId) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(6);
        let mut put = |name: &'static str, value: String| {
            // Ids and numbers are plain ASCII.
            if let Ok(value) = HeaderValue::try_from(value) {
                map.insert(HeaderName::from_static(name), value);
            }
        };
        put(headers::CLUSTER_ID, self.cluster_id.to_string());
        put(SOURCE_NODE, format!("controller-{}", self.controller_id));
        put(headers::TARGET_NODE, format!("controller-{target}"));
        put(TARGET_DIRECTORY, directory.to_string());
        put(RAFT_FORMAT, FORMAT.to_owned());
        map.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(headers::MSGPACK),
        );
        map
    }

    /// Checks that a call is meant for this node.
    ///
    /// # Errors
    /// A refusal that names what is expected and what came.
    pub(crate) fn check(&self, map: &HeaderMap) -> Result<(), ApiError> {
        let value = |name: &str| {
            map.get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("nothing")
                .to_owned()
        };
        let source = value(SOURCE_NODE);
        let expected = [
            (RAFT_FORMAT, FORMAT.to_owned(), KafkaError::InvalidRequest),
            (
                headers::CLUSTER_ID,
                self.cluster_id.to_string(),
                KafkaError::InconsistentClusterId,
            ),
            (
                headers::TARGET_NODE,
                format!("controller-{}", self.controller_id),
                KafkaError::InvalidRequest,
            ),
            (
                TARGET_DIRECTORY,
                self.directory_id.to_string(),
                KafkaError::InvalidRequest,
            ),
        ];
        for (name, own, error) in expected {
            let sent = value(name);
            if sent != own {
                let message = format!("{source} sent {name} {sent}, this node has {own}");
                tracing::error!(%source, header = name, %sent, %own, "refused a raft call");
                return Err(ApiError::kafka(error, message).with_code(409));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn identity(cluster: u128, node: u64, directory: u128) -> Identity {
        Identity {
            cluster_id: ClusterId::from_uuid(Uuid::from_u128(cluster)),
            controller_id: ControllerId(node),
            directory_id: DirectoryId::from_uuid(Uuid::from_u128(directory)),
        }
    }

    #[test]
    fn a_call_reaches_only_whom_it_means() {
        let sender = identity(1, 1, 10);
        let headers = sender.headers_to(2, identity(1, 2, 20).directory_id);
        assert_eq!(identity(1, 2, 20).check(&headers), Ok(()));
        for (other, part) in [
            (identity(9, 2, 20), "cluster-id"),
            (identity(1, 3, 20), "target-node"),
            (identity(1, 2, 21), "target-directory"),
        ] {
            let refusal = other.check(&headers).unwrap_err();
            assert_eq!(refusal.status.as_u16(), 409);
            assert!(
                refusal.body.message.contains(part),
                "{}",
                refusal.body.message
            );
        }
        assert!(identity(1, 2, 20).check(&HeaderMap::new()).is_err());
    }
}
