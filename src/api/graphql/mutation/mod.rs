//! Everything that can be changed. Each resolver reads its input, calls one verb, and says what came of it.

mod addresses;
mod credentials;
mod directories;
mod groups;
mod invitations;
mod oneself;
mod organization;
mod programs;
mod roles;
mod root;
mod sessions;
mod sign_in;
mod user_credentials;
mod users;

use async_graphql::MergedObject;

use addresses::Addresses;
use credentials::Credentials;
use directories::Directories;
use groups::Groups;
use invitations::Invitations;
use oneself::Oneself;
use organization::OrganizationChanges;
use programs::Programs;
use roles::Roles;
use root::RootDeeds;
use sessions::Sessions;
use sign_in::SigningIn;
use user_credentials::UserCredentials;
use users::Users;

/// Everything that can be changed. Each takes one `input` and answers a payload: the changed object, null if nothing was
/// done, and `userErrors`. Fields run one after the other; a document may hold at most 10, and at most one of those that
/// check a password or code. Repeating a state already reached is no error and answers the object. Each change, its
/// consequences (logins ended, tokens revoked), its audit event and its mails happen together or not at all.
#[derive(Default, MergedObject)]
pub(super) struct Mutation(
    SigningIn,
    Oneself,
    Addresses,
    Credentials,
    Sessions,
    Users,
    UserCredentials,
    Roles,
    Invitations,
    OrganizationChanges,
    Groups,
    Programs,
    Directories,
    RootDeeds,
);
