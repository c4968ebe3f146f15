//! `rollcall doctor`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Failure, Global, told};
use crate::app::DiskLocation;
use crate::config::{Config, MailSecurity, MailTransport, environment_warnings, is_this_machine};
use crate::domain::Caller;
use crate::domain::organization::Organization;
use crate::files::find_open_to_others;
use crate::secrets::key_file_beside;
use crate::service::{CheckedDatabase, Oversized, Service};

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// It works, but not as it should in earnest.
    Doubtful,
    Broken,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Doubtful => "warning",
            Self::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
struct Finding {
    what: String,
    state: State,
    /// What is wrong, and what to do.
    advice: String,
}

fn found(what: impl Into<String>, state: State, advice: impl Into<String>) -> Finding {
    Finding { what: what.into(), state, advice: advice.into() }
}

#[derive(Args)]
#[command(after_help = "Checks settings, store and organizations, and suggests a fix for each problem. \
                  It reads every record: a million users take minutes.\n\n\
                  --repair repairs what a lost write left in the store: it rebuilds indexes, removes references to records that do not \
                  exist, and declares missing audit events lost. Without --yes it prints its plan; with --yes it applies it, and leaves an audit \
                  event store.repaired. Stop every server on the store and copy the store first. Exit code 1: something is broken.")]
pub(super) struct Doctor {
    /// Repair what a lost write left in the store
    #[arg(long)]
    repair: bool,
    /// Apply the repair plan
    #[arg(long, requires = "repair")]
    yes: bool,
    /// Every server on a SurrealDB store (ws://) is stopped: no lock tells, so you say so
    #[arg(long, requires = "yes")]
    servers_stopped: bool,
}

impl Doctor {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.config()?;
        if self.yes && config.store_is_on_server() && !self.servers_stopped {
            return Err("other servers may write to a SurrealDB store while it is repaired, and what they write would be taken for damage: \
                        stop them all, then say so with --servers-stopped"
                .into());
        }
        let mut findings = vec![found("settings", State::Well, "")];
        findings.extend(environment_warnings().iter().map(|one| found("environment", State::Doubtful, one)));
        findings.extend(look_at_settings(&config));
        // Before the store is opened, which may create it.
        findings.extend(look_at_files(&config));
        match global.open().await {
            Ok(service) => {
                findings.push(found("store and keys", State::Well, ""));
                findings.extend(look_at_organizations(&service).await?);
                findings.extend(self.look_at_store(&service).await?);
            }
            Err(error) => findings.push(found("store and keys", State::Broken, error.to_string())),
        }
        answer(global, &findings)
    }

    /// Looks for inconsistencies in each database, and repairs them if that is asked for.
    async fn look_at_store(&self, service: &Service) -> Result<Vec<Finding>, Failure> {
        let operator = Caller::operator(None);
        let databases = service.list_databases(&operator).await.map_err(told)?;
        let mut findings = Vec::new();
        let bar = super::progress(databases.len(), "databases");
        for CheckedDatabase { organization, name } in databases {
            let what = format!("records of {name}");
            let checked = |part: &str| bar.set_message(format!("{what}: {part}"));
            let mut damage = service.find_store_damage(&operator, organization, &checked).await.map_err(told)?;
            let before = damage.sentences();
            if self.yes && !damage.is_empty() {
                service.repair_store(&operator, organization, damage).await.map_err(told)?;
                damage = service.find_store_damage(&operator, organization, &checked).await.map_err(told)?;
            }
            let after = damage.sentences();
            let repaired = before.iter().filter(|one| !after.contains(one));
            findings.extend(repaired.map(|one| found(&what, State::Well, format!("repaired: {one}"))));
            findings.extend(after.iter().map(|one| found(&what, State::Broken, one)));
            if before.is_empty() {
                findings.push(found(&what, State::Well, ""));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        if findings.iter().any(|finding| finding.state == State::Broken) {
            let advice = "stop every server on the store, copy the store, then: rollcall doctor --repair --yes";
            findings.push(found("repair", State::Doubtful, advice));
        }
        Ok(findings)
    }
}

fn answer(global: &Global, findings: &[Finding]) -> Result<(), Failure> {
    let values: Vec<Value> = findings
        .iter()
        .map(|Finding { what, state, advice }| json!({"what": what, "state": state.as_str(), "advice": advice}))
        .collect();
    let lines: Vec<String> = findings
        .iter()
        .map(|Finding { what, state, advice }| format!("{:<8} {what}  {advice}", state.as_str()).trim_end().to_owned())
        .collect();
    let is_broken = findings.iter().any(|finding| finding.state == State::Broken);
    global.answer(&json!({ "ok": !is_broken, "findings": values }), &lines.join("\n"))?;
    if is_broken { Err("something is broken: see above".into()) } else { Ok(()) }
}

/// A store on a server needs neither its root user nor an open connection.
fn look_at_database_user(config: &Config) -> Vec<Finding> {
    let Some((scheme, rest)) = config.store.url.split_once("://").filter(|(scheme, _)| scheme.starts_with("ws")) else {
        return Vec::new();
    };
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let name = host.split(['/', '?']).next().unwrap_or(host);
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    let mut findings = Vec::new();
    if config.store.username == "root" || user.split(':').next() == Some("root") {
        let advice = "the database is used as root: a user of the namespace is enough, see ops/README.md";
        findings.push(found("database user", State::Doubtful, advice));
    }
    if scheme == "ws" && !is_this_machine(host) {
        let advice = "ws:// sends the password and everybody's data in the clear: use wss://, or a network of its own";
        findings.push(found("database connection", State::Doubtful, advice));
    }
    findings
}

/// Finds files that other users of this machine can read and must not: the store, and files that hold secrets.
fn look_at_files(config: &Config) -> Vec<Finding> {
    let mut paths: Vec<PathBuf> = Vec::new();
    if let Ok(Some(location)) = DiskLocation::parse(&config.store.url) {
        paths.extend([key_file_beside(&location.folder), location.folder]);
    }
    let secrets = [
        &config.sign_in.key_file,
        &config.store.password_file,
        &config.mail.password_file,
        &config.server.management_token_file,
    ];
    paths.extend(secrets.map(Clone::clone));
    let named = paths.iter().filter(|path| !path.as_os_str().is_empty());
    named
        .filter_map(|path| {
            let open = find_open_to_others(path)?;
            let (path, open) = (path.display(), open.display());
            let advice = format!("other users of this machine can read {open}: chmod -R go= {path}");
            Some(found("files", State::Doubtful, advice))
        })
        .collect()
}

fn look_at_settings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let url = &config.server.public_url;
    if url.is_empty() {
        let advice =
            "set server.public_url to the origin that clients use: locations and links in mails are made of it";
        findings.push(found("public URL", State::Doubtful, advice));
    } else if !url.starts_with("https://") {
        let advice = "server.public_url is not https: tokens and passwords would travel in the clear";
        findings.push(found("public URL", State::Doubtful, advice));
    }
    if config.store.url.starts_with("mem://") {
        let advice = "mem:// forgets everything at the end: set store.url to surrealkv://PATH or ws://HOST:PORT";
        findings.push(found("durability", State::Doubtful, advice));
    } else if config.store.url.contains("sync=never") {
        let advice = "sync=never acknowledges what is not on disk: take it out of store.url";
        findings.push(found("durability", State::Doubtful, advice));
    }
    if config.mail.transport == MailTransport::Log {
        let advice = "mails are not sent, only counted in the log: set mail.transport to smtp, or nobody gets invitations and reset links";
        findings.push(found("mail", State::Doubtful, advice));
    }
    if config.mail.transport == MailTransport::Smtp
        && config.mail.security == MailSecurity::None
        && !is_this_machine(&config.mail.host)
    {
        let advice =
            "mail.security = \"none\" sends links that open accounts in the clear: use \"tls\" or \"starttls\"";
        findings.push(found("mail", State::Doubtful, advice));
    }
    if config.management().is_some_and(|address| !address.ip().is_loopback())
        && config.server.management_token_file.as_os_str().is_empty()
    {
        let advice = "/metrics is refused to other machines: set server.management_token_file, or listen on 127.0.0.1";
        findings.push(found("metrics", State::Doubtful, advice));
    }
    findings.extend(look_at_database_user(config));
    if config.management().is_none() {
        let advice = "set server.management to have /metrics";
        findings.push(found("metrics", State::Doubtful, advice));
    }
    findings
}

async fn look_at_organizations(service: &Service) -> Result<Vec<Finding>, Failure> {
    let operator = Caller::operator(None);
    let organizations = service.list_organizations(&operator).await.map_err(told)?;
    if organizations.is_empty() {
        let advice = "there is none yet: rollcall organization create SHORT_NAME --owner-email EMAIL";
        return Ok(vec![found("organizations", State::Doubtful, advice)]);
    }
    let mut findings = Vec::new();
    let bar = super::progress(organizations.len(), "organizations");
    for organization in &organizations {
        findings.extend(look_at(service, organization).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(findings)
}

async fn look_at(service: &Service, organization: &Organization) -> Result<Vec<Finding>, Failure> {
    let name = &organization.short_name;
    let within = Caller::operator(Some(organization.id));
    let mut findings = Vec::new();
    if !service.has_owner(&Caller::operator(None), organization.id).await.map_err(told)? {
        let advice =
            format!("it has no owner who can sign in: `rollcall user owner {name} EMAIL` makes or restores one");
        findings.push(found(format!("organization {name}"), State::Doubtful, advice));
    }
    for directory in service.list_directories(&within).await.map_err(told)? {
        let tokens = service.list_directory_tokens(&within, directory.id).await.map_err(told)?;
        let what = format!("directory {} of {name}", directory.name);
        if !directory.enabled {
            findings.push(found(what, State::Doubtful, "it is switched off: its requests are refused"));
        } else if !tokens.iter().any(|token| token.is_live(service.now())) {
            let advice = format!("it has no token that works: rollcall directory rotate {name} '{}'", directory.name);
            findings.push(found(what, State::Doubtful, advice));
        }
    }
    for Oversized { kind, id, bytes } in service.find_oversized(&within).await.map_err(told)? {
        let limit = service.limits().resource_bytes;
        let advice = format!(
            "it takes {bytes} bytes, and scim.resource_bytes is {limit}: it can shrink and be deleted, not grow"
        );
        findings.push(found(format!("{kind} {id} of {name}"), State::Doubtful, advice));
    }
    if findings.is_empty() {
        findings.push(found(format!("organization {name}"), State::Well, ""));
    }
    Ok(findings)
}
