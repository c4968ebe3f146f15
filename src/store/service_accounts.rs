//! Service accounts: rows and queries.

use surrealdb::types::{Object, RecordId, SurrealValue, Value};

use super::bearers::push_secret;
use super::error::settle;
use super::grants::{GrantChange, push_grants};
use super::members::{Belongings, push_belongings, push_leave_all_groups};
use super::users::{author, instant, key, user_record};
use super::write::Write;
use super::{DatabaseName, OrganizationStore, Store, StoreError, counted, millis, stored, uuid};
use crate::domain::api_token::ApiToken;
use crate::domain::audit::AuditEvent;
use crate::domain::policy::AccountPolicy;
use crate::domain::role::RoleGrant;
use crate::domain::service_account::ServiceAccount;
use crate::domain::token::BearerSecret;
use crate::domain::{Author, OrganizationId, ServiceAccountId, Stamps, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct ProgramRow {
    id: RecordId,
    user_name: String,
    user_name_key: String,
    display_name: Option<String>,
    description: Option<String>,
    active: bool,
    last_seen: Option<i64>,
    created: i64,
    created_by: Option<String>,
    updated: i64,
    updated_by: Option<String>,
    version: i64,
}

fn program_record(id: ServiceAccountId) -> RecordId {
    RecordId::new("service_account", uuid(id.uuid()))
}

impl From<&ServiceAccount> for ProgramRow {
    fn from(account: &ServiceAccount) -> Self {
        let stamps = account.stamps;
        Self {
            id: program_record(account.id),
            user_name: account.user_name.clone(),
            user_name_key: account.user_name_key(),
            display_name: account.display_name.clone(),
            description: account.description.clone(),
            active: account.active,
            last_seen: account.last_seen.map(millis),
            created: millis(stamps.created),
            created_by: stamps.created_by.map(Author::stored),
            updated: millis(stamps.updated),
            updated_by: stamps.updated_by.map(Author::stored),
            version: stored(stamps.version),
        }
    }
}

impl ProgramRow {
    fn into_account(self) -> Result<ServiceAccount, StoreError> {
        Ok(ServiceAccount {
            id: ServiceAccountId::new(key(&self.id)?),
            user_name: self.user_name,
            display_name: self.display_name,
            description: self.description,
            active: self.active,
            last_seen: self.last_seen.map(instant),
            stamps: Stamps {
                created: instant(self.created),
                created_by: author(self.created_by.as_deref()),
                updated: instant(self.updated),
                updated_by: author(self.updated_by.as_deref()),
                version: counted(self.version),
            },
        })
    }
}

/// The service account is still there; deleting it at the same time is a conflict.
pub(super) fn push_here(write: &mut Write, id: ServiceAccountId) {
    write.push(
        "LET $program_here = (UPDATE $program_held SET joined_in = $event WHERE user_name_key != NONE RETURN VALUE id); \
         IF $program_here = [] { THROW 'outdated' };",
    );
    write.bind("program_held", program_record(id));
}

/// No user has the name, nor gets it at the same time: the name is taken and given back in the users' own index, which
/// is a conflict with whoever takes it there.
fn push_name_guard(write: &mut Write, account: &ServiceAccount) {
    write.push("CREATE $name_guard CONTENT $name_guard_content RETURN NONE; DELETE $name_guard RETURN NONE;");
    write.bind("name_guard", user_record(UserId::new(account.id.uuid())));
    let mut content = Object::new();
    content.insert("attributes", Value::Object(Object::new()));
    content.insert("user_name_key", account.user_name_key());
    content.insert("email_keys", Vec::<String>::new());
    content.insert("claimed", Vec::<String>::new());
    content.insert("locally_held", true);
    content.insert("protected", true);
    content.insert("version", 0_i64);
    content.insert("created", 0_i64);
    content.insert("last_modified", 0_i64);
    write.bind("name_guard_content", content);
}

/// What becomes of a service account.
pub(crate) struct ProgramChange<'a> {
    /// As it was read; none: it is new.
    pub(crate) before: Option<&'a ServiceAccount>,
    /// As it is to be.
    pub(crate) after: &'a ServiceAccount,
    /// Its direct roles.
    pub(crate) grants: &'a [GrantChange<'a>],
    /// Its groups.
    pub(crate) belongings: &'a Belongings,
    /// Its first token.
    pub(crate) token: Option<(&'a BearerSecret, &'a ApiToken)>,
}

impl Store {
    /// Makes or changes a service account.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it, or a group or role, is no longer what was read; [`StoreError::Taken`] for its
    /// name.
    pub(crate) async fn change_program(
        &self,
        organization: OrganizationId,
        change: &ProgramChange<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        if change.before.is_none_or(|before| before.user_name_key() != change.after.user_name_key()) {
            push_name_guard(&mut write, change.after);
        }
        match change.before {
            None => write.push("CREATE $program CONTENT $program_content RETURN NONE;"),
            Some(before) => {
                write.push(
                    "IF (SELECT VALUE version FROM ONLY $program) != $program_version { THROW 'outdated' }; \
                     UPDATE $program CONTENT $program_content RETURN NONE;",
                );
                write.bind("program_version", stored(before.stamps.version));
            }
        }
        write.bind("program", program_record(change.after.id));
        write.bind("program_content", ProgramRow::from(change.after));
        push_grants(&mut write, change.grants);
        push_belongings(&mut write, change.belongings);
        if let Some((secret, token)) = change.token {
            write.use_database(&DatabaseName::identity());
            push_secret(&mut write, secret, token);
            write.use_database(&DatabaseName::of(organization));
        }
        write.commit(&bound.0).await
    }

    /// Deletes a service account with its roles, groups and tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read.
    pub(crate) async fn remove_program(
        &self,
        organization: OrganizationId,
        account: &ServiceAccount,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.push("IF (SELECT VALUE version FROM ONLY $program) != $program_version { THROW 'outdated' };");
        push_leave_all_groups(&mut write, account.id.uuid(), event.at);
        write.push("DELETE role_grant WHERE holder = $member RETURN NONE; DELETE $program RETURN NONE;");
        write.bind("program", program_record(account.id));
        write.bind("program_version", stored(account.stamps.version));
        write.use_database(&DatabaseName::identity());
        write.push(
            "UPDATE bearer SET revoked = $now, updated = $now WHERE principal = $member AND revoked = NONE RETURN NONE;",
        );
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }
}

impl OrganizationStore {
    /// The service account with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_program(&self, id: ServiceAccountId) -> Result<Option<ServiceAccount>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", program_record(id)));
        let row: Option<ProgramRow> = settle(query.await?)?.take(0)?;
        row.map(ProgramRow::into_account).transpose()
    }

    /// The service accounts with these ids; those that are gone are left out.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_programs(&self, ids: &[ServiceAccountId]) -> Result<Vec<ServiceAccount>, StoreError> {
        let records: Vec<RecordId> = ids.iter().map(|id| program_record(*id)).collect();
        let rows: Vec<ProgramRow> =
            settle(self.0.query("SELECT * FROM $ids").bind(("ids", records)).await?)?.take(0)?;
        rows.into_iter().map(ProgramRow::into_account).collect()
    }

    /// The service account whose folded name this is.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_program_by_name_key(&self, name_key: &str) -> Result<Option<ServiceAccount>, StoreError> {
        let query =
            self.0.query("SELECT * FROM service_account WHERE user_name_key = $key").bind(("key", name_key.to_owned()));
        let rows: Vec<ProgramRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(ProgramRow::into_account).transpose()
    }

    /// The service accounts of the organization, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_programs(&self) -> Result<Vec<ServiceAccount>, StoreError> {
        let rows: Vec<ProgramRow> =
            settle(self.0.query("SELECT * FROM service_account ORDER BY id").await?)?.take(0)?;
        rows.into_iter().map(ProgramRow::into_account).collect()
    }

    /// A service account with the roles it holds and the rules it is under.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_program_member(
        &self,
        id: ServiceAccountId,
    ) -> Result<Option<(ServiceAccount, Vec<RoleGrant>, AccountPolicy)>, StoreError> {
        let Some(account) = self.find_program(id).await? else { return Ok(None) };
        let grants = self.grants_of_program(id.uuid()).await?;
        Ok(Some((account, grants, self.find_policy().await?)))
    }

    /// Notes that a service account was active. Not a change.
    ///
    /// # Errors
    ///
    /// When the store fails; one that is gone is no failure.
    pub async fn touch_program(
        &self,
        id: ServiceAccountId,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), StoreError> {
        let query = self
            .0
            .query("UPDATE $id SET last_seen = $now RETURN NONE")
            .bind(("id", program_record(id)))
            .bind(("now", millis(now)));
        settle(query.await?).map(drop)
    }
}
