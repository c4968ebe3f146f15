//! Bringing a database up to date: numbered, forward only, frozen once merged, each recorded with its checksum.

use sha2::{Digest, Sha256};
use surrealdb::types::{RecordId, Variables};

use super::StoreError;
use super::database::engine::Engine;
use super::error::settle;

/// Migrations of one kind of database, in order.
pub(super) type Migrations = &'static [(&'static str, &'static str)];

/// Of the `identity` database.
pub(super) const IDENTITY: Migrations = &[
    ("0001_tenancy", include_str!("../../schema/identity/0001_tenancy.surql")),
    ("0002_accounts", include_str!("../../schema/identity/0002_accounts.surql")),
    ("0003_administration", include_str!("../../schema/identity/0003_administration.surql")),
    ("0004_root_principal", include_str!("../../schema/identity/0004_root_principal.surql")),
    ("0005_confinement", include_str!("../../schema/identity/0005_confinement.surql")),
];

/// Of an organization's database.
pub(super) const ORGANIZATION: Migrations = &[
    ("0001_directory", include_str!("../../schema/organization/0001_directory.surql")),
    ("0002_accounts", include_str!("../../schema/organization/0002_accounts.surql")),
    ("0003_administration", include_str!("../../schema/organization/0003_administration.surql")),
    ("0004_connections", include_str!("../../schema/organization/0004_connections.surql")),
    ("0005_provisioning_log", include_str!("../../schema/organization/0005_provisioning_log.surql")),
    ("0006_extensions", include_str!("../../schema/organization/0006_extensions.surql")),
    ("0007_positions", include_str!("../../schema/organization/0007_positions.surql")),
    ("0008_cheap_writes", include_str!("../../schema/organization/0008_cheap_writes.surql")),
    ("0009_plain_rows", include_str!("../../schema/organization/0009_plain_rows.surql")),
    ("0010_deprovisioned", include_str!("../../schema/organization/0010_deprovisioned.surql")),
];

/// Of an organization's database on a server, besides.
pub(super) const REMOTE: Migrations =
    &[("remote_0001_user_count", include_str!("../../schema/remote/0001_user_count.surql"))];

/// Applies what is missing. Several nodes may do so at once: each migration is applied by exactly one of them.
pub(super) async fn apply(db: &Engine, migrations: Migrations) -> Result<(), StoreError> {
    db.query("DEFINE TABLE IF NOT EXISTS migration SCHEMALESS", ()).await?.check()?;
    for (name, text) in migrations {
        let checksum = checksum(text);
        let mut attempts = 0;
        loop {
            match recorded(db, name).await? {
                Some(known) if known == checksum => break,
                Some(_) => return Err(StoreError::Failed(format!("migration {name} differs from the one applied"))),
                None => {}
            }
            attempts += 1;
            match apply_one(db, name, text, &checksum).await {
                // Another node was faster: look again.
                Err(StoreError::Outdated) if attempts < 8 => {}
                outcome => outcome?,
            }
        }
    }
    Ok(())
}

async fn recorded(db: &Engine, name: &str) -> Result<Option<String>, StoreError> {
    let id = RecordId::new("migration", name);
    let mut results = settle(db.query("SELECT VALUE checksum FROM ONLY $id", ("id", id)).await?)?;
    Ok(results.take(0)?)
}

async fn apply_one(db: &Engine, name: &str, text: &str, checksum: &str) -> Result<(), StoreError> {
    let batch = format!("BEGIN; CREATE $id SET checksum = $checksum RETURN NONE; {text} COMMIT;");
    let mut variables = Variables::new();
    variables.insert("id", RecordId::new("migration", name));
    variables.insert("checksum", checksum);
    settle(db.query(batch, variables).await?).map(drop)
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
