//! Who holds which role, and why.

use surrealdb::types::{Datetime, SurrealValue};

use super::error::settle;
use super::write::Write;
use super::{OrganizationStore, StoreError, uuid};
use crate::domain::role::{BuiltInRole, GrantSource, Role, RoleGrant};
use crate::domain::user::User;
use crate::domain::{OrganizationId, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct GrantRow {
    role: String,
    source: String,
    created: Datetime,
    granted_by: Option<uuid::Uuid>,
}

/// What a user holds. Whoever was given nothing holds the default role.
pub(super) fn into_grants(rows: Vec<GrantRow>, user: &User, organization: OrganizationId) -> Vec<RoleGrant> {
    let mut grants: Vec<RoleGrant> = rows
        .into_iter()
        .filter_map(|row| {
            Some(RoleGrant {
                role: Role::built_in(BuiltInRole::named(&row.role)?, organization),
                source: GrantSource::named(&row.source)?,
                granted: row.created.into_inner(),
                granted_by: row.granted_by,
            })
        })
        .collect();
    if grants.is_empty() {
        grants.push(RoleGrant {
            role: Role::built_in(BuiltInRole::Member, organization),
            source: GrantSource::Default,
            granted: user.created,
            granted_by: None,
        });
    }
    grants
}

/// Gives roles. Binds `$grant_…`.
pub(super) fn push_grants(
    write: &mut Write,
    user: UserId,
    roles: &[BuiltInRole],
    source: GrantSource,
    granted_by: Option<UserId>,
    now: chrono::DateTime<chrono::Utc>,
) {
    write.push(
        "FOR $grant_role IN $grant_roles { CREATE role_grant SET user = $grant_user, role = $grant_role, \
         source = $grant_source, created = $grant_now, granted_by = $grant_by RETURN NONE; };",
    );
    write.bind("grant_roles", roles.iter().map(|role| role.as_str().to_owned()).collect::<Vec<String>>());
    write.bind("grant_user", uuid(user.uuid()));
    write.bind("grant_source", source.as_str().to_owned());
    write.bind("grant_now", Datetime::from(now));
    write.bind("grant_by", granted_by.map(|by| uuid(by.uuid())));
}

impl OrganizationStore {
    /// How many other users who may sign in hold the role `owner`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_other_owners(&self, but: UserId) -> Result<usize, StoreError> {
        let query = self
            .0
            .query(
                "LET $owners = (SELECT VALUE type::record('user', user) FROM role_grant \
                 WHERE role = 'owner' AND user != $but)",
            )
            .query(
                "RETURN array::len((SELECT VALUE id FROM $owners \
                 WHERE active = true AND locally_held = false AND account != NONE))",
            )
            .bind(("but", uuid(but.uuid())));
        let count: Option<i64> = settle(query.await?)?.take(1)?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }
}
