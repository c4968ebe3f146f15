//! Settings from the environment: `ROLLCALL__SECTION__KEY`.
//!
//! A variable of that form that is no setting stops the start. A variable with one underscore that resembles a setting is a
//! warning. The variables that Kubernetes injects for a Service called `rollcall` are neither.

use std::collections::BTreeMap;

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::{ConfigError, DEFAULTS, flatten_names};

/// The prefix of settings.
const PREFIX: &str = "rollcall__";
/// The prefix that settings are given by mistake.
const SHORT_PREFIX: &str = "rollcall_";
/// How Kubernetes begins the variables of a Service called `rollcall`, after its name.
const KUBERNETES: [&str; 3] = ["port", "service_host", "service_port"];
/// The settings that have no default, and so are not in [`DEFAULTS`].
const WITHOUT_DEFAULT: [&str; 4] = [
    "admission.reads.crowded_at_once",
    "admission.writes.crowded_at_once",
    "admission.logins.crowded_at_once",
    "admission.bulk.crowded_at_once",
];
/// The table of lists whose keys the operator chooses.
const FRONT_ENDS: &str = "front_ends";
/// How many letters may differ between a misspelt name and the one that was meant.
const MOST_DIFFERENT: usize = 3;
/// A shorter name resembles too many others.
const LEAST_COMPARED: usize = 6;

/// The form of a setting's value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Boolean,
    Integer,
    Float,
    /// A JSON list of texts, or texts with commas between them.
    List,
    /// A JSON object of such lists.
    Lists,
}

/// The settings that the environment gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    values: Map<String, Value>,
    /// One sentence for each variable that may have been meant as a setting.
    pub(super) warnings: Vec<String>,
}

impl Source for Environment {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.values.clone())
    }
}

impl Environment {
    /// Reads the variables of this process.
    ///
    /// # Errors
    ///
    /// As [`Environment::read`].
    pub(super) fn of_process() -> Result<Self, ConfigError> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            if name.to_lowercase().starts_with(SHORT_PREFIX) {
                let value = value.into_string().map_err(|_| refused(&name, "its value is no Unicode text"))?;
                variables.push((name, value));
            }
        }
        Self::read(variables)
    }

    /// Reads variables, each a name and a value.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Variable`] for a name that is no setting, and for a value of the wrong form.
    fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let known = known()?;
        let mut environment = Self::default();
        for (variable, value) in variables {
            let name = variable.to_lowercase();
            if let Some(name) = name.strip_prefix(PREFIX) {
                let name = name.replace("__", ".");
                let kind = kind(&known, &name).ok_or_else(|| unknown(&known, &variable, &name))?;
                let parsed = parse(kind, &value).map_err(|reason| refused(&variable, reason))?;
                environment.values.insert(name, value_of(parsed));
            } else if let Some(name) = name.strip_prefix(SHORT_PREFIX) {
                environment.warnings.extend(warning(&known, &variable, name, &value));
            }
        }
        Ok(environment)
    }
}

/// Every setting by its name, with the form of its value.
fn known() -> Result<BTreeMap<String, Kind>, ConfigError> {
    let mut known: BTreeMap<String, Kind> =
        WITHOUT_DEFAULT.into_iter().map(|name| (name.to_owned(), Kind::Integer)).collect();
    for (name, value) in File::from_str(DEFAULTS, FileFormat::Toml).collect()? {
        flatten_names(&name, &value, &mut |name, value| {
            let kind = match value.kind {
                ValueKind::Boolean(_) => Kind::Boolean,
                ValueKind::I64(_) => Kind::Integer,
                ValueKind::Float(_) => Kind::Float,
                ValueKind::Array(_) => Kind::List,
                _ => Kind::Text,
            };
            known.insert(name.to_owned(), kind);
        });
    }
    Ok(known)
}

fn kind(known: &BTreeMap<String, Kind>, name: &str) -> Option<Kind> {
    let front_end = || name.strip_prefix(FRONT_ENDS).and_then(|rest| rest.strip_prefix('.'));
    match known.get(name) {
        Some(kind) => Some(*kind),
        None if name == FRONT_ENDS => Some(Kind::Lists),
        None => front_end().filter(|id| !id.is_empty() && !id.contains('.')).map(|_| Kind::List),
    }
}

fn parse(kind: Kind, text: &str) -> Result<ValueKind, &'static str> {
    Ok(match kind {
        Kind::Text => ValueKind::String(text.to_owned()),
        Kind::Boolean => ValueKind::Boolean(text.trim().to_lowercase().parse().map_err(|_| "must be true or false")?),
        Kind::Integer => ValueKind::I64(text.trim().parse().map_err(|_| "must be a whole number")?),
        Kind::Float => ValueKind::Float(text.trim().parse().map_err(|_| "must be a number")?),
        Kind::List => list(read_list(text)?),
        Kind::Lists => {
            let lists: BTreeMap<String, Vec<String>> =
                serde_json::from_str(text).map_err(|_| "must be a JSON object of lists: {\"web\": [\"https://…\"]}")?;
            ValueKind::Table(lists.into_iter().map(|(key, texts)| (key, value_of(list(texts)))).collect())
        }
    })
}

fn read_list(text: &str) -> Result<Vec<String>, &'static str> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|_| "must be a JSON list of texts, or texts with commas between them");
    }
    Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

fn list(texts: Vec<String>) -> ValueKind {
    ValueKind::Array(texts.into_iter().map(|text| value_of(ValueKind::String(text))).collect())
}

fn value_of(kind: ValueKind) -> Value {
    Value::new(Some(&"the environment".to_owned()), kind)
}

fn refused(variable: &str, reason: &str) -> ConfigError {
    ConfigError::Variable { name: variable.to_owned(), reason: reason.to_owned() }
}

fn unknown(known: &BTreeMap<String, Kind>, variable: &str, name: &str) -> ConfigError {
    let hint = match nearest(known, name) {
        Some(meant) => format!("did you mean {}?", spelt(meant)),
        None => "`rollcall config dump` lists the settings".to_owned(),
    };
    ConfigError::Variable { name: variable.to_owned(), reason: format!("there is no such setting: {hint}") }
}

/// A sentence about a variable with one underscore, if it resembles a setting.
fn warning(known: &BTreeMap<String, Kind>, variable: &str, name: &str, value: &str) -> Option<String> {
    let is_injected = value.starts_with("tcp://") || value.starts_with("udp://");
    let is_of_service = KUBERNETES
        .iter()
        .any(|part| name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')));
    if is_injected || is_of_service {
        return None;
    }
    let meant = nearest(known, name)?;
    Some(format!("{variable} is ignored. If it is meant as a setting, write {}", spelt(meant)))
}

fn spelt(name: &str) -> String {
    format!("ROLLCALL__{}", name.replace('.', "__").to_uppercase())
}

/// The setting whose letters are most like these, if one is near.
fn nearest<'k>(known: &'k BTreeMap<String, Kind>, name: &str) -> Option<&'k str> {
    let letters = |name: &str| name.replace(['.', '_'], "");
    let wanted = letters(name);
    if wanted.len() < LEAST_COMPARED {
        return None;
    }
    let distances = known.keys().map(|known| (distance(&letters(known), &wanted), known.as_str()));
    distances.filter(|(distance, _)| *distance <= MOST_DIFFERENT).min().map(|(_, known)| known)
}

/// How many letters must be added, removed or replaced to make one text of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for column in 0..other.len() {
            let replaced = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, ConfigError> {
        Environment::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn config(variables: &[(&str, &str)]) -> Config {
        let builder = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        let built = builder.add_source(read(variables).expect("read")).build().expect("built");
        built.try_deserialize().expect("settings")
    }

    fn refusal(name: &str, value: &str) -> String {
        read(&[(name, value)]).expect_err("refused").to_string()
    }

    /// D, "environment": every setting can be set from the environment, lists too.
    #[test]
    fn lists_are_read_as_json_or_with_commas() {
        let config = config(&[
            ("ROLLCALL__LIMITS__TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1"),
            ("ROLLCALL__SCIM__BROWSER_ORIGINS", "[\"https://one.example\", \"https://two.example\"]"),
            ("ROLLCALL__SIGN_IN__RESERVED_USER_NAMES", ""),
            ("ROLLCALL__FRONT_ENDS__WEB", "https://app.example/in"),
            ("ROLLCALL__LIMITS__MAILS_PER_HOUR", "7"),
            ("rollcall__graphql__graphiql", "FALSE"),
            ("ROLLCALL__TELEMETRY__SAMPLING_RATIO", "0"),
            ("ROLLCALL__ADMISSION__WRITES__CROWDED_AT_ONCE", "3"),
            ("ROLLCALL__MAIL__USERNAME", "0123"),
        ]);
        assert_eq!(config.limits.trusted_proxies, ["10.0.0.0/8", "192.168.1.1"]);
        assert_eq!(config.scim.browser_origins, ["https://one.example", "https://two.example"]);
        assert!(config.sign_in.reserved_user_names.is_empty());
        assert_eq!(config.front_ends["web"], ["https://app.example/in"]);
        assert_eq!((config.limits.mails_per_hour, config.graphql.graphiql), (7, false));
        assert_eq!(config.mail.username, "0123", "a text stays what it is");
        let both = self::config(&[("ROLLCALL__FRONT_ENDS", "{\"Web\": [\"https://a.example\"], \"app\": []}")]);
        assert_eq!(both.front_ends.keys().collect::<Vec<_>>(), ["Web", "app"]);
    }

    #[test]
    fn values_of_the_wrong_form_are_refused_by_the_name_of_the_variable() {
        for (name, value) in [
            ("ROLLCALL__LIMITS__MAILS_PER_HOUR", "many"),
            ("ROLLCALL__GRAPHQL__GRAPHIQL", "perhaps"),
            ("ROLLCALL__TELEMETRY__SAMPLING_RATIO", "half"),
            ("ROLLCALL__LIMITS__TRUSTED_PROXIES", "[1"),
            ("ROLLCALL__FRONT_ENDS", "web"),
        ] {
            assert!(refusal(name, value).starts_with(name), "{}", refusal(name, value));
        }
    }

    /// `decisions.md` 18.
    #[test]
    fn an_unknown_name_stops_the_start_and_says_what_may_be_meant() {
        assert!(refusal("ROLLCALL__SERVER__LISTN", "x").contains("did you mean ROLLCALL__SERVER__LISTEN?"));
        assert!(refusal("ROLLCALL__SERVER_LISTEN", "x").contains("did you mean ROLLCALL__SERVER__LISTEN?"));
        assert!(refusal("ROLLCALL__SERVER", "x").contains("rollcall config dump"));
        assert!(refusal("ROLLCALL__", "x").contains("rollcall config dump"));
    }

    /// `decisions.md` 18.
    #[test]
    fn one_underscore_is_a_warning_where_it_resembles_a_setting_and_kubernetes_is_let_be() {
        let warned = |name: &str, value: &str| read(&[(name, value)]).expect("no error").warnings;
        assert!(warned("ROLLCALL_SERVER_LISTEN", "x")[0].contains("write ROLLCALL__SERVER__LISTEN"));
        assert!(warned("ROLLCALL_STORE_URI", "x")[0].contains("ROLLCALL__STORE__URL"));
        for (name, value) in [
            ("ROLLCALL_PORT", "tcp://10.0.0.1:8080"),
            ("ROLLCALL_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("ROLLCALL_SERVICE_HOST", "10.0.0.1"),
            ("ROLLCALL_SERVICE_PORT_HTTP", "8080"),
            ("ROLLCALL_MAIL_PORT", "tcp://10.0.0.2:25"),
            ("ROLLCALL_TEST_STORE", "disk"),
            ("ROLLCALL_WEB", "skip"),
            ("PATH", "/bin"),
        ] {
            assert_eq!(warned(name, value), Vec::<String>::new(), "{name}");
        }
    }

    /// Each setting that a file can hold is known here, so that none is refused in the environment alone.
    #[test]
    fn settings_without_a_default_are_settings() {
        for name in WITHOUT_DEFAULT {
            let (table, key) = name.rsplit_once('.').expect("a key");
            let text = format!("[{table}]\n{key} = 1");
            let builder = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
            let built = builder.add_source(File::from_str(&text, FileFormat::Toml)).build().expect("built");
            assert!(built.try_deserialize::<Config>().is_ok(), "{name}");
        }
    }
}
