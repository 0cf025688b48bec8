//! The two listeners: opened first, since their ports go into the registration.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trimaran_listener::{Limits, bind, serve};

use super::Fatal;
use super::tasks::Tasks;
use crate::config::ListenersConfig;
use crate::http::{App, client_router, inter_node_router};

/// How long a listener that ends still answers, telling its clients to go.
const FAREWELL: Duration = Duration::from_millis(200);

/// Where this broker is reached.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) client: String,
    pub(super) inter_node: String,
}

/// Opens both listeners and serves them until `stop`.
pub(super) async fn open(
    config: &ListenersConfig,
    app: &Arc<App>,
    tasks: &Tasks,
    stop: &CancellationToken,
) -> Result<Addresses, Fatal> {
    let client = bind(&config.client, config.allow_insecure).await?;
    let inter_node = bind(&config.inter_node, config.allow_insecure).await?;
    let addresses = Addresses {
        client: advertised(config.advertised_client.as_deref(), &client)?,
        inter_node: advertised(config.advertised_inter_node.as_deref(), &inter_node)?,
    };
    tracing::info!(
        client = addresses.client,
        inter_node = addresses.inter_node,
        "listening"
    );
    let limits = Limits {
        connections_max: config.connections_max,
        farewell: FAREWELL,
        ..Limits::default()
    };
    for (task, listener, router) in [
        ("client listener", client, client_router(Arc::clone(app))),
        (
            "inter-node listener",
            inter_node,
            inter_node_router(Arc::clone(app)),
        ),
    ] {
        let serving = serve(listener, router, limits.clone(), stop.clone());
        tasks.run(task, stop, async move {
            serving.await;
            Ok::<(), Fatal>(())
        });
    }
    Ok(addresses)
}

fn advertised(configured: Option<&str>, listener: &TcpListener) -> Result<String, Fatal> {
    if let Some(address) = configured {
        return Ok(address.to_owned());
    }
    let address = listener.local_addr().map_err(|cause| Fatal::System {
        what: "the address of a listener",
        cause,
    })?;
    Ok(address.to_string())
}
