//! `rollcall audit`

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Failure, Global, operator_in, told};
use crate::domain::{Caller, OrganizationId};
use crate::service::{Service, Verdict};

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Read the audit trails and check that no event is missing or was changed
    #[command(
        after_help = "Exit code 1: a trail is broken. What people are called is not needed for this, and is not shown."
    )]
    Verify {
        /// Short name of one organization; all if absent
        #[arg(long, value_name = "SHORT_NAME")]
        organization: Option<String>,
    },
}

impl AuditCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let Self::Verify { organization } = self;
        let service = global.open().await?;
        let operator = Caller::operator(None);
        let mut trails: Vec<(String, Option<OrganizationId>)> = Vec::new();
        if let Some(short_name) = organization {
            operator_in(&service, &short_name).await?;
            let found = service.get_organization(&operator, &short_name).await.map_err(told)?;
            trails.push((short_name, Some(found.id)));
        } else {
            trails.push(("(people)".to_owned(), None));
            let organizations = service.list_organizations(&operator).await.map_err(told)?;
            trails.extend(organizations.into_iter().map(|one| (one.short_name, Some(one.id))));
        }
        let (mut values, mut lines, mut broken) = (Vec::new(), Vec::new(), false);
        for (name, id) in trails {
            let verdict = verify(&service, &operator, id).await?;
            let (value, line) = told_of(&name, &verdict);
            broken |= matches!(verdict, Verdict::Broken { .. });
            values.push(value);
            lines.push(line);
        }
        global.answer(&json!({ "trails": values }), &lines.join("\n"))?;
        if broken {
            Err("an audit trail is broken: events were changed or removed outside the server".into())
        } else {
            Ok(())
        }
    }
}

async fn verify(service: &Service, operator: &Caller, id: Option<OrganizationId>) -> Result<Verdict, Failure> {
    let bar = indicatif::ProgressBar::new_spinner().with_message("events");
    let seen = |count: u64| bar.set_position(count);
    let verdict = service.verify_audit_trail(operator, id, &seen).await.map_err(told);
    bar.finish_and_clear();
    verdict
}

fn told_of(name: &str, verdict: &Verdict) -> (Value, String) {
    match verdict {
        Verdict::Whole { events, head, gaps } => {
            let lost: Vec<String> =
                gaps.iter().map(|(first, last)| format!(", {first} to {last} declared lost")).collect();
            let head_text = head.as_deref().unwrap_or("(none)");
            (
                json!({"organization": name, "whole": true, "events": events, "head": head, "declaredLost": gaps}),
                format!("{name}: whole, {events} events, head {head_text}{}", lost.concat()),
            )
        }
        Verdict::Broken { sequence } => (
            json!({"organization": name, "whole": false, "brokenAt": sequence}),
            format!("{name}: BROKEN at event {sequence}"),
        ),
    }
}
