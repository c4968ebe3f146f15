//! The settings as they are written; what each does is in `config/default.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::api::AdmissionSettings;
use crate::api::graphql::{Introspection, TrustedDocuments};

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

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub management: String,
    pub management_token_file: PathBuf,
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
    pub organization_mails_per_day: u32,
    pub organization_invitations_per_day: u32,
    pub trusted_proxies: Vec<String>,
}

/// `[graphql]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct GraphqlConfig {
    pub introspection: Introspection,
    pub graphiql: bool,
    pub browser_origins: Vec<String>,
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
    pub read_nodes: usize,
    pub read_bytes: usize,
    pub read_memory_bytes: usize,
    pub read_milliseconds: u64,
    pub time_seconds: u64,
}

/// `[sign_in]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct SignInConfig {
    pub product_name: String,
    pub logo_url: String,
    pub application_url: String,
    pub key_file: PathBuf,
    pub access_token_seconds: u64,
    pub signing_key_days: u32,
    pub idle_seconds: u64,
    pub absolute_seconds: u64,
    pub step_up_seconds: u64,
    pub reserved_user_names: Vec<String>,
    pub internal_provider_hosts: Vec<String>,
    pub prompt_login_is_proof: Vec<String>,
    pub new_address_wait_hours: u32,
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
    pub allow_cleartext_password: bool,
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
    /// The log, which shows that there was one, without its link.
    Log,
    /// Standard error, which shows the link: the log for somebody who asked for links on the command line.
    #[serde(skip)]
    Terminal,
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
    pub resource_bytes: usize,
    pub list_bytes: usize,
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
