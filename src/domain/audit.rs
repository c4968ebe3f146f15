//! What changed, what follows from it, and the record of it (D4, LG-03).

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scim::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::group::Group;
use super::login::names;
use super::provisioning::ProvisioningEvent;
use super::user::User;
use super::{Actor, AuditEventId, Caller, UserId};

/// The outcome of a command: the thing before and after, and what must happen with it in the same transaction.
#[derive(Clone, Debug)]
pub struct Change<T> {
    /// What it was; none if it is new.
    pub before: Option<T>,
    /// What it is; none if it is gone.
    pub after: Option<T>,
    /// What follows.
    pub consequences: Vec<Consequence>,
}

/// What follows from a change, whichever door it came through. Applied and recorded with the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The person may not use the organization any more: whatever lets them in ends (C115).
    AccessEnded,
    /// The person may use the organization again; nothing that had ended comes back (C116).
    AccessReturned,
}

impl Consequence {
    /// The name in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessEnded => "access_ended",
            Self::AccessReturned => "access_returned",
        }
    }
}

impl Change<User> {
    /// A change of a user, with its consequences.
    pub fn of_user(before: Option<User>, after: Option<User>) -> Self {
        let admitted = |user: &Option<User>| user.as_ref().is_some_and(User::is_admitted);
        let consequences = match (admitted(&before), admitted(&after)) {
            (true, false) => vec![Consequence::AccessEnded],
            (false, true) if before.is_some() => vec![Consequence::AccessReturned],
            _ => Vec::new(),
        };
        Self { before, after, consequences }
    }

    /// What kind of change it is.
    pub fn kind(&self) -> EventKind {
        match (&self.before, &self.after) {
            (None, _) => EventKind::UserCreated,
            (_, None) => EventKind::UserDeleted,
            _ if self.consequences.contains(&Consequence::AccessEnded) => EventKind::UserDisabled,
            _ if self.consequences.contains(&Consequence::AccessReturned) => EventKind::UserEnabled,
            _ => EventKind::UserUpdated,
        }
    }

    /// What differs, by field, with the values: personal, to be sealed.
    pub fn fields(&self) -> Vec<FieldChange> {
        let before = self.before.as_ref().map(recorded).unwrap_or_default();
        let after = self.after.as_ref().map(recorded).unwrap_or_default();
        let value = |values: &Values<'_>, name: &str| values.get(name).cloned().map(Cow::into_owned);
        differing(&before, &after)
            .map(|name| FieldChange {
                field: name.to_owned(),
                before: value(&before, name),
                after: value(&after, name),
            })
            .collect()
    }

    /// The names of the attributes that differ.
    pub fn changed(&self) -> Vec<String> {
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        let mut changed = changed(before.map(|user| &user.attributes), after.map(|user| &user.attributes));
        let flag = |user: &Option<User>| user.as_ref().is_some_and(|user| user.protected);
        if flag(&self.before) != flag(&self.after) && self.after.is_some() {
            changed.push("protected".to_owned());
        }
        changed
    }
}

impl Change<Group> {
    /// A change of a group.
    pub fn of_group(before: Option<Group>, after: Option<Group>) -> Self {
        Self { before, after, consequences: Vec::new() }
    }

    /// What kind of change it is.
    pub fn kind(&self) -> EventKind {
        match (&self.before, &self.after) {
            (None, _) => EventKind::GroupCreated,
            (_, None) => EventKind::GroupDeleted,
            _ => EventKind::GroupUpdated,
        }
    }

    /// What differs, by field, with the values.
    pub fn fields(&self) -> Vec<FieldChange> {
        let of = |group: &Option<Group>, field: &str| -> Option<Value> {
            let group = group.as_ref()?;
            match field {
                "name" => Some(group.display_name().into()),
                "displayName" => group.label.clone().map(Value::from),
                "defaultRole" => group.default_role.clone().map(Value::from),
                _ => group.external_id().map(Value::from),
            }
        };
        let change = |field: &str| FieldChange {
            field: field.to_owned(),
            before: of(&self.before, field),
            after: of(&self.after, field),
        };
        let all = ["name", "displayName", "defaultRole", "externalId"].map(change);
        all.into_iter().filter(|change| change.before != change.after).collect()
    }

    /// The names of the attributes that differ.
    pub fn changed(&self) -> Vec<String> {
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        changed(before.map(|group| &group.attributes), after.map(|group| &group.attributes))
    }
}

impl<T: PartialEq> Change<T> {
    /// Whether nothing changed: then nothing is written (C71, C77).
    pub fn is_nothing(&self) -> bool {
        self.before == self.after
    }
}

/// Values by name.
type Values<'v> = BTreeMap<&'v str, Cow<'v, Value>>;

fn values(resource: &Resource) -> Values<'_> {
    resource.attributes().iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value))).collect()
}

/// What the trail says of a user: the attributes, the primary address, and what is kept beside them.
fn recorded(user: &User) -> Values<'_> {
    let mut all = values(&user.attributes);
    let mut put = |name: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            all.insert(name, Cow::Owned(value));
        }
    };
    put("email", user.directory_email().map(Value::from));
    put("avatarUrl", user.avatar_url.clone().map(Value::from));
    put("metadata", (!user.metadata.is_empty()).then(|| user.metadata.clone().into()));
    put("isProtected", user.protected.then(|| true.into()));
    put("localHold", user.hold.as_ref().map(|hold| hold.reason.clone().map_or(Value::Bool(true), Value::from)));
    put("accountType", user.external.then(|| "EXTERNAL".into()));
    all
}

/// The names of the attributes that differ. Of what is gone nothing is told but that it is gone (C118).
fn changed(before: Option<&Resource>, after: Option<&Resource>) -> Vec<String> {
    let Some(after) = after.map(values) else { return Vec::new() };
    let before = before.map(values).unwrap_or_default();
    differing(&before, &after).map(str::to_owned).collect()
}

/// The names whose values differ: those that were there before, and then the new ones.
fn differing<'n>(before: &'n Values<'_>, after: &'n Values<'_>) -> impl Iterator<Item = &'n str> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.filter(|name| before.get(*name) != after.get(*name)).copied()
}

names! {
    /// The kinds of audit events.
    EventKind {
        /// An organization was made.
        OrganizationCreated = "organization.created",
        /// A credential of root was issued.
        RootCredentialIssued = "root.credential_issued",
        /// An organization's names or rules were changed.
        OrganizationUpdated = "organization.updated",
        /// The operator mended what a lost write had left in the store.
        StoreRepaired = "store.repaired",
        /// Ownership was given to somebody else.
        OwnershipTransferred = "organization.ownership_transferred",
        /// A mail domain is the organization's.
        DomainVerified = "organization.domain_verified",
        /// A login provider was set up.
        ConnectionCreated = "organization.connection_created",
        /// A login provider was removed.
        ConnectionDeleted = "organization.connection_deleted",
        /// A schema was added to users or groups, or changed.
        ExtensionSet = "organization.extension_set",
        /// A schema was removed from users or groups.
        ExtensionDeleted = "organization.extension_deleted",
        /// A directory was changed.
        DirectoryUpdated = "directory.updated",
        /// A directory was deleted.
        DirectoryDeleted = "directory.deleted",
        /// A directory got a new token.
        DirectoryTokenRotated = "directory.token_rotated",
        /// A token of a directory was ended.
        DirectoryTokenRevoked = "directory.token_revoked",
        /// What a directory's groups give was changed.
        MappingChanged = "directory.mapping_changed",
        /// A directory took away the last owner.
        DirectoryOwnerless = "directory.ownerless",
        /// A user can come back.
        UserRestored = "user.restored",
        /// A deleted user's data was destroyed.
        UserPurged = "user.purged",
        /// A person's data was destroyed.
        UserAnonymized = "user.anonymized",
        /// A password must be changed, or need not be any more.
        PasswordExpired = "user.password_expired",
        /// A lock was lifted.
        AccountUnlocked = "user.unlocked",
        /// A person may do everything.
        SuperuserGranted = "user.superuser_granted",
        /// A person may no longer do everything.
        SuperuserRevoked = "user.superuser_revoked",
        /// A user's account is controlled by somebody else.
        AccountTypeChanged = "membership.account_type_changed",
        /// A person joined an organization.
        MembershipAdded = "membership.added",
        /// An account at a login provider was linked.
        IdentityLinked = "user.identity_linked",
        /// An invitation was mailed again.
        InvitationResent = "invitation.resent",
        /// A role was made.
        RoleCreated = "role.created",
        /// A role was changed.
        RoleUpdated = "role.updated",
        /// A role was deleted.
        RoleDeleted = "role.deleted",
        /// Direct roles of somebody were changed.
        RolesGranted = "role.granted",
        /// Direct roles were taken from somebody.
        RolesRevoked = "role.revoked",
        /// Somebody's groups were changed.
        GroupMembersChanged = "group.members_changed",
        /// Somebody was put into a group, or is something else in it.
        GroupMemberAdded = "group.member_added",
        /// Somebody was taken out of a group.
        GroupMemberRemoved = "group.member_removed",
        /// A service account was made.
        ServiceAccountCreated = "service_account.created",
        /// A service account was changed.
        ServiceAccountUpdated = "service_account.updated",
        /// A service account was deleted.
        ServiceAccountDeleted = "service_account.deleted",
        /// A token was exchanged for a short-lived one.
        TokenExchanged = "token.exchanged",
        /// A directory was made.
        DirectoryCreated = "directory.created",
        /// A token got a new secret.
        TokenRotated = "token.rotated",
        /// A token was ended.
        TokenRevoked = "token.revoked",
        /// A person made a token.
        TokenCreated = "token.created",
        /// A user was made.
        UserCreated = "user.created",
        /// A user was changed.
        UserUpdated = "user.updated",
        /// A user was deactivated.
        UserDisabled = "user.disabled",
        /// A user was reactivated.
        UserEnabled = "user.enabled",
        /// A user was deleted.
        UserDeleted = "user.deleted",
        /// A user got a way to sign in.
        UserActivated = "user.activated",
        /// An address was added.
        EmailAdded = "user.email_added",
        /// An address was verified.
        EmailVerified = "user.email_verified",
        /// An address was removed.
        EmailRemoved = "user.email_removed",
        /// The primary address is another one.
        EmailChanged = "user.email_changed",
        /// Another address was made the primary one.
        PrimaryEmailChanged = "user.primary_email_changed",
        /// A link to verify an address was mailed again.
        VerificationSent = "user.verification_sent",
        /// A person changed their password.
        PasswordChanged = "user.password_changed",
        /// A password was set by the link of a mail, or by the operator.
        PasswordReset = "user.password_reset",
        /// A link to set a new password was mailed.
        PasswordResetSent = "user.password_reset_sent",
        /// Adding an authenticator app was begun.
        MfaEnrolling = "user.mfa_enrolling",
        /// A second factor was added.
        MfaEnrolled = "user.mfa_enrolled",
        /// A second factor was removed.
        MfaFactorRemoved = "user.mfa_factor_removed",
        /// All second factors were removed by an administrator.
        MfaReset = "user.mfa_reset",
        /// New recovery codes were made.
        RecoveryCodesRegenerated = "user.recovery_codes_regenerated",
        /// A person changed their preferences.
        SettingsUpdated = "user.settings_updated",
        /// A person has done the first steps.
        Onboarded = "user.onboarded",
        /// Too many failures locked an account.
        AccountLocked = "user.locked",
        /// A person signed in.
        LoginCreated = "login.created",
        /// A login got new tokens.
        LoginRefreshed = "login.refreshed",
        /// A login was ended.
        LoginRevoked = "login.revoked",
        /// A sign-in failed.
        LoginFailed = "login.failed",
        /// A person proved again who they are.
        LoginStepUp = "login.step_up",
        /// A login acts in another organization.
        LoginSwitched = "login.switched",
        /// A device was trusted.
        TrustedDeviceAdded = "trusted_device.added",
        /// The trust in a device was ended.
        TrustedDeviceRevoked = "trusted_device.revoked",
        /// An invitation was mailed.
        InvitationSent = "invitation.sent",
        /// An invitation was accepted.
        InvitationAccepted = "invitation.accepted",
        /// An invitation was declined or withdrawn.
        InvitationCancelled = "invitation.cancelled",
        /// A person left an organization.
        MembershipRemoved = "membership.removed",
        /// A group was made.
        GroupCreated = "group.created",
        /// A group or its members were changed.
        GroupUpdated = "group.updated",
        /// A group was deleted.
        GroupDeleted = "group.deleted",
    }
}

/// One value that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which.
    pub field: String,
    /// What it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl FieldChange {
    /// A value that changed.
    pub fn new(field: &str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        let some = |value: Value| (!value.is_null()).then_some(value);
        Self { field: field.to_owned(), before: some(before.into()), after: some(after.into()) }
    }
}

names! {
    /// Which way a change came in.
    Door {
        /// The account API.
        Graphql = "GRAPHQL",
        /// A directory.
        Scim = "SCIM",
        /// The operator's command line.
        Cli = "CLI",
        /// The server itself: expiry, retention.
        System = "SYSTEM",
    }
}

/// One entry of the audit trail. What is personal in it is sealed, so that it can be destroyed without the entry (C118).

#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Its id.
    pub id: AuditEventId,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// In which request.
    pub request: Option<String>,
    /// What.
    pub kind: EventKind,
    /// To what: the noun and the id.
    pub target: (&'static str, String),
    /// Which attributes, by name.
    pub changed: Vec<String>,
    /// The reason somebody gave.
    pub reason: Option<String>,
    /// Values that are nobody's: keys of roles, names of groups, settings.
    pub values: Vec<FieldChange>,
    /// Values about a person, sealed, and whose salt opens them.
    pub sealed: Option<(UserId, String)>,
    /// With which consequences.
    pub consequences: Vec<Consequence>,
    /// How many members came.
    pub members_added: usize,
    /// How many members went.
    pub members_removed: usize,
    /// The record of the directory's request that it is part of; it commits with the event.
    pub provisioning: Option<Box<ProvisioningEvent>>,
}

impl AuditEvent {
    /// Which way it came in.
    pub fn door(&self) -> Door {
        match self.actor {
            Actor::Operator => Door::Cli,
            Actor::System => Door::System,
            Actor::Directory(_) => Door::Scim,
            Actor::Person(_) | Actor::Program(_) | Actor::Root(_) | Actor::Nobody(_) => Door::Graphql,
        }
    }

    /// An event of this caller.
    pub fn new(
        id: AuditEventId,
        at: DateTime<Utc>,
        caller: &Caller,
        kind: EventKind,
        target: (&'static str, String),
    ) -> Self {
        Self {
            id,
            at,
            actor: caller.actor().clone(),
            request: caller.request().map(str::to_owned),
            kind,
            target,
            changed: Vec::new(),
            reason: None,
            values: Vec::new(),
            sealed: None,
            consequences: Vec::new(),
            members_added: 0,
            members_removed: 0,
            provisioning: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::user::{Hold, UserDraft, Writer};

    fn user(active: bool, held: bool) -> User {
        let attributes = json!({"userName": "a", "active": active});
        let draft = UserDraft::new(Resource::from_stored(attributes.as_object().expect("object").clone()));
        let writer = Writer { author: None, now: DateTime::UNIX_EPOCH, states_all: true };
        let hold = held.then_some(Hold { by: None, since: DateTime::UNIX_EPOCH, reason: None });
        User { hold, ..User::create(UserId::new(Uuid::nil()), draft.expect("valid"), writer) }
    }

    fn consequences(before: Option<User>, after: Option<User>) -> Vec<Consequence> {
        Change::of_user(before, after).consequences
    }

    #[test]
    fn c115_access_ends_exactly_when_an_admitted_user_is_not_any_more() {
        let ended = vec![Consequence::AccessEnded];
        assert_eq!(consequences(Some(user(true, false)), Some(user(false, false))), ended);
        assert_eq!(consequences(Some(user(true, false)), Some(user(true, true))), ended);
        assert_eq!(consequences(Some(user(true, false)), None), ended);
        for before in [user(false, false), user(true, true)] {
            assert_eq!(consequences(Some(before), None), []);
        }
        assert_eq!(consequences(None, Some(user(false, false))), []);
    }

    #[test]
    fn c116_access_returns_only_if_no_local_hold_remains() {
        assert_eq!(consequences(Some(user(false, false)), Some(user(true, false))), [Consequence::AccessReturned]);
        assert_eq!(consequences(Some(user(false, true)), Some(user(true, true))), []);
    }

    #[test]
    fn c118_of_a_deleted_user_no_attribute_is_told() {
        let change = Change::of_user(Some(user(true, false)), None);
        assert_eq!(change.kind(), EventKind::UserDeleted);
        assert!(change.changed().is_empty());
        assert_eq!(Change::of_user(Some(user(true, false)), Some(user(false, false))).changed(), ["active"]);
    }
}
