//! Organizations and their first owners.

use chrono::{DateTime, Utc};
use surrealdb::types::{Datetime, Object, RecordId, SurrealValue};

use super::accounts::{push_account, push_membership, push_password};
use super::emails::push_email;
use super::error::settle;
use super::users::{UserRow, author, instant, user_record};
use super::write::Write;
use super::{DatabaseName, IdentityStore, OrganizationStore, Store, StoreError, counted, millis, stored, uuid};
use crate::domain::account::{Account, EmailAddress, Membership, MembershipSource, PasswordRecord};
use crate::domain::audit::AuditEvent;
use crate::domain::organization::Organization;
use crate::domain::user::User;
use crate::domain::{Author, OrganizationId, Stamps};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct OrganizationRow {
    id: RecordId,
    short_name: String,
    name: String,
    created: Datetime,
    created_by: Option<String>,
    updated: Option<i64>,
    updated_by: Option<String>,
    version: i64,
}

impl OrganizationRow {
    pub(super) fn into_organization(self) -> Result<Organization, StoreError> {
        Ok(Organization {
            id: OrganizationId::new(super::users::key(&self.id)?),
            short_name: self.short_name,
            name: self.name,
            stamps: Stamps {
                created: self.created.into_inner(),
                created_by: author(self.created_by.as_deref()),
                updated: self.updated.map_or(self.created.into_inner(), instant),
                updated_by: author(self.updated_by.as_deref()),
                version: counted(self.version),
            },
        })
    }
}

/// The first owner of an organization: an account with an address and a password, and the user it is there.
pub struct Owner {
    /// The account.
    pub account: Account,
    /// The address they sign in with.
    pub email: EmailAddress,
    /// The password, hashed.
    pub password_hash: String,
    /// What the organization says about them.
    pub user: User,
}

fn organization_record(id: OrganizationId) -> RecordId {
    RecordId::new("organization", uuid(id.uuid()))
}

impl Store {
    /// Adds an organization with, if there is one, its first owner: one transaction across both databases.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for the short name, or for the owner's address.
    pub async fn insert_organization(
        &self,
        organization: &Organization,
        owner: Option<&Owner>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization.id).await?;
        let mut write = Write::new(organization.id, event);
        if let Some(owner) = owner {
            push_owner_user(&mut write, owner, organization.stamps.created);
        }
        write.use_database(&DatabaseName::identity());
        write.push("CREATE $organization CONTENT $organization_content RETURN NONE;");
        write.bind("organization", organization_record(organization.id));
        write.bind("organization_content", organization_content(organization));
        if let Some(owner) = owner {
            push_owner_account(&mut write, owner, organization);
        }
        write.use_database(&DatabaseName::of(organization.id));
        write.commit(&bound.0).await
    }
}

impl Store {
    /// Changes the names of an organization.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for the short name; [`StoreError::Outdated`] when it is no longer what was read.
    pub(crate) async fn update_organization(
        &self,
        before: &Organization,
        after: &Organization,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(before.id), event, |write| {
            write.push(
                "IF (SELECT VALUE version FROM ONLY $organization) != $organization_version { THROW 'outdated' }; \
                 UPDATE $organization SET name = $organization_name, short_name = $organization_short, \
                 short_name_key = $organization_key_of_name, updated = $organization_now, \
                 updated_by = $organization_by, version += 1 RETURN NONE;",
            );
            write.bind("organization", organization_record(before.id));
            write.bind("organization_version", stored(before.stamps.version));
            write.bind("organization_name", after.name.clone());
            write.bind("organization_short", after.short_name.clone());
            write.bind("organization_key_of_name", scim::fold(&after.short_name));
            write.bind("organization_now", millis(after.stamps.updated));
            write.bind("organization_by", after.stamps.updated_by.map(Author::stored));
        })
        .await
    }
}

fn organization_content(organization: &Organization) -> Object {
    let mut content = Object::new();
    content.insert("short_name", organization.short_name.clone());
    content.insert("short_name_key", scim::fold(&organization.short_name));
    content.insert("name", organization.name.clone());
    content.insert("created", Datetime::from(organization.stamps.created));
    content.insert("version", stored(organization.stamps.version));
    content
}

fn push_owner_user(write: &mut Write, owner: &Owner, now: DateTime<Utc>) {
    write.push("CREATE $owner CONTENT $owner_content RETURN NONE;");
    write.push(
        "CREATE type::record('role_grant', [$owner_key, 'owner', 'DIRECT', '']) SET holder = $owner_key, \
         holder_kind = 'user', role = 'owner', source = 'DIRECT', created = $now RETURN NONE;",
    );
    write.bind("owner", user_record(owner.user.id));
    write.bind("owner_content", UserRow::from(&owner.user));
    write.bind("owner_key", uuid(owner.user.id.uuid()));
    write.bind("now", Datetime::from(now));
}

fn push_owner_account(write: &mut Write, owner: &Owner, organization: &Organization) {
    let now = organization.stamps.created;
    push_account(write, &owner.account, now);
    push_password(write, owner.account.id, &PasswordRecord::chosen(owner.password_hash.clone(), now));
    push_email(write, &owner.email);
    push_membership(
        write,
        &Membership {
            account: owner.account.id,
            organization: organization.id,
            user: owner.user.id,
            source: MembershipSource::Admin,
            joined: now,
        },
    );
}

impl OrganizationStore {
    /// Whether there were owners and none of them is admitted any more.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn is_ownerless(&self) -> Result<bool, StoreError> {
        let query = self
            .0
            .query(super::owners::OWNERS)
            .query("RETURN array::len($owners)")
            .query("RETURN array::len((SELECT VALUE id FROM $owners WHERE active = true AND locally_held = false AND account != NONE))");
        let mut results = settle(query.await?)?;
        let owners: Option<i64> = results.take(2)?;
        let admitted: Option<i64> = results.take(3)?;
        Ok(owners.unwrap_or(0) > 0 && admitted.unwrap_or(0) == 0)
    }
}

impl IdentityStore {
    /// The organization with this short name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_organization_by_short_name(&self, short_name: &str) -> Result<Option<Organization>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM organization WHERE short_name_key = $key")
            .bind(("key", scim::fold(short_name)));
        let rows: Vec<OrganizationRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(OrganizationRow::into_organization).transpose()
    }

    /// Every organization, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_organizations(&self) -> Result<Vec<Organization>, StoreError> {
        let rows: Vec<OrganizationRow> =
            settle(self.0.query("SELECT * FROM organization ORDER BY id").await?)?.take(0)?;
        rows.into_iter().map(OrganizationRow::into_organization).collect()
    }

    /// The organization with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", organization_record(id)));
        let row: Option<OrganizationRow> = settle(query.await?)?.take(0)?;
        row.map(OrganizationRow::into_organization).transpose()
    }
}
