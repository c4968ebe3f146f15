//! `rollcall import`

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Failure, Global, operator_in, told};
use crate::domain::{Caller, DirectoryId, Error};
use crate::service::{IMPORT_BATCH, IMPORTS_AT_ONCE, Imported, Line, LineKind, Service, line_kind};

/// The longest line, in bytes.
const MOST_BYTES: u64 = 16 << 20;
/// Refused lines that are shown; all of them with --json.
const MOST_SHOWN: usize = 20;

#[derive(Args)]
#[command(after_help = "FILE has one SCIM resource a line: what `rollcall export` wrote, or users of your own:\n\n\
                        {\"userName\": \"ada@acme.example\", \"name\": {\"givenName\": \"Ada\"}, \"externalId\": \"00u1\"}\n\
                        {\"displayName\": \"Engineers\", \"members\": [{\"value\": \"id of a user\"}]}\n\n\
                        Whoever is there already (by id, or by userName where a line has no id) is left as they are: if it is\n\
                        interrupted, run it again. Lines that cannot be taken in are listed, and the others are.\n\
                        Exit code 1: some lines were refused.")]
pub(super) struct Import {
    /// Short name of the organization
    organization: String,
    /// A file of JSON lines
    file: PathBuf,
    /// The directory that goes on to provision them: its name or id. Their externalId is then that directory's
    #[arg(long)]
    directory: Option<String>,
}

impl Import {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let named = |error: std::io::Error| format!("{}: {error}", self.file.display());
        let file = File::open(&self.file).map_err(named)?;
        let length = file.metadata().map_err(named)?.len();
        let service = global.open().await?;
        let operator = operator_in(&service, &self.organization).await?;
        let directory = match &self.directory {
            Some(name) => Some(super::directory::find(&service, &operator, name).await?),
            None => None,
        };
        let bar = bar(length);
        let (waiting, running) = (Vec::new(), JoinSet::new());
        let mut importing = Importing { service, operator, directory, waiting, running };
        let mut imported = Imported::default();
        let mut reader = BufReader::new(file);
        let (mut number, mut line) = (0, Vec::new());
        loop {
            line.clear();
            let read = std::io::Read::take(&mut reader, MOST_BYTES).read_until(b'\n', &mut line).map_err(named)?;
            if read == 0 {
                break;
            }
            number += 1;
            if read as u64 == MOST_BYTES {
                return Err(format!("{}: line {number} is longer than {MOST_BYTES} bytes", self.file.display()).into());
            }
            if !line.trim_ascii().is_empty() {
                imported.add(importing.take(number, &line).await?);
            }
            bar.inc(read as u64);
        }
        imported.add(importing.settle().await?);
        bar.finish_and_clear();
        imported.refused.sort_unstable();
        answer(global, &imported)
    }
}

fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed} (about {eta} left)") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

struct Importing {
    service: Arc<Service>,
    operator: Caller,
    directory: Option<DirectoryId>,
    /// Users, until they are enough for a batch or something else comes.
    waiting: Vec<Line>,
    /// Batches of users that are being written.
    running: JoinSet<Result<Imported, Error>>,
}

impl Importing {
    /// Takes a line, and answers what came of lines in the meantime.
    async fn take(&mut self, number: u64, text: &[u8]) -> Result<Imported, Failure> {
        let refused = |why: String| Imported { refused: vec![(number, why)], ..Imported::default() };
        let line = match scim::json::parse_object(text) {
            Ok(line) => line,
            Err(error) => return Ok(refused(error.to_string())),
        };
        let Some(kind) = line_kind(&line) else {
            return Ok(refused("neither a user nor a group: it has no userName and no displayName".to_owned()));
        };
        if kind == LineKind::User {
            self.waiting.push((number, line));
            return if self.waiting.len() < IMPORT_BATCH { Ok(Imported::default()) } else { self.write().await };
        }
        // Whom a group names has to be there.
        let mut imported = self.settle().await?;
        let line = (number, line);
        let more = match kind {
            LineKind::Schema => {
                let set = self.service.import_extension(&self.operator, line).await.map_err(told)?;
                if let Some((number, why)) = set.refused.first() {
                    let why =
                        format!("line {number}: {why}. Nothing after it was taken in: it may need this extension");
                    return Err(why.into());
                }
                Ok(set)
            }
            LineKind::Group | LineKind::User => self.service.import_group(&self.operator, line, self.directory).await,
        };
        imported.add(more.map_err(told)?);
        Ok(imported)
    }

    /// Begins to write the users that wait, once fewer than [`IMPORTS_AT_ONCE`] batches are being written.
    async fn write(&mut self) -> Result<Imported, Failure> {
        let mut imported = Imported::default();
        if self.running.len() >= IMPORTS_AT_ONCE
            && let Some(done) = self.running.join_next().await
        {
            imported.add(done?.map_err(told)?);
        }
        let lines = std::mem::take(&mut self.waiting);
        let (service, operator, directory) = (self.service.clone(), self.operator.clone(), self.directory);
        self.running.spawn(async move { service.import_users(&operator, lines, directory).await });
        Ok(imported)
    }

    /// Writes the users that wait, and waits for all.
    async fn settle(&mut self) -> Result<Imported, Failure> {
        let mut imported = if self.waiting.is_empty() { Imported::default() } else { self.write().await? };
        while let Some(done) = self.running.join_next().await {
            imported.add(done?.map_err(told)?);
        }
        Ok(imported)
    }
}

fn answer(global: &Global, imported: &Imported) -> Result<(), Failure> {
    let Imported { users, groups, members, extensions, existing, refused } = imported;
    let mut lines = vec![format!(
        "{users} users, {groups} groups, {members} members and {extensions} extensions came in; {existing} were there already."
    )];
    lines.extend(refused.iter().take(MOST_SHOWN).map(|(number, why)| format!("line {number}: {why}")));
    if refused.len() > MOST_SHOWN {
        lines.push(format!("… and {} more", refused.len() - MOST_SHOWN));
    }
    let refusals: Vec<_> = refused.iter().map(|(line, reason)| json!({"line": line, "reason": reason})).collect();
    let value = json!({"users": users, "groups": groups, "members": members, "extensions": extensions,
                       "existing": existing, "refused": refusals});
    global.answer(&value, &lines.join("\n"))?;
    if refused.is_empty() { Ok(()) } else { Err(format!("{} lines were refused", refused.len()).into()) }
}
