//! References between records, and the records that they must refer to.

use std::collections::HashSet;

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::ids;
use crate::domain::OrganizationId;
use crate::store::error::settle;
use crate::store::write::Write;
use crate::store::{Bound, DatabaseName, StoreError, uuid};

/// One kind of reference.
pub(super) struct Rule {
    /// What is wrong where it does not hold.
    pub(super) what: &'static str,
    /// Answers the ids of the records that refer to nothing.
    find: &'static str,
}

/// References within the database of an organization.
pub(super) const OF_ORGANIZATION: &[Rule] = &[
    Rule {
        what: "memberships of groups that do not exist",
        find: "SELECT VALUE id FROM member WHERE !record::exists(type::record('group', group))",
    },
    Rule {
        what: "memberships of members that do not exist",
        find: "SELECT VALUE id FROM member WHERE !record::exists(type::record(kind, member))",
    },
    Rule {
        what: "role grants of holders that do not exist",
        find: "SELECT VALUE id FROM role_grant WHERE !record::exists(type::record(holder_kind, holder))",
    },
    Rule {
        what: "reserved names of service accounts that do not exist",
        find: "SELECT VALUE id FROM service_account_name WHERE !record::exists(service_account)",
    },
    Rule {
        what: "reserved addresses of invitations that do not exist",
        find: "SELECT VALUE id FROM invited_address WHERE !record::exists(invitation)",
    },
];

/// References within the database of accounts.
pub(super) const OF_ACCOUNTS: &[Rule] = &[
    Rule {
        what: "addresses of accounts that do not exist",
        find: "SELECT VALUE id FROM email_address WHERE !record::exists(type::record('account', account))",
    },
    Rule {
        what: "passwords of accounts that do not exist",
        find: "SELECT VALUE id FROM password WHERE !record::exists(type::record('account', record::id(id)))",
    },
    Rule {
        what: "authenticators of accounts that do not exist",
        find: "SELECT VALUE id FROM totp WHERE !record::exists(type::record('account', account))",
    },
    Rule {
        what: "recovery codes of accounts that do not exist",
        find: "SELECT VALUE id FROM recovery_code WHERE !record::exists(type::record('account', account))",
    },
    Rule {
        what: "logins of accounts that do not exist",
        find: "SELECT VALUE id FROM login WHERE !record::exists(type::record('account', account))",
    },
    Rule {
        what: "refresh tokens of logins that do not exist",
        find: "SELECT VALUE id FROM refresh_token WHERE !record::exists(type::record('login', login))",
    },
    Rule {
        what: "trusted devices of accounts that do not exist",
        find: "SELECT VALUE id FROM trusted_device WHERE !record::exists(type::record('account', account))",
    },
    Rule {
        what: "identities at login providers of accounts that do not exist",
        find: "SELECT VALUE id FROM external_identity WHERE !record::exists(type::record('account', account))",
    },
    Rule {
        what: "memberships of organizations of accounts that do not exist",
        find: "SELECT VALUE id FROM membership WHERE !record::exists(type::record('account', account))",
    },
    Rule {
        what: "personal tokens of accounts that do not exist",
        find: "SELECT VALUE id FROM bearer WHERE account != NONE AND !record::exists(type::record('account', account))",
    },
];

/// Records that refer to nothing.
#[derive(Debug)]
pub(crate) struct Dangling {
    /// Which references they are.
    pub(super) what: &'static str,
    /// The records.
    pub(super) records: Vec<RecordId>,
    mend: Mend,
}

/// What a repair does with a record that refers to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mend {
    /// It is deleted.
    Delete,
    /// It stays, and the reference goes.
    Unlink,
    /// It is deleted from the database of accounts.
    DeleteFromAccounts,
}

impl Dangling {
    pub(super) fn sentence(&self) -> String {
        let deed = if self.mend == Mend::Unlink { "takes the reference away" } else { "deletes them" };
        format!("{} {}: a repair {deed}", self.records.len(), self.what)
    }
}

/// Looks for records that break a rule.
pub(super) async fn check(bound: &Bound, rule: &Rule) -> Result<Option<Dangling>, StoreError> {
    let records = ids(bound, rule.find).await?;
    Ok((!records.is_empty()).then_some(Dangling { what: rule.what, records, mend: Mend::Delete }))
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct LinkRow {
    id: RecordId,
    to: Uuid,
}

/// References between the users of an organization and the accounts.
pub(super) async fn between(
    accounts: &Bound,
    within: &Bound,
    organization: OrganizationId,
) -> Result<Vec<Dangling>, StoreError> {
    let query = within.query("SELECT id, account AS to FROM user WHERE account != NONE").patiently();
    let linked: Vec<LinkRow> = settle(query.await?)?.take(0)?;
    let query = accounts
        .query("SELECT id, user AS to FROM membership WHERE organization = $organization")
        .bind(("organization", uuid(organization.uuid())))
        .patiently();
    let memberships: Vec<LinkRow> = settle(query.await?)?.take(0)?;
    let unlinked = without_target(accounts, "account", linked).await?;
    let left = without_target(within, "user", memberships).await?;
    let found = [
        Dangling { what: "users linked to accounts that do not exist", records: unlinked, mend: Mend::Unlink },
        Dangling {
            what: "memberships of accounts as users that do not exist",
            records: left,
            mend: Mend::DeleteFromAccounts,
        },
    ];
    Ok(found.into_iter().filter(|dangling| !dangling.records.is_empty()).collect())
}

/// How many records are asked for in one query.
const RECORDS_AT_A_TIME: usize = 2_000;

async fn without_target(bound: &Bound, table: &'static str, links: Vec<LinkRow>) -> Result<Vec<RecordId>, StoreError> {
    let mut left = Vec::new();
    for chunk in links.chunks(RECORDS_AT_A_TIME) {
        let targets: Vec<RecordId> = chunk.iter().map(|link| RecordId::new(table, link.to)).collect();
        let query = bound.query("SELECT VALUE id FROM $targets").bind(("targets", targets)).patiently();
        let there: HashSet<RecordId> = settle(query.await?)?.take::<Vec<RecordId>>(0)?.into_iter().collect();
        let missing = chunk.iter().filter(|link| !there.contains(&RecordId::new(table, link.to)));
        left.extend(missing.map(|link| link.id.clone()));
    }
    Ok(left)
}

/// Adds the removal of references to a batch.
pub(super) fn push_removal(write: &mut Write, dangling: &[Dangling]) {
    let of = |mend: Mend| -> Vec<RecordId> {
        let rows = dangling.iter().filter(|rows| rows.mend == mend);
        rows.flat_map(|rows| rows.records.iter().cloned()).collect()
    };
    write.push("DELETE $dangling RETURN NONE; UPDATE $unlinked SET account = NONE RETURN NONE;");
    write.bind("dangling", of(Mend::Delete));
    write.bind("unlinked", of(Mend::Unlink));
    if let Some(organization) = write.organization {
        write.use_database(&DatabaseName::identity());
        write.push("DELETE $dangling_accounts RETURN NONE;");
        write.bind("dangling_accounts", of(Mend::DeleteFromAccounts));
        write.use_database(&DatabaseName::of(organization));
    }
}
