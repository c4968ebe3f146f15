//! What follows from a change, in the same transaction: whatever let the person in ends (D3, C115).

use surrealdb::types::RecordId;

use super::write::Write;
use super::{DatabaseName, millis, uuid};
use crate::domain::Actor;
use crate::domain::audit::EventKind;
use crate::domain::audit::{AuditEvent, Consequence};
use crate::domain::login::EndReason;
use crate::domain::user::User;

/// Ends logins with their tokens, personal tokens, trusted devices, and challenges and reset links that wait, if access
/// ends with this event. A user without an account has none of them. Binds `$now`, `$reason`, `$user_key`, `$account_key`.
pub(super) fn push_end_access(write: &mut Write, event: &AuditEvent, user: &User) {
    let (Some(account), true) = (user.account, event.consequences.contains(&Consequence::AccessEnded)) else { return };
    let reason = match (&event.actor, event.kind) {
        (Actor::Directory(_), _) => EndReason::Directory,
        (
            _,
            EventKind::UserDeleted | EventKind::UserPurged | EventKind::UserAnonymized | EventKind::MembershipRemoved,
        ) => EndReason::Deleted,
        _ => EndReason::Disabled,
    };
    write.within_identity(|write| {
        write.push(
            "UPDATE login SET state = 'REVOKED', ended = $end_now, end_reason = $end_reason, updated = $end_now, \
             version += 1 WHERE user = $user_key AND state = 'ACTIVE' RETURN NONE;",
        );
        write.push("DELETE trusted_device WHERE user = $user_key RETURN NONE;");
        write.push(
            "UPDATE bearer SET revoked = $end_now, updated = $end_now WHERE principal = $user_key \
             AND kind = 'personal' AND revoked = NONE RETURN NONE;",
        );
        write.push(
            "DELETE one_time WHERE account = $account_key AND (purpose = 'reset' OR (purpose = 'challenge' \
             AND organization = $organization_key)) RETURN NONE;",
        );
    });
    write.bind("end_now", millis(event.at));
    write.bind("end_reason", reason.as_str().to_owned());
    write.bind("user_key", uuid(user.id.uuid()));
    write.bind("account_key", uuid(account.uuid()));
}

/// Ends the membership of a user that is removed.
pub(super) fn push_end_membership(write: &mut Write, user: &User) {
    let Some(account) = user.account else { return };
    write.within_identity(|write| {
        write.push(
            "DELETE membership WHERE account = $member_account AND user = $member_user RETURN NONE; \
             DELETE external_identity WHERE account = $member_account AND organization = $organization_key RETURN NONE;",
        );
        write.push(
            "UPDATE $member_account_id SET managed_by = NONE WHERE managed_by = $organization_key RETURN NONE; \
             UPDATE $member_account_id SET last_organization = NONE WHERE last_organization = $organization_key \
             RETURN NONE;",
        );
    });
    write.bind("member_account", uuid(account.uuid()));
    write.bind("member_account_id", RecordId::new("account", uuid(account.uuid())));
    write.bind("member_user", uuid(user.id.uuid()));
}

impl Write {
    /// Statements on `identity` in a batch of an organization.
    pub(super) fn within_identity(&mut self, push: impl FnOnce(&mut Self)) {
        let Some(organization) = self.organization else {
            push(self);
            return;
        };
        self.use_database(&DatabaseName::identity());
        push(self);
        self.use_database(&DatabaseName::of(organization));
        self.bind("organization_key", uuid(organization.uuid()));
    }
}
