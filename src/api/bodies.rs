//! Bodies of requests: a declared length is judged before anything is read, and an answer given before the body was read
//! whole says that the connection ends with it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

/// The most that is read and dropped of a body that no handler wanted, in bytes: a small body is in memory already, and
/// reading it keeps the connection usable.
const MOST_DROPPED: usize = 64 * 1024;

/// Whether the headers declare a body of more than `limit` bytes: it is refused before any of it is read.
pub(super) fn is_declared_larger(body: &Body, limit: usize) -> bool {
    body.size_hint().lower() > limit as u64
}

/// Says `Connection: close` in every answer given before the body of its request was read whole: the HTTP library then
/// closes the connection, and a client that was not told would send its next request into the void.
pub(super) async fn announce_close(request: Request, next: Next) -> Response {
    // HTTP/2 ends the one stream and has no such header.
    if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let waits_for_consent = request.headers().contains_key(EXPECT);
    let (parts, body) = request.into_parts();
    let watched = Watched::new(body);
    let mut response = next.run(Request::from_parts(parts, Body::new(watched.clone()))).await;
    if !watched.is_read_out(waits_for_consent).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body whose rest can still be read when the handler is done.
#[derive(Clone)]
struct Watched(Arc<Mutex<Reading>>);

struct Reading {
    body: Body,
    is_begun: bool,
    is_over: bool,
}

impl Watched {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Reading { body, is_begun: false, is_over: false })))
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the body was read to its end, the part included that has arrived already. A client that waits for
    /// `100 Continue` has sent none of it: reading would ask for it.
    async fn is_read_out(&self, waits_for_consent: bool) -> bool {
        poll_fn(|context| {
            let mut reading = self.reading();
            if waits_for_consent && !reading.is_begun {
                return Poll::Ready(false);
            }
            let mut dropped = 0;
            while !reading.is_over && dropped <= MOST_DROPPED {
                match reading.poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => dropped += frame.data_ref().map_or(0, Bytes::len),
                    Poll::Ready(Some(Err(_))) | Poll::Pending => return Poll::Ready(false),
                    Poll::Ready(None) => {}
                }
            }
            Poll::Ready(reading.is_over)
        })
        .await
    }
}

impl Reading {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_begun = true;
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.is_over |= matches!(polled, Poll::Ready(None)) || self.body.is_end_stream();
        polled
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.reading().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.reading().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.reading().body.size_hint()
    }
}
