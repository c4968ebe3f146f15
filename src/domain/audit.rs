//! What changed, what follows from it, and the record of it (D4, LG-03).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::group::Group;
use super::user::User;
use super::{Actor, AuditEventId, Caller};

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

    /// The names of the attributes that differ.
    pub fn changed(&self) -> Vec<String> {
        let attributes = |user: &Option<User>| user.as_ref().map(|user| user.attributes.attributes().clone());
        let mut changed = differing(attributes(&self.before), attributes(&self.after));
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

    /// The names of the attributes that differ.
    pub fn changed(&self) -> Vec<String> {
        let attributes = |group: &Option<Group>| group.as_ref().map(|group| group.attributes.attributes().clone());
        differing(attributes(&self.before), attributes(&self.after))
    }
}

impl<T: PartialEq> Change<T> {
    /// Whether nothing changed: then nothing is written (C71, C77).
    pub fn is_nothing(&self) -> bool {
        self.before == self.after
    }
}

fn differing(before: Option<Map<String, Value>>, after: Option<Map<String, Value>>) -> Vec<String> {
    // Of what is gone nothing is told but that it is gone (C118).
    let Some(after) = after else { return Vec::new() };
    let before = before.unwrap_or_default();
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// The kinds of audit events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An organization was made.
    OrganizationCreated,
    /// A directory was made.
    DirectoryCreated,
    /// A directory got a new token.
    TokenRotated,
    /// A token was ended.
    TokenRevoked,
    /// A user was made.
    UserCreated,
    /// A user was changed.
    UserUpdated,
    /// A user was deactivated.
    UserDisabled,
    /// A user was reactivated.
    UserEnabled,
    /// A user was deleted.
    UserDeleted,
    /// A group was made.
    GroupCreated,
    /// A group or its members were changed.
    GroupUpdated,
    /// A group was deleted.
    GroupDeleted,
}

impl EventKind {
    /// The name in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationCreated => "organization.created",
            Self::DirectoryCreated => "directory.created",
            Self::TokenRotated => "token.rotated",
            Self::TokenRevoked => "token.revoked",
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
            Self::UserDeleted => "user.deleted",
            Self::GroupCreated => "group.created",
            Self::GroupUpdated => "group.updated",
            Self::GroupDeleted => "group.deleted",
        }
    }
}

/// One entry of the audit trail. It holds no personal value, so it outlives the person (C118).
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
    /// With which consequences.
    pub consequences: Vec<Consequence>,
    /// How many members came.
    pub members_added: usize,
    /// How many members went.
    pub members_removed: usize,
}

impl AuditEvent {
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
            consequences: Vec::new(),
            members_added: 0,
            members_removed: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use scim::Resource;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::UserId;
    use crate::domain::user::{UserDraft, Writer};

    fn user(active: bool, held: bool) -> User {
        let attributes = json!({"userName": "a", "active": active});
        let draft = UserDraft::new(Resource::from_stored(attributes.as_object().expect("object").clone()));
        let writer = Writer { directory: None, now: DateTime::UNIX_EPOCH };
        User { locally_held: held, ..User::create(UserId::new(Uuid::nil()), draft.expect("valid"), writer) }
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
