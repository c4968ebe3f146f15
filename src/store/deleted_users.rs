//! Users that left: leaving, coming back, and being forgotten for good. SCIM sees none of them, and administrators those that a
//! directory deprovisioned.

use chrono::{DateTime, Utc};
use surrealdb::types::{Object, RecordId, SurrealValue, Uuid};

use super::accounts::{account_record, password_record, push_credentials_change, push_membership};
use super::emails::EmailRow;
use super::error::settle;
use super::outbox::push_mails;
use super::owners::{OwnerWatch, push_owner_guard, push_owner_watch};
use super::users::{UserRow, instant, key, user_record};
use super::write::Write;
use super::{DatabaseName, OrganizationStore, SealedMail, Store, StoreError, millis, stored, uuid};
use crate::domain::account::{Account, EmailAddress, Membership};
use crate::domain::audit::AuditEvent;
use crate::domain::user::User;
use crate::domain::{DirectoryId, OrganizationId, UserId};

/// A user that left.
#[derive(Clone, Debug)]
pub struct DeletedUser {
    /// Its id.
    pub id: UserId,
    /// What it was; none: its data is destroyed.
    pub user: Option<User>,
    /// Addresses of its account that were given up with it.
    pub emails: Vec<EmailAddress>,
    /// When it was deleted.
    pub deleted: DateTime<Utc>,
    /// The directory that deprovisioned it; none: it was deleted, and only restoring finds it.
    pub deprovisioned_by: Option<DirectoryId>,
}

impl DeletedUser {
    /// The user as administrators see it, if a directory deprovisioned it.
    pub fn deprovisioned(&self) -> Option<User> {
        Some(self.user.clone()?.deprovisioned(self.deprovisioned_by?, self.deleted))
    }

    /// The user that comes back. Deprovisioning counts as a change, because administrators have seen its version.
    pub(crate) fn last_version(&self) -> Option<User> {
        let user = self.user.clone()?;
        Some(User { version: user.version + u64::from(self.deprovisioned_by.is_some()), ..user })
    }

    fn state(&self) -> &'static str {
        match (&self.user, self.deprovisioned_by) {
            (None, _) => ANONYMIZED,
            (Some(_), None) => DELETED,
            (Some(_), Some(_)) => DEPROVISIONED,
        }
    }
}

/// The states of a user that left.
const DELETED: &str = "DELETED";
const DEPROVISIONED: &str = "DEPROVISIONED";
const ANONYMIZED: &str = "ANONYMIZED";

/// How many users are read at a time.
const CHUNK: usize = 500;

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct DeletedRow {
    id: RecordId,
    state: String,
    user: Option<UserRow>,
    emails: Option<Vec<EmailRow>>,
    deleted: i64,
    directory: Option<Uuid>,
}

impl DeletedRow {
    fn into_deleted(self) -> Result<DeletedUser, StoreError> {
        let emails = self.emails.unwrap_or_default();
        Ok(DeletedUser {
            id: UserId::new(key(&self.id)?),
            user: self.user.map(super::list::Row::into_entity).transpose()?,
            emails: emails.into_iter().map(EmailRow::into_email).collect::<Result<_, _>>()?,
            deleted: instant(self.deleted),
            deprovisioned_by: self.directory.map(|id| DirectoryId::new(id.into_inner())),
        })
    }
}

fn deleted_record(id: UserId) -> RecordId {
    RecordId::new("deleted_user", uuid(id.uuid()))
}

/// What becomes of a user that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remains {
    /// Nothing: the person left, or the data is destroyed.
    Nothing,
    /// Everything, until that instant.
    Restorable(DateTime<Utc>),
    /// Everything, until that instant: this directory deprovisioned the user.
    Deprovisioned(DirectoryId, DateTime<Utc>),
    /// That somebody was there.
    Anonymous,
}

/// What becomes of the account behind it.
pub(crate) enum AccountEnd<'a> {
    /// It goes on without this organization.
    Kept,
    /// It is out of use: these addresses are free again and kept with the user.
    Shelved(&'a Account, &'a [EmailAddress]),
    /// It is destroyed.
    Destroyed(&'a Account),
}

/// A user who leaves.
pub(crate) struct Departure<'a> {
    /// As it was read.
    pub(crate) user: &'a User,
    /// What is kept.
    pub(crate) remains: Remains,
    /// What becomes of the account.
    pub(crate) account: AccountEnd<'a>,
    /// Whether an owner has to be left.
    pub(crate) watch: OwnerWatch<'a>,
    /// What is to be sent.
    pub(crate) mails: &'a [SealedMail],
}

impl OrganizationStore {
    /// A user that was deleted or whose data was destroyed.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_deleted_user(&self, id: UserId) -> Result<Option<DeletedUser>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", deleted_record(id)));
        let row: Option<DeletedRow> = settle(query.await?)?.take(0)?;
        row.map(DeletedRow::into_deleted).transpose()
    }

    /// Those of these users that a directory deprovisioned, as administrators see them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_deprovisioned_users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let records: Vec<RecordId> = chunk.iter().map(|id| deleted_record(*id)).collect();
            let query = self.0.query("SELECT * FROM $ids WHERE state = 'DEPROVISIONED'").bind(("ids", records));
            let rows: Vec<DeletedRow> = settle(query.await?)?.take(0)?;
            for row in rows {
                users.extend(row.into_deleted()?.deprovisioned());
            }
        }
        Ok(users)
    }

    /// The user with this folded name that this directory deprovisioned: of several the latest.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_deprovisioned_by_name_key(
        &self,
        directory: DirectoryId,
        name_key: &str,
    ) -> Result<Option<DeletedUser>, StoreError> {
        let query = self.0.query("SELECT * FROM deleted_user WHERE name_key = $key").bind(("key", name_key.to_owned()));
        let rows: Vec<DeletedRow> = settle(query.await?)?.take(0)?;
        let found: Vec<DeletedUser> = rows.into_iter().map(DeletedRow::into_deleted).collect::<Result<_, _>>()?;
        let own = found.into_iter().filter(|deleted| deleted.deprovisioned_by == Some(directory));
        Ok(own.max_by_key(|deleted| deleted.deleted))
    }

    /// Which of these stand for somebody whose data is destroyed, and since when.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_anonymized(&self, ids: &[UserId]) -> Result<Vec<(UserId, DateTime<Utc>)>, StoreError> {
        let records: Vec<RecordId> = ids.iter().map(|id| deleted_record(*id)).collect();
        let query = self.0.query("SELECT * FROM $ids WHERE state = 'ANONYMIZED'").bind(("ids", records));
        let rows: Vec<DeletedRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().map(|row| Ok((UserId::new(key(&row.id)?), instant(row.deleted)))).collect()
    }

    /// Deleted users whose time is over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_users_to_purge(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<DeletedUser>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM deleted_user WHERE purge_at > 0 AND purge_at <= $now LIMIT $limit")
            .bind(("now", millis(now)))
            .bind(("limit", limit));
        let rows: Vec<DeletedRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().map(DeletedRow::into_deleted).collect()
    }
}

impl Store {
    /// Takes a user out of the organization: memberships, groups, roles, logins, tokens and trusted devices end. Ownership
    /// stays as a mark that there was an owner, where no owner has to be left.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read; [`StoreError::LastOwner`].
    pub(crate) async fn remove_user(
        &self,
        organization: OrganizationId,
        departure: &Departure<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let user = departure.user;
        let mut write = Write::new(organization, event);
        push_owner_watch(&mut write, departure.watch);
        write.push("IF (SELECT VALUE version FROM ONLY $id) != $version { THROW 'outdated' };");
        write.bind("id", user_record(user.id));
        write.bind("version", stored(user.version));
        super::members::push_leave_all_groups(&mut write, user.id.uuid(), event.at);
        write.push(match departure.watch {
            OwnerWatch::Nobody => "DELETE role_grant WHERE holder = $member AND role != 'owner' RETURN NONE;",
            _ => "DELETE role_grant WHERE holder = $member RETURN NONE;",
        });
        push_remains(&mut write, departure, event);
        write.push("DELETE $id RETURN NONE;");
        write.user_leaves(user.id);
        super::consequences::push_end_access(&mut write, event, user);
        super::consequences::push_end_membership(&mut write, user);
        write.within_identity(|write| {
            push_account_end(write, &departure.account);
            push_mails(write, departure.mails);
        });
        push_owner_guard(&mut write, departure.watch);
        write.commit(&bound.0).await
    }

    /// Brings back a user that was deleted or deprovisioned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name or an address; [`StoreError::Outdated`] when it is no longer deleted.
    pub(crate) async fn restore_user(
        &self,
        organization: OrganizationId,
        deleted: &DeletedUser,
        user: &User,
        membership: Option<(&Account, &Membership)>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.push(
            "IF (SELECT VALUE state FROM ONLY $deleted) != $state { THROW 'outdated' }; DELETE $deleted RETURN NONE;",
        );
        write.bind("deleted", deleted_record(deleted.id));
        write.bind("state", deleted.state().to_owned());
        super::users::push_new_user(&mut write, user);
        // A mark of ownership that a directory left goes, unless it is the only one there is.
        write.push(super::owners::OWNERS);
        write.push(
            "IF (SELECT VALUE id FROM $owners WHERE active = true AND locally_held = false AND account != NONE \
             AND id != $restored) != [] { DELETE role_grant WHERE holder = $restored_key RETURN NONE; };",
        );
        write.bind("restored", user_record(user.id));
        write.bind("restored_key", uuid(user.id.uuid()));
        if let Some((account, membership)) = membership {
            write.use_database(&DatabaseName::identity());
            push_credentials_change(&mut write, account);
            push_membership(&mut write, membership);
            write.push("UPDATE $account SET managed_by = $restored_managed_by RETURN NONE;");
            write.bind("restored_managed_by", account.managed_by.map(|id| uuid(id.uuid())));
            let emails: Vec<EmailRow> = deleted.emails.iter().map(EmailRow::from).collect();
            write.push("INSERT INTO email_address $restored_emails RETURN NONE;");
            write.bind("restored_emails", emails);
            write.use_database(&DatabaseName::of(organization));
        }
        write.commit(&bound.0).await
    }

    /// Makes a deprovisioned user a deleted one, which can be restored until that instant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer deprovisioned.
    pub(crate) async fn delete_deprovisioned_user(
        &self,
        organization: OrganizationId,
        deprovisioned: &DeletedUser,
        until: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.push(
            "IF (SELECT VALUE state FROM ONLY $deleted) != $state { THROW 'outdated' }; \
             UPDATE $deleted SET state = 'DELETED', directory = NONE, name_key = NONE, deleted = $deleted_at, \
             purge_at = $purge_at RETURN NONE;",
        );
        write.bind("deleted", deleted_record(deprovisioned.id));
        write.bind("state", deprovisioned.state().to_owned());
        write.bind("deleted_at", millis(event.at));
        write.bind("purge_at", millis(until));
        write.touches_only([]);
        write.commit(&bound.0).await
    }

    /// Destroys what is left of a user that left, and the account that was given up with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it came back meanwhile.
    pub(crate) async fn purge_user(
        &self,
        organization: OrganizationId,
        deleted: &DeletedUser,
        account: Option<&Account>,
        is_anonymous: bool,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.push("IF (SELECT VALUE state FROM ONLY $deleted) != $state { THROW 'outdated' };");
        write.bind("state", deleted.state().to_owned());
        if is_anonymous {
            write.push(
                "UPSERT $deleted CONTENT { state: 'ANONYMIZED', deleted: $deleted_at, user: NONE, emails: NONE, \
                 purge_at: NONE } RETURN NONE;",
            );
            write.bind("deleted_at", millis(deleted.deleted));
        } else {
            write.push("DELETE $deleted RETURN NONE;");
        }
        write.bind("deleted", deleted_record(deleted.id));
        if let Some(user) = &deleted.user {
            push_scrub(&mut write, user);
        }
        if let Some(account) = account {
            write.within_identity(|write| push_account_end(write, &AccountEnd::Destroyed(account)));
        }
        write.commit(&bound.0).await
    }
}

/// What is kept of somebody who leaves. Binds `$deleted`, `$remains`.
fn push_remains(write: &mut Write, departure: &Departure<'_>, event: &AuditEvent) {
    let user = departure.user;
    let mut content = Object::new();
    content.insert("deleted", millis(event.at));
    match departure.remains {
        Remains::Nothing => push_scrub(write, user),
        Remains::Anonymous => {
            push_scrub(write, user);
            content.insert("state", ANONYMIZED.to_owned());
        }
        Remains::Restorable(until) => {
            content.insert("state", DELETED.to_owned());
            insert_whole(&mut content, departure, until);
        }
        Remains::Deprovisioned(by, until) => {
            content.insert("state", DEPROVISIONED.to_owned());
            content.insert("directory", uuid(by.uuid()));
            content.insert("name_key", user.user_name_key());
            insert_whole(&mut content, departure, until);
        }
    }
    if departure.remains != Remains::Nothing {
        write.push("CREATE $deleted CONTENT $remains RETURN NONE;");
        write.bind("deleted", deleted_record(user.id));
        write.bind("remains", content);
    }
}

/// Keeps all of a user until that instant.
fn insert_whole(content: &mut Object, departure: &Departure<'_>, until: DateTime<Utc>) {
    let emails: Vec<EmailRow> = match &departure.account {
        AccountEnd::Shelved(_, emails) => emails.iter().map(EmailRow::from).collect(),
        AccountEnd::Kept | AccountEnd::Destroyed(_) => Vec::new(),
    };
    content.insert("user", UserRow::from(departure.user).into_value());
    content.insert("emails", emails.into_value());
    content.insert("purge_at", millis(until));
}

/// What is personal elsewhere in the organization goes too: invitations to the person, and what directories sent.
fn push_scrub(write: &mut Write, user: &User) {
    write.push(
        "DELETE invitation WHERE user = $scrubbed OR accepted_by = $scrubbed OR email_key IN $scrubbed_keys RETURN NONE; \
         DELETE provisioning_event WHERE resource = $scrubbed RETURN NONE;",
    );
    write.bind("scrubbed", uuid(user.id.uuid()));
    let keys: Vec<String> = user
        .email_keys()
        .iter()
        .map(|address| crate::domain::email::lookup_key(address))
        .chain([user.user_name_key()])
        .collect();
    write.bind("scrubbed_keys", keys);
}

/// The batch must be in `identity`. Binds `$gone_…`.
fn push_account_end(write: &mut Write, end: &AccountEnd<'_>) {
    let account = match end {
        AccountEnd::Kept => return,
        AccountEnd::Shelved(account, _) | AccountEnd::Destroyed(account) => account,
    };
    push_credentials_change(write, account);
    write.push(
        "DELETE email_address WHERE account = $gone_account RETURN NONE; \
         DELETE one_time WHERE account = $gone_account RETURN NONE; \
         UPDATE login SET state = 'REVOKED', ended = $gone_now, end_reason = 'DELETED', updated = $gone_now, \
         version += 1 WHERE account = $gone_account AND state = 'ACTIVE' RETURN NONE; \
         DELETE trusted_device WHERE account = $gone_account RETURN NONE;",
    );
    write.bind("gone_account", uuid(account.id.uuid()));
    let now = write.now();
    write.bind("gone_now", now);
    if matches!(end, AccountEnd::Destroyed(_)) {
        write.push(
            "DELETE refresh_token WHERE login IN (SELECT VALUE record::id(id) FROM login WHERE account = $gone_account) \
             RETURN NONE; \
             DELETE login WHERE account = $gone_account RETURN NONE; \
             DELETE totp WHERE account = $gone_account RETURN NONE; \
             DELETE recovery_code WHERE account = $gone_account RETURN NONE; \
             DELETE bearer WHERE account = $gone_account RETURN NONE; \
             DELETE membership WHERE account = $gone_account RETURN NONE; \
             DELETE external_identity WHERE account = $gone_account RETURN NONE; \
             DELETE attempt WHERE subject = <string> $gone_account RETURN NONE; \
             DELETE $gone_password RETURN NONE; DELETE $gone_record RETURN NONE;",
        );
        write.bind("gone_password", password_record(account.id));
        write.bind("gone_record", account_record(account.id));
    }
}
