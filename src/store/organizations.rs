//! Organizations and their first owners.

use chrono::{DateTime, Utc};
use surrealdb::types::{Datetime, Object, RecordId, SurrealValue, Value};

use super::error::settle;
use super::users::{UserRow, user_record};
use super::write::Write;
use super::{DatabaseName, IdentityStore, OrganizationStore, Store, StoreError, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::organization::Organization;
use crate::domain::user::User;
use crate::domain::{AccountId, OrganizationId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct OrganizationRow {
    id: RecordId,
    short_name: String,
    name: String,
    created: Datetime,
}

impl OrganizationRow {
    fn into_organization(self) -> Result<Organization, StoreError> {
        Ok(Organization {
            id: OrganizationId::new(super::users::key(&self.id)?),
            short_name: self.short_name,
            name: self.name,
            created: self.created.into_inner(),
        })
    }
}

/// The first owner of an organization: an account with an address and a password, and the user it is there.
pub struct Owner {
    /// The account.
    pub account: AccountId,
    /// The address they sign in with.
    pub email: String,
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
        let mut write = Write::new(event);
        if let Some(owner) = owner {
            push_owner_user(&mut write, owner, organization.created);
        }
        write.use_database(&DatabaseName::identity());
        write.push("CREATE $organization CONTENT $organization_content RETURN NONE;");
        write.bind("organization", organization_record(organization.id));
        write.bind("organization_content", organization_content(organization));
        if let Some(owner) = owner {
            push_owner_account(&mut write, owner, organization.created);
        }
        write.use_database(&DatabaseName::of(organization.id));
        write.commit(&bound.0).await
    }
}

fn organization_content(organization: &Organization) -> Object {
    let mut content = Object::new();
    content.insert("short_name", organization.short_name.clone());
    content.insert("short_name_key", scim::fold(&organization.short_name));
    content.insert("name", organization.name.clone());
    content.insert("created", Datetime::from(organization.created));
    content
}

fn push_owner_user(write: &mut Write, owner: &Owner, now: DateTime<Utc>) {
    write.push("CREATE $owner CONTENT $owner_content RETURN NONE;");
    write.push(
        "CREATE role_grant SET user = $owner_key, role = 'owner', source = 'DIRECT', created = $now RETURN NONE;",
    );
    write.bind("owner", user_record(owner.user.id));
    write.bind("owner_content", UserRow::from(&owner.user));
    write.bind("owner_key", uuid(owner.user.id.uuid()));
    write.bind("now", Datetime::from(now));
}

fn push_owner_account(write: &mut Write, owner: &Owner, now: DateTime<Utc>) {
    write.push("CREATE $account SET created = $now RETURN NONE;");
    write.push("CREATE $password SET hash = $password_hash, changed = $now RETURN NONE;");
    write.push("CREATE email_address CONTENT $email RETURN NONE;");
    let mut email = Object::new();
    email.insert("account", Value::Uuid(uuid(owner.account.uuid())));
    email.insert("address", owner.email.clone());
    email.insert("address_key", scim::fold(&owner.email));
    email.insert("verified", Datetime::from(now));
    write.bind("account", RecordId::new("account", uuid(owner.account.uuid())));
    write.bind("password", RecordId::new("password", uuid(owner.account.uuid())));
    write.bind("password_hash", owner.password_hash.clone());
    write.bind("email", email);
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
            .query("LET $owners = (SELECT VALUE type::record('user', user) FROM role_grant WHERE role = 'owner')")
            .query("RETURN array::len($owners)")
            .query("RETURN array::len((SELECT VALUE id FROM $owners WHERE active = true AND locally_held = false))");
        let mut results = settle(query.await?)?;
        let owners: Option<i64> = results.take(1)?;
        let admitted: Option<i64> = results.take(2)?;
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

    /// Sets the password of the account with this address, hashed.
    ///
    /// # Errors
    ///
    /// When the store fails; an unknown address is no failure.
    pub async fn set_password(&self, email: &str, hash: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query(
                "UPDATE (SELECT VALUE type::record('password', account) FROM email_address WHERE address_key = $key)
                 SET hash = $hash, changed = $now RETURN NONE",
            )
            .bind(("key", scim::fold(email)))
            .bind(("hash", hash.to_owned()))
            .bind(("now", Datetime::from(now)));
        settle(query.await?).map(drop)
    }
}
