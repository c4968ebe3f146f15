//! Where a request comes from, and the credential it carries.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, USER_AGENT};
use axum::http::{Extensions, HeaderMap};
use secrecy::SecretString;

use super::Api;
use super::server::Peer;
use crate::domain::login::Origin;

/// The longest `User-Agent` that is kept, in characters.
const USER_AGENT_LENGTH: usize = 512;

/// Returns where a request comes from: the peer, or the client that a trusted proxy speaks for (AU-06).
pub(super) fn origin(api: &Api, request: &Request, id: &str) -> Origin {
    origin_of_parts(api, request.headers(), request.extensions(), id)
}

/// As [`origin`], of a request whose body is read apart.
pub(super) fn origin_of_parts(api: &Api, headers: &HeaderMap, extensions: &Extensions, id: &str) -> Origin {
    let trusted = |ip: IpAddr| api.settings.trusted_proxies.iter().any(|network| network.contains(&ip));
    let peer = extensions.get::<Peer>().map(|Peer(address)| address.ip().to_canonical());
    // From the right: the proxy nearest to us wrote last. A value that is no text is one hop that cannot be read.
    let values = headers.get_all("x-forwarded-for").iter().rev();
    let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    let ip = peer.map(|peer| client_address(peer, hops, trusted));
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_LENGTH).collect();
    Origin { ip, user_agent: user_agent.map(plain), request: Some(id.to_owned()) }
}

/// Follows the hops of `X-Forwarded-For`, nearest first, as long as each is a trusted proxy, and returns the last address
/// that was read.
///
/// A hop that cannot be read ends the walk: everything behind it is the word of a client.
fn client_address<'h>(
    peer: IpAddr,
    mut hops: impl Iterator<Item = &'h str>,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut address = peer;
    while trusted(address) {
        let Some(hop) = hops.next().and_then(read_hop) else { break };
        address = hop;
    }
    address
}

/// Reads one hop: `203.0.113.7`, `203.0.113.7:4431`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4431`.
fn read_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|ip: IpAddr| ip.to_canonical())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXY: [u8; 4] = [10, 0, 0, 1];

    fn trusted(ip: IpAddr) -> bool {
        matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 10)
    }

    fn client(header: &str) -> String {
        client_address(PROXY.into(), header.rsplit(','), trusted).to_string()
    }

    /// S-14.
    #[test]
    fn a_hop_with_a_port_is_the_client() {
        for (header, expected) in [
            ("9.9.9.9, 203.0.113.7", "203.0.113.7"),
            ("9.9.9.9, 203.0.113.7:4431", "203.0.113.7"),
            ("9.9.9.9, [2001:db8::1]", "2001:db8::1"),
            ("9.9.9.9, [2001:db8::1]:443", "2001:db8::1"),
            ("9.9.9.9, 2001:db8::1", "2001:db8::1"),
            ("9.9.9.9, ::ffff:203.0.113.7", "203.0.113.7"),
            ("9.9.9.9, 203.0.113.7, 10.0.0.2:80, ::ffff:10.0.0.3", "203.0.113.7"),
            ("10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ] {
            assert_eq!(client(header), expected, "{header}");
        }
    }

    /// S-14.
    #[test]
    fn behind_a_hop_that_cannot_be_read_nothing_is_believed() {
        for (header, expected) in [
            ("9.9.9.9, unknown", "10.0.0.1"),
            ("9.9.9.9, unknown, 10.0.0.2", "10.0.0.2"),
            ("9.9.9.9,", "10.0.0.1"),
            ("9.9.9.9, 203.0.113.7:99999", "10.0.0.1"),
            ("9.9.9.9, [203.0.113.7]", "10.0.0.1"),
            ("9.9.9.9, _hidden, 10.0.0.2", "10.0.0.2"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client(header), expected, "{header}");
        }
    }

    proptest! {
        /// S-14: a client writes what it likes; its proxy appends the address it sees, in any form.
        #[test]
        fn no_client_chooses_its_address(
            said in "[0-9a-f.:, \\[\\]x]{0,60}",
            seen in prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)],
            port in prop::option::of(any::<u16>()),
            proxies in 0_u8..4,
        ) {
            let seen = seen.to_canonical();
            prop_assume!(!trusted(seen));
            let appended = match (seen, port) {
                (ip, Some(port)) => SocketAddr::new(ip, port).to_string(),
                (ip, None) => ip.to_string(),
            };
            let hops: String = (0..proxies).map(|number| format!(", 10.0.1.{number}:80")).collect();
            prop_assert_eq!(client(&format!("{said}, {appended}{hops}")), seen.to_string());
        }

        /// S-14: without a word of a trusted proxy the peer is the client.
        #[test]
        fn a_peer_that_is_no_proxy_is_the_client(said in ".{0,60}") {
            let peer = IpAddr::from([203, 0, 113, 7]);
            prop_assert_eq!(client_address(peer, said.rsplit(','), trusted), peer);
        }
    }
}
