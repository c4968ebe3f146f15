//! `rollcall migrate`

use std::path::Path;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failure, Global, progress, told};
use crate::app::{Conversion, DamagedLog, DiskLocation, Started};
use crate::domain::Caller;

#[derive(Args)]
#[command(
    after_help = "Without flags: applies the migrations that a new version of Rollcall brings. A server does so too when it starts.\n\n\
                  --convert: a store on disk that was written before the engine was SurrealKV 1.2 is refused by every command. Stop \
                  the server that uses it, so that its log is short; then run `rollcall migrate --convert`. It copies the folder, \
                  converts the copy, reads every value of it, checks indexes, members and audit trails, and changes places. The \
                  original is kept as FOLDER.before-1.2. It needs twice the size of the store as free space."
)]
pub(super) struct Migrate {
    /// Convert a store on disk that an earlier version wrote: a copy of it, which then takes its place
    #[arg(long)]
    convert: bool,
    /// If the log of the store is damaged, convert what comes before the damage instead of nothing
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
                return told_of(global, &original, "An interrupted conversion was finished.", 0);
            }
        };
        let bar = bytes_bar(conversion.bytes, "copying");
        conversion.copy(&|bytes| bar.inc(bytes))?;
        bar.finish_and_clear();
        let log = if self.salvage { DamagedLog::Salvage } else { DamagedLog::Refuse };
        let bar = ProgressBar::new_spinner().with_message("rows converted and read");
        let rows = conversion.convert(config.store_settings()?.memory, log, &|rows| bar.set_position(rows)).await?;
        bar.finish_and_clear();
        let original = conversion.change_places()?;
        told_of(global, &original, "Converted.", rows)
    }
}

fn told_of(global: &Global, original: &Path, what: &str, rows: u64) -> Result<(), Failure> {
    let original = original.display();
    global.answer(
        &json!({"converted": true, "rows": rows, "original": original.to_string()}),
        &format!(
            "{what} {rows} rows were read.\nNext: `rollcall doctor` finds what a fault of the former engine may have left, and \
             `rollcall doctor --repair` mends it.\nTo go back: stop the server, put {original} back under the name of the store, \
             and run the former version. What was written since is lost by that. Delete {original} when you need no way back."
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
