//! The listener: connections with time-outs, and a shutdown that lets requests finish.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::connection::{Paced, begins};

/// Time limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// How long a client may take to send the headers of a request, or to send a next request.
    pub header_time: Duration,
    /// How long a client may take for 64 KiB of an answer.
    pub body_time: Duration,
    /// How long requests may go on after the server was told to stop.
    pub shutdown_time: Duration,
}

/// How long to wait when the system has no more file descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
/// Larger than our own limit of headers, so that we answer and not the HTTP library.
const READ_BUFFER_BYTES: usize = 256 * 1024;
const MOST_HEADERS: usize = 256;

/// Serves until `stop` resolves, then lets requests finish for as long as the settings say.
pub async fn serve(listener: TcpListener, router: Router, settings: ServerSettings, stop: impl Future<Output = ()>) {
    let builder = builder(settings);
    let graceful = GracefulShutdown::new();
    // Closed with the listener: who has said nothing by then is not waited for.
    let (open, _) = tokio::sync::watch::channel(());
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_if_exhausted(&error).await;
                continue;
            }
        };
        // A client that goes away in the handshake is its own business.
        let _ = stream.set_nodelay(true);
        let (builder, service) = (builder.clone(), hyper_service(router.clone(), peer));
        let (watcher, mut closes) = (graceful.watcher(), open.subscribe());
        tokio::spawn(async move {
            let begun = tokio::select! {
                begun = begins(&stream, settings.header_time) => begun,
                _ = closes.changed() => false,
            };
            if !begun {
                return;
            }
            let stream = TokioIo::new(Paced::new(stream, settings.body_time));
            let connection = builder.serve_connection(stream, service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(error = %error, "a connection ended");
            }
        });
    }
    drop((listener, open));
    tracing::info!("stopping: no new connections, letting requests finish");
    if tokio::time::timeout(settings.shutdown_time, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still running after the time for stopping and were cut off");
    }
}

fn builder(settings: ServerSettings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_time)
        .max_buf_size(READ_BUFFER_BYTES)
        .max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(settings.header_time / 2)
        .keep_alive_timeout(settings.header_time / 2)
        .max_concurrent_streams(128)
        .max_header_list_size(64 * 1024);
    builder
}

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

fn hyper_service(
    router: Router,
    peer: SocketAddr,
) -> impl hyper::service::Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Send
+ 'static {
    TowerToHyperService::new(router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        trim_trailing_slash(&mut request);
        super::scim::spell_types(&mut request);
        request
    }))
}

/// `/Users/` is `/Users` (C5).
fn trim_trailing_slash(request: &mut Request) {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() {
        return;
    }
    let target = match request.uri().query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    if let Ok(uri) = target.parse() {
        *request.uri_mut() = uri;
    }
}

/// An accept that fails for want of descriptors is tried again a little later; the server goes on (DO-10).
async fn pause_if_exhausted(error: &io::Error) {
    tracing::warn!(error = %error, "a connection could not be accepted");
    tokio::time::sleep(EXHAUSTED_PAUSE).await;
}
