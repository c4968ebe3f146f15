//! Service accounts: programs of an organization.

use std::collections::HashMap;

use serde_json::json;

use super::Service;
use super::api_tokens::{TokenDraft, check_scopes_within};
use super::attempts::Attempts;
use super::references::{GroupRef, RoleRef, ServiceAccountRef, check_may_give, check_version};
use super::roles::{direct_roles, role_keys};
use crate::domain::account::Edit;
use crate::domain::api_token::{ApiToken, Holder};
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::group::{Belonging, Group, MemberKind, MemberSource};
use crate::domain::role::{self, GrantSource, MOST_NAMED, Role, RoleGrant};
use crate::domain::service_account::ServiceAccount;
use crate::domain::token::BearerSecret;
use crate::domain::{Caller, Code, Error, Permission, Refusal, ServiceAccountId, Stamps};
use crate::store::{Belongings, GrantChange, ProgramChange};

/// What a service account is about to be.
#[derive(Clone, Debug)]
pub struct ServiceAccountDraft {
    /// Unique among users and service accounts.
    pub user_name: String,
    /// What to call it.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its direct roles.
    pub roles: Vec<RoleRef>,
    /// Groups kept here.
    pub groups: Vec<GroupRef>,
    /// A first token.
    pub token: Option<TokenDraft>,
}

/// A change of a service account.
#[derive(Clone, Debug, Default)]
pub struct ServiceAccountEdit {
    /// Unique among users and service accounts.
    pub user_name: Option<String>,
    /// What to call it.
    pub display_name: Edit<String>,
    /// What it is for.
    pub description: Edit<String>,
    /// Whether its tokens work.
    pub active: Option<bool>,
    /// All its direct roles from now on.
    pub roles: Option<Vec<RoleRef>>,
}

/// A program never owns an organization.
fn check_no_owner(roles: &[Role]) -> Result<(), Error> {
    if roles.iter().any(Role::is_owner) {
        return Err(Refusal::new(Code::InsufficientRank, "a service account never owns").at("roles").into());
    }
    Ok(())
}

fn grants<'a>(
    id: ServiceAccountId,
    added: &'a [String],
    removed: &'a [String],
    caller: &Caller,
) -> [GrantChange<'a>; 1] {
    [GrantChange {
        holder: id.uuid(),
        kind: MemberKind::ServiceAccount,
        source: GrantSource::Direct,
        reference: None,
        added,
        removed,
        by: caller.author(),
    }]
}

/// Any of these lets one read service accounts.
const READERS: &[Permission] = &[Permission::ServiceAccountWrite, Permission::UserAccessRead];

impl Service {
    /// The organization's service accounts, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::ServiceAccountWrite`] or [`Permission::UserAccessRead`].
    pub async fn list_service_accounts(&self, caller: &Caller) -> Result<Vec<ServiceAccount>, Error> {
        let organization = caller.require_any(READERS)?;
        Ok(self.store.organization(organization).await?.list_programs().await?)
    }

    /// One service account.
    ///
    /// # Errors
    ///
    /// As [`Service::list_service_accounts`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn get_service_account(
        &self,
        caller: &Caller,
        reference: &ServiceAccountRef,
    ) -> Result<ServiceAccount, Error> {
        let organization = caller.require_any(READERS)?;
        self.find_program_by(&self.store.organization(organization).await?, reference).await
    }

    /// Service accounts by id, as far as the caller may read them: oneself, or with a permission.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_readable_programs(
        &self,
        caller: &Caller,
        ids: &[ServiceAccountId],
    ) -> Result<HashMap<ServiceAccountId, ServiceAccount>, Error> {
        let member = caller.require_known()?;
        let all = caller.may(Permission::ServiceAccountWrite)
            || caller.may(Permission::UserAccessRead)
            || caller.may(Permission::GroupsRead);
        let wanted: Vec<ServiceAccountId> = ids.iter().copied().filter(|id| all || id.uuid() == member.id()).collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.store.organization(member.organization().id).await?.find_programs(&wanted).await?;
        Ok(found.into_iter().map(|account| (account.id, account)).collect())
    }

    /// Why a service account holds which roles.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] about others without [`Permission::ServiceAccountWrite`] or [`Permission::UserAccessRead`].
    pub async fn list_grants_of_program(&self, caller: &Caller, id: ServiceAccountId) -> Result<Vec<RoleGrant>, Error> {
        let member = caller.require_known()?;
        if member.id() != id.uuid() {
            caller.require_any(READERS)?;
        }
        Ok(self.store.organization(member.organization().id).await?.grants_of_program(id.uuid()).await?)
    }

    /// Makes a service account, with a first token if wanted (S0-04, S4-01).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::ServiceAccountWrite`]; [`Error::Taken`]; [`Error::Refused`] with the
    /// codes of `createServiceAccount`.
    pub async fn create_service_account(
        &self,
        caller: &Caller,
        draft: ServiceAccountDraft,
    ) -> Result<(ServiceAccount, Option<(ApiToken, BearerSecret)>), Error> {
        let organization = caller.require(Permission::ServiceAccountWrite)?;
        if draft.token.is_some() {
            caller.require_fresh_person(Permission::ServiceAccountWrite, self.clock.now())?;
        }
        let writer = self.writer(caller);
        let account = ServiceAccount {
            id: ServiceAccountId::new(self.entropy.id(writer.now)),
            user_name: draft.user_name,
            display_name: draft.display_name,
            description: draft.description,
            active: true,
            last_seen: None,
            stamps: Stamps::new(writer),
        };
        account.check(&self.settings.reserved_names)?;
        let store = self.store.organization(organization).await?;
        let roles = self.find_roles_by(&store, &draft.roles).await?;
        check_no_owner(&roles)?;
        check_may_give(caller, &roles, "roles")?;
        let groups = self.find_groups_by(&store, &draft.groups, ("groups", MOST_NAMED)).await?;
        let given = self.check_program_groups(caller, &store, &groups).await?;
        let keys = role_keys(&roles);
        let token = match draft.token {
            Some(draft) => {
                let made = self.new_api_token(caller, organization, Holder::ServiceAccount(account.id), draft);
                let (token, secret) = made.map_err(|error| below(error, "token"))?;
                let held = roles.iter().chain(&given).flat_map(|role| role.permissions.iter().copied()).collect();
                check_scopes_within(&token.scopes, &role::implied(held)).map_err(|error| below(error, "token"))?;
                Some((token, secret))
            }
            None => None,
        };
        let put = groups.iter().map(|group| Belonging {
            scoped_role: group.default_role.clone(),
            ..Belonging::new(group.id, account.id.uuid(), MemberKind::ServiceAccount, MemberSource::Local, writer)
        });
        let belongings = Belongings { put: put.collect(), gone: Vec::new() };
        let event = AuditEvent {
            values: vec![
                FieldChange::new("userName", json!(null), account.user_name.clone()),
                FieldChange::new("roles", json!(null), keys.clone()),
            ],
            ..self.event(caller, EventKind::ServiceAccountCreated, ("service_account", account.id.to_string()))
        };
        let grants = grants(account.id, &keys, &[], caller);
        let change = ProgramChange {
            before: None,
            after: &account,
            grants: if keys.is_empty() { &[] } else { &grants },
            belongings: &belongings,
            token: token.as_ref().map(|(token, secret)| (secret, token)),
        };
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.store.change_program(organization, &change, &event).await.map_err(Error::from) {
                Ok(()) => return Ok((account, token)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn check_program_groups(
        &self,
        caller: &Caller,
        store: &crate::store::OrganizationStore,
        groups: &[Group],
    ) -> Result<Vec<Role>, Error> {
        for group in groups {
            self.check_local(store, group, "groups").await?;
        }
        let ids: Vec<_> = groups.iter().map(|group| group.id).collect();
        let given = store.roles_through(&ids).await?;
        check_no_owner(&given)?;
        check_may_give(caller, &given, "groups")?;
        Ok(given)
    }

    /// Changes a service account. Deactivating refuses its tokens at once.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::ServiceAccountWrite`]; [`Error::Taken`]; [`Error::Refused`] with the
    /// codes of `updateServiceAccount`.
    pub async fn update_service_account(
        &self,
        caller: &Caller,
        reference: &ServiceAccountRef,
        edit: &ServiceAccountEdit,
        if_version: Option<i64>,
    ) -> Result<ServiceAccount, Error> {
        caller.require(Permission::ServiceAccountWrite)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_update_program(caller, reference, edit, if_version).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_update_program(
        &self,
        caller: &Caller,
        reference: &ServiceAccountRef,
        edit: &ServiceAccountEdit,
        if_version: Option<i64>,
    ) -> Result<ServiceAccount, Error> {
        let organization = caller.require(Permission::ServiceAccountWrite)?;
        let store = self.store.organization(organization).await?;
        let before = self.find_program_by(&store, reference).await?;
        check_version(before.stamps.version, if_version)?;
        self.check_program_rank(caller, &store, &before).await?;
        let mut after = before.clone();
        after.user_name = edit.user_name.clone().unwrap_or(after.user_name);
        edit.display_name.apply(&mut after.display_name);
        edit.description.apply(&mut after.description);
        after.active = edit.active.unwrap_or(after.active);
        after.check(&self.settings.reserved_names)?;
        let (added, removed) = match &edit.roles {
            None => (Vec::new(), Vec::new()),
            Some(roles) => {
                let held = direct_roles(&store, before.id.uuid()).await?;
                let wanted = self.find_roles_by(&store, roles).await?;
                check_no_owner(&wanted)?;
                check_may_give(caller, wanted.iter().chain(&held), "roles")?;
                let without = |list: &[Role], others: &[Role]| -> Vec<String> {
                    let kept = list.iter().filter(|role| !others.iter().any(|other| other.id == role.id));
                    kept.map(|role| role.key.clone()).collect()
                };
                (without(&wanted, &held), without(&held, &wanted))
            }
        };
        if after == before && added.is_empty() && removed.is_empty() {
            return Ok(before);
        }
        let mut values = vec![
            FieldChange::new("userName", before.user_name.clone(), after.user_name.clone()),
            FieldChange::new("displayName", before.display_name.clone(), after.display_name.clone()),
            FieldChange::new("description", before.description.clone(), after.description.clone()),
            FieldChange::new("isActive", before.active, after.active),
            FieldChange::new("roles", removed.clone(), added.clone()),
        ];
        values.retain(|change| change.before != change.after);
        after.stamps = before.stamps.next(self.writer(caller));
        let event = AuditEvent {
            values,
            ..self.event(caller, EventKind::ServiceAccountUpdated, ("service_account", after.id.to_string()))
        };
        let grants = grants(after.id, &added, &removed, caller);
        let change = ProgramChange {
            before: Some(&before),
            after: &after,
            grants: &grants,
            belongings: &Belongings::default(),
            token: None,
        };
        self.store.change_program(organization, &change, &event).await?;
        Ok(after)
    }

    /// Deletes a service account with its tokens; answers how many ended.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::ServiceAccountWrite`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    pub async fn delete_service_account(
        &self,
        caller: &Caller,
        reference: &ServiceAccountRef,
        if_version: Option<i64>,
    ) -> Result<(ServiceAccountId, usize), Error> {
        let organization = caller.require(Permission::ServiceAccountWrite)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let account = self.find_program_by(&store, reference).await?;
            check_version(account.stamps.version, if_version)?;
            self.check_program_rank(caller, &store, &account).await?;
            let now = self.clock.now();
            let tokens = self.store.identity().list_tokens(account.id.uuid()).await?;
            let live = tokens.iter().filter(|token| token.is_live(now)).count();
            let event =
                self.event(caller, EventKind::ServiceAccountDeleted, ("service_account", account.id.to_string()));
            match self.store.remove_program(organization, &account, &event).await.map_err(Error::from) {
                Ok(()) => return Ok((account.id, live)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Says that what is to blame is within this part of the input.
fn below(error: Error, outer: &str) -> Error {
    match error {
        Error::Refused(refusals) => {
            Error::Refused(refusals.into_iter().map(|refusal| refusal.below(&[outer])).collect())
        }
        other => other,
    }
}
