//! Settings: built-in, then a file, then the environment. Refuses to start on an unknown key or a senseless value.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use config::{Environment, File, FileFormat, Source, Value, ValueKind};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;

use crate::api::graphql::{GraphqlSettings, Introspection, TrustedDocuments};
use crate::api::{AdmissionSettings, ApiSettings, DirectoryRates, PublicRates, server::ServerSettings};
use crate::crypto::password::Cost;
use crate::domain::connection::is_private;
use crate::domain::login::Lifetimes;
use crate::service::{HashingLimits, Limits, LockoutLimits, ProvisioningLogLimits, SignInSettings};
use crate::store::{DiskMemory, StoreSettings};

/// Every setting and its default, as shipped.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[admission]`
    pub admission: AdmissionSettings,
    /// `[graphql]`
    pub graphql: GraphqlConfig,
    /// `[sign_in]`
    pub sign_in: SignInConfig,
    /// `[front_ends]`: where each may be sent back to, by its id.
    #[serde(default)]
    pub front_ends: BTreeMap<String, Vec<String>>,
    /// `[lockout]`
    pub lockout: LockoutConfig,
    /// `[password]`
    pub password: PasswordConfig,
    /// `[mail]`
    pub mail: MailConfig,
    /// `[scim]`
    pub scim: ScimConfig,
    /// `[provisioning_log]`
    pub provisioning_log: ProvisioningLogConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[cache]`
    pub cache: CacheConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
}

/// `[server]`; what each does is in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub management: String,
    pub public_url: String,
    pub documentation_url: String,
    pub header_time_seconds: u64,
    pub body_time_seconds: u64,
    pub request_time_seconds: u64,
    pub shutdown_time_seconds: u64,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct LimitsConfig {
    pub body_bytes: usize,
    pub uri_bytes: usize,
    pub header_bytes: usize,
    pub directory_requests_per_second: u32,
    pub directory_burst: u32,
    pub caller_requests_per_minute: u32,
    pub sign_in_attempts_per_minute: u32,
    pub mails_per_hour: u32,
    pub trusted_proxies: Vec<String>,
}

/// `[graphql]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct GraphqlConfig {
    pub introspection: Introspection,
    pub graphiql: bool,
    pub trusted_documents: TrustedDocuments,
    pub trusted_documents_file: PathBuf,
    pub body_bytes: usize,
    pub document_bytes: usize,
    pub tokens: usize,
    pub nesting: usize,
    pub selections: usize,
    pub aliases: usize,
    pub root_fields: usize,
    pub mutations: usize,
    pub directives: usize,
    pub depth: usize,
    pub complexity: usize,
    pub time_seconds: u64,
}

/// `[sign_in]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct SignInConfig {
    pub product_name: String,
    pub key_file: PathBuf,
    pub access_token_seconds: u64,
    pub idle_seconds: u64,
    pub absolute_seconds: u64,
    pub step_up_seconds: u64,
    pub reserved_user_names: Vec<String>,
}

/// `[lockout]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct LockoutConfig {
    pub max_failures: u32,
    pub window_seconds: u64,
    pub max_failures_per_day: u32,
}

/// `[password]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct PasswordConfig {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    pub budget_kib: u32,
    pub queue: usize,
    pub wait_milliseconds: u64,
}

/// `[mail]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct MailConfig {
    pub transport: MailTransport,
    pub from: String,
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    pub username: String,
    pub password_file: PathBuf,
    pub time_seconds: u64,
    pub folder: PathBuf,
    pub templates_folder: PathBuf,
}

/// Where mails go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// An SMTP server.
    Smtp,
    /// A folder of `.eml` files.
    Folder,
    /// The log.
    Log,
}

/// How the connection to the SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// TLS from the start.
    Tls,
    /// STARTTLS, required.
    Starttls,
    /// Not at all.
    None,
}

/// `[scim]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct ScimConfig {
    pub max_results: u64,
    pub default_page_size: u64,
    pub max_scanned: u64,
    pub bulk_operations: usize,
    pub browser_origins: Vec<String>,
}

/// `[provisioning_log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct ProvisioningLogConfig {
    pub keep_days: u32,
    pub keep_records: u64,
    pub most_waiting: usize,
    pub mask_values: bool,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct StoreConfig {
    pub url: String,
    pub namespace: String,
    pub username: String,
    pub password_file: PathBuf,
    pub read_mebibytes: u64,
    pub written_mebibytes: u64,
}

/// `[cache]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct CacheConfig {
    pub answers_mebibytes: u64,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
    pub slow_milliseconds: u64,
}

/// `[telemetry]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct TelemetryConfig {
    pub otlp_endpoint: String,
    pub sampling_ratio: f64,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Why the settings are not usable; says which and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file, a value or a key.
    #[error("the settings cannot be read: {0}")]
    Unreadable(#[from] config::ConfigError),
    /// A value that makes no sense.
    #[error("{setting}: {reason}")]
    Senseless {
        /// Which.
        setting: &'static str,
        /// Why.
        reason: String,
    },
}

/// One setting as `config dump` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its value, as text.
    pub value: String,
    /// Where it came from.
    pub from: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for an unreadable file, an unknown key, a value of the wrong type or without sense.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let config: Self = builder.add_source(environment()).build()?.try_deserialize()?;
        config.check()?;
        Ok(config)
    }

    /// Every setting with its value and its origin; what is secret is masked.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn origins(file: Option<&Path>) -> Result<BTreeMap<String, Origin>, ConfigError> {
        Self::load(file)?;
        let mut origins = BTreeMap::new();
        collect(&File::from_str(DEFAULTS, FileFormat::Toml), "default", &mut origins)?;
        if let Some(file) = file {
            let name = file.display().to_string();
            collect(&File::from(file).format(FileFormat::Toml), &name, &mut origins)?;
        }
        collect(&environment(), "environment", &mut origins)?;
        Ok(origins)
    }

    fn check(&self) -> Result<(), ConfigError> {
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
        if self.limits.body_bytes == 0 || self.limits.uri_bytes == 0 || self.limits.header_bytes == 0 {
            return senseless("limits", "sizes must be at least 1");
        }
        if self.sign_in.access_token_seconds == 0 || self.sign_in.access_token_seconds > 600 {
            return senseless("sign_in.access_token_seconds", "must be 1 to 600");
        }
        for (id, urls) in &self.front_ends {
            if let Some(url) = urls.iter().find(|url| !is_private(url) || url.contains('#')) {
                return senseless("front_ends", &format!("{id}: '{url}' must be an https URL, or one of this machine"));
            }
        }
        if self.sign_in.step_up_seconds > 3_600 {
            return senseless("sign_in.step_up_seconds", "must be at most 3600");
        }
        if self.sign_in.idle_seconds == 0 || self.sign_in.absolute_seconds < self.sign_in.idle_seconds {
            return senseless("sign_in.absolute_seconds", "must be at least sign_in.idle_seconds, and that at least 1");
        }
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
        let AdmissionSettings { reads, writes, logins, bulk, .. } = self.admission;
        if [reads, writes, logins, bulk].iter().any(|lane| lane.at_once == 0) {
            return senseless("admission", "at_once must be at least 1");
        }
        if let Some(bad) = self.limits.trusted_proxies.iter().find(|text| read_network(text).is_none()) {
            return senseless("limits.trusted_proxies", &format!("'{bad}' is no address or network"));
        }
        if let Some(bad) = self.scim.browser_origins.iter().find(|text| !is_web_origin(text)) {
            let reason = format!("'{bad}' is no origin: scheme and host, without a path, as in https://example.com");
            return senseless("scim.browser_origins", &reason);
        }
        match self.mail.transport {
            MailTransport::Smtp if self.mail.host.is_empty() => {
                return senseless("mail.host", "must name the SMTP server");
            }
            MailTransport::Folder if self.mail.folder.as_os_str().is_empty() => {
                return senseless("mail.folder", "must name a folder");
            }
            _ => {}
        }
        check_telemetry(&self.telemetry)?;
        check_store_url(&self.store.url)
    }

    /// Where the server tells how it is, if it does.
    pub fn management(&self) -> Option<SocketAddr> {
        self.server.management.parse().ok()
    }

    /// The origin that clients use. `address`: where the server listens, for when no public URL is set.
    pub fn public_url(&self, address: SocketAddr) -> String {
        match self.server.public_url.as_str() {
            "" => format!("http://{address}"),
            url => url.to_owned(),
        }
    }

    /// What the operator set about signing in.
    pub fn sign_in_settings(&self, public_url: String) -> SignInSettings {
        let PasswordConfig { memory_kib, passes, lanes, budget_kib, queue, wait_milliseconds } = self.password;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let fitting = usize::try_from(budget_kib / memory_kib).unwrap_or(1).max(1);
        SignInSettings {
            public_url,
            product_name: self.sign_in.product_name.clone(),
            lifetimes: Lifetimes {
                access: Duration::from_secs(self.sign_in.access_token_seconds),
                idle: Duration::from_secs(self.sign_in.idle_seconds),
                absolute: Duration::from_secs(self.sign_in.absolute_seconds),
                fresh: Duration::from_secs(self.sign_in.step_up_seconds),
            },
            lockout: LockoutLimits {
                max_failures: self.lockout.max_failures,
                window: Duration::from_secs(self.lockout.window_seconds),
                max_failures_per_day: self.lockout.max_failures_per_day,
            },
            hashing: HashingLimits {
                cost: Cost { memory_kib, passes, lanes },
                at_once: fitting.min(cores),
                waiting: queue,
                wait: Duration::from_millis(wait_milliseconds),
            },
            reserved_names: self.sign_in.reserved_user_names.clone(),
            front_ends: self.front_ends.clone(),
            mails_per_hour: NonZeroU32::new(self.limits.mails_per_hour),
        }
    }

    /// Bounds of the account API.
    pub fn graphql_settings(&self) -> GraphqlSettings {
        let GraphqlConfig { introspection, trusted_documents, graphiql, .. } = self.graphql;
        let limits = &self.graphql;
        GraphqlSettings {
            introspection,
            graphiql,
            trusted_documents,
            trusted_documents_file: Some(limits.trusted_documents_file.clone())
                .filter(|file| !file.as_os_str().is_empty()),
            body_bytes: limits.body_bytes,
            document_bytes: limits.document_bytes,
            tokens: limits.tokens,
            nesting: limits.nesting,
            selections: limits.selections,
            aliases: limits.aliases,
            root_fields: limits.root_fields,
            mutations: limits.mutations,
            directives: limits.directives,
            depth: limits.depth,
            complexity: limits.complexity,
            time: Duration::from_secs(limits.time_seconds),
        }
    }

    /// Request rates of callers and of addresses.
    pub fn public_rates(&self) -> PublicRates {
        let LimitsConfig { caller_requests_per_minute, sign_in_attempts_per_minute, .. } = self.limits;
        PublicRates::new(NonZeroU32::new(caller_requests_per_minute), NonZeroU32::new(sign_in_attempts_per_minute))
    }

    /// Bounds of the service.
    pub fn service_limits(&self) -> Limits {
        let ScimConfig { max_results, default_page_size, max_scanned, .. } = self.scim;
        let ProvisioningLogConfig { keep_days, keep_records, most_waiting, mask_values } = self.provisioning_log;
        let keep = TimeDelta::days(i64::from(keep_days));
        let provisioning_log = ProvisioningLogLimits { keep, keep_records, most_waiting, mask_values };
        let remembered_bytes = self.cache.answers_mebibytes << 20;
        Limits { max_results, default_page_size, max_scanned, remembered_bytes, provisioning_log }
    }

    /// Bounds of a request. `address`: where the server listens, for when no public URL is set.
    pub fn api_settings(&self, address: SocketAddr) -> ApiSettings {
        let public_url = self.public_url(address);
        ApiSettings {
            scim_base: format!("{public_url}/scim/v2"),
            public_url,
            trusted_proxies: self.limits.trusted_proxies.iter().filter_map(|text| read_network(text)).collect(),
            body_bytes: self.limits.body_bytes,
            bulk_operations: self.scim.bulk_operations,
            uri_bytes: self.limits.uri_bytes,
            header_bytes: self.limits.header_bytes,
            body_time: Duration::from_secs(self.server.body_time_seconds),
            request_time: Duration::from_secs(self.server.request_time_seconds),
            slow: Duration::from_millis(self.log.slow_milliseconds),
            browser_origins: self.scim.browser_origins.iter().filter_map(|text| text.parse().ok()).collect(),
            documentation_url: Some(self.server.documentation_url.clone()).filter(|url| !url.is_empty()),
        }
    }

    /// Time limits of connections.
    pub fn server_settings(&self) -> ServerSettings {
        ServerSettings {
            header_time: Duration::from_secs(self.server.header_time_seconds),
            body_time: Duration::from_secs(self.server.body_time_seconds),
            shutdown_time: Duration::from_secs(self.server.shutdown_time_seconds),
        }
    }

    /// Request rates of directories.
    pub fn directory_rates(&self) -> DirectoryRates {
        let burst = NonZeroU32::new(self.limits.directory_burst).unwrap_or(NonZeroU32::MIN);
        DirectoryRates::new(NonZeroU32::new(self.limits.directory_requests_per_second), burst)
    }

    /// Where everything is kept.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Senseless`] when the password file cannot be read.
    pub fn store_settings(&self) -> Result<StoreSettings, ConfigError> {
        let store = &self.store;
        let password = read_secret("store.password_file", &store.password_file)?;
        Ok(StoreSettings {
            url: store.url.clone(),
            namespace: store.namespace.clone(),
            username: Some(store.username.clone()).filter(|name| !name.is_empty()),
            password,
            memory: DiskMemory { read_bytes: store.read_mebibytes << 20, written_bytes: store.written_mebibytes << 20 },
        })
    }
}

/// An address, or a network in the notation with a slash.
fn read_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// # Errors
///
/// [`ConfigError::Senseless`] for a URL of no engine of this build.
pub fn check_store_url(url: &str) -> Result<(), ConfigError> {
    let known = ["mem://", "surrealkv://", "rocksdb://", "ws://", "wss://"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    let reason = format!("must begin with one of {}", known.join(", "));
    Err(ConfigError::Senseless { setting: "store.url", reason })
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

/// The secret in a file; none if no file is named.
pub(crate) fn read_secret(setting: &'static str, file: &Path) -> Result<Option<SecretString>, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| ConfigError::Senseless { setting, reason: format!("{}: {error}", file.display()) })?;
    Ok(Some(SecretString::from(text.trim_end())))
}

fn environment() -> Environment {
    Environment::with_prefix("ROLLCALL").prefix_separator("__").separator("__").try_parsing(true)
}

fn collect(source: &dyn Source, from: &str, origins: &mut BTreeMap<String, Origin>) -> Result<(), ConfigError> {
    for (name, value) in source.collect()? {
        flatten(&name, &value, from, origins);
    }
    Ok(())
}

fn flatten(name: &str, value: &Value, from: &str, origins: &mut BTreeMap<String, Origin>) {
    if let ValueKind::Table(table) = &value.kind {
        for (key, value) in table {
            flatten(&format!("{name}.{key}"), value, from, origins);
        }
        return;
    }
    let text = value.to_string();
    let value = if name == "store.url" { masked(&text) } else { text };
    origins.insert(name.to_owned(), Origin { value, from: from.to_owned() });
}

/// A URL without the password in it.
fn masked(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}[redacted]{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        Config::load(Some(file.path()))
    }

    #[test]
    fn the_defaults_are_settings() {
        let config = Config::load(None).expect("valid");
        assert_eq!(config.store.url, "surrealkv://data/rollcall?sync=every");
        assert!(config.limits.directory_requests_per_second >= 25, "C14");
        assert!(config.server.request_time_seconds <= 30, "C15");
        assert!(config.server.header_time_seconds.max(config.server.body_time_seconds) <= 15, "DO-06");
    }

    #[test]
    fn a_file_overrides_and_unknown_or_senseless_values_are_refused() {
        assert_eq!(load("[scim]\nmax_results = 500").expect("valid").scim.max_results, 500);
        assert!(load("[scim]\nmax_result = 500").expect_err("refused").to_string().contains("max_result"));
        assert!(load("[server]\nlisten = \"nowhere\"").is_err());
        assert!(load("[server]\npublic_url = \"https://x/\"").is_err());
        assert!(load("[store]\nurl = \"postgres://x\"").expect_err("refused").to_string().contains("surrealkv://"));
        assert!(load("[scim]\nmax_results = 10").is_err(), "smaller than the default page");
    }

    #[test]
    fn traces_are_sent_to_an_address_by_builds_that_can() {
        let set = |endpoint: &str| load(&format!("[telemetry]\notlp_endpoint = \"{endpoint}\""));
        for endpoint in ["http://127.0.0.1:4318", "https://collector.example/otlp/", "http://[::1]:4318"] {
            let refusal = set(endpoint).err().map(|error| error.to_string());
            assert_eq!(refusal.is_none(), cfg!(feature = "otlp"), "{endpoint}: {refusal:?}");
            assert!(refusal.is_none_or(|reason| reason.contains("--features otlp")), "{endpoint}");
        }
        for endpoint in ["localhost:4318", "grpc://c", "https://name:secret@c", "http://c?x", "http://"] {
            assert!(set(endpoint).is_err(), "{endpoint}");
        }
        for ratio in ["-0.1", "1.5", "nan"] {
            assert!(load(&format!("[telemetry]\nsampling_ratio = {ratio}")).is_err(), "{ratio}");
        }
    }

    #[test]
    fn lg01_a_dump_masks_passwords_and_names_origins() {
        assert_eq!(masked("ws://root:secret@h:1"), "ws://[redacted]@h:1");
        assert_eq!(masked("mem://"), "mem://");
        let origins = Config::origins(None).expect("valid");
        assert_eq!(origins["scim.max_results"], Origin { value: "1000".to_owned(), from: "default".to_owned() });
    }
}
