//! `rollcall migrate`

use std::path::Path;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failure, Global, progress, told};
use crate::app::{self, Conversion, DamagedLog, DiskLocation, MissingStore, Started};
use crate::config::Config;
use crate::domain::Caller;
use crate::service::Verdict;

#[derive(Args)]
#[command(
    after_help = "Without flags: applies the migrations that a new version of Rollcall brings. A server does so too when it starts.\n\n\
                  --convert: a store on disk that was written before the engine was SurrealKV 1.2 is refused by every command. Stop \
                  the server that uses it, so that its log is short; then run `rollcall migrate --convert`. It copies the folder, \
                  converts the copy, reads every value of it, checks its indexes, references and audit trails, and swaps the two. The \
                  original is kept as FOLDER.before-1.2. It needs twice the size of the store as free space."
)]
pub(super) struct Migrate {
    /// Convert a store on disk that an earlier version wrote: a copy of it, which then takes its place
    #[arg(long)]
    convert: bool,
    /// If the log of the store is damaged, convert it without the damaged end of a file of the log
    #[arg(long, requires = "convert")]
    salvage: bool,
}

impl Migrate {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        if self.convert { self.convert(global).await } else { bring_up_to_date(global).await }
    }

    async fn convert(self, global: &Global) -> Result<(), Failure> {
        let config = global.config()?;
        let Some(location) = DiskLocation::parse(&config.store.url)? else {
            return Err(
                format!("{} is not a store on disk of this process: nothing to convert", config.store.url).into()
            );
        };
        let conversion = match Conversion::begin(&location.folder)? {
            Started::Begun(conversion) => conversion,
            Started::Finished(original) => {
                return report(global, &original, "An interrupted conversion was finished.", &[]);
            }
        };
        let bar = bytes_bar(conversion.bytes, "copying");
        conversion.copy(&|bytes| bar.inc(bytes))?;
        bar.finish_and_clear();
        let log = if self.salvage { DamagedLog::Salvage } else { DamagedLog::Refuse };
        let bar = ProgressBar::new_spinner().with_message("rows converted and read");
        let rows = conversion.convert(config.store_settings()?.memory, log, &|rows| bar.set_position(rows)).await?;
        bar.finish_and_clear();
        let found = check_copy(&config, &location, &conversion).await?;
        let original = conversion.swap()?;
        report(global, &original, &format!("Converted. {rows} rows were read."), &found)
    }
}

/// Opens the copy, brings it up to date, and looks for what a fault of the former engine may have left: that is told, and is no
/// reason not to convert.
async fn check_copy(config: &Config, original: &DiskLocation, conversion: &Conversion) -> Result<Vec<String>, Failure> {
    let mut config = config.clone();
    if config.sign_in.key_file.as_os_str().is_empty() {
        config.sign_in.key_file = crate::secrets::key_file_beside(&original.folder);
    }
    config.store.url = format!("surrealkv://{}", conversion.copy.display());
    let service = app::open(&config, MissingStore::Refuse).await?;
    let operator = Caller::operator(None);
    let databases = service.list_databases(&operator).await.map_err(told)?;
    let bar = progress(databases.len(), "databases checked");
    let mut found = Vec::new();
    for id in databases.iter().map(|database| database.organization) {
        found.extend(service.find_store_damage(&operator, id, &|_| ()).await.map_err(told)?.sentences());
        if let Verdict::Broken { sequence } = service.verify_audit_trail(&operator, id, &|_| ()).await.map_err(told)? {
            found.push(format!("an audit trail is not whole from event {sequence} on"));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    drop(service);
    app::close_stores().await;
    Ok(found)
}

fn report(global: &Global, original: &Path, what: &str, found: &[String]) -> Result<(), Failure> {
    let original = original.display();
    let found_text = if found.is_empty() {
        "No inconsistency was found.".to_owned()
    } else {
        format!(
            "A fault of the former engine left this, which `rollcall doctor --repair` repairs:\n  {}",
            found.join("\n  ")
        )
    };
    global.answer(
        &json!({"converted": true, "found": found, "original": original.to_string()}),
        &format!(
            "{what} {found_text}\nTo go back: stop the server, put {original} back under the name of the store, and run the former \
             version. Writes made since then are lost by that. Delete {original} when you need no way back."
        ),
    )
}

fn bytes_bar(bytes: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(bytes).with_message(what);
    match ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg} {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn bring_up_to_date(global: &Global) -> Result<(), Failure> {
    let service = global.open().await?;
    let operator = Caller::operator(None);
    let organizations = service.list_organizations(&operator).await.map_err(told)?;
    let bar = progress(organizations.len(), "organizations");
    for organization in &organizations {
        service.open_organization(&operator, organization.id).await.map_err(told)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let count = organizations.len();
    global.answer(&json!({ "organizations": count }), &format!("The store is up to date: {count} organizations."))
}
