//! Typed ids: `UUIDv7` in canonical text (D7). Text that was never an id names nobody.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Noun};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $noun:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with this value.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The value.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Text we never issued names nobody: the answer is "no such …", not "malformed".
            fn from_str(text: &str) -> Result<Self, Error> {
                parse(text).map(Self).ok_or(Error::NotFound($noun))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Only the one spelling in which ids are issued: ids are compared exactly (RFC 7643 §3.1).
pub(crate) fn parse(text: &str) -> Option<Uuid> {
    let mut buffer = Uuid::encode_buffer();
    Uuid::try_parse(text).ok().filter(|uuid| uuid.hyphenated().encode_lower(&mut buffer) == text)
}

id!(
    /// One user: the SCIM `id` (RFC 7643 §3.1) and the GraphQL `User.id`. Sorts by creation time.
    UserId,
    Noun::User
);
id!(
    /// One group: the SCIM `id` and the GraphQL `Group.id`. Sorts by creation time.
    GroupId,
    Noun::Group
);
id!(
    /// One organization; also names its database.
    OrganizationId,
    Noun::Organization
);
id!(
    /// One directory: an inbound SCIM client of an organization.
    DirectoryId,
    Noun::Directory
);
id!(
    /// One bearer token, to name it without showing it.
    TokenId,
    Noun::Token
);
id!(
    /// One person across organizations.
    AccountId,
    Noun::Account
);
id!(
    /// One address of a person.
    EmailId,
    Noun::Email
);
id!(
    /// One login: a signed-in session.
    LoginId,
    Noun::Login
);
id!(
    /// One trusted device.
    TrustedDeviceId,
    Noun::TrustedDevice
);
id!(
    /// One second factor.
    FactorId,
    Noun::Factor
);
id!(
    /// One service account.
    ServiceAccountId,
    Noun::ServiceAccount
);
id!(
    /// One record of what a directory asked for. Sorts by time.
    ProvisioningEventId,
    Noun::ProvisioningEvent
);
id!(
    /// One role of an organization.
    RoleId,
    Noun::Role
);
id!(
    /// One invitation.
    InvitationId,
    Noun::Invitation
);
id!(
    /// One mail that waits to be sent.
    MailId,
    Noun::Mail
);
id!(
    /// One audit event. Sorts by time.
    AuditEventId,
    Noun::AuditEvent
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ij02_only_the_canonical_text_is_an_id() {
        let id = "01900000-0000-7000-8000-0000000000ab";
        assert_eq!(id.parse::<UserId>().expect("canonical").to_string(), id);
        for text in [
            "",
            "1",
            "user:1",
            "1..",
            "[]",
            "{}",
            "⟨x⟩",
            "u'01900000-0000-7000-8000-0000000000ab'",
            "01900000000070008000000000000000",
            "{01900000-0000-7000-8000-0000000000ab}",
            "01900000-0000-7000-8000-0000000000AB",
            "urn:uuid:01900000-0000-7000-8000-0000000000ab",
        ] {
            assert!(matches!(text.parse::<UserId>(), Err(Error::NotFound(Noun::User))), "{text}");
        }
    }
}
