//! What makes no sense is refused at the start, by name.

use std::net::IpAddr;

use super::derived::read_network;
use super::{
    Config, ConfigError, GraphqlConfig, MailConfig, MailSecurity, MailTransport, PasswordConfig, SignInConfig,
    TelemetryConfig,
};
use crate::api::AdmissionSettings;
use crate::crypto::password::Cost;
use crate::domain::connection::is_private;
use crate::store::DiskLocation;

impl Config {
    /// # Errors
    ///
    /// [`ConfigError::Senseless`] for the first value that makes no sense.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let senseless = |setting, reason: &str| Err(ConfigError::Senseless { setting, reason: reason.to_owned() });
        let url = &self.server.public_url;
        let is_origin = url.starts_with("http://") || url.starts_with("https://");
        if !url.is_empty() && !is_origin {
            return senseless("server.public_url", "must begin with http:// or https://");
        }
        if !self.server.management.is_empty() && self.management().is_none() {
            return senseless("server.management", "must be an address with a port, such as 127.0.0.1:9464");
        }
        if url.ends_with('/') {
            return senseless("server.public_url", "must not end with a slash");
        }
        if self.limits.directory_requests_per_second > 0 && self.limits.directory_burst == 0 {
            return senseless("limits.directory_burst", "must be at least 1");
        }
        if self.scim.max_results == 0 || self.scim.default_page_size > self.scim.max_results {
            return senseless("scim.max_results", "must be at least 1 and at least scim.default_page_size");
        }
        if self.scim.resource_bytes == 0 || self.scim.list_bytes == 0 {
            return senseless("scim", "sizes must be at least 1");
        }
        if self.limits.body_bytes == 0 || self.limits.uri_bytes == 0 || self.limits.header_bytes == 0 {
            return senseless("limits", "sizes must be at least 1");
        }
        let GraphqlConfig { read_nodes, read_bytes, read_memory_bytes, read_milliseconds, .. } = self.graphql;
        if read_nodes == 0 || read_bytes == 0 || read_memory_bytes == 0 || read_milliseconds == 0 {
            return senseless("graphql", "read_nodes, read_bytes, read_memory_bytes, read_milliseconds: at least 1");
        }
        for (id, urls) in &self.front_ends {
            if let Some(url) = urls.iter().find(|url| !is_private(url) || url.contains('#')) {
                return senseless("front_ends", &format!("{id}: '{url}' must be an https URL, or one of this machine"));
            }
        }
        check_sign_in(&self.sign_in)?;
        let PasswordConfig { memory_kib, passes, lanes, budget_kib, .. } = self.password;
        let least = Cost::LEAST;
        if memory_kib < least.memory_kib || passes < least.passes || lanes < least.lanes || memory_kib > 256 * 1024 {
            return senseless("password.memory_kib", "must be 19456 to 262144, with at least 2 passes and 1 lane");
        }
        if budget_kib < memory_kib {
            return senseless("password.budget_kib", "must be at least password.memory_kib");
        }
        if self.lockout.max_failures == 0 || self.lockout.max_failures_per_day == 0 || self.lockout.window_seconds == 0
        {
            return senseless("lockout", "limits must be at least 1");
        }
        let AdmissionSettings { reads, writes, logins, bulk, .. } = self.admission();
        if [reads, writes, logins, bulk]
            .iter()
            .any(|lane| !(1..=lane.at_once).contains(&lane.crowded_at_once.unwrap_or(lane.at_once)))
        {
            return senseless("admission", "at_once must be at least 1, and crowded_at_once 1 to at_once");
        }
        if let Some(bad) = self.limits.trusted_proxies.iter().find(|text| read_network(text).is_none()) {
            return senseless("limits.trusted_proxies", &format!("'{bad}' is no address or network"));
        }
        for (setting, origins) in [
            ("scim.browser_origins", &self.scim.browser_origins),
            ("graphql.browser_origins", &self.graphql.browser_origins),
        ] {
            if let Some(bad) = origins.iter().find(|text| !is_web_origin(text)) {
                let reason =
                    format!("'{bad}' is no origin: scheme and host, without a path, as in https://example.com");
                return senseless(setting, &reason);
            }
        }
        match self.mail.transport {
            MailTransport::Smtp if self.mail.host.is_empty() => {
                return senseless("mail.host", "must name the SMTP server");
            }
            MailTransport::Folder if self.mail.folder.as_os_str().is_empty() => {
                return senseless("mail.folder", "must name a folder");
            }
            MailTransport::Smtp if sends_password_in_clear(&self.mail) && !self.mail.allow_cleartext_password => {
                let reason =
                    "\"none\" would send the password of mail.password_file in the clear: use \"tls\" or \"starttls\"";
                return senseless("mail.security", reason);
            }
            _ => {}
        }
        if !(1..=MOST_WRITTEN_MEBIBYTES).contains(&self.store.written_mebibytes) {
            let reason = format!("must be 1 to {MOST_WRITTEN_MEBIBYTES}");
            return senseless("store.written_mebibytes", &reason);
        }
        check_telemetry(&self.telemetry)?;
        check_store_url(&self.store.url)
    }
}

/// Whether the password of the SMTP server would leave this machine without TLS (EM-04).
fn sends_password_in_clear(mail: &MailConfig) -> bool {
    let has_password = !mail.password_file.as_os_str().is_empty();
    mail.security == MailSecurity::None && has_password && !is_this_machine(&mail.host)
}

/// Whether a host is this machine: `localhost`, or a loopback address.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The largest memtable: up to five of them may be in memory at once.
const MOST_WRITTEN_MEBIBYTES: u64 = 1_024;

/// # Errors
///
/// [`ConfigError::Senseless`] for a URL of no engine of this build, and for a parameter that a store on disk does not take.
pub fn check_store_url(url: &str) -> Result<(), ConfigError> {
    let known = ["mem://", "surrealkv://", "rocksdb://", "ws://", "wss://"];
    let senseless = |reason| ConfigError::Senseless { setting: "store.url", reason };
    if url.starts_with("rocksdb://") && !cfg!(feature = "rocksdb") {
        return Err(senseless(
            "this build has no RocksDB: build with --features rocksdb, or use surrealkv://".to_owned(),
        ));
    }
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        return DiskLocation::parse(url).map(drop).map_err(senseless);
    }
    Err(senseless(format!("must begin with one of {}", known.join(", "))))
}

/// Checks the times of sign-ins, and the addresses that mails and pages show.
///
/// # Errors
///
/// [`ConfigError::Senseless`] for a time that is too short or too long, a logo that is not at an `https` address, and an
/// application at no web address.
fn check_sign_in(settings: &SignInConfig) -> Result<(), ConfigError> {
    let is_at =
        |text: &str, schemes: &[&str]| reqwest::Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()));
    let senseless = |setting, reason: &str| Err(ConfigError::Senseless { setting, reason: reason.to_owned() });
    if settings.access_token_seconds == 0 || settings.access_token_seconds > 600 {
        return senseless("sign_in.access_token_seconds", "must be 1 to 600");
    }
    if settings.step_up_seconds > 3_600 {
        return senseless("sign_in.step_up_seconds", "must be at most 3600");
    }
    if let Some(bad) = settings.prompt_login_is_proof.iter().find(|url| !is_private(url)) {
        return senseless("sign_in.prompt_login_is_proof", &format!("'{bad}' must be the https URL of an issuer"));
    }
    if settings.new_address_wait_hours > 720 {
        return senseless("sign_in.new_address_wait_hours", "must be at most 720");
    }
    if settings.idle_seconds == 0 || settings.absolute_seconds < settings.idle_seconds {
        return senseless("sign_in.absolute_seconds", "must be at least sign_in.idle_seconds, and that at least 1");
    }
    if !settings.logo_url.is_empty() && !is_at(&settings.logo_url, &["https"]) {
        return senseless("sign_in.logo_url", "must be an https address, such as https://www.example.com/logo.png");
    }
    if !settings.application_url.is_empty() && !is_at(&settings.application_url, &["https", "http"]) {
        return senseless("sign_in.application_url", "must be a web address, such as https://app.example.com");
    }
    Ok(())
}

/// # Errors
///
/// [`ConfigError::Senseless`] for a ratio or an address that is none, and for an address in a build that sends nothing.
fn check_telemetry(settings: &TelemetryConfig) -> Result<(), ConfigError> {
    let senseless = |setting, reason: &str| Err(ConfigError::Senseless { setting, reason: reason.to_owned() });
    if !(0.0..=1.0).contains(&settings.sampling_ratio) {
        return senseless("telemetry.sampling_ratio", "must be 0 to 1");
    }
    let setting = "telemetry.otlp_endpoint";
    match settings.otlp_endpoint.as_str() {
        "" => Ok(()),
        _ if !cfg!(feature = "otlp") => senseless(setting, "needs a build with the feature otlp: --features otlp"),
        endpoint if is_collector(endpoint) => Ok(()),
        _ => senseless(setting, "must be http:// or https://, a host, and no credentials, query or fragment"),
    }
}

/// Whether it is what the path of a signal can be put after.
fn is_collector(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        let is_bare = url.username().is_empty() && url.password().is_none();
        ["http", "https"].contains(&url.scheme()) && is_bare && url.query().is_none() && url.fragment().is_none()
    })
}

/// Whether it is what browsers send as `Origin`.
fn is_web_origin(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == text)
}
