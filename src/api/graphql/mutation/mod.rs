//! Everything that can be changed. Each resolver reads its input, calls one verb, and says what came of it.

mod addresses;
mod credentials;
mod oneself;
mod sessions;
mod sign_in;

use async_graphql::MergedObject;

use addresses::Addresses;
use credentials::Credentials;
use oneself::Oneself;
use sessions::Sessions;
use sign_in::SigningIn;

/// Everything that can be changed. Each takes one `input` and answers a payload: the changed object, null if nothing was
/// done, and `userErrors`. Fields run one after the other; a document may hold at most 10, and at most one of those that
/// check a password or code. Repeating a state already reached is no error and answers the object. Each change, its
/// consequences (logins ended, tokens revoked), its audit event and its mails happen together or not at all.
#[derive(Default, MergedObject)]
pub(super) struct Mutation(SigningIn, Oneself, Addresses, Credentials, Sessions);
