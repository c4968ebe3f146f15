//! What every request is held to before a handler sees it: size of URI and headers, time, and rate per directory.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::Quota;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::Api;
use super::bodies::is_declared_larger;
use super::forms::FORM_BYTES;
use super::scim::Failure;
use crate::domain::{DirectoryId, Error};
use crate::rates::KeyedRate;

/// Request rates, one bucket per directory, so that no client starves another (C14).
pub struct DirectoryRates {
    requests: KeyedRate<DirectoryId>,
    /// How often a refusal for that reason is recorded.
    recorded: KeyedRate<(DirectoryId, bool)>,
}

/// Refusals for too many requests are recorded once in this time: a record each would be a flood of its own.
const RECORDED_EVERY: Duration = Duration::from_secs(10);

impl DirectoryRates {
    /// So many requests a second, with bursts; `None` means no limit.
    pub fn new(per_second: Option<NonZeroU32>, burst: NonZeroU32) -> Self {
        let requests = per_second.map(|rate| Quota::per_second(rate).allow_burst(burst));
        let recorded = Quota::with_period(RECORDED_EVERY).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self { requests: KeyedRate::new(requests), recorded: KeyedRate::new(Some(recorded)) }
    }

    /// Whether a refusal for too many requests is to be recorded; those of reads and those of writes by themselves.
    pub(super) fn is_recorded(&self, directory: DirectoryId, writes: bool) -> bool {
        self.recorded.take(&(directory, writes)).is_ok()
    }

    /// Counts a request, once it is its turn.
    pub(super) async fn take_turn(&self, directory: DirectoryId) {
        while let Err(retry_after) = self.requests.take(&directory) {
            tokio::time::sleep(retry_after).await;
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] with the time until the next one is accepted.
    pub(super) fn check(&self, directory: DirectoryId) -> Result<(), Error> {
        self.requests.take(&directory).map_err(|retry_after| Error::RateLimited { retry_after })
    }

    /// Forgets the buckets that are full.
    pub(crate) fn forget_unused(&self) {
        self.requests.forget_unused();
        self.recorded.forget_unused();
    }
}

/// Networks of which it is remembered that they ask too much.
const MOST_SHUT: u64 = 10_000;
/// Tokens that are remembered as good.
const MOST_GOOD: u64 = 100_000;
/// How long a token that was good is looked up whatever its network does. It only spares the check beforehand: a token that has
/// ended since is refused by the lookup, and counts.
const GOOD_FOR: Duration = Duration::from_mins(10);

/// Request rates of the account API, so that no caller starves another and nobody guesses at speed.
pub struct PublicRates {
    requests: KeyedRate<String>,
    attempts: KeyedRate<String>,
    /// Until when the requests of a caller or network are refused.
    shut: Cache<String, Instant>,
    /// Tokens that were good lately, by their hash.
    good: Cache<[u8; 32], ()>,
}

impl PublicRates {
    /// So many requests a minute of each caller, and so many attempts to sign in of each address; `None` means no limit.
    pub fn new(requests: Option<NonZeroU32>, attempts: Option<NonZeroU32>) -> Self {
        Self {
            requests: KeyedRate::new(requests.map(Quota::per_minute)),
            attempts: KeyedRate::new(attempts.map(Quota::per_minute)),
            shut: Cache::new(MOST_SHUT),
            good: Cache::builder().max_capacity(MOST_GOOD).time_to_live(GOOD_FOR).build(),
        }
    }

    /// Checks that this network may send a token that has to be looked up. Tokens that were good lately pass, so that one
    /// client does not keep out the others of its network; so do access tokens, whose signature is checked without a lookup.
    /// Counts nothing: a token that turns out to be good counts for its owner, any other for the network, by
    /// [`Self::check_request`].
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] while the network has no requests left.
    pub(super) fn check_stranger(&self, network: &str, token: &str) -> Result<(), Error> {
        let left = self.shut.get(network).and_then(|until| until.checked_duration_since(Instant::now()));
        let Some(retry_after) = left.filter(|left| !left.is_zero()) else { return Ok(()) };
        let is_known = !token.starts_with(LOOKED_UP) || self.good.contains_key(&hash(token));
        if is_known { Ok(()) } else { Err(Error::RateLimited { retry_after }) }
    }

    /// Remembers that the token was good.
    pub(super) fn note_good(&self, token: &str) {
        if !token.starts_with(LOOKED_UP) {
            return;
        }
        let hash = hash(token);
        // To look is cheaper than to write, and this is asked with every request.
        if !self.good.contains_key(&hash) {
            self.good.insert(hash, ());
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] with the time until the next one is accepted.
    pub(super) fn check_request(&self, caller: &str) -> Result<(), Error> {
        self.requests.take(&caller.to_owned()).map_err(|retry_after| {
            self.shut.insert(caller.to_owned(), Instant::now() + retry_after);
            Error::RateLimited { retry_after }
        })
    }

    /// Counts an attempt to sign in, give a code, or follow a link.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] with the time until the next one is accepted.
    pub(super) fn check_attempt(&self, network: &str) -> Result<(), Error> {
        self.attempts.take(&network.to_owned()).map_err(|retry_after| Error::RateLimited { retry_after })
    }

    /// Forgets the buckets that are full.
    pub(crate) fn forget_unused(&self) {
        self.requests.forget_unused();
        self.attempts.forget_unused();
    }
}

/// Refuses what is too large or takes too long, with an answer a SCIM client can read.
pub(super) async fn within_limits(State(api): State<Api>, request: Request, next: Next) -> Response {
    let settings = &api.settings;
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if uri > settings.uri_bytes {
        let detail = format!("the URI is longer than {} bytes", settings.uri_bytes);
        return Failure::status(StatusCode::URI_TOO_LONG, detail).into_response();
    }
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers > settings.header_bytes {
        let detail = format!("the headers are larger than {} bytes", settings.header_bytes);
        return Failure::status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail).into_response();
    }
    if request.method() == Method::TRACE || request.method() == Method::CONNECT {
        return Failure::status(StatusCode::METHOD_NOT_ALLOWED, "this method is not served").into_response();
    }
    if !reads_its_own(request.uri().path()) && is_declared_larger(request.body(), FORM_BYTES) {
        let detail = format!("the body is larger than {FORM_BYTES} bytes");
        return Failure::status(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
    }
    if let Ok(response) = tokio::time::timeout(settings.request_time, next.run(request)).await {
        response
    } else {
        tracing::warn!("gave up on a request after its time");
        Failure::retry_later("the request took too long and was given up", Duration::from_secs(5)).into_response()
    }
}

/// Whether the handlers under this path compare a declared length themselves, with a limit of their own and once they know
/// who asks. All others take forms at most.
fn reads_its_own(path: &str) -> bool {
    path.starts_with("/scim") || path.starts_with("/graphql")
}

/// How tokens begin that the store is asked for.
const LOOKED_UP: &str = "rc";

/// The token as it is remembered: not itself.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
