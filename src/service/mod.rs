//! Verbs: who may do it, what the rules are, what is written. Every door calls these methods and nothing else.

mod acceptance;
mod api_tokens;
mod attempts;
mod audit;
mod belonging;
mod challenges;
mod conditions;
mod connecting;
mod connections;
mod consistency;
mod credentials;
mod cursor;
mod deprovisioned;
mod directories;
mod editing;
mod emails;
mod extensions;
mod first_password;
mod group_owner;
mod groups;
mod hashing;
mod hashing_threads;
mod hashing_turns;
mod housekeeping;
mod invitations;
mod inviting;
mod keys;
mod known;
mod large_bodies;
mod linking;
mod local_groups;
mod lockout;
mod login;
mod logins;
mod mail_rates;
mod mappings;
mod me;
mod members;
mod memberships_elsewhere;
mod organizations;
mod outbox;
mod oversized;
mod owners;
mod passwords;
mod people;
mod places;
mod policy;
mod profile;
mod provisioning;
mod readiness;
mod reading;
mod references;
mod roles;
mod root;
mod search;
mod second_factors;
mod service_accounts;
mod session;
mod showing;
mod signing_in;
mod steps;
mod transfer;
mod user_lifecycle;
mod user_list;
mod users;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use scim::filter::{self, Filter};
use scim::message::{Page, Place};
use scim::sort::Sort;
use scim::{ListRequest, Reading, Resource, ResourceType, ScimType};

pub use api_tokens::{ExchangedToken, TokenDraft};
pub use audit::{ShownEvent, Span};
pub use belonging::{GroupsChanged, GroupsEdit};
pub use challenges::{ChallengeAnswered, SentFactor};
pub use conditions::Conditions;
pub use connecting::{Authorization, CodeGrant, ProviderAnswer, SentOut};
pub use consistency::{CheckedDatabase, StoreDamage};
pub use cursor::CURSOR_SECONDS;
pub use directories::DirectoryEdit;
pub use editing::UserUpdate;
pub use groups::Members;
pub use hashing::HashingLimits;
pub use invitations::{Acceptor, InvitationPreview, Joined};
pub use inviting::InvitationWish;
pub use known::Shown;
pub use local_groups::{LocalGroupDraft, LocalGroupEdit};
pub use lockout::LockoutLimits;
pub use login::{IssuedChallenge, PasswordSignIn, SignInOutcome, SignedIn, Who};
pub use logins::{Switched, TrustEnded};
pub use mail_rates::MailLimits;
pub use mappings::{MappingWish, MappingsSet};
pub use me::MfaState;
pub use memberships_elsewhere::MembershipElsewhere;
pub use organizations::NewOwner;
pub use oversized::Oversized;
pub use owners::AppointedOwner;
pub use passwords::{PasswordChanged, PasswordGiven};
pub use people::{FirstCredentials, NewUser, UserMade};
pub use policy::Policies;
pub use profile::{UpdateMe, UpdatedMe};
pub use provisioning::{ProvisioningChanges, ToldProvisioning};
pub use reading::{AccountState, ReadableMember, ReadableSession};
pub use references::{GroupRef, OrganizationRef, RoleRef, ServiceAccountRef, UserRef};
pub use roles::{RoleChange, RoleDraft, RoleEdit, RolesChanged};
pub use search::Either;
pub use second_factors::{Enrolled, Enrolment, MfaReset, Reproof};
pub use service_accounts::{ServiceAccountDraft, ServiceAccountEdit};
pub use session::NewSession;
pub use showing::Show;
pub use transfer::{
    AT_ONCE as IMPORTS_AT_ONCE, BATCH as IMPORT_BATCH, Extent, Imported, Line, LineKind, kind_of as line_kind,
};
pub use user_lifecycle::{Ended, Left};
pub use user_list::UserFilter;

pub use crate::store::{
    EventFilter, InvitationFilter, ProvisioningFilter, Seek, ShownState, SortKey, UserOrder, UserStates, Verdict,
};

use crate::clock::{Clock, Entropy};
use crate::crypto::seal::Sealer;
use crate::domain::login::Lifetimes;
use crate::domain::size::ByteBudget;
use crate::domain::user::Writer;
use crate::domain::{Caller, Error, size};
use crate::openid::Providers;
use crate::store::{Paging, Query, Store};
use attempts::Lanes;
use hashing::Hashing;
use keys::Keys;
use known::KnownAnswers;
use mail_rates::MailRates;
use session::KnownPeople;
use signing_in::KnownTokens;

/// The size of a list besides its resources, in bytes: a cursor may hold a text that is sorted by.
const ENVELOPE_BYTES: usize = 4_096;

/// What bounds the work of one request, and what is kept of it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most resources in one list.
    pub max_results: u64,
    /// Resources in a list when the client names no count.
    pub default_page_size: u64,
    /// The most rows evaluated one by one for one list.
    pub max_scanned: u64,
    /// The most that one resource may take in the store, in bytes of JSON.
    pub resource_bytes: usize,
    /// The most that the answer to one list takes, in bytes.
    pub list_bytes: usize,
    /// How much is remembered of what was answered, in bytes.
    pub remembered_bytes: u64,
    /// What is kept of what directories asked for.
    pub provisioning_log: ProvisioningLogLimits,
}

/// What is kept of what directories asked for.
#[derive(Clone, Copy, Debug)]
pub struct ProvisioningLogLimits {
    /// How long.
    pub keep: chrono::TimeDelta,
    /// How many of one organization.
    pub keep_records: u64,
    /// How many may wait to be written.
    pub most_waiting: usize,
    /// Whether values are left out of what is told.
    pub mask_values: bool,
}

/// What the operator set about signing in.
#[derive(Clone, Debug)]
pub struct SignInSettings {
    /// The origin that clients use: signs access tokens and is whom they are for.
    pub public_url: String,
    /// What authenticator apps and mails call the server.
    pub product_name: String,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// When sign-in is refused for a while.
    pub lockout: LockoutLimits,
    /// What hashing may cost.
    pub hashing: HashingLimits,
    /// User names that nobody may choose.
    pub reserved_names: Vec<String>,
    /// Front ends that may sign people in through login providers: where each may be sent back, by its id.
    pub front_ends: BTreeMap<String, Vec<String>>,
    /// Issuers of login providers that are believed to ask the person whenever they are sent `prompt=login`.
    pub prompt_login_is_proof: Vec<String>,
    /// How long an address that is added to an account is proven before it may set a new password.
    pub new_address_wait: chrono::TimeDelta,
    /// Days after which another key signs access tokens; none: never.
    pub signing_key_days: Option<NonZeroU32>,
    /// Hosts in a private network that login providers may name, beside their own.
    pub internal_provider_hosts: Vec<String>,
    /// How many mails may be asked for.
    pub mails: MailLimits,
}

/// What a service stands on.
pub struct Foundation {
    /// Where everything is kept.
    pub store: Store,
    /// What time it is.
    pub clock: Arc<Clock>,
    /// Chance.
    pub entropy: Arc<Entropy>,
    /// What seals what the store must not read.
    pub sealer: Sealer,
}

/// Everything the server can do.
pub struct Service {
    store: Store,
    clock: Arc<Clock>,
    entropy: Arc<Entropy>,
    sealer: Sealer,
    limits: Limits,
    settings: SignInSettings,
    hashing: Hashing,
    keys: Keys,
    providers: Providers,
    lanes: Lanes,
    /// By organization: of each one large body is worked on at a time. Apart from the others, since it is waited for in them.
    large_bodies: Lanes,
    known_tokens: KnownTokens,
    known_people: KnownPeople,
    mail_rates: MailRates,
    known_answers: KnownAnswers,
    mail_wakes: tokio::sync::Notify,
    provisioning: provisioning::Waiting,
    readiness: readiness::Readiness,
}

/// What a command left behind, and whether anything happened.
#[derive(Clone, Debug)]
pub struct Saved<V> {
    /// The resource.
    pub view: V,
    /// What happened to it.
    pub outcome: Outcome,
}

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It has a new version.
    Updated,
    /// It already was as it should be.
    Unchanged,
}

impl Service {
    /// A service on this foundation.
    pub fn new(foundation: Foundation, limits: Limits, settings: SignInSettings) -> Self {
        let Foundation { store, clock, entropy, sealer } = foundation;
        let hashing = Hashing::new(settings.hashing, entropy.bytes());
        let mail_rates = MailRates::new(settings.mails);
        let providers = Providers::new(&settings.internal_provider_hosts);
        Self {
            store,
            clock,
            entropy,
            sealer,
            limits,
            settings,
            hashing,
            keys: Keys::default(),
            providers,
            lanes: Lanes::default(),
            large_bodies: Lanes::default(),
            known_tokens: KnownTokens::default(),
            known_people: KnownPeople::default(),
            mail_rates,
            known_answers: KnownAnswers::new(limits.remembered_bytes),
            mail_wakes: tokio::sync::Notify::new(),
            provisioning: provisioning::Waiting::default(),
            readiness: readiness::Readiness::default(),
        }
    }

    /// What time it is.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    /// The bounds, as they are advertised (C21).
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many queries were asked of the store since the start.
    pub fn store_queries(&self) -> u64 {
        self.store.queries().load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A new request id.
    pub fn request_id(&self) -> String {
        self.entropy.id(self.clock.now()).simple().to_string()
    }

    fn writer(&self, caller: &Caller) -> Writer {
        Writer { author: caller.author(), now: self.clock.now(), states_all: false }
    }

    /// Refuses attributes that grow beyond what one resource may take.
    fn check_size(&self, before: Option<&Resource>, after: &Resource) -> Result<(), Error> {
        let after = size::stored_bytes(after.attributes());
        // Looked at only where it matters: most are far below.
        let before =
            before.filter(|_| after > self.limits.resource_bytes).map(|before| size::stored_bytes(before.attributes()));
        size::check_growth(before, after, self.limits.resource_bytes)
    }

    /// The bytes that the resources of one list may take.
    fn list_budget(&self) -> ByteBudget {
        ByteBudget::new(self.limits.list_bytes.saturating_sub(ENVELOPE_BYTES))
    }

    /// How long the SCIM base URL is, in bytes.
    fn scim_base_bytes(&self) -> usize {
        self.settings.public_url.len() + "/scim/v2/Groups/".len()
    }

    fn read_page(&self, request: &ListRequest) -> Result<Page, Error> {
        let Limits { default_page_size, max_results, .. } = self.limits;
        Ok(Page::read(request.start_index.as_deref(), request.count.as_deref(), default_page_size, max_results)?)
    }

    /// Reads a list request against a resource type.
    fn read_list<'s>(
        &self,
        caller: &Caller,
        kind: &'s ResourceType,
        request: &ListRequest,
        reading: &mut Reading,
    ) -> Result<ReadList<'s>, Error> {
        let (page, paging) = self.read_place(caller, kind, request)?;
        let filter = request.filter.as_deref().map(|text| filter::parse_search(text, reading)).transpose()?;
        let filter = filter.as_ref().map(|filter: &Filter| filter::resolve(filter, kind, reading)).transpose()?;
        let sort = Sort::read(kind, request.sort_by.as_deref(), request.sort_order.as_deref(), reading)?;
        if sort.is_some_and(|sort| kind.is_edge(sort.target.attribute)) {
            let detail = "sortBy: groups cannot be sorted by their members";
            return Err(scim::Error::new(ScimType::InvalidPath, detail).into());
        }
        let Limits { max_scanned, list_bytes, .. } = self.limits;
        Ok(ReadList { filter, sort, page, paging, max_scanned, bytes: list_bytes })
    }
}

struct ReadList<'s> {
    filter: Option<filter::Resolved<'s>>,
    sort: Option<Sort<'s>>,
    page: Page,
    paging: Paging,
    max_scanned: u64,
    bytes: usize,
}

impl<'s> ReadList<'s> {
    fn query(&self) -> Query<'_, 's> {
        let Self { filter, sort, page, paging, max_scanned, bytes } = self;
        Query { filter: filter.as_ref(), sort: *sort, page: *page, paging, max_scanned: *max_scanned, bytes: *bytes }
    }
}

/// A page of a list, ready to be answered.
#[derive(Clone, Debug)]
pub struct Listed<V> {
    /// How many match, on all pages.
    pub total: u64,
    /// Where the page stands.
    pub place: Place,
    /// The page.
    pub views: Vec<V>,
}
