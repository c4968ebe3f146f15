//! The URL of a store on a server.

use super::StoreError;

/// `ws://user:password@host` is signed in to, not sent.
pub(super) fn without_credentials(url: &str) -> String {
    match credentials(url) {
        Some((scheme, _, _, rest)) => format!("{scheme}://{rest}"),
        None => url.to_owned(),
    }
}

/// Scheme, user, password and the rest of `ws://user:password@host`.
pub(super) fn credentials(url: &str) -> Option<(&str, &str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "ws" | "wss") {
        return None;
    }
    let (user, rest) = rest.rsplit_once('@')?;
    let (user, password) = user.split_once(':')?;
    Some((scheme, user, password, rest))
}

/// Whether the URL of a store is that of a server, which others may use too.
pub fn is_on_server(url: &str) -> bool {
    url.starts_with("ws://") || url.starts_with("wss://")
}

/// Host and port in the URL of a server; none for a store in this process.
pub(super) fn server_of(url: &str) -> Result<Option<String>, StoreError> {
    if !is_on_server(url) {
        return Ok(None);
    }
    let parsed = reqwest::Url::parse(url).ok();
    let named = parsed.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    named.map(Some).ok_or_else(|| StoreError::Unavailable("store.url names no host".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url_of_a_server() {
        assert_eq!(without_credentials("ws://root:p:w@127.0.0.1:8000"), "ws://127.0.0.1:8000");
        assert_eq!(credentials("wss://u:p@h"), Some(("wss", "u", "p", "h")));
        assert_eq!(credentials("ws://h"), None);
    }

    #[test]
    fn a_server_is_where_its_url_says() {
        for (url, server) in [
            ("ws://db:8000", Some("db:8000")),
            ("wss://db.example/rpc", Some("db.example:443")),
            ("ws://[::1]:8000", Some("[::1]:8000")),
            ("mem://", None),
            ("surrealkv://data/x?sync=every", None),
            ("rocksdb://x", None),
        ] {
            assert_eq!(server_of(url).expect("a server or none").as_deref(), server, "{url}");
        }
        assert!(server_of("ws://").is_err(), "never taken for a store in this process");
    }
}
