//! An organization's own rules, and everything else a request of a person needs from the organization's database.

use serde_json::Value as Json;
use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::grants::GrantRow;
use super::list::Row as _;
use super::roles::{RoleRow, Roles};
use super::users::{UserRow, user_record};
use super::write::Write;
use super::{OrganizationStore, StoreError, counted, stored, uuid};
use crate::domain::UserId;
use crate::domain::audit::AuditEvent;
use crate::domain::policy::AccountPolicy;
use crate::domain::role::RoleGrant;
use crate::domain::user::User;

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct PolicyRow {
    rules: Json,
    version: i64,
}

fn policy_record() -> RecordId {
    RecordId::new("policy", "current")
}

fn into_policy(row: Option<PolicyRow>) -> Result<AccountPolicy, StoreError> {
    let Some(row) = row else { return Ok(AccountPolicy::default()) };
    let rules: AccountPolicy =
        serde_json::from_value(row.rules).map_err(|error| StoreError::Failed(format!("the rules: {error}")))?;
    Ok(AccountPolicy { version: counted(row.version), ..rules })
}

impl OrganizationStore {
    /// The organization's rules.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_policy(&self) -> Result<AccountPolicy, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", policy_record()));
        into_policy(settle(query.await?)?.take(0)?)
    }

    /// Changes the organization's rules. Where devices are no longer trusted, none is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when others changed them since they were read.
    pub async fn update_policy(
        &self,
        before: &AccountPolicy,
        after: &AccountPolicy,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let rules = serde_json::to_value(after).map_err(|error| StoreError::Failed(error.to_string()))?;
        let mut write = Write::new(self.1, event);
        write.push("IF ((SELECT VALUE version FROM ONLY $policy) ?? 0) != $before { THROW 'outdated' };");
        write.push("UPSERT $policy SET rules = $rules, version = $after RETURN NONE;");
        write.bind("policy", policy_record());
        write.bind("before", stored(before.version));
        write.bind("after", stored(before.version + 1));
        write.bind("rules", rules);
        if before.trusted_devices && !after.trusted_devices {
            write.within_identity(|write| {
                write.push("DELETE trusted_device WHERE organization = $organization_key RETURN NONE;");
            });
        }
        write.commit(&self.0).await
    }

    /// A user with the roles they hold and the rules they are under: one round trip.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_member(&self, id: UserId) -> Result<Option<(User, Vec<RoleGrant>, AccountPolicy)>, StoreError> {
        let query = self
            .0
            .query(
                "LET $within = (SELECT VALUE group FROM member WHERE member = $key); \
                 LET $around = IF $within = [] { [] } ELSE { array::flatten($within.map(|$group| \
                 (SELECT VALUE group FROM member WHERE member = $group))) }; \
                 LET $grants = IF $within = [] { (SELECT * FROM role_grant WHERE holder = $key) } ELSE \
                 { array::flatten(array::concat([$key], $within).map(|$holder| \
                 (SELECT * FROM role_grant WHERE holder = $holder))) }; \
                 SELECT * FROM ONLY $id; RETURN $grants; \
                 SELECT * FROM role WHERE key IN $grants.role; SELECT * FROM ONLY $policy; RETURN array::len($around);",
            )
            .bind(("id", user_record(id)))
            .bind(("key", uuid(id.uuid())))
            .bind(("policy", policy_record()));
        let mut results = settle(query.await?)?;
        let user: Option<UserRow> = results.take(3)?;
        let grants: Vec<GrantRow> = results.take(4)?;
        let roles: Vec<RoleRow> = results.take(5)?;
        let policy = into_policy(results.take(6)?)?;
        let around: Option<i64> = results.take(7)?;
        let Some(user) = user else { return Ok(None) };
        let user = user.into_entity()?;
        let grants = if around.unwrap_or_default() == 0 {
            Roles::read(self.1, roles)?.grants_of_user(&grants, &user)
        } else {
            // Groups in groups: one query a level, only where there are any.
            self.grants_of_users(std::slice::from_ref(&user)).await?.remove(&id).unwrap_or_default()
        };
        Ok(Some((user, grants, policy)))
    }
}
