//! Users as they were answered last, each good until something is written that it shows: only where this process is the
//! only one that writes. Packed, so that many fit: people of one organization are described in much the same words.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use scim::Version;

use crate::domain::{OrganizationId, UserId};
use crate::store::Stamp;

/// What a user takes besides its text: keys and pointers in both maps, in bytes, measured.
const OVERHEAD: u64 = 256;
/// A text of about this size, packed, is expected: how many users the maps are made for.
const PACKED: u64 = 256;
/// How many organizations keep the text that the others' are packed with.
const SAMPLES: usize = 4_096;

/// A user as a face answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The version.
    pub version: Version,
    /// The whole answer.
    pub text: String,
}

/// Users as they were answered, by id and by name.
pub(super) struct KnownUsers {
    users: Cache<(OrganizationId, UserId), Arc<Kept>, Weight>,
    /// By a digest of organization and name; who it is has that name only if what is kept says so.
    names: Cache<u64, UserId>,
    digest: RandomState,
    samples: Cache<OrganizationId, Arc<str>>,
}

struct Kept {
    stamp: Stamp,
    name_key: Box<str>,
    version: Version,
    sample: Arc<str>,
    packed: Box<[u8]>,
    length: usize,
}

#[derive(Clone)]
struct Weight;

impl Weighter<(OrganizationId, UserId), Arc<Kept>> for Weight {
    fn weight(&self, _: &(OrganizationId, UserId), kept: &Arc<Kept>) -> u64 {
        (kept.packed.len() + kept.name_key.len()) as u64 + OVERHEAD
    }
}

impl KnownUsers {
    /// Room for so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let users = usize::try_from(bytes / (PACKED + OVERHEAD)).unwrap_or(usize::MAX);
        Self {
            users: Cache::with_weighter(users, bytes, Weight),
            names: Cache::new(users),
            digest: RandomState::new(),
            samples: Cache::new(SAMPLES),
        }
    }

    /// The answer that is good at this stamp.
    pub(super) fn get(&self, organization: OrganizationId, user: UserId, stamp: Option<Stamp>) -> Option<Shown> {
        let kept = self.users.get(&(organization, user))?;
        (Some(kept.stamp) == stamp).then(|| kept.unpacked())?
    }

    /// Whose name this may be.
    pub(super) fn named(&self, organization: OrganizationId, name_key: &str) -> Option<UserId> {
        self.names.get(&self.digest.hash_one((organization, name_key)))
    }

    /// The answer that is good at this stamp, if it is of a user with this name.
    pub(super) fn get_named(
        &self,
        (organization, user): (OrganizationId, UserId),
        name_key: &str,
        stamp: Option<Stamp>,
    ) -> Option<Shown> {
        let kept = self.users.get(&(organization, user))?;
        (Some(kept.stamp) == stamp && *kept.name_key == *name_key).then(|| kept.unpacked())?
    }

    /// Keeps an answer that was read no earlier than at this stamp.
    pub(super) fn put(
        &self,
        (organization, user): (OrganizationId, UserId),
        stamp: Option<Stamp>,
        name_key: String,
        shown: &Shown,
    ) {
        let Some(stamp) = stamp else { return };
        if self.users.capacity() == 0 {
            return;
        }
        let sample = self.samples.get(&organization).unwrap_or_else(|| {
            let sample: Arc<str> = shown.text.as_str().into();
            self.samples.insert(organization, sample.clone());
            sample
        });
        self.names.insert(self.digest.hash_one((organization, name_key.as_str())), user);
        let packed = compress_with_dict(shown.text.as_bytes(), sample.as_bytes()).into_boxed_slice();
        let (version, length) = (shown.version.clone(), shown.text.len());
        let kept = Kept { stamp, name_key: name_key.into_boxed_str(), version, sample, packed, length };
        self.users.insert((organization, user), Arc::new(kept));
    }
}

impl Kept {
    fn unpacked(&self) -> Option<Shown> {
        let text = decompress_with_dict(&self.packed, self.length, self.sample.as_bytes()).ok()?;
        Some(Shown { version: self.version.clone(), text: String::from_utf8(text).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::Stamp;

    fn shown(name: &str) -> Shown {
        let text = format!(r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"{name}"}}"#);
        Shown { version: Version::new("1".to_owned()), text }
    }

    #[test]
    fn an_answer_is_good_at_its_stamp_and_for_its_name() {
        let known = KnownUsers::new(1 << 20);
        let organization = OrganizationId::new(Uuid::from_u128(1));
        let (ada, alan) = (UserId::new(Uuid::from_u128(2)), UserId::new(Uuid::from_u128(3)));
        let (then, now) = (Some(Stamp::default()), Some(Stamp::later()));
        known.put((organization, ada), then, "ada".to_owned(), &shown("Ada"));
        known.put((organization, alan), then, "alan".to_owned(), &shown("Alan"));
        assert_eq!(known.get(organization, ada, then), Some(shown("Ada")));
        assert_eq!(known.get(organization, alan, then), Some(shown("Alan")), "packed with the other's");
        assert_eq!(known.get(organization, ada, now), None);
        assert_eq!(known.get(organization, ada, None), None, "others may write");
        assert_eq!(known.named(organization, "alan"), Some(alan));
        assert_eq!(known.get_named((organization, alan), "alan", then), Some(shown("Alan")));
        assert_eq!(known.get_named((organization, alan), "ada", then), None);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let known = KnownUsers::new(64 << 10);
        let organization = OrganizationId::new(Uuid::from_u128(1));
        let stamp = Some(Stamp::default());
        for number in 0..10_000 {
            let user = UserId::new(Uuid::from_u128(number));
            known.put((organization, user), stamp, format!("user{number}"), &shown(&format!("user{number}")));
        }
        assert!(known.users.weight() <= 64 << 10);
        let nothing = KnownUsers::new(0);
        nothing.put((organization, UserId::new(Uuid::nil())), stamp, "x".to_owned(), &shown("x"));
        assert_eq!(nothing.users.len(), 0);
    }
}
