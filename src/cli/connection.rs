//! `rollcall connection`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, Global, operator_in, told};
use crate::config::read_secret;
use crate::domain::Permission;
use crate::domain::connection::{Connection, ConnectionDraft, GOOGLE};
use crate::domain::policy::DEFAULT_CONNECTION;

#[derive(Subcommand)]
pub(super) enum ConnectionCommand {
    /// Set up a login provider that speaks OpenID Connect
    #[command(after_help = "Google:  rollcall connection create acme --client-id ID --client-secret-file FILE\n\n\
                            It prints the redirect URI to register at the provider. Name the front end in [front_ends] of the settings.")]
    Create(Create),
    /// List the login providers of an organization (never the secrets)
    List {
        /// Short name of the organization
        organization: String,
    },
    /// Remove a login provider; sessions that began there end at once
    Delete {
        /// Short name of the organization
        organization: String,
        /// Name of the connection
        name: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// Short name of the organization
    organization: String,
    /// What invitations and front ends call it
    #[arg(default_value = DEFAULT_CONNECTION)]
    name: String,
    /// What to write on the button; "Google" for Google, else the name
    #[arg(long)]
    display_name: Option<String>,
    /// Where the provider is: below it, /.well-known/openid-configuration answers
    #[arg(long, default_value = GOOGLE)]
    issuer: String,
    /// The client id that the provider gave
    #[arg(long)]
    client_id: String,
    /// A file with the client secret that the provider gave; without it PKCE alone is the proof
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
}

impl Create {
    fn draft(self) -> Result<ConnectionDraft, Failure> {
        let is_google = self.issuer == GOOGLE;
        let shown = if is_google { "Google".to_owned() } else { self.name.clone() };
        let file = self.client_secret_file.unwrap_or_default();
        Ok(ConnectionDraft {
            display_name: self.display_name.unwrap_or(shown),
            name: self.name,
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: read_secret("--client-secret-file", &file)?,
        })
    }
}

impl ConnectionCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let service = global.open().await?;
        match self {
            Self::Create(create) => {
                let operator = operator_in(&service, &create.organization).await?;
                let organization = operator.require(Permission::OrgManagement).map_err(told)?;
                let made = service.create_connection(&operator, create.draft()?).await.map_err(told)?;
                let callback = service.callback_url(organization, &made.name);
                let text =
                    format!("{} is set up. Register this at the provider as redirect URI: {callback}", made.name);
                let mut value = described(&made);
                value["redirectUri"] = json!(callback);
                global.answer(&value, &text)
            }
            Self::List { organization } => {
                let operator = operator_in(&service, &organization).await?;
                let known = service.list_connections(&operator).await.map_err(told)?;
                let values: Vec<Value> = known.iter().map(described).collect();
                let line = |known: &Connection| format!("{}  {}  {}", known.name, known.display_name, known.issuer);
                let lines: Vec<String> = known.iter().map(line).collect();
                global.answer(&json!({ "connections": values }), &lines.join("\n"))
            }
            Self::Delete { organization, name } => {
                let operator = operator_in(&service, &organization).await?;
                service.delete_connection(&operator, &name).await.map_err(told)?;
                global.answer(&json!({ "deleted": name }), &format!("{name} is removed."))
            }
        }
    }
}

fn described(connection: &Connection) -> Value {
    json!({
        "name": connection.name,
        "strategy": connection.strategy,
        "displayName": connection.display_name,
        "issuer": connection.issuer,
        "clientId": connection.client_id,
    })
}
