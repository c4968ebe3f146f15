//! Addresses that a directory wrote for a user: listed beside those of the account, and changed at the directory only.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::account::{EmailAddress, EmailSource};
use super::email::lookup_key;
use super::profile::ProfileField;
use super::user::User;
use super::{AccountId, EmailId};

impl User {
    /// The addresses that a directory wrote, each once, in the directory's order. They are unverified: only a person proves
    /// an address. Their ids follow from user and address, so nothing is stored; before the user joins, the user's own id
    /// stands in the place of the account's.
    pub fn directory_addresses(&self) -> Vec<EmailAddress> {
        let Some(claim) = self.claim_on(ProfileField::Email) else { return Vec::new() };
        let written = self.attributes.attributes().get("emails").and_then(Value::as_array);
        let values = written.into_iter().flatten().filter_map(|email| email.get("value").and_then(Value::as_str));
        let mut addresses: Vec<EmailAddress> = Vec::new();
        for address in values {
            let key = lookup_key(address);
            if addresses.iter().any(|known| known.key == key) {
                continue;
            }
            addresses.push(EmailAddress {
                id: self.directory_address_id(&key),
                account: self.account.unwrap_or_else(|| AccountId::new(self.id.uuid())),
                address: address.to_owned(),
                key,
                is_primary: false,
                becomes_primary: false,
                verified: None,
                source: EmailSource::Directory,
                created: claim.since,
                updated: claim.since,
                version: self.version,
            });
        }
        addresses
    }

    /// These addresses of the account and those that the directory wrote. An address that is both is the account's, with the
    /// directory as its source. Where the account has none, the directory's primary address is the primary one.
    #[must_use]
    pub fn with_directory_addresses(&self, own: Vec<EmailAddress>) -> Vec<EmailAddress> {
        let has_primary = own.iter().any(|email| email.is_primary);
        let primary = self.directory_email().filter(|_| !has_primary).map(lookup_key);
        let mut all = own;
        for written in self.directory_addresses() {
            if let Some(known) = all.iter_mut().find(|known| known.key == written.key) {
                known.source = EmailSource::Directory;
            } else {
                let is_primary = primary.as_ref() == Some(&written.key);
                all.push(EmailAddress { is_primary, ..written });
            }
        }
        all
    }

    /// Whether a directory wrote the address with this id, or with this key.
    pub fn has_directory_address(&self, id: EmailId, key: Option<&str>) -> bool {
        self.directory_addresses().iter().any(|written| written.id == id || key == Some(written.key.as_str()))
    }

    fn directory_address_id(&self, key: &str) -> EmailId {
        let digest = Sha256::digest(format!("directory email:{}:{key}", self.id));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        EmailId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use scim::Resource;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::email::Email;
    use crate::domain::user::{UserDraft, Writer};
    use crate::domain::{Author, DirectoryId, UserId};

    fn user(author: Option<Author>) -> User {
        let attributes = json!({"userName": "ada", "emails": [
            {"value": "ada@home.example"}, {"value": "Ada@Work.example", "primary": true}, {"value": "ada@work.example"},
        ]});
        let attributes = Resource::from_stored(attributes.as_object().expect("an object").clone());
        let writer = Writer { author, now: DateTime::UNIX_EPOCH, states_all: true };
        User::create(UserId::new(Uuid::nil()), UserDraft::new(attributes).expect("valid"), writer)
    }

    fn shown(addresses: &[EmailAddress]) -> Vec<(&str, bool, EmailSource)> {
        addresses.iter().map(|email| (email.address.as_str(), email.is_primary, email.source)).collect()
    }

    /// `EmailSource.DIRECTORY`.
    #[test]
    fn addresses_of_a_directory_are_listed_once_and_primary_only_where_the_account_has_none() {
        let directory = Author::Directory(DirectoryId::new(Uuid::nil()));
        let user = user(Some(directory));
        let source = EmailSource::Directory;
        let alone = user.with_directory_addresses(Vec::new());
        assert_eq!(shown(&alone), [("ada@home.example", false, source), ("Ada@Work.example", true, source)]);
        assert_eq!(alone, user.with_directory_addresses(Vec::new()), "the same ids each time");
        let email = Email::parse("ada@work.example").expect("an address");
        let own = EmailAddress {
            is_primary: true,
            ..EmailAddress::create(
                EmailId::new(Uuid::nil()),
                AccountId::new(Uuid::nil()),
                &email,
                EmailSource::Oneself,
                DateTime::UNIX_EPOCH,
            )
        };
        let joined = user.with_directory_addresses(vec![own.clone()]);
        assert_eq!(shown(&joined), [("ada@work.example", true, source), ("ada@home.example", false, source)]);
        assert_eq!(joined[0].id, own.id, "the account's own");
        assert!(user.has_directory_address(alone[0].id, None) && user.has_directory_address(own.id, Some(&own.key)));
    }

    #[test]
    fn addresses_that_no_directory_claims_are_the_accounts_alone() {
        assert!(user(None).directory_addresses().is_empty());
    }
}
