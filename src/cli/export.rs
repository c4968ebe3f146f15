//! `rollcall export`

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Failure, Global, operator_in, told};
use crate::domain::{Caller, GroupId, UserId};
use crate::service::{LineKind, Service, line_kind};

#[derive(Args)]
#[command(
    after_help = "Each line is a SCIM resource: extensions first, then users, groups, and the members of groups.\n\
                        Passwords, tokens, sessions and the audit trail are not in it: it is no backup.\n\n\
                        If it is interrupted, run it again: it goes on where it stopped, with FILE.ID.part."
)]
pub(super) struct Export {
    /// Short name of the organization
    organization: String,
    /// Where to; must not be there yet
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// The last line that was written whole.
enum Last {
    Nothing,
    User(UserId),
    Group(GroupId),
    Members(GroupId, Uuid),
}

impl Export {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        if self.output.exists() {
            return Err(format!("{} is there already: choose another name", self.output.display()).into());
        }
        let service = global.open().await?;
        let operator = operator_in(&service, &self.organization).await?;
        // Whose it is: an interrupted export of another organization is not gone on with.
        let id = operator.organization().map(|id| id.to_string()).unwrap_or_default();
        let mut name = self.output.clone().into_os_string();
        name.push(format!(".{id}.part"));
        let part = PathBuf::from(name);
        let last = resume(&part)?;
        let file = OpenOptions::new().create(true).append(true).open(&part);
        let file = file.map_err(|error| format!("{}: {error}", part.display()))?;
        let written = write_all(&service, &operator, BufWriter::new(file), last).await?;
        std::fs::rename(&part, &self.output).map_err(|error| format!("{}: {error}", self.output.display()))?;
        let text = format!("{written} lines written to {}.", self.output.display());
        global.answer(&json!({"lines": written, "file": self.output.display().to_string()}), &text)
    }
}

/// Where an export that was interrupted stopped. What is after its last whole line is cut off.
fn resume(part: &Path) -> Result<Last, Failure> {
    if !part.exists() {
        return Ok(Last::Nothing);
    }
    let named = |error: std::io::Error| format!("{}: {error}", part.display());
    let mut reader = BufReader::new(File::open(part).map_err(named)?);
    let (mut whole, mut line, mut last) = (0, String::new(), Value::Null);
    loop {
        line.clear();
        let length = reader.read_line(&mut line).map_err(named)?;
        if length == 0 || !line.ends_with('\n') {
            break;
        }
        last = serde_json::from_str(&line).map_err(|error| format!("{}: not an export: {error}", part.display()))?;
        whole += length as u64;
    }
    let id = |value: &Value| value.as_str().and_then(|id| Uuid::parse_str(id).ok());
    let kind = last.as_object().and_then(line_kind);
    let member = last["members"].as_array().and_then(|members| id(&members.last()?["value"]));
    let stopped = match (kind, id(&last["id"]), member) {
        (Some(LineKind::User), Some(user), _) => Last::User(UserId::new(user)),
        (Some(LineKind::Group), Some(group), Some(member)) => Last::Members(GroupId::new(group), member),
        (Some(LineKind::Group), Some(group), None) => Last::Group(GroupId::new(group)),
        _ => Last::Nothing,
    };
    let kept = if matches!(stopped, Last::Nothing) { 0 } else { whole };
    let mut file = OpenOptions::new().write(true).open(part).map_err(named)?;
    file.set_len(kept).map_err(named)?;
    file.seek(SeekFrom::End(0)).map_err(named)?;
    Ok(stopped)
}

async fn write_all(service: &Service, operator: &Caller, mut out: impl Write, last: Last) -> Result<u64, Failure> {
    let extent = service.measure_export(operator).await.map_err(told)?;
    let bar =
        super::progress(usize::try_from(extent.users + 2 * extent.groups).unwrap_or(usize::MAX), "users and groups");
    let mut written = 0;
    let mut put = |lines: &[Value]| -> Result<(), Failure> {
        for line in lines {
            writeln!(out, "{line}")?;
        }
        written += lines.len() as u64;
        bar.inc(lines.len() as u64);
        // What is on the screen is in the file.
        Ok(out.flush()?)
    };
    if matches!(last, Last::Nothing) {
        put(&service.export_extensions(operator).await.map_err(told)?)?;
    }
    if let Last::Nothing | Last::User(_) = last {
        let mut after = if let Last::User(user) = last { Some(user) } else { None };
        loop {
            let lines = service.export_users(operator, after).await.map_err(told)?;
            let Some(end) = lines.last() else { break };
            after = end["id"].as_str().and_then(|id| id.parse().ok());
            put(&lines)?;
        }
    }
    if !matches!(last, Last::Members(..)) {
        let mut after = if let Last::Group(group) = last { Some(group) } else { None };
        loop {
            let lines = service.export_groups(operator, after).await.map_err(told)?;
            let Some(end) = lines.last() else { break };
            after = end["id"].as_str().and_then(|id| id.parse().ok());
            put(&lines)?;
        }
    }
    let mut after = None;
    if let Last::Members(group, member) = last {
        put(&service.export_members(operator, group, Some(member)).await.map_err(told)?)?;
        after = Some(group);
    }
    loop {
        let groups = service.export_groups(operator, after).await.map_err(told)?;
        let ids: Vec<GroupId> =
            groups.iter().filter_map(|group| group["id"].as_str()).filter_map(|id| id.parse().ok()).collect();
        let Some(end) = ids.last() else { break };
        after = Some(*end);
        for group in ids {
            put(&service.export_members(operator, group, None).await.map_err(told)?)?;
        }
    }
    bar.finish_and_clear();
    Ok(written)
}
