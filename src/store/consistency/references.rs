//! References between records, and the records that they must refer to.

use std::collections::HashSet;

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use crate::domain::OrganizationId;
use crate::store::error::settle;
use crate::store::write::Write;
use crate::store::{Bound, DatabaseName, StoreError, uuid};

/// One kind of reference: which records break it, and what a repair does.
pub(super) struct Rule {
    /// The records that break it.
    pub(super) what: &'static str,
    /// The action of a repair, for people.
    action: &'static str,
    /// Answers the ids of the records that break it.
    find: &'static str,
    /// Repairs them. It asks the condition again, so that a record that was changed since it was found stays.
    repair: &'static str,
}

/// A rule whose records are deleted.
macro_rules! delete {
    ($what:literal, $table:literal, $condition:literal) => {
        Rule {
            what: $what,
            action: "deletes them",
            find: concat!("SELECT VALUE id FROM ", $table, " WHERE ", $condition),
            repair: concat!("DELETE ", $table, " WHERE ", $condition, " RETURN NONE;"),
        }
    };
}

/// A rule of records that another record must name.
macro_rules! name {
    ($what:literal, $table:literal, $condition:literal, $repair:literal) => {
        Rule {
            what: $what,
            action: "adds them",
            find: concat!("SELECT VALUE id FROM ", $table, " WHERE ", $condition),
            repair: concat!("FOR $row IN (SELECT * FROM ", $table, " WHERE ", $condition, ") { ", $repair, " };"),
        }
    };
}

/// References within the database of an organization. The grant `owner` of a user that was removed stays on purpose: it marks
/// that the organization had an owner.
pub(super) const OF_ORGANIZATION: &[Rule] = &[
    delete!("memberships of groups that do not exist", "member", "!record::exists(type::record('group', group))"),
    delete!("memberships of members that do not exist", "member", "!record::exists(type::record(kind, member))"),
    delete!(
        "role grants of holders that do not exist",
        "role_grant",
        "!record::exists(type::record(holder_kind, holder)) AND !(role = 'owner' AND holder_kind = 'user')"
    ),
    delete!(
        "reserved names of service accounts that do not exist",
        "service_account_name",
        "!record::exists(service_account)"
    ),
    delete!("reserved addresses of invitations that do not exist", "invited_address", "!record::exists(invitation)"),
    name!(
        "service accounts whose name is not reserved",
        "service_account",
        "!record::exists(type::record('service_account_name', user_name_key))",
        "UPSERT type::record('service_account_name', $row.user_name_key) SET service_account = $row.id RETURN NONE"
    ),
    name!(
        "pending invitations whose address is not reserved",
        "invitation",
        "pending_key != NONE AND !record::exists(type::record('invited_address', pending_key))",
        "UPSERT type::record('invited_address', $row.pending_key) SET invitation = $row.id RETURN NONE"
    ),
];

/// References within the database of accounts.
pub(super) const OF_ACCOUNTS: &[Rule] = &[
    delete!(
        "addresses of accounts that do not exist",
        "email_address",
        "!record::exists(type::record('account', account))"
    ),
    delete!(
        "passwords of accounts that do not exist",
        "password",
        "!record::exists(type::record('account', record::id(id)))"
    ),
    delete!(
        "authenticators of accounts that do not exist",
        "totp",
        "!record::exists(type::record('account', account))"
    ),
    delete!(
        "recovery codes of accounts that do not exist",
        "recovery_code",
        "!record::exists(type::record('account', account))"
    ),
    delete!("logins of accounts that do not exist", "login", "!record::exists(type::record('account', account))"),
    delete!(
        "refresh tokens of logins that do not exist",
        "refresh_token",
        "!record::exists(type::record('login', login))"
    ),
    delete!(
        "trusted devices of accounts that do not exist",
        "trusted_device",
        "!record::exists(type::record('account', account))"
    ),
    delete!(
        "identities at login providers of accounts that do not exist",
        "external_identity",
        "!record::exists(type::record('account', account))"
    ),
    delete!(
        "memberships of organizations of accounts that do not exist",
        "membership",
        "!record::exists(type::record('account', account))"
    ),
    delete!(
        "personal tokens of accounts that do not exist",
        "bearer",
        "account != NONE AND !record::exists(type::record('account', account))"
    ),
];

/// Records that break a rule.
pub(crate) struct Dangling {
    pub(super) what: &'static str,
    action: &'static str,
    pub(super) count: usize,
    repair: Repair,
}

enum Repair {
    /// A statement in the database of the records.
    Here(&'static str),
    /// Users lose their link to these accounts.
    Unlink(Vec<Uuid>),
    /// These users lose their link.
    UnlinkUsers(Vec<RecordId>),
    /// Memberships of accounts as these users are deleted.
    EndMembership(Vec<Uuid>),
}

impl Dangling {
    pub(super) fn sentence(&self) -> String {
        format!("{} {}: a repair {}", self.count, self.what, self.action)
    }
}

/// Looks for records that break a rule.
pub(super) async fn check(bound: &Bound, rule: &Rule) -> Result<Option<Dangling>, StoreError> {
    let ids: Vec<RecordId> = settle(bound.query(rule.find).unhurried().await?)?.take(0)?;
    let Rule { what, action, repair, .. } = rule;
    let found = Dangling { what, action, count: ids.len(), repair: Repair::Here(repair) };
    Ok((!ids.is_empty()).then_some(found))
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct LinkRow {
    id: RecordId,
    account: Uuid,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct MembershipRow {
    account: Uuid,
    user: Uuid,
}

/// References between the users of an organization and the accounts.
pub(super) async fn between(
    accounts: &Bound,
    within: &Bound,
    organization: OrganizationId,
) -> Result<Vec<Dangling>, StoreError> {
    let query = within.query("SELECT id, account FROM user WHERE account != NONE").unhurried();
    let links: Vec<LinkRow> = settle(query.await?)?.take(0)?;
    let query = accounts
        .query("SELECT account, user FROM membership WHERE organization = $organization")
        .bind(("organization", uuid(organization.uuid())))
        .unhurried();
    let memberships: Vec<MembershipRow> = settle(query.await?)?.take(0)?;
    let linked = links.iter().map(|link| link.account).collect();
    let users = memberships.iter().map(|membership| membership.user).collect();
    let (no_accounts, no_users) = (absent(accounts, "account", linked).await?, absent(within, "user", users).await?);
    let no_memberships = without_membership(links, &memberships, &no_accounts);
    let found = [
        Dangling {
            what: "users linked to accounts that do not exist",
            action: "clears the link",
            count: no_accounts.len(),
            repair: Repair::Unlink(no_accounts),
        },
        Dangling {
            what: "users linked to accounts without a membership",
            action: "clears the link",
            count: no_memberships.len(),
            repair: Repair::UnlinkUsers(no_memberships),
        },
        Dangling {
            what: "memberships of accounts as users that do not exist",
            action: "deletes them",
            count: no_users.len(),
            repair: Repair::EndMembership(no_users),
        },
    ];
    Ok(found.into_iter().filter(|dangling| dangling.count > 0).collect())
}

/// The users whose account exists and has no membership as this user. A membership is not made up: it gives access.
fn without_membership(links: Vec<LinkRow>, memberships: &[MembershipRow], no_accounts: &[Uuid]) -> Vec<RecordId> {
    let known: HashSet<(Uuid, RecordId)> =
        memberships.iter().map(|row| (row.account, RecordId::new("user", row.user))).collect();
    let absent: HashSet<Uuid> = no_accounts.iter().copied().collect();
    let lacking = links.into_iter().filter(|link| !absent.contains(&link.account));
    let lacking = lacking.map(|link| (link.account, link.id)).filter(|link| !known.contains(link));
    lacking.map(|(_, user)| user).collect()
}

/// How many records are asked for in one query.
const RECORDS_AT_A_TIME: usize = 2_000;

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct IdRow {
    id: RecordId,
}

/// The ids of a table's records that do not exist.
async fn absent(bound: &Bound, table: &'static str, ids: Vec<Uuid>) -> Result<Vec<Uuid>, StoreError> {
    let mut absent = Vec::new();
    for chunk in ids.chunks(RECORDS_AT_A_TIME) {
        let records: Vec<RecordId> = chunk.iter().map(|id| RecordId::new(table, *id)).collect();
        let query = bound.query("SELECT id FROM $records").bind(("records", records)).unhurried();
        let rows: Vec<IdRow> = settle(query.await?)?.take(0)?;
        let there: HashSet<RecordId> = rows.into_iter().map(|row| row.id).collect();
        absent.extend(chunk.iter().filter(|id| !there.contains(&RecordId::new(table, **id))));
    }
    Ok(absent)
}

/// Adds the repair of references to a batch.
pub(super) fn push_repair(write: &mut Write, dangling: &[Dangling]) {
    for rows in dangling {
        match &rows.repair {
            Repair::Here(statement) => write.push(statement),
            Repair::Unlink(accounts) => {
                write.push("UPDATE user SET account = NONE WHERE account IN $no_accounts RETURN NONE;");
                write.bind("no_accounts", accounts.clone());
            }
            Repair::UnlinkUsers(users) => {
                write.push("UPDATE $unlinked_users SET account = NONE RETURN NONE;");
                write.bind("unlinked_users", users.clone());
            }
            Repair::EndMembership(users) => {
                let Some(organization) = write.organization else { continue };
                write.use_database(&DatabaseName::identity());
                write.push("DELETE membership WHERE organization = $of AND user IN $no_users RETURN NONE;");
                write.bind("of", uuid(organization.uuid()));
                write.bind("no_users", users.clone());
                write.use_database(&DatabaseName::of(organization));
            }
        }
    }
}
