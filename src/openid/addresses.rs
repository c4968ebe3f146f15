//! The addresses that a login provider may have us ask (SS-01).
//!
//! The issuer is the operator's word: its own host may be anywhere. Every other host that the provider names must be in the
//! world: judged by the addresses that its name resolves to, in the moment of connecting, so that no name leads into the house.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::connection::is_private;

/// How a host is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Wherever it is.
    Anywhere,
    /// Only at addresses of the world.
    World,
}

/// Hosts that providers may name although they are in a private network; the operator's word.
#[derive(Clone, Debug, Default)]
pub(super) struct InternalHosts(BTreeSet<String>);

impl InternalHosts {
    pub(super) fn new(hosts: &[String]) -> Self {
        Self(hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect())
    }

    /// How this URL, named by the provider with this issuer, may be asked; none: not at all.
    pub(super) fn reach(&self, url: &str, issuer: &str) -> Option<Reach> {
        if !is_private(url) {
            return None;
        }
        let (host, own) = (host(url)?, host(issuer)?);
        if host == own {
            return Some(Reach::Anywhere);
        }
        if !url.starts_with("https://") {
            return None;
        }
        if self.0.contains(&host) {
            return Some(Reach::Anywhere);
        }
        let is_this_machine = host == "localhost" || host.ends_with(".localhost");
        // A provider names hosts, never bare addresses.
        (!is_this_machine && address(&host).is_none()).then_some(Reach::World)
    }
}

/// The host as a client connects to it: `0x7f.1` is `127.0.0.1`, and a final dot changes nothing.
fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(url.host_str()?.trim_end_matches('.').to_ascii_lowercase())
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Resolves names to addresses of the world, and to no others.
pub(super) struct WorldOnly;

impl Resolve for WorldOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let in_world: Vec<SocketAddr> = found.into_iter().filter(|address| is_of_the_world(address.ip())).collect();
            if in_world.is_empty() {
                return Err("the name leads to no address of the world".into());
            }
            Ok(Box::new(in_world.into_iter()) as Addrs)
        })
    }
}

/// Whether an address can be of somebody else in the world: no special-purpose address (IANA registries).
fn is_of_the_world(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_v4_of_the_world(ip),
        IpAddr::V6(ip) => is_v6_of_the_world(ip),
    }
}

fn is_v4_of_the_world(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        // "This network", shared address space, protocol assignments, benchmarks, reserved and broadcast.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !is_special
}

fn is_v6_of_the_world(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_v4_of_the_world(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // NAT64 and 6to4 lead to the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Documentation, and what tunnels to nobody knows where (Teredo, protocol assignments).
        [0x2001, second, ..] => second != 0xdb8 && second >= 0x200,
        // All that was given out so far is in 2000::/3.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    const FAR: &str = "https://login.example.com/tenant";

    fn reach(url: &str, issuer: &str) -> Option<Reach> {
        InternalHosts::default().reach(url, issuer)
    }

    #[test]
    fn ss01_a_provider_sends_nobody_into_the_house() {
        assert_eq!(reach("https://login.example.com/token", FAR), Some(Reach::Anywhere));
        assert_eq!(reach("https://keys.example.net/jwks", FAR), Some(Reach::World));
        for inside in [
            "http://127.0.0.1:8000/",
            "https://10.0.0.5/jwks",
            "https://[fd00::1]/",
            "http://localhost/",
            "https://127.0.0.1/",
            "http://keys.example.net/jwks",
        ] {
            assert_eq!(reach(inside, FAR), None, "{inside}");
        }
        assert_eq!(
            reach("http://127.0.0.1:9000/jwks", "http://127.0.0.1:9000"),
            Some(Reach::Anywhere),
            "on this machine"
        );
        assert_eq!(reach("https://10.0.0.5/jwks", "https://10.0.0.5"), Some(Reach::Anywhere), "the operator's word");
    }

    /// L-9.
    #[test]
    fn an_address_written_another_way_is_an_address() {
        for inside in [
            "https://0x7f.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://0x0a000005/jwks",
            "https://[::ffff:10.0.0.5]/",
            "https://localhost./",
            "https://x.localhost/",
            "https://LOCALHOST/",
        ] {
            assert_eq!(reach(inside, FAR), None, "{inside}");
        }
    }

    /// L-9.
    #[test]
    fn an_operator_lets_a_provider_name_a_host_of_the_house() {
        let hosts = InternalHosts::new(&["Keys.corp.example".to_owned()]);
        assert_eq!(hosts.reach("https://keys.corp.example/jwks", FAR), Some(Reach::Anywhere));
        assert_eq!(hosts.reach("https://other.corp.example/jwks", FAR), Some(Reach::World));
    }

    /// L-9.
    #[test]
    fn special_addresses_are_not_of_the_world() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "fec0::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:0a00:0001::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_of_the_world(IpAddr::from_str(text).expect("an address")), "{text}");
        }
        for text in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:2800:220:1::1",
            "2a00:1450:4001::1",
            "64:ff9b::1.1.1.1",
            "2001:4860:4860::8888",
        ] {
            assert!(is_of_the_world(IpAddr::from_str(text).expect("an address")), "{text}");
        }
    }

    /// L-9: names are judged by where they lead.
    #[tokio::test]
    async fn a_name_that_leads_into_the_house_is_not_asked() {
        let name = Name::from_str("localhost").expect("a name");
        assert!(WorldOnly.resolve(name).await.is_err());
    }
}
