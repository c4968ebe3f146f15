//! Where a request comes from, and the credential it carries.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, USER_AGENT};
use secrecy::SecretString;

use super::Api;
use super::server::Peer;
use crate::domain::login::Origin;

/// The longest `User-Agent` that is kept, in characters.
const USER_AGENT_LENGTH: usize = 512;

/// The peer, or whom a trusted proxy speaks for: the last address in `X-Forwarded-For` that is not a trusted proxy
/// itself. What anybody else writes there is not looked at (AU-06).
pub(super) fn origin(api: &Api, request: &Request, id: &str) -> Origin {
    let trusted = |ip: IpAddr| api.settings.trusted_proxies.iter().any(|network| network.contains(&ip.to_canonical()));
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.ip().to_canonical());
    let ip = match peer {
        Some(peer) if trusted(peer) => {
            let values = request.headers().get_all("x-forwarded-for");
            let text: Vec<&str> = values.iter().filter_map(|value| value.to_str().ok()).collect();
            let joined = text.join(",");
            let hops: Vec<IpAddr> = joined.split(',').filter_map(|hop| hop.trim().parse().ok()).collect();
            hops.into_iter().rev().find(|hop| !trusted(*hop)).or(Some(peer))
        }
        peer => peer,
    };
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_LENGTH).collect();
    Origin { ip, user_agent: user_agent.map(plain), request: Some(id.to_owned()) }
}

/// The bearer token, if one is sent; whatever else is in the header is none.
///
/// # Errors
///
/// For two credentials, of which nobody could say which counts.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<SecretString>, ()> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (sent.next(), sent.next());
    if second.is_some() {
        return Err(());
    }
    let Some(text) = first.and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    Ok(Some(SecretString::from(if is_bearer { token.trim() } else { "" })))
}
