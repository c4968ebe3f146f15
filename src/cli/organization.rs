//! `rollcall organization`

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Failure, Global, told};
use crate::domain::Caller;
use crate::domain::organization::{Organization, OrganizationDraft};

#[derive(Subcommand)]
pub(super) enum OrganizationCommand {
    /// Make an organization
    Create {
        /// 2 to 40 lower-case letters, digits and hyphens: acme
        short_name: String,
        /// What people call it; the short name if absent
        #[arg(long)]
        name: Option<String>,
        /// Make a first owner with this address; the password is printed once
        #[arg(long, value_name = "EMAIL")]
        owner_email: Option<String>,
    },
    /// List the organizations
    List,
    /// Mail domains that are an organization's own
    #[command(subcommand)]
    Domain(DomainCommand),
}

#[derive(Subcommand)]
pub(super) enum DomainCommand {
    /// Note that a mail domain is the organization's: you checked that it is
    Add {
        /// Short name of the organization
        organization: String,
        /// The domain: acme.example
        domain: String,
    },
    /// List them
    List {
        /// Short name of the organization
        organization: String,
    },
}

impl OrganizationCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let service = global.open().await?;
        let operator = Caller::operator(None);
        match self {
            Self::Create { short_name, name, owner_email } => {
                let name = name.unwrap_or_else(|| short_name.clone());
                let draft = OrganizationDraft { short_name, name, owner_email };
                let (organization, owner) = service.create_organization(&operator, draft).await.map_err(told)?;
                let mut value = described(&organization);
                let mut text = format!("Made {} ({}).", organization.short_name, organization.id);
                if let Some(owner) = owner {
                    let password = owner.password.expose_secret();
                    value["owner"] = json!({"email": owner.email, "password": password});
                    text.push_str(&format!("\nOwner: {}  password (shown once): {password}", owner.email));
                }
                text.push_str(&format!("\nNext: rollcall directory create {} Okta", organization.short_name));
                global.answer(&value, &text)
            }
            Self::List => {
                let organizations = service.list_organizations(&operator).await.map_err(told)?;
                let (mut values, mut lines) = (Vec::new(), Vec::new());
                for organization in &organizations {
                    let ownerless = service.is_ownerless(&operator, organization.id).await.map_err(told)?;
                    let mut value = described(organization);
                    value["ownerless"] = json!(ownerless);
                    values.push(value);
                    let mark = if ownerless { "  (ownerless)" } else { "" };
                    let Organization { id, short_name, name, .. } = organization;
                    lines.push(format!("{id}  {short_name}  {name}{mark}"));
                }
                let text = if lines.is_empty() {
                    "There is none yet: rollcall organization create SHORT_NAME".to_owned()
                } else {
                    lines.join("\n")
                };
                global.answer(&json!({ "organizations": values }), &text)
            }
            Self::Domain(DomainCommand::Add { organization, domain }) => {
                let found = service.get_organization(&operator, &organization).await.map_err(told)?;
                let name = service.add_domain(&operator, found.id, &domain).await.map_err(told)?;
                global.answer(&json!({ "domain": name }), &format!("{name} is {organization}'s."))
            }
            Self::Domain(DomainCommand::List { organization }) => {
                let found = service.get_organization(&operator, &organization).await.map_err(told)?;
                let names = service.list_domains(&operator, found.id).await.map_err(told)?;
                global.answer(&json!({ "domains": names }), &names.join("\n"))
            }
        }
    }
}

fn described(organization: &Organization) -> Value {
    json!({
        "id": organization.id.to_string(),
        "shortName": organization.short_name,
        "name": organization.name,
        "created": organization.stamps.created.to_rfc3339(),
    })
}
