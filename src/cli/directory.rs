//! `rollcall directory`

use clap::{Args, Subcommand};
use scim::Dialect;
use serde_json::{Value, json};

use super::{Failure, Global, operator_in, told};
use crate::domain::api_token::ApiToken;
use crate::domain::directory::{Directory, DirectoryDraft, DirectorySettings, Scope};
use crate::domain::token::BearerSecret;
use crate::domain::{Caller, DirectoryId, TokenId};
use crate::service::Service;

#[derive(Subcommand)]
pub(super) enum DirectoryCommand {
    /// Make a directory and print its token, once
    Create(Create),
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
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
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
    /// A POST for an inactive user's name reactivates that user instead of answering 409
    #[arg(long)]
    restore_inactive: bool,
    /// Refuse group members nobody knows instead of skipping them
    #[arg(long)]
    reject_unknown_members: bool,
    /// Refuse groups as members of groups
    #[arg(long)]
    no_nested_groups: bool,
    /// Refuse changes without If-Match
    #[arg(long)]
    require_if_match: bool,
    /// Answer PATCH of a user with 204 instead of the user
    #[arg(long)]
    patch_user_without_body: bool,
}

impl Create {
    fn draft(self) -> DirectoryDraft {
        DirectoryDraft {
            name: self.name,
            dialect: self.dialect,
            scopes: self.scopes,
            settings: DirectorySettings {
                restore_inactive: self.restore_inactive,
                reject_unknown_members: self.reject_unknown_members,
                nested_groups: !self.no_nested_groups,
                require_if_match: self.require_if_match,
                patch_user_without_body: self.patch_user_without_body,
                ..DirectorySettings::default()
            },
        }
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

async fn find(service: &Service, operator: &Caller, name: &str) -> Result<DirectoryId, Failure> {
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
    let values: Vec<Value> = directories.iter().map(|(directory, tokens)| described(directory, tokens)).collect();
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

fn described(directory: &Directory, tokens: &[ApiToken]) -> Value {
    let tokens: Vec<Value> = tokens
        .iter()
        .map(|token| {
            json!({
                "id": token.id.to_string(), "hint": token.hint, "created": token.created.to_rfc3339(),
                "lastUsed": token.last_used.map(|used| used.to_rfc3339()),
            })
        })
        .collect();
    let scopes: Vec<&str> = directory.scopes.iter().map(|scope| scope.as_str()).collect();
    json!({
        "id": directory.id.to_string(), "name": directory.name, "dialect": directory.dialect.as_str(),
        "scopes": scopes, "settings": directory.settings, "enabled": directory.enabled, "tokens": tokens,
    })
}
