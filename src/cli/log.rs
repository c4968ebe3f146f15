//! `rollcall log`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, Global, operator_in, told};
use crate::domain::audit::FieldChange;
use crate::domain::provisioning::{ProvisioningEvent, ProvisioningOutcome};
use crate::domain::{Caller, ProvisioningEventId, id};
use crate::service::{ProvisioningFilter, Service, ToldProvisioning};

/// Records that are read at a time.
const CHUNK: usize = 500;
/// How often new ones are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How much later than it came a request may be recorded: as long as one may take, and some.
const LATE: TimeDelta = TimeDelta::seconds(60);

#[derive(Subcommand)]
pub(super) enum LogCommand {
    /// Show the latest requests of an organization's directories; with --follow, new ones as they come
    #[command(after_help = "A store on disk is open in one process at a time: while a server runs on it, ask its API \
                            (provisioningEvents in GraphiQL).\n\n\
                            rollcall log tail acme --outcome refused --since 24h\n\
                            rollcall log tail acme --resource 0199f2c4-… --lines 100")]
    Tail {
        #[command(flatten)]
        which: Which,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: usize,
        /// Go on with new ones until interrupted
        #[arg(long, short)]
        follow: bool,
    },
    /// Explain one request: how it was read, what it changed, why it was refused
    Show {
        /// Short name of the organization
        organization: String,
        /// Id of the record, or of the request: it is in the error body and in the header x-request-id
        id: String,
    },
    /// Write the log as JSON lines, oldest first
    Export {
        #[command(flatten)]
        which: Which,
        /// Where to; standard output if absent
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Args)]
pub(super) struct Which {
    /// Short name of the organization
    organization: String,
    /// Only this directory: its name or id
    #[arg(long)]
    directory: Option<String>,
    /// Only these: applied, unchanged or refused
    #[arg(long, value_parser = outcome)]
    outcome: Option<ProvisioningOutcome>,
    /// Only these: post, put, patch or delete
    #[arg(long, value_parser = method)]
    method: Option<String>,
    /// Only those about this user or group, by id
    #[arg(long, value_parser = resource)]
    resource: Option<uuid::Uuid>,
    /// Only since then: 2026-01-31T12:00:00Z, or 30m, 24h, 7d ago
    #[arg(long, value_parser = since)]
    since: Option<Since>,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

fn outcome(text: &str) -> Result<ProvisioningOutcome, String> {
    ProvisioningOutcome::named(&text.to_ascii_uppercase()).ok_or_else(|| "use applied, unchanged or refused".to_owned())
}

/// The methods of which records are kept.
const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

fn method(text: &str) -> Result<String, String> {
    let method = text.to_ascii_uppercase();
    if METHODS.contains(&method.as_str()) { Ok(method) } else { Err("use post, put, patch or delete".to_owned()) }
}

fn resource(text: &str) -> Result<uuid::Uuid, String> {
    id::parse(text).ok_or_else(|| "not the id of a user or group".to_owned())
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    let ago = text.split_at_checked(text.len().saturating_sub(1)).and_then(|(number, unit)| {
        let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
        match unit {
            "m" => TimeDelta::try_minutes(number),
            "h" => TimeDelta::try_hours(number),
            "d" => TimeDelta::try_days(number),
            _ => None,
        }
    });
    ago.map(Since::Ago).ok_or_else(|| "use a time like 2026-01-31T12:00:00Z, or 30m, 24h, 7d".to_owned())
}

impl Which {
    async fn filter(&self, service: &Service, operator: &Caller) -> Result<ProvisioningFilter, Failure> {
        let directory = match &self.directory {
            Some(name) => Some(super::directory::find(service, operator, name).await?),
            None => None,
        };
        let from = self.since.map(|since| match since {
            Since::At(at) => at,
            Since::Ago(ago) => service.now().checked_sub_signed(ago).unwrap_or(DateTime::<Utc>::MIN_UTC),
        });
        Ok(ProvisioningFilter {
            directory,
            outcome: self.outcome,
            method: self.method.clone(),
            resource: self.resource,
            from,
            ..ProvisioningFilter::default()
        })
    }
}

impl LogCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let service = global.open().await?;
        match self {
            Self::Tail { which, lines, follow } => {
                let operator = operator_in(&service, &which.organization).await?;
                let filter = which.filter(&service, &operator).await?;
                tail(global, &service, &operator, &filter, lines, follow).await
            }
            Self::Show { organization, id } => {
                let operator = operator_in(&service, &organization).await?;
                let found = service.explain_provisioning(&operator, &id).await.map_err(told)?;
                if found.is_empty() {
                    return Err(format!("no record has the id '{id}', and no request had it").into());
                }
                let values: Vec<Value> = found.iter().map(explained).collect();
                let texts: Vec<String> = found.iter().map(in_words).collect();
                global.answer(&json!({ "records": values }), &texts.join("\n\n"))
            }
            Self::Export { which, output } => {
                let operator = operator_in(&service, &which.organization).await?;
                let filter = which.filter(&service, &operator).await?;
                export(global, &service, &operator, &filter, output).await
            }
        }
    }
}

async fn tail(
    global: &Global,
    service: &Service,
    operator: &Caller,
    filter: &ProvisioningFilter,
    lines: usize,
    follow: bool,
) -> Result<(), Failure> {
    let latest = service.list_provisioning_events(operator, filter, (None, None), true, lines).await.map_err(told)?;
    let mut shown: BTreeMap<ProvisioningEventId, DateTime<Utc>> = BTreeMap::new();
    for event in latest.iter().rev() {
        print(global, event)?;
        shown.insert(event.id, event.at);
    }
    if !follow {
        return Ok(());
    }
    let begun = service.now();
    loop {
        tokio::time::sleep(EVERY).await;
        // Records bear the time their request came: one that took long comes after others that came later.
        let since = (service.now() - LATE).max(begun);
        shown.retain(|_, at| *at >= since - LATE);
        let recent = ProvisioningFilter { from: Some(since), ..filter.clone() };
        let mut last = None;
        loop {
            let span = (None, last);
            let found = service.list_provisioning_events(operator, &recent, span, false, CHUNK).await.map_err(told)?;
            for event in found.iter().filter(|event| !shown.contains_key(&event.id)) {
                print(global, event)?;
            }
            shown.extend(found.iter().map(|event| (event.id, event.at)));
            last = found.last().map(|event| event.id);
            if found.len() < CHUNK {
                break;
            }
        }
    }
}

fn print(global: &Global, event: &ProvisioningEvent) -> Result<(), Failure> {
    global.answer(&described(event), &line(event))
}

async fn export(
    global: &Global,
    service: &Service,
    operator: &Caller,
    filter: &ProvisioningFilter,
    output: Option<PathBuf>,
) -> Result<(), Failure> {
    let count = service.count_provisioning_events(operator, filter).await.map_err(told)?;
    let to_file = output.is_some();
    let mut out: Box<dyn std::io::Write + Send> = match &output {
        Some(path) => Box::new(std::io::BufWriter::new(
            std::fs::File::create_new(path).map_err(|error| format!("{}: {error}", path.display()))?,
        )),
        None => Box::new(std::io::stdout()),
    };
    let bar = super::progress(usize::try_from(count).unwrap_or(usize::MAX), "records");
    let (mut last, mut written): (Option<ProvisioningEventId>, u64) = (None, 0);
    loop {
        let span = (None, last);
        let chunk = service.list_provisioning_events(operator, filter, span, false, CHUNK).await.map_err(told)?;
        for event in &chunk {
            writeln!(out, "{}", described(event))?;
        }
        written += chunk.len() as u64;
        bar.set_position(written);
        last = chunk.last().map(|event| event.id);
        if chunk.len() < CHUNK {
            break;
        }
    }
    out.flush()?;
    bar.finish_and_clear();
    if to_file {
        global.answer(&json!({ "records": written }), &format!("{written} records written."))?;
    }
    Ok(())
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// One record on one line, with the reason of a refusal.
fn line(event: &ProvisioningEvent) -> String {
    let kind = event.scim_type.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
    let tolerances: Vec<&str> = event.tolerances.iter().map(|tolerance| tolerance.as_str()).collect();
    let tolerances =
        if tolerances.is_empty() { String::new() } else { format!("  tolerated {}", tolerances.join(",")) };
    // The reason may quote what the client sent: nothing of it ends the line or moves the cursor.
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let reason: String = event.detail.iter().flat_map(|detail| detail.chars().map(plain)).collect();
    let reason = if reason.is_empty() { reason } else { format!("  {reason}") };
    format!(
        "{}  {:<9} {}{kind}  {} {}  {}{tolerances}{reason}",
        instant(event.at),
        event.outcome.as_str().to_lowercase(),
        event.status,
        event.method,
        event.path,
        event.id,
    )
}

fn described(event: &ProvisioningEvent) -> Value {
    let tolerances: Vec<&str> = event.tolerances.iter().map(|tolerance| tolerance.as_str()).collect();
    json!({
        "id": event.id.to_string(), "at": instant(event.at), "directory": event.directory.to_string(),
        "client": event.client, "method": event.method, "path": event.path, "resourceType": event.resource_type,
        "resource": event.resource.map(|id| id.to_string()), "outcome": event.outcome.as_str(),
        "status": event.status, "scimType": event.scim_type, "detail": event.detail,
        "dialect": event.dialect.as_str(), "operations": event.operations, "tolerances": tolerances,
        "denied": event.denied.map(scim::Tolerance::as_str),
        "auditEvent": event.audit_event.map(|id| id.to_string()),
        "versionBefore": event.version_before, "versionAfter": event.version_after,
        "requestId": event.request, "durationMs": event.duration, "explanation": event.explain(),
    })
}

fn explained(told: &ToldProvisioning) -> Value {
    let mut value = described(&told.event);
    value["directoryName"] = json!(told.directory);
    value["changes"] = json!(told.changes);
    value["membersAdded"] = json!(told.members_added);
    value["membersRemoved"] = json!(told.members_removed);
    value
}

/// One record with all that is known, for people.
fn in_words(told: &ToldProvisioning) -> String {
    let event = &told.event;
    let directory = told.directory.clone().unwrap_or_else(|| format!("directory {} (deleted)", event.directory));
    let client = event.client.as_deref().map(|client| format!(" ({client})")).unwrap_or_default();
    let mut lines = vec![
        format!("{}  {} {}", instant(event.at), event.method, event.path),
        format!("  from {directory}{client}, request {}", event.request),
        format!(
            "  answered {}{} after {} ms",
            event.status,
            event.scim_type.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default(),
            event.duration
        ),
    ];
    lines.extend(event.detail.as_ref().map(|detail| format!("  \"{detail}\"")));
    lines.push(String::new());
    lines.extend(event.explain().into_iter().map(|sentence| format!("  {sentence}")));
    if !event.operations.is_empty() {
        lines.push("\n  Read as:".to_owned());
        lines.extend(event.operations.iter().map(|operation| format!("    {operation}")));
    }
    let version = |version: Option<u64>| version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    if event.audit_event.is_some() {
        let versions = format!("{} -> {}", version(event.version_before), version(event.version_after));
        lines.push(format!("\n  Version {versions}"));
    }
    if told.members_added + told.members_removed > 0 {
        lines.push(format!("  Members: {} came, {} went", told.members_added, told.members_removed));
    }
    lines.extend(told.changes.iter().map(|change| format!("    {}", changed(change, told.is_masked))));
    lines.join("\n")
}

fn changed(FieldChange { field, before, after }: &FieldChange, is_masked: bool) -> String {
    if is_masked {
        return field.clone();
    }
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "(nothing)".to_owned(), ToString::to_string);
    format!("{field}: {} -> {}", value(before), value(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D, "README against program": the flag is there, and knows the methods that leave records.
    #[test]
    fn methods_are_read_in_any_case() {
        assert_eq!(method("patch").as_deref(), Ok("PATCH"));
        assert!(method("get").is_err());
    }

    #[test]
    fn times_are_read_absolute_and_relative() {
        assert!(matches!(since("2026-01-31T12:00:00Z"), Ok(Since::At(_))));
        assert!(matches!(since("24h"), Ok(Since::Ago(ago)) if ago == TimeDelta::hours(24)));
        for wrong in ["", "h", "-1h", "1w", "x", "99999999999999999d", "1é"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
