//! `rollcall directory`

use clap::{Args, Subcommand};
use scim::Dialect;
use serde_json::{Value, json};

use super::{Failure, Global, operator_in, told};
use crate::domain::api_token::ApiToken;
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
    /// Make a new token; the newest of the others stays valid until the next rotation
    Rotate {
        /// Short name of the organization
        organization: String,
        /// Name or id of the directory
        directory: String,
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
    #[command(flatten)]
    switches: Switches,
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
}

/// What the flags say; each may be given `=false`.
#[derive(Args)]
struct Switches {
    /// A POST for an inactive user's name reactivates that user instead of answering 409
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
        let settings = self.switches.applied(DirectorySettings::default());
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
            settings: Some(self.switches.applied(before.settings)),
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
                let made = service.create_directory(&operator, create.draft(), None).await;
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
                list(global, &listed)
            }
            Self::Rotate { organization, directory } => {
                let operator = operator_in(&service, &organization).await?;
                let id = find(&service, &operator, &directory).await?;
                issued(global, id, &service.rotate_token(&operator, id).await.map_err(told)?)
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

fn list(global: &Global, directories: &[(Directory, Vec<ApiToken>)]) -> Result<(), Failure> {
    let values: Vec<Value> = directories.iter().map(|(directory, tokens)| described(directory, Some(tokens))).collect();
    let mut lines = Vec::new();
    for (directory, tokens) in directories {
        let scopes: Vec<&str> = directory.scopes.iter().map(|scope| scope.as_str()).collect();
        lines.push(format!("{}  {}  {}  {}", directory.id, directory.name, directory.dialect, scopes.join(",")));
        for token in tokens {
            let used = token.last_used.map_or("never used".to_owned(), |used| format!("last used {used}"));
            lines.push(format!("    token {}  {}…  made {}  {used}", token.id, token.hint, token.created));
        }
    }
    global.answer(&json!({ "directories": values }), &lines.join("\n"))
}

fn described(directory: &Directory, tokens: Option<&[ApiToken]>) -> Value {
    let scopes: Vec<&str> = directory.scopes.iter().map(|scope| scope.as_str()).collect();
    let mut value = json!({
        "id": directory.id.to_string(), "name": directory.name, "dialect": directory.dialect.as_str(),
        "scopes": scopes, "settings": directory.settings, "enabled": directory.enabled,
    });
    if let Some(tokens) = tokens {
        let describe = |token: &ApiToken| {
            json!({
                "id": token.id.to_string(), "hint": token.hint, "created": token.created.to_rfc3339(),
                "lastUsed": token.last_used.map(|used| used.to_rfc3339()),
            })
        };
        value["tokens"] = tokens.iter().map(describe).collect();
    }
    value
}
