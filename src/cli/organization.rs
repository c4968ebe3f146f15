//! `rollcall organization`

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Failure, Global, told};
use crate::domain::Caller;
use crate::domain::organization::{Organization, OrganizationDraft};

#[derive(Subcommand)]
pub(super) enum OrganizationCommand {
    /// Make an organization and its first owner
    #[command(after_help = "rollcall organization create acme --name 'Acme Corp' --owner-email owner@acme.example\n\n\
                            The owner's password is printed once. On a terminal the command asks for the address if it is left out.")]
    Create(Create),
    /// List the organizations
    List,
    /// Mail domains that are an organization's own
    #[command(subcommand)]
    Domain(DomainCommand),
}

#[derive(Args)]
pub(super) struct Create {
    /// 2 to 40 lower-case letters, digits and hyphens: acme
    short_name: String,
    /// What people call it; the short name if absent
    #[arg(long)]
    name: Option<String>,
    /// Make a first owner with this address; the password is printed once
    #[arg(long, value_name = "EMAIL")]
    owner_email: Option<String>,
    /// Make it without an owner, for an import say; `rollcall user owner` gives it one later
    #[arg(long, conflicts_with = "owner_email")]
    no_owner: bool,
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

impl Create {
    async fn run(mut self, global: &Global) -> Result<(), Failure> {
        if self.owner_email.is_none() && !self.no_owner {
            // Before the store is opened: nobody else waits for it meanwhile.
            self.owner_email = Some(self.ask_for_owner(global)?);
        }
        let service = global.open().await?;
        let name = self.name.unwrap_or_else(|| self.short_name.clone());
        let draft = OrganizationDraft { short_name: self.short_name, name, owner_email: self.owner_email };
        let made = service.create_organization(&Caller::operator(None), draft).await;
        let (organization, owner) = made.map_err(told)?;
        let short_name = &organization.short_name;
        let mut value = described(&organization);
        let mut text = format!("Made {short_name} ({}).", organization.id);
        if let Some(owner) = owner {
            let password = owner.password.expose_secret();
            value["owner"] = json!({"email": owner.email, "password": password});
            text.push_str(&format!("\nOwner: {}  password (shown once): {password}", owner.email));
        } else {
            text.push_str(&format!("\nNobody can sign in to it yet: rollcall user owner {short_name} EMAIL"));
        }
        text.push_str(&format!("\nNext: rollcall directory create {short_name} Okta"));
        global.answer(&value, &text)
    }

    /// Asks for the address of the first owner on a terminal.
    ///
    /// # Errors
    ///
    /// The sentence that says what is missing, where there is no terminal, where programs read the answer, or on an empty line.
    fn ask_for_owner(&self, global: &Global) -> Result<String, Failure> {
        let name = &self.short_name;
        let missing = format!(
            "an organization needs an owner, or nobody can sign in to it: add --owner-email EMAIL. With --no-owner it is made without \
             one, and `rollcall user owner {name} EMAIL` makes one later"
        );
        let (mut input, mut prompt) = (std::io::stdin().lock(), std::io::stderr());
        if global.json || !input.is_terminal() || !prompt.is_terminal() {
            return Err(missing.into());
        }
        write!(
            prompt,
            "{name} needs an owner, who signs in and gives the others their roles.\nEmail of the first owner: "
        )?;
        prompt.flush()?;
        let mut line = String::new();
        input.read_line(&mut line)?;
        let email = line.trim();
        if email.is_empty() { Err(missing.into()) } else { Ok(email.to_owned()) }
    }
}

impl OrganizationCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(global).await,
            Self::List => list(global).await,
            Self::Domain(command) => command.run(global).await,
        }
    }
}

impl DomainCommand {
    async fn run(self, global: &Global) -> Result<(), Failure> {
        let service = global.open().await?;
        let operator = Caller::operator(None);
        match self {
            Self::Add { organization, domain } => {
                let found = service.get_organization(&operator, &organization).await.map_err(told)?;
                let name = service.add_domain(&operator, found.id, &domain).await.map_err(told)?;
                global.answer(&json!({ "domain": name }), &format!("{name} is {organization}'s."))
            }
            Self::List { organization } => {
                let found = service.get_organization(&operator, &organization).await.map_err(told)?;
                let names = service.list_domains(&operator, found.id).await.map_err(told)?;
                global.answer(&json!({ "domains": names }), &names.join("\n"))
            }
        }
    }
}

async fn list(global: &Global) -> Result<(), Failure> {
    let service = global.open().await?;
    let operator = Caller::operator(None);
    let (mut values, mut lines) = (Vec::new(), Vec::new());
    for organization in &service.list_organizations(&operator).await.map_err(told)? {
        let ownerless = !service.has_owner(&operator, organization.id).await.map_err(told)?;
        let mut value = described(organization);
        value["ownerless"] = json!(ownerless);
        values.push(value);
        let mark = if ownerless { "  (no owner who can sign in)" } else { "" };
        let Organization { id, short_name, name, .. } = organization;
        lines.push(format!("{id}  {short_name}  {name}{mark}"));
    }
    let text = if lines.is_empty() {
        "There is none yet: rollcall organization create SHORT_NAME --owner-email EMAIL".to_owned()
    } else {
        lines.join("\n")
    };
    global.answer(&json!({ "organizations": values }), &text)
}

fn described(organization: &Organization) -> Value {
    json!({
        "id": organization.id.to_string(),
        "shortName": organization.short_name,
        "name": organization.name,
        "created": organization.stamps.created.to_rfc3339(),
    })
}
