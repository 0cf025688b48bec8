//! The absolute links and names of v3's resources, all made here.

use trimaran_api::rest::{Link, ListMetadata, Metadata};

use crate::http::Service;

/// Makes the links of one cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links<'a>(pub(super) &'a Service);

impl Links<'_> {
    /// A path below `/v3/clusters/{cluster}`; empty for the cluster itself.
    pub(super) fn url(self, below: &str) -> String {
        let cluster_id = self.0.cluster_id();
        self.0.url(&format!("/v3/clusters/{cluster_id}{below}"))
    }

    pub(super) fn related(self, below: &str) -> Link {
        Link {
            related: self.url(below),
        }
    }

    /// The head of a resource, with its name `crn:///kafka={cluster}{name}`.
    pub(super) fn resource(self, below: &str, name: &str) -> Metadata {
        Metadata {
            this: self.url(below),
            resource_name: Some(format!("crn:///kafka={}{name}", self.0.cluster_id())),
        }
    }

    /// The head of a list.
    pub(super) fn list(self, below: &str) -> ListMetadata {
        ListMetadata {
            this: self.url(below),
            next: None,
        }
    }
}
