//! The only code that names SurrealDB: connecting, migrations, rows, queries (D2, D8, D12).
//!
//! [`Store`] opens the namespace; [`Store::identity`] and [`Store::organization`] answer handles that are bound to one
//! database each. A query can only see the database its handle is bound to.

mod accounts;
mod address;
mod attempts;
mod audit;
mod bearers;
mod by_keys;
mod connections;
mod consequences;
mod consistency;
mod database;
mod deleted_users;
mod deprovisioned_list;
mod directories;
mod emails;
mod error;
mod extensions;
mod filter;
mod grants;
mod groups;
mod invitations;
mod known_groups;
mod list;
mod logins;
mod members;
mod memberships;
mod migrate;
mod names;
mod one_time;
mod organizations;
mod outbox;
mod owner_appointments;
mod owners;
mod policy;
mod provisioning;
mod reach;
mod roles;
mod roster;
mod second_factors;
mod service_accounts;
mod session;
mod sign_in;
mod signing_keys;
mod stamps;
mod transfer;
mod trusted_devices;
mod user_list;
mod users;
mod write;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use moka::future::Cache;
use secrecy::SecretString;

pub(crate) use accounts::NewPerson;
pub use accounts::{Credentials, KnownAccount, Session};
pub use address::is_on_server;
pub use attempts::Attempt;
pub use audit::{EventFilter, SEALED_AT_ONCE, StoredEvent, Verdict};
pub(crate) use bearers::TokenChange;
pub use bearers::TokenSession;
pub(crate) use connections::{Arrival, Entry};
pub(crate) use consistency::Damage;
pub use database::engine::{
    Conversion, ConversionError, DamagedLog, DiskLocation, DiskMemory, Started, close_stores, engine_stop_reason,
};
pub use deleted_users::DeletedUser;
pub(crate) use deleted_users::{AccountEnd, Departure, Remains};
pub(crate) use directories::DirectoryChange;
pub(crate) use emails::EmailChange;
pub use error::{StoreError, UniqueIndex};
pub(crate) use grants::GrantChange;
pub(crate) use invitations::Joining;
pub use invitations::{InvitationFilter, ShownState};
pub use list::{Found, Paging, Query};
pub(crate) use logins::LoginEnd;
pub(crate) use logins::NewTokens;
pub(crate) use members::Belongings;
pub use members::MemberDelta;
pub use one_time::{OneTime, Purpose};
pub use organizations::Owner;
pub(crate) use outbox::SealedMail;
pub use outbox::WaitingMail;
pub(crate) use owner_appointments::OwnerAppointment;
pub use owners::OwnerWatch;
pub use provisioning::ProvisioningFilter;
pub use roster::{RosterPage, Start};
pub(crate) use second_factors::FactorUse;
pub(crate) use service_accounts::ProgramChange;
pub(crate) use sign_in::{DeviceTrust, PasswordSet, SignIn};
pub use signing_keys::SealedKey;
pub use stamps::Stamp;
pub use user_list::{Seek, SortKey, UserOrder, UserQuery, UserStates};

use known_groups::KnownGroups;
pub use reach::Condition;
use reach::Reach;
use roster::Rosters;
use session::{Asking, DatabaseSession};
use stamps::Stamps;
use write::Write;

use crate::domain::OrganizationId;
use crate::domain::audit::AuditEvent;

/// How many organizations keep an open handle; the others are opened again when they are asked for.
const OPEN_ORGANIZATIONS: u64 = 1_024;

/// Where everything is kept.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `mem://`, `surrealkv://PATH[?sync=every]`, `rocksdb://PATH`, `ws://HOST:PORT` or `wss://HOST:PORT`.
    pub url: String,
    /// The namespace on a server.
    pub namespace: String,
    /// The user on a server.
    pub username: Option<String>,
    /// The password on a server.
    pub password: Option<SecretString>,
    /// What a store on disk may keep in memory.
    pub memory: DiskMemory,
}

/// The store: one namespace, a database for identities and one for each organization.
pub struct Store {
    shared: Shared,
    identity: IdentityStore,
    organizations: Cache<OrganizationId, OrganizationStore>,
}

/// What the handles of one database share.
struct Bound {
    db: Arc<DatabaseSession>,
    name: DatabaseName,
    /// Whether there may be events that have no number yet.
    unsealed: AtomicBool,
    /// Held by whoever gives them theirs.
    sealing: tokio::sync::Mutex<()>,
    shared: Shared,
}

impl Bound {
    fn new(db: Arc<DatabaseSession>, name: DatabaseName, store: &Shared) -> Self {
        Self {
            db,
            name,
            unsealed: AtomicBool::new(true),
            sealing: tokio::sync::Mutex::default(),
            shared: store.clone(),
        }
    }

    /// Asks the engine; counted.
    fn query<'c>(&'c self, query: impl Into<Cow<'c, str>>) -> Asking<'c> {
        self.shared.queries.fetch_add(1, Ordering::Relaxed);
        self.db.query(query)
    }
}

/// What all handles of a store share.
#[derive(Clone)]
struct Shared {
    /// Whether it answers, and whether other processes write to it.
    reach: Arc<Reach>,
    /// How many units of work this process has committed.
    commits: Arc<AtomicU64>,
    /// The same by database and by user.
    stamps: Arc<Stamps>,
    /// Who is in which organization.
    rosters: Arc<Rosters>,
    /// What is shown of groups.
    groups: Arc<KnownGroups>,
    /// How many queries were asked of the engine.
    queries: Arc<AtomicU64>,
}

impl Shared {
    /// A number that moves with every unit of work committed here; none where other processes write too.
    fn revision(&self) -> Option<u64> {
        (!self.reach.is_remote()).then(|| self.commits.load(Ordering::SeqCst))
    }

    /// When what may show in anybody of an organization is read; none where other processes write too.
    fn stamp_of_all(&self, organization: OrganizationId) -> Option<Stamp> {
        (!self.reach.is_remote()).then(|| self.stamps.of_all(organization))
    }
}

/// A handle bound to the `identity` database.
#[derive(Clone)]
pub struct IdentityStore(Arc<Bound>);

/// A handle bound to one organization's database.
#[derive(Clone)]
pub struct OrganizationStore(Arc<Bound>, OrganizationId, Arc<names::NameIndex>);

/// A database, whose name is made of our own ids, never of a client's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DatabaseName {
    Identity,
    Organization(OrganizationId),
}

impl DatabaseName {
    fn identity() -> Self {
        Self::Identity
    }

    fn of(organization: OrganizationId) -> Self {
        Self::Organization(organization)
    }
}

impl std::fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Organization(id) => write!(f, "org_{}", id.uuid().simple()),
        }
    }
}

impl Store {
    /// Opens the store and brings the `identity` database up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when it cannot be opened: the server is down, or another process has the directory
    /// open; [`StoreError::Failed`] when a migration does not apply.
    pub async fn connect(settings: &StoreSettings) -> Result<Self, StoreError> {
        let reach = Reach::connect(settings).await?;
        let name = DatabaseName::identity();
        let session = DatabaseSession::open(&reach, name).await?;
        migrate::apply(&*session.engine().await?, migrate::IDENTITY).await?;
        let (commits, queries) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let shared =
            Shared { reach, commits, stamps: Arc::default(), rosters: Arc::default(), groups: Arc::default(), queries };
        let identity = IdentityStore(Arc::new(Bound::new(session, name, &shared)));
        Ok(Self { shared, identity, organizations: Cache::new(OPEN_ORGANIZATIONS) })
    }

    /// A number that moves with every unit of work committed here; none where other processes write too. What was read
    /// when it had a value is still true while it has that value.
    pub fn revision(&self) -> Option<u64> {
        self.shared.revision()
    }

    /// When what is shown of a user or a group is read; none where other processes write too. It is true while this stays
    /// the same.
    pub fn stamp(&self, organization: OrganizationId, shown: uuid::Uuid) -> Option<Stamp> {
        (!self.shared.reach.is_remote()).then(|| self.shared.stamps.of(organization, shown))
    }

    /// How many queries were asked of the engine since the start; it goes on counting.
    pub fn queries(&self) -> Arc<AtomicU64> {
        self.shared.queries.clone()
    }

    /// Who people are, whose tokens are whose, which organizations there are.
    pub fn identity(&self) -> &IdentityStore {
        &self.identity
    }

    /// What one organization says about people. Its database is brought up to date when it is first opened.
    ///
    /// # Errors
    ///
    /// As [`Store::connect`].
    pub async fn organization(&self, id: OrganizationId) -> Result<OrganizationStore, StoreError> {
        let open = async {
            let (name, reach) = (DatabaseName::of(id), &self.shared.reach);
            let (session, engine) = reach
                .run(async {
                    let session = DatabaseSession::open(reach, name).await?;
                    let engine = session.engine().await?;
                    Ok::<_, StoreError>((session, engine))
                })
                .await?;
            reach.run_patiently(migrate::apply(&engine, migrate::ORGANIZATION)).await?;
            if reach.is_remote() {
                reach.run_patiently(migrate::apply(&engine, migrate::REMOTE)).await?;
            }
            let bound = Bound::new(session, name, &self.shared);
            Ok::<_, StoreError>(OrganizationStore(Arc::new(bound), id, Arc::default()))
        };
        self.organizations.try_get_with(id, open).await.map_err(|error| match &*error {
            StoreError::Unavailable(cause) => StoreError::Unavailable(cause.to_string().into()),
            other => StoreError::Failed(other.to_string()),
        })
    }

    /// The organizations that this process has open.
    pub fn open_organizations(&self) -> Vec<OrganizationStore> {
        self.organizations.iter().map(|(_, store)| store).collect()
    }

    /// One unit of work on what `identity` keeps. Its event goes into the trail of the organization it happened in; what
    /// happens to people who are in none goes into a trail of its own.
    async fn change_identity(
        &self,
        home: Option<OrganizationId>,
        event: &AuditEvent,
        push: impl FnOnce(&mut Write),
    ) -> Result<(), StoreError> {
        let mut write = Write::new(home, event);
        write.touches_only([]);
        let Some(organization) = home else {
            push(&mut write);
            return write.commit(&self.identity.0).await;
        };
        let bound = self.organization(organization).await?;
        write.use_database(&DatabaseName::identity());
        push(&mut write);
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }

    /// The condition of the store, without asking it.
    pub fn condition(&self) -> Condition {
        self.shared.reach.condition()
    }

    /// Whether the store answers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.shared.reach.ping().await
    }
}

/// Milliseconds since 1970.
fn millis(at: chrono::DateTime<chrono::Utc>) -> i64 {
    at.timestamp_millis()
}

/// A counter as the store keeps it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored counter.
fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// What a row says is none of what we wrote.
fn unreadable(what: &str) -> StoreError {
    StoreError::Failed(format!("{what} is not what was written"))
}

pub(crate) fn uuid(id: uuid::Uuid) -> surrealdb::types::Uuid {
    id.into()
}
