//! `rollcall demo`: sample organizations, and what to paste into a SCIM client. The JSON line is a contract.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use scim::{ListRequest, Reading, Resource};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::{Failure, Global, progress, stop, told};
use crate::config::{LogFormat, MailTransport};
use crate::domain::directory::DirectoryDraft;
use crate::domain::organization::{Organization, OrganizationDraft};
use crate::domain::token::BearerSecret;
use crate::domain::{Caller, Error};
use crate::service::{Conditions, Service};
use crate::{app, telemetry};

#[derive(Args)]
#[command(
    after_help = "In memory unless --store says otherwise; on a durable store the sample data is made once, and each \
                  start prints a new token and password. Request rates are not limited; all other limits hold."
)]
pub(super) struct Demo {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many organizations to make
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    organizations: u32,
    /// Folder for outgoing mails as .eml files; if absent the log says only that there was one
    #[arg(long, value_name = "DIR")]
    mail_dir: Option<PathBuf>,
    /// Print the links of outgoing mails on standard error instead of sending them
    #[arg(long, conflicts_with = "mail_dir")]
    print_links: bool,
}

const SHORT_NAMES: [&str; 6] = ["acme", "globex", "initech", "umbrella", "hooli", "vehement"];
const DIRECTORY: &str = "Demo directory";
/// The owner: given name, family name, title.
const OWNER: (&str, &str, &str) = ("Hedy", "Lamarr", "Inventor");
const PEOPLE: [(&str, &str, &str, &str); 8] = [
    ("Ada", "Lovelace", "Countess of Computing", "Engineering"),
    ("Grace", "Hopper", "Rear Admiral", "Engineering"),
    ("Alan", "Turing", "Logician", "Engineering"),
    ("Katherine", "Johnson", "Navigator", "Operations"),
    ("Margaret", "Hamilton", "Flight Software Lead", "Operations"),
    ("Radia", "Perlman", "Network Designer", "Operations"),
    ("Barbara", "Liskov", "Type Theorist", "Research"),
    ("Frances", "Allen", "Compiler Writer", "Research"),
];

/// What is printed about one organization.
pub struct Ready {
    /// The organization.
    pub organization: Organization,
    /// Its directory's token.
    pub token: BearerSecret,
    /// Its owner's address.
    pub email: String,
    /// Its owner's password.
    pub password: SecretString,
}

impl Demo {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        // The settings of an installed server are none of the demo's.
        let mut config = global.config_of(global.config.as_deref())?;
        if global.store.is_none() {
            "mem://".clone_into(&mut config.store.url);
        }
        config.server.listen = self.listen;
        config.limits.directory_requests_per_second = 0;
        config.limits.caller_requests_per_minute = 0;
        config.limits.sign_in_attempts_per_minute = 0;
        config.limits.mails_per_hour = 0;
        config.log.format = if global.json { LogFormat::Json } else { LogFormat::Text };
        let _telemetry = telemetry::start(&config)?;
        super::log_environment_warnings();
        if let Some(folder) = self.mail_dir {
            std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            config.mail.transport = MailTransport::Folder;
            config.mail.folder = folder;
        }
        if self.print_links {
            config.mail.transport = MailTransport::Terminal;
        }
        let bound = app::bind(&config).await?;
        let service = bound.open(&config).await?;
        let bar = progress(self.organizations as usize, "organizations");
        let mut ready = Vec::new();
        for index in 0..self.organizations {
            ready.push(prepare(&service, &short_name(index)).await.map_err(told)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let listening = bound.serve_with(&config, service)?;
        // Before it is said to be ready: whoever starts it may stop it at once.
        let stop = stop::requested()?;
        let url = listening.public_url.clone();
        super::unless_closed(global.answer(&contract(&url, &ready), &introduction(&url, &ready)))?;
        stop::serve_until(listening, stop).await
    }
}

fn short_name(index: u32) -> String {
    let known = usize::try_from(index).ok().and_then(|index| SHORT_NAMES.get(index));
    known.map_or_else(|| format!("org-{}", index + 1), |name| (*name).to_owned())
}

/// Makes the sample organization, or finds it and issues new secrets: the old ones are kept as hashes only.
///
/// # Errors
///
/// As the service says.
pub async fn prepare(service: &Service, short_name: &str) -> Result<Ready, Error> {
    let email = format!("owner@{short_name}.example");
    let operator = Caller::operator(None);
    match service.get_organization(&operator, short_name).await {
        Ok(organization) => {
            let within = Caller::operator(Some(organization.id));
            let directories = service.list_directories(&within).await?;
            let token = match directories.iter().find(|directory| directory.name == DIRECTORY) {
                Some(directory) => service.rotate_token(&within, directory.id).await?,
                None => service.create_directory(&within, DirectoryDraft::named(DIRECTORY), None).await?.2,
            };
            let password = service.reset_owner_password(&operator, &email).await?;
            Ok(Ready { organization, token, email, password })
        }
        Err(Error::NotFound(_)) => make(service, short_name, email).await,
        Err(error) => Err(error),
    }
}

async fn make(service: &Service, short_name: &str, email: String) -> Result<Ready, Error> {
    let mut name = short_name.to_owned();
    name[..1].make_ascii_uppercase();
    let draft = OrganizationDraft { short_name: short_name.to_owned(), name, owner_email: Some(email.clone()) };
    let (organization, owner) = service.create_organization(&Caller::operator(None), draft).await?;
    let within = Caller::operator(Some(organization.id));
    service.update_policy(&within, |policy| policy.trusted_devices = true).await?;
    name_owner(service, &within, &email).await?;
    let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
    for (given, family, title, group) in PEOPLE {
        let id = make_person(service, &within, short_name, (given, family, title)).await?;
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, members)) => members.push(json!({ "value": id })),
            None => groups.push((group, vec![json!({ "value": id })])),
        }
    }
    for (group, members) in groups {
        let attributes = attributes(&json!({"displayName": group, "members": members}));
        service.create_group(&within, attributes, &mut Reading::default()).await?;
    }
    let (.., token) = service.create_directory(&within, DirectoryDraft::named(DIRECTORY), None).await?;
    let password = owner.map(|owner| owner.password).unwrap_or_default();
    Ok(Ready { organization, token, email, password })
}

async fn make_person(
    service: &Service,
    within: &Caller,
    short_name: &str,
    (given, family, title): (&str, &str, &str),
) -> Result<String, Error> {
    let user_name = format!("{}@{short_name}.example", given.to_lowercase());
    let saved = service.create_user(within, person(&user_name, (given, family, title))).await?;
    Ok(saved.view.user.id.to_string())
}

/// Gives the owner a complete name: it is the first user of every list, and Okta's first test wants its names.
async fn name_owner(service: &Service, within: &Caller, email: &str) -> Result<(), Error> {
    let request = ListRequest { filter: Some(format!("userName eq \"{email}\"")), ..ListRequest::default() };
    let found = service.list_users(within, &request, &mut Reading::default()).await?;
    for view in found.views {
        let (named, conditions) = (person(email, OWNER), Conditions::default());
        service.replace_user(within, view.user.id, &named, &conditions, &mut Reading::default()).await?;
    }
    Ok(())
}

/// The attributes of a person of the demo.
fn person(user_name: &str, (given, family, title): (&str, &str, &str)) -> Resource {
    attributes(&json!({
        "userName": user_name, "displayName": format!("{given} {family}"), "title": title,
        "name": {"givenName": given, "familyName": family},
        "emails": [{"value": user_name, "type": "work", "primary": true}],
    }))
}

fn attributes(value: &Value) -> Resource {
    Resource::from_stored(value.as_object().cloned().unwrap_or_else(Map::new))
}

/// The one line that programs read.
fn contract(url: &str, ready: &[Ready]) -> Value {
    let organizations: Vec<Value> = ready
        .iter()
        .map(|ready| {
            json!({
                "id": ready.organization.id.to_string(),
                "shortName": ready.organization.short_name,
                "scim": {"url": format!("{url}/scim/v2"), "token": ready.token.expose()},
                "owner": {"email": ready.email, "password": ready.password.expose_secret()},
            })
        })
        .collect();
    json!({
        "url": url,
        "graphql": format!("{url}/graphql"),
        "graphiql": format!("{url}/graphiql"),
        "organizations": organizations,
    })
}

/// The address of GraphiQL, with the credentials of the demo in its fragment: browsers send the fragment of a link to nobody.
fn graphiql(url: &str, ready: &Ready) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (email, password) = (encoded(&ready.email), encoded(ready.password.expose_secret()));
    format!("{url}/graphiql#email={email}&password={password}")
}

/// What people read.
fn introduction(url: &str, ready: &[Ready]) -> String {
    let mut text = format!(
        "Rollcall demo, listening at {url}. Stop it with Ctrl-C.\n\nSign in and explore the account API: {}\n",
        ready.first().map_or_else(|| format!("{url}/graphiql"), |first| graphiql(url, first)),
    );
    for ready in ready {
        text.push_str(&format!(
            "\n{name}\n  SCIM base URL  {url}/scim/v2\n  SCIM token     {token}\n  Owner          {email}  {password}\n",
            name = ready.organization.name,
            token = ready.token.expose(),
            email = ready.email,
            password = ready.password.expose_secret(),
        ));
    }
    if let Some(first) = ready.first() {
        text.push_str(&format!(
            "\nProvision a user:\n\n  curl -s {url}/scim/v2/Users \\\n    -H 'Authorization: Bearer {token}' \\\n    \
             -H 'Content-Type: application/scim+json' \\\n    \
             -d '{{\"schemas\":[\"{schema}\"],\"userName\":\"new@{name}.example\"}}'\n",
            token = first.token.expose(),
            schema = scim::schema::USER,
            name = first.organization.short_name,
        ));
    }
    text
}
