//! Nouns: values that cannot be wrong, and the rules among them. No I/O, nothing async.

pub mod account;
pub mod actor;
pub mod api_token;
pub mod audit;
pub mod author;
pub mod brand;
pub mod caller;
pub mod connection;
pub mod credentials;
pub mod cursor;
pub mod directory;
pub mod directory_address;
pub mod email;
pub mod error;
pub mod group;
pub mod id;
pub mod invitation;
pub mod lockout;
pub mod login;
pub mod mail;
pub mod only_people;
pub mod organization;
pub mod password;
pub mod permission;
pub mod policy;
pub mod profile;
pub mod provisioning;
pub mod refusal;
pub mod role;
pub mod second_factor;
pub mod service_account;
pub mod size;
pub mod token;
pub mod trusted_device;
pub mod user;
pub mod user_name;

pub use actor::Actor;
pub use author::{Author, Stamps};
pub use caller::Caller;
pub use error::{Error, Field, Noun, RequiredAction};
pub use id::{
    AccountId, AuditEventId, DirectoryId, EmailId, FactorId, GroupId, InvitationId, LoginId, MailId, OrganizationId,
    ProvisioningEventId, RoleId, ServiceAccountId, TokenId, TrustedDeviceId, UserId,
};
pub use permission::Permission;
pub use refusal::{Code, Refusal};
