//! The accept loop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use futures_util::FutureExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Limits;
use crate::impatient::Impatient;
use crate::keepalive::watch_over;

/// What a connection beyond the bound is told, whole.
const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
retry-after: 1\r\nconnection: close\r\ncontent-length: 91\r\n\r\n\
{\"error_code\":503,\"message\":\"too many connections, try again in a moment\",\"retriable\":true}";

/// Pause after the system refused to accept (out of descriptors, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `stop`; then says farewell for [`Limits::farewell`] and
/// drains, at most [`Limits::drain_timeout`].
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let stopping = stop.clone();
    let router = router.layer(middleware::map_response(move |response| {
        std::future::ready(last_if(stopping.is_cancelled(), response))
    }));
    let doors = Doors {
        places: Arc::new(Semaphore::new(limits.connections_max)),
        connections: TaskTracker::new(),
        router,
        limits,
        close: CancellationToken::new(),
    };
    let length = doors.limits.farewell;
    let farewell = async move {
        stop.cancelled().await;
        tokio::time::sleep(length).await;
    };
    tokio::pin!(farewell);
    loop {
        let accepted = tokio::select! {
            () = &mut farewell => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => doors.take(stream),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Those that came before the end are served; whoever comes later is refused by the system.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        doors.take(stream);
    }
    drop(listener);
    doors.end().await;
}

/// Tells the client that no other request is taken on this connection.
fn last_if(is_last: bool, mut response: Response) -> Response {
    if is_last {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// The open connections and what they share.
struct Doors {
    places: Arc<Semaphore>,
    connections: TaskTracker,
    router: Router,
    limits: Limits,
    /// Ends connections after the answer they are at.
    close: CancellationToken,
}

impl Doors {
    fn take(&self, stream: TcpStream) {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let (router, limits) = (self.router.clone(), self.limits.clone());
                let connection = connection(stream, router, limits, self.close.clone());
                self.connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(_) => refuse(stream),
        }
    }

    async fn end(self) {
        self.close.cancel();
        self.connections.close();
        let drained = tokio::time::timeout(self.limits.drain_timeout, self.connections.wait());
        if drained.await.is_err() {
            tracing::debug!(
                open = self.connections.len(),
                "connections did not finish in time"
            );
        }
    }
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    if let Err(error) = watch_over(&stream) {
        tracing::debug!(%error, "cannot set SO_KEEPALIVE");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.header_bytes_max.max(8 * 1024))
        .serve_connection(
            TokioIo::new(Impatient::new(stream, limits.write_timeout)),
            TowerToHyperService::new(router),
        )
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.drain_timeout, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended");
    }
}

/// Tells the peer that there is no place, without waiting for it.
fn refuse(mut stream: TcpStream) {
    tokio::spawn(async move {
        let told = stream.write_all(OVERLOADED);
        let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::AsyncReadExt as _;

    async fn started(limits: Limits) -> (std::net::SocketAddr, CancellationToken) {
        let listener = crate::bind("127.0.0.1:0", false).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { "ok" }));
        tokio::spawn(serve(listener, router, limits, stop.clone()));
        (address, stop)
    }

    async fn ask(stream: &mut TcpStream) -> String {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    #[test]
    fn the_refusal_is_well_formed() {
        let text = std::str::from_utf8(OVERLOADED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
    }

    #[tokio::test]
    async fn one_connection_too_many_is_told_so() {
        let limits = Limits {
            connections_max: 1,
            ..Limits::default()
        };
        let (address, _stop) = started(limits).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut answer = String::new();
        second.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_slow_head_is_cut_off() {
        let limits = Limits {
            header_timeout: Duration::from_millis(50),
            ..Limits::default()
        };
        let (address, _stop) = started(limits).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HT").await.unwrap();
        let mut answer = Vec::new();
        let read = slow.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn what_follows_a_request_does_not_hold_up_its_answer() {
        let (address, _stop) = started(Limits::default()).await;
        for behind in ["\r\n", "G", "GET / HT"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET / HTTP/1.1\r\nhost: x\r\n\r\n{behind}");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut start = [0; 12];
            let read = stream.read_exact(&mut start);
            let read = tokio::time::timeout(Duration::from_secs(10), read);
            read.await.expect("an answer at once").unwrap();
            assert_eq!(&start, b"HTTP/1.1 200", "{behind:?}");
        }
    }

    #[tokio::test]
    async fn a_head_that_is_none_is_refused_in_words() {
        let (address, _stop) = started(Limits::default()).await;
        let many = "a: b\r\n".repeat(101);
        for (head, status) in [
            ("nonsense\r\n\r\n".to_owned(), "400"),
            (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
            (
                format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(150_000)),
                "431",
            ),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The answer may come before all of it was taken.
            let _ = stream.write_all(head.as_bytes()).await;
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(start, format!("HTTP/1.1 {status}").as_bytes());
        }
    }

    #[tokio::test]
    async fn a_farewell_answers_what_comes_and_closes_behind_it() {
        let limits = Limits {
            farewell: Duration::from_secs(3_600),
            ..Limits::default()
        };
        let (address, stop) = started(limits).await;
        let mut open = TcpStream::connect(address).await.unwrap();
        let before = ask(&mut open).await;
        assert!(before.starts_with("HTTP/1.1 200"), "{before}");
        assert!(!before.contains("connection: close"), "{before}");
        stop.cancel();
        let mut new = TcpStream::connect(address).await.unwrap();
        for stream in [&mut open, &mut new] {
            let last = ask(stream).await;
            assert!(last.starts_with("HTTP/1.1 200"), "{last}");
            assert!(last.contains("connection: close"), "{last}");
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn stopping_ends_idle_connections() {
        let (address, stop) = started(Limits::default()).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut idle).await.starts_with("HTTP/1.1 200"));
        stop.cancel();
        let mut rest = Vec::new();
        let read = idle.read_to_end(&mut rest);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap()
            .unwrap();
    }
}
