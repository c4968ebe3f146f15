//! `rollcall directory`

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use scim::Dialect;
use serde_json::{Value, json};

use super::directory_policies::Policies;
use super::{Failure, Global, operator_in, told};
use crate::domain::api_token::{ApiToken, TokenState};
use crate::domain::directory::{Directory, DirectoryDraft, DirectorySettings, Scope};
use crate::domain::token::BearerSecret;
use crate::domain::{Caller, DirectoryId, TokenId};
use crate::service::{DirectoryEdit, Service};

#[derive(Subcommand)]
pub(super) enum DirectoryCommand {
    /// Make a directory and print its token, once
    Create(Create),
    /// Change a directory's name, dialect or switches
    #[command(
        after_help = "rollcall directory update acme Okta --dialect okta --restore-inactive --require-if-match=false"
    )]
    Update(Update),
    /// List the directories of an organization and their tokens (never the secrets)
    List {
        /// Short name of the organization
        organization: String,
    },
    /// Make a new token; the newest of the others stays valid until the next rotation, or for --grace
    Rotate {
        /// Short name of the organization
        organization: String,
        /// Name or id of the directory
        directory: String,
        /// How long the tokens before still work, in seconds: at most 28800, 8 hours
        #[arg(long, value_name = "SECONDS")]
        grace: Option<i32>,
        /// When the new token stops working: 2027-01-31T12:00:00Z
        #[arg(long, value_name = "TIME", requires = "grace")]
        token_expires: Option<DateTime<Utc>>,
    },
    /// End one token at once, or all of them
    Revoke {
        /// Short name of the organization
        organization: String,
        /// Name or id of the directory
        directory: String,
        /// Id of the token, as `list` shows it; all if absent
        #[arg(long)]
        token: Option<String>,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// Short name of the organization
    organization: String,
    /// What people call the directory: "Okta"
    name: String,
    /// How its requests are read: auto, okta, entra or rfc
    #[arg(long, default_value_t = Dialect::Auto)]
    dialect: Dialect,
    /// What its tokens may do: users, groups, read-only
    #[arg(long = "scope", value_delimiter = ',', default_values_t = [Scope::Users, Scope::Groups])]
    scopes: Vec<Scope>,
    /// When its token stops working: 2027-01-31T12:00:00Z; never if absent
    #[arg(long, value_name = "TIME")]
    token_expires: Option<DateTime<Utc>>,
    #[command(flatten)]
    switches: Switches,
    #[command(flatten)]
    policies: Policies,
}

#[derive(Args)]
pub(super) struct Update {
    /// Short name of the organization
    organization: String,
    /// Name or id of the directory
    directory: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// How its requests are read: auto, okta, entra or rfc
    #[arg(long)]
    dialect: Option<Dialect>,
    /// Whether its requests are served
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    #[command(flatten)]
    switches: Switches,
    #[command(flatten)]
    policies: Policies,
}

/// What the flags say; each may be given `=false`.
#[derive(Args)]
struct Switches {
    /// A POST for an inactive user's name reactivates that user instead of answering 409, and one for the name of a user that
    /// the directory deleted in mode disable brings that user back
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    restore_inactive: Option<bool>,
    /// Refuse group members nobody knows instead of skipping them
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    reject_unknown_members: Option<bool>,
    /// Refuse groups as members of groups
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_nested_groups: Option<bool>,
    /// Refuse changes without If-Match
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_if_match: Option<bool>,
    /// Answer PATCH of a user with 204 instead of the user
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    patch_user_without_body: Option<bool>,
    /// Answer PATCH of a group with 200 and the group instead of 204
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    patch_group_with_body: Option<bool>,
    /// Refuse user names and addresses outside the organization's own domains
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    verified_domains_only: Option<bool>,
}

impl Switches {
    /// These settings, with what the flags say.
    fn applied(&self, settings: DirectorySettings) -> DirectorySettings {
        let nested = self.no_nested_groups.map(|refused| !refused);
        DirectorySettings {
            restore_inactive: self.restore_inactive.unwrap_or(settings.restore_inactive),
            reject_unknown_members: self.reject_unknown_members.unwrap_or(settings.reject_unknown_members),
            nested_groups: nested.unwrap_or(settings.nested_groups),
            require_if_match: self.require_if_match.unwrap_or(settings.require_if_match),
            patch_user_without_body: self.patch_user_without_body.unwrap_or(settings.patch_user_without_body),
            patch_group_with_body: self.patch_group_with_body.unwrap_or(settings.patch_group_with_body),
            verified_domains_only: self.verified_domains_only.unwrap_or(settings.verified_domains_only),
            ..settings
        }
    }
}

impl Create {
    fn draft(self) -> DirectoryDraft {
        let settings = self.policies.applied(self.switches.applied(DirectorySettings::default()));
        DirectoryDraft { name: self.name, dialect: self.dialect, scopes: self.scopes, settings }
    }
}

impl Update {
    async fn run(self, global: &Global, service: &Service) -> Result<(), Failure> {
        let operator = operator_in(service, &self.organization).await?;
        let id = find(service, &operator, &self.directory).await?;
        let edit = |before: &Directory| DirectoryEdit {
            name: self.name.clone(),
            dialect: self.dialect,
            enabled: self.enabled,
            settings: Some(self.policies.applied(self.switches.applied(before.settings))),
        };
        let after = service.update_directory(&operator, &id.to_string(), edit, None).await.map_err(told)?;
        global.answer(&described(&after, None), &format!("{} is changed from its next request on.", after.name))
    }
}

impl DirectoryCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let service = global.open().await?;
        match self {
            Self::Create(create) => {
                let operator = operator_in(&service, &create.organization).await?;
                let expires = create.token_expires;
                let made = service.create_directory(&operator, create.draft(), expires).await;
                let (directory, _, secret) = made.map_err(told)?;
                issued(global, directory.id, &secret)
            }
            Self::Update(update) => update.run(global, &service).await,
            Self::List { organization } => {
                let operator = operator_in(&service, &organization).await?;
                let mut listed = Vec::new();
                for directory in service.list_directories(&operator).await.map_err(told)? {
                    let tokens = service.list_directory_tokens(&operator, directory.id).await.map_err(told)?;
                    listed.push((directory, tokens));
                }
                list(global, &listed, service.now())
            }
            Self::Rotate { organization, directory, grace, token_expires } => {
                let operator = operator_in(&service, &organization).await?;
                let id = find(&service, &operator, &directory).await?;
                let secret = match grace {
                    None => service.rotate_token(&operator, id).await.map_err(told)?,
                    Some(grace) => {
                        let id = id.to_string();
                        let made = service.rotate_directory_token(&operator, &id, grace, token_expires).await;
                        made.map_err(told)?.2
                    }
                };
                issued(global, id, &secret)
            }
            Self::Revoke { organization, directory, token } => {
                let operator = operator_in(&service, &organization).await?;
                let id = find(&service, &operator, &directory).await?;
                let token = token.map(|token| token.parse::<TokenId>()).transpose().map_err(told)?;
                let count = service.revoke_tokens(&operator, id, token).await.map_err(told)?;
                global.answer(&json!({ "revoked": count }), &format!("{count} tokens ended."))
            }
        }
    }
}

pub(super) async fn find(service: &Service, operator: &Caller, name: &str) -> Result<DirectoryId, Failure> {
    let directories = service.list_directories(operator).await.map_err(told)?;
    directories
        .iter()
        .find(|directory| directory.name == name || directory.id.to_string() == name)
        .map(|directory| directory.id)
        .ok_or_else(|| format!("no such directory: '{name}'. `rollcall directory list` shows them.").into())
}

fn issued(global: &Global, id: DirectoryId, secret: &BearerSecret) -> Result<(), Failure> {
    let token = secret.expose();
    let value = json!({"id": id.to_string(), "token": token});
    global.answer(&value, &format!("Directory {id}\nToken (shown once): {token}"))
}

fn list(global: &Global, directories: &[(Directory, Vec<ApiToken>)], now: DateTime<Utc>) -> Result<(), Failure> {
    let shown = |(directory, tokens): &(Directory, Vec<ApiToken>)| described(directory, Some((tokens.as_slice(), now)));
    let values: Vec<Value> = directories.iter().map(shown).collect();
    let mut lines = Vec::new();
    for (directory, tokens) in directories {
        let Directory { id, name, dialect, scopes, .. } = directory;
        let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        let off = if directory.enabled { "" } else { "  OFF: its requests are refused" };
        lines.push(format!("{id}  {name}  {dialect}  {}{off}", scopes.join(",")));
        let switches = switches_of(directory.settings);
        if !switches.is_empty() {
            lines.push(format!("    {}", switches.join("  ")));
        }
        for token in tokens {
            let used = token.last_used.map_or("never used".to_owned(), |used| format!("last used {}", instant(used)));
            let (id, hint, made) = (token.id, &token.hint, instant(token.created));
            lines.push(format!("    token {id}  {hint}…  {}  made {made}  {used}", state_of(token, now)));
        }
    }
    global.answer(&json!({ "directories": values }), &lines.join("\n"))
}

/// The settings that are not the default, by the names of their flags.
fn switches_of(settings: DirectorySettings) -> Vec<String> {
    let (settings, defaults) = (json!(settings), json!(DirectorySettings::default()));
    let all = settings.as_object().into_iter().flatten();
    let changed = all.filter(|(name, value)| defaults[name.as_str()] != **value);
    let shown = |(name, value): (&String, &Value)| {
        let name = name.replace('_', "-");
        match value {
            Value::Bool(true) => name,
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        }
    };
    changed.map(shown).collect()
}

/// The state of a token, and until or since when.
fn state_of(token: &ApiToken, now: DateTime<Utc>) -> String {
    let at = |word: &str, at: Option<DateTime<Utc>>| at.map(|at| format!("{word} {}", instant(at)));
    match token.state(now) {
        TokenState::Revoked => at("REVOKED", token.revoked).unwrap_or_default(),
        TokenState::Expired => at("EXPIRED", token.expires).unwrap_or_default(),
        TokenState::Active | TokenState::Rotated => {
            at("active until", token.expires).unwrap_or_else(|| "active".to_owned())
        }
    }
}

const fn state_name(state: TokenState) -> &'static str {
    match state {
        TokenState::Active => "ACTIVE",
        TokenState::Rotated => "ROTATED",
        TokenState::Revoked => "REVOKED",
        TokenState::Expired => "EXPIRED",
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A directory for programs, with its tokens and the time that decides their states.
fn described(directory: &Directory, tokens: Option<(&[ApiToken], DateTime<Utc>)>) -> Value {
    let scopes: Vec<&str> = directory.scopes.iter().map(|scope| scope.as_str()).collect();
    let mut value = json!({
        "id": directory.id.to_string(), "name": directory.name, "dialect": directory.dialect.as_str(),
        "scopes": scopes, "settings": directory.settings, "enabled": directory.enabled,
    });
    if let Some((tokens, now)) = tokens {
        let time = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339());
        let describe = |token: &ApiToken| {
            json!({
                "id": token.id.to_string(), "hint": token.hint, "created": token.created.to_rfc3339(),
                "state": state_name(token.state(now)), "lastUsed": time(token.last_used),
                "expires": time(token.expires), "revoked": time(token.revoked),
            })
        };
        value["tokens"] = tokens.iter().map(describe).collect();
    }
    value
}
