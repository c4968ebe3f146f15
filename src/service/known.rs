//! Users and groups as they were answered last, each good until something is written that it shows: only where this process is
//! the only one that writes. Packed, so that many fit: people of one organization are described in much the same words.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use scim::Version;

use crate::domain::user::User;
use crate::domain::{GroupId, OrganizationId, UserId};
use crate::store::Stamp;

/// What a user takes besides its text: keys and pointers in both maps, in bytes, measured.
const OVERHEAD: u64 = 240;
/// A text of about this size, packed, is expected: how many users the maps are made for.
const PACKED: u64 = 160;
/// How many organizations keep the text that the others' are packed with.
const SAMPLES: usize = 4_096;

/// What is longer is not kept, in bytes: a group of some thousands.
const LONGEST: usize = 1 << 20;

/// A user or a group as a face answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The version.
    pub version: Version,
    /// The whole answer.
    pub text: String,
}

/// Of what: the id of a user is no group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    User(UserId),
    Group(GroupId),
}

/// Users and groups as they were answered, by id; users by name, too.
pub(super) struct KnownAnswers {
    answers: Cache<(OrganizationId, Of), Arc<Kept>, Weight>,
    /// By a digest of organization and name; who it is has that name only if what is kept says so.
    names: Cache<u64, UserId>,
    digest: RandomState,
    samples: Cache<OrganizationId, Arc<str>>,
}

struct Kept {
    stamp: Stamp,
    /// What it is packed with.
    sample: Arc<str>,
    /// The answer, the version and the folded name as one text.
    packed: Box<[u8]>,
    /// How long they are, in bytes.
    lengths: [u32; 3],
}

struct Unpacked {
    whole: String,
    lengths: [usize; 3],
}

#[derive(Clone)]
struct Weight;

impl Weighter<(OrganizationId, Of), Arc<Kept>> for Weight {
    fn weight(&self, _: &(OrganizationId, Of), kept: &Arc<Kept>) -> u64 {
        kept.packed.len() as u64 + OVERHEAD
    }
}

impl KnownAnswers {
    /// Room for so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let users = usize::try_from(bytes / (PACKED + OVERHEAD)).unwrap_or(usize::MAX);
        Self {
            answers: Cache::with_weighter(users, bytes, Weight),
            names: Cache::new(users),
            digest: RandomState::new(),
            samples: Cache::new(SAMPLES),
        }
    }

    /// The answer that is good at this stamp.
    pub(super) fn get(&self, organization: OrganizationId, of: Of, stamp: Option<Stamp>) -> Option<Shown> {
        let kept = self.answers.get(&(organization, of))?;
        (Some(kept.stamp) == stamp).then(|| kept.unpacked())?.map(Unpacked::into_shown)
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
        let kept = self.answers.get(&(organization, Of::User(user)))?;
        let unpacked = (Some(kept.stamp) == stamp).then(|| kept.unpacked())??;
        (unpacked.name_key() == name_key).then(|| unpacked.into_shown())
    }

    /// Keeps what a user was answered as, read no earlier than at this stamp, and hands it on. Each directory sees its own
    /// `active` of a user whom one keeps out: that answer is not everybody's.
    pub(super) fn keep_user(
        &self,
        organization: OrganizationId,
        stamp: Option<Stamp>,
        user: &User,
        shown: Shown,
    ) -> Shown {
        let stamp = stamp.filter(|_| user.kept_out_by.is_empty());
        self.put_user((organization, user.id), stamp, &user.user_name_key(), &shown);
        shown
    }

    fn put_user(
        &self,
        (organization, user): (OrganizationId, UserId),
        stamp: Option<Stamp>,
        name_key: &str,
        shown: &Shown,
    ) {
        let Some(stamp) = stamp.filter(|_| self.answers.capacity() > 0) else { return };
        let sample = self.samples.get(&organization).unwrap_or_else(|| {
            let sample: Arc<str> = shown.text.as_str().into();
            self.samples.insert(organization, sample.clone());
            sample
        });
        self.names.insert(self.digest.hash_one((organization, name_key)), user);
        self.keep((organization, Of::User(user)), Kept::new(stamp, name_key, sample, shown));
    }

    /// Keeps what a group was answered as, read no earlier than at this stamp.
    pub(super) fn put_group(
        &self,
        (organization, group): (OrganizationId, GroupId),
        stamp: Option<Stamp>,
        shown: &Shown,
    ) {
        let Some(stamp) = stamp.filter(|_| self.answers.capacity() > 0) else { return };
        self.keep((organization, Of::Group(group)), Kept::new(stamp, "", Arc::from(""), shown));
    }

    fn keep(&self, key: (OrganizationId, Of), kept: Option<Kept>) {
        match kept {
            Some(kept) => self.answers.insert(key, Arc::new(kept)),
            None => drop(self.answers.remove(&key)),
        }
    }
}

impl Kept {
    fn new(stamp: Stamp, name_key: &str, sample: Arc<str>, shown: &Shown) -> Option<Self> {
        let parts = [shown.text.as_str(), shown.version.opaque(), name_key];
        let whole = parts.concat();
        if whole.len() > LONGEST {
            return None;
        }
        let packed = compress_with_dict(whole.as_bytes(), sample.as_bytes()).into_boxed_slice();
        let lengths = parts.map(|part| u32::try_from(part.len()).expect("no longer than the whole"));
        Some(Self { stamp, sample, packed, lengths })
    }

    fn unpacked(&self) -> Option<Unpacked> {
        let lengths = self.lengths.map(|length| length as usize);
        let whole = decompress_with_dict(&self.packed, lengths.iter().sum(), self.sample.as_bytes()).ok()?;
        Some(Unpacked { whole: String::from_utf8(whole).ok()?, lengths })
    }
}

impl Unpacked {
    fn name_key(&self) -> &str {
        let [text, version, _] = self.lengths;
        &self.whole[text + version..]
    }

    fn into_shown(self) -> Shown {
        let ([text, version, _], mut whole) = (self.lengths, self.whole);
        let version = Version::new(&whole[text..][..version]);
        whole.truncate(text);
        Shown { version, text: whole }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn shown(name: &str) -> Shown {
        let text = format!(r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"{name}"}}"#);
        Shown { version: Version::new("1".to_owned()), text }
    }

    #[test]
    fn an_answer_is_good_at_its_stamp_and_for_its_name() {
        let known = KnownAnswers::new(1 << 20);
        let organization = OrganizationId::new(Uuid::from_u128(1));
        let (ada, alan) = (UserId::new(Uuid::from_u128(2)), UserId::new(Uuid::from_u128(3)));
        let (then, now) = (Some(Stamp::default()), Some(Stamp::later()));
        known.put_user((organization, ada), then, "ada", &shown("Ada"));
        known.put_user((organization, alan), then, "alan", &shown("Alan"));
        assert_eq!(known.get(organization, Of::User(ada), then), Some(shown("Ada")));
        assert_eq!(known.get(organization, Of::User(alan), then), Some(shown("Alan")), "packed with the other's");
        assert_eq!(known.get(organization, Of::User(ada), now), None);
        assert_eq!(known.get(organization, Of::User(ada), None), None, "others may write");
        assert_eq!(known.named(organization, "alan"), Some(alan));
        assert_eq!(known.get_named((organization, alan), "alan", then), Some(shown("Alan")));
        assert_eq!(known.get_named((organization, alan), "ada", then), None);
        assert_eq!(known.get(organization, Of::Group(GroupId::new(ada.uuid())), then), None, "no group's id");
        let group = GroupId::new(Uuid::from_u128(4));
        let long = Shown { text: "x".repeat(LONGEST + 1), ..shown("") };
        known.put_group((organization, group), then, &shown("group"));
        assert_eq!(known.get(organization, Of::Group(group), then), Some(shown("group")));
        known.put_group((organization, group), then, &long);
        assert_eq!(known.get(organization, Of::Group(group), then), None, "too long, and not what it was");
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let known = KnownAnswers::new(64 << 10);
        let organization = OrganizationId::new(Uuid::from_u128(1));
        let stamp = Some(Stamp::default());
        for number in 0..10_000 {
            let user = UserId::new(Uuid::from_u128(number));
            known.put_user((organization, user), stamp, &format!("user{number}"), &shown(&format!("user{number}")));
        }
        assert!(known.answers.weight() <= 64 << 10);
        let nothing = KnownAnswers::new(0);
        nothing.put_user((organization, UserId::new(Uuid::nil())), stamp, "x", &shown("x"));
        assert_eq!(nothing.answers.len(), 0);
    }
}
