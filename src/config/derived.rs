//! What the parts of the server are told, made of the settings.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Config, ConfigError, GraphqlConfig, LimitsConfig, PasswordConfig, ProvisioningLogConfig, ScimConfig, read_secret,
};
use crate::api::graphql::{BudgetSettings, GraphqlSettings};
use crate::api::{AdmissionSettings, ApiSettings, DirectoryRates, PublicRates, server::ServerSettings};
use crate::crypto::password::Cost;
use crate::domain::brand::Brand;
use crate::domain::login::Lifetimes;
use crate::service::{HashingLimits, Limits, LockoutLimits, MailLimits, ProvisioningLogLimits, SignInSettings};
use crate::store::{DiskMemory, StoreSettings, is_on_server};

/// Writes at once for each processor, where the store is in this process: some of them wait for the disk.
const WRITES_OF_A_PROCESSOR: usize = 8;
/// Where it is crowded: what more of them would add is little, and what is answered and refused meanwhile would wait for them.
const CROWDED_WRITES_OF_A_PROCESSOR: usize = 2;
/// Writes at once where the store is on a server.
const WRITES_ON_A_SERVER: usize = 16;

impl Config {
    /// Whether the store is on a SurrealDB server, which several nodes share.
    pub fn store_is_on_server(&self) -> bool {
        is_on_server(&self.store.url)
    }

    /// Where the server tells how it is, if it does.
    pub fn management(&self) -> Option<SocketAddr> {
        self.server.management.parse().ok()
    }

    /// The token that clients on other machines send for metrics; none: they may not read them.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Senseless`] when the token file cannot be read, or is empty.
    pub fn management_token(&self) -> Result<Option<SecretString>, ConfigError> {
        let setting = "server.management_token_file";
        let token = read_secret(setting, &self.server.management_token_file)?;
        if token.as_ref().is_some_and(|token| token.expose_secret().is_empty()) {
            return Err(ConfigError::Senseless { setting, reason: "the file is empty".to_owned() });
        }
        Ok(token)
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
                at_once: fitting.min(processors()),
                budget_kib,
                waiting: queue,
                wait: Duration::from_millis(wait_milliseconds),
            },
            reserved_names: self.sign_in.reserved_user_names.clone(),
            front_ends: self.front_ends.clone(),
            prompt_login_is_proof: self.sign_in.prompt_login_is_proof.clone(),
            new_address_wait: TimeDelta::hours(i64::from(self.sign_in.new_address_wait_hours)),
            signing_key_days: NonZeroU32::new(self.sign_in.signing_key_days),
            internal_provider_hosts: self.sign_in.internal_provider_hosts.clone(),
            mails: MailLimits {
                to_address_per_hour: NonZeroU32::new(self.limits.mails_per_hour),
                of_organization_per_day: NonZeroU32::new(self.limits.organization_mails_per_day),
                invitations_per_day: NonZeroU32::new(self.limits.organization_invitations_per_day),
            },
        }
    }

    /// The operator's product, as mails and pages show it. Addresses are normalized: they hold no quotes or angle brackets.
    pub fn brand(&self) -> Brand {
        let set = |url: &str| reqwest::Url::parse(url).ok().map(String::from);
        Brand {
            product: self.sign_in.product_name.clone(),
            logo_url: set(&self.sign_in.logo_url),
            application_url: set(&self.sign_in.application_url),
        }
    }

    /// Bounds of the account API.
    pub fn graphql_settings(&self) -> GraphqlSettings {
        let GraphqlConfig { introspection, trusted_documents, graphiql, .. } = self.graphql;
        let limits = &self.graphql;
        GraphqlSettings {
            introspection,
            graphiql,
            browser_origins: limits.browser_origins.iter().filter_map(|text| text.parse().ok()).collect(),
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
            read: BudgetSettings {
                nodes: limits.read_nodes,
                bytes: limits.read_bytes,
                memory_bytes: limits.read_memory_bytes,
                time: Duration::from_millis(limits.read_milliseconds),
            },
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
        let ScimConfig { max_results, default_page_size, max_scanned, resource_bytes, list_bytes, .. } = self.scim;
        let ProvisioningLogConfig { keep_days, keep_records, most_waiting, mask_values } = self.provisioning_log;
        let keep = TimeDelta::days(i64::from(keep_days));
        let provisioning_log = ProvisioningLogLimits { keep, keep_records, most_waiting, mask_values };
        let remembered_bytes = self.cache.answers_mebibytes << 20;
        Limits {
            max_results,
            default_page_size,
            max_scanned,
            resource_bytes,
            list_bytes,
            remembered_bytes,
            provisioning_log,
        }
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
            brand: self.brand(),
        }
    }

    /// How much is done at once.
    pub fn admission(&self) -> AdmissionSettings {
        let mut admission = self.admission;
        let writes = &mut admission.writes;
        if writes.at_once == 0 && is_on_server(&self.store.url) {
            writes.at_once = WRITES_ON_A_SERVER;
        } else if writes.at_once == 0 {
            writes.at_once = WRITES_OF_A_PROCESSOR * processors();
            writes.crowded_at_once.get_or_insert(CROWDED_WRITES_OF_A_PROCESSOR * processors());
        }
        admission
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
pub(super) fn read_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// How many threads the machine carries out at once.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
