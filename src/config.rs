//! Settings: built-in, then a file, then the environment. Refuses to start on an unknown key or a senseless value.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Environment, File, FileFormat, Source, Value, ValueKind};
use secrecy::SecretString;
use serde::Deserialize;

use crate::api::{ApiSettings, DirectoryRates, server::ServerSettings};
use crate::service::Limits;
use crate::store::StoreSettings;

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
    /// `[scim]`
    pub scim: ScimConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[log]`
    pub log: LogConfig,
}

/// `[server]`; what each does is in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct ServerConfig {
    pub listen: SocketAddr,
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
}

/// `[scim]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct ScimConfig {
    pub max_results: u64,
    pub default_page_size: u64,
    pub max_scanned: u64,
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
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
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
        check_store_url(&self.store.url)
    }

    /// Bounds of the service.
    pub fn service_limits(&self) -> Limits {
        let ScimConfig { max_results, default_page_size, max_scanned } = self.scim;
        Limits { max_results, default_page_size, max_scanned }
    }

    /// Bounds of a request. `address`: where the server listens, for when no public URL is set.
    pub fn api_settings(&self, address: SocketAddr) -> ApiSettings {
        let public_url = match self.server.public_url.as_str() {
            "" => format!("http://{address}"),
            url => url.to_owned(),
        };
        ApiSettings {
            public_url,
            body_bytes: self.limits.body_bytes,
            uri_bytes: self.limits.uri_bytes,
            header_bytes: self.limits.header_bytes,
            body_time: Duration::from_secs(self.server.body_time_seconds),
            request_time: Duration::from_secs(self.server.request_time_seconds),
            documentation_url: Some(self.server.documentation_url.clone()).filter(|url| !url.is_empty()),
        }
    }

    /// Time limits of connections.
    pub fn server_settings(&self) -> ServerSettings {
        ServerSettings {
            header_time: Duration::from_secs(self.server.header_time_seconds),
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
        let password = if store.password_file.as_os_str().is_empty() {
            None
        } else {
            let text = std::fs::read_to_string(&store.password_file).map_err(|error| ConfigError::Senseless {
                setting: "store.password_file",
                reason: format!("{}: {error}", store.password_file.display()),
            })?;
            Some(SecretString::from(text.trim_end()))
        };
        Ok(StoreSettings {
            url: store.url.clone(),
            namespace: store.namespace.clone(),
            username: Some(store.username.clone()).filter(|name| !name.is_empty()),
            password,
        })
    }
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
    fn lg01_a_dump_masks_passwords_and_names_origins() {
        assert_eq!(masked("ws://root:secret@h:1"), "ws://[redacted]@h:1");
        assert_eq!(masked("mem://"), "mem://");
        let origins = Config::origins(None).expect("valid");
        assert_eq!(origins["scim.max_results"], Origin { value: "1000".to_owned(), from: "default".to_owned() });
    }
}
