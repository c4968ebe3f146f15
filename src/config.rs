//! Settings: built-in, then a file, then the environment. Refuses to start on an unknown key or a senseless value.

mod check;
mod derived;
mod environment;
mod sections;

use std::collections::BTreeMap;
use std::path::Path;

use config::{File, FileFormat, Source, Value, ValueKind};
use secrecy::SecretString;

pub use check::check_store_url;
pub(crate) use check::is_this_machine;
pub(crate) use derived::processors;
use environment::Environment;
pub use sections::*;

/// Every setting and its default, as shipped.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Why the settings are not usable; says which and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file, a value or a key.
    #[error("the settings cannot be read: {0}")]
    Unreadable(#[from] config::ConfigError),
    /// A variable of the environment.
    #[error("{name}: {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// Why it is no setting.
        reason: String,
    },
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
        let config: Self = builder.add_source(Environment::of_process()?).build()?.try_deserialize()?;
        config.check()?;
        Ok(config)
    }

    /// The URL of the store, without a password.
    pub fn shown_store_url(&self) -> String {
        masked(&self.store.url)
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
        collect(&Environment::of_process()?, "environment", &mut origins)?;
        Ok(origins)
    }
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

/// Sentences about variables of the environment that are ignored and may have been meant as settings.
pub fn environment_warnings() -> Vec<String> {
    Environment::of_process().map(|environment| environment.warnings).unwrap_or_default()
}

fn collect(source: &dyn Source, from: &str, origins: &mut BTreeMap<String, Origin>) -> Result<(), ConfigError> {
    for (name, value) in source.collect()? {
        flatten(&name, &value, from, origins);
    }
    Ok(())
}

fn flatten(name: &str, value: &Value, from: &str, origins: &mut BTreeMap<String, Origin>) {
    flatten_names(name, value, &mut |name, value| {
        let text = value.to_string();
        let value = if name == "store.url" { masked(&text) } else { text };
        origins.insert(name.to_owned(), Origin { value, from: from.to_owned() });
    });
}

/// Visits every value below this one, by its whole name.
fn flatten_names(name: &str, value: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    if let ValueKind::Table(table) = &value.kind {
        for (key, value) in table {
            flatten_names(&format!("{name}.{key}"), value, visit);
        }
        return;
    }
    visit(name, value);
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

    /// L-11.
    #[test]
    fn a_password_of_the_mail_server_does_not_leave_the_machine_in_the_clear() {
        let mail = |host: &str, more: &str| {
            load(&format!("[mail]\ntransport = \"smtp\"\nsecurity = \"none\"\nhost = \"{host}\"\n{more}"))
        };
        let with_password = "password_file = \"secret\"";
        for host in ["localhost", "127.0.0.1", "::1"] {
            assert!(mail(host, with_password).is_ok(), "{host}");
        }
        for host in ["mail.example.com", "10.0.0.5", "localhost.example.com"] {
            assert!(mail(host, "").is_ok(), "{host}: without a password");
            assert!(mail(host, with_password).expect_err("refused").to_string().contains("mail.security"), "{host}");
            assert!(mail(host, &format!("{with_password}\nallow_cleartext_password = true")).is_ok(), "{host}");
        }
    }

    #[test]
    fn o02_writes_at_once_are_as_many_as_the_machine_does_unless_told_otherwise() {
        let writes = |text: &str| {
            let writes = load(text).expect("valid").admission().writes;
            (writes.at_once, writes.crowded_at_once)
        };
        let processors = std::thread::available_parallelism().expect("some").get();
        assert_eq!(writes(""), (8 * processors, Some(2 * processors)));
        assert_eq!(writes("[store]\nurl = \"ws://db:8000\""), (16, None));
        assert_eq!(writes("[admission.writes]\nat_once = 40"), (40, None));
        assert_eq!(writes("[admission.writes]\nat_once = 40\ncrowded_at_once = 4"), (40, Some(4)));
        assert_eq!(writes("[admission.writes]\ncrowded_at_once = 1"), (8 * processors, Some(1)));
        assert!(load("[admission.writes]\ncrowded_at_once = 0").is_err());
        assert!(load("[admission.writes]\ncrowded_at_once = 3\nat_once = 2").is_err());
        assert!(load("[admission.reads]\nat_once = 0").is_err());
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
