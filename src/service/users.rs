//! Users: create, read, list, replace, patch, delete.

use std::collections::HashMap;

use scim::patch::{self, Operation};
use scim::{ListRequest, Reading, Resource, Tolerance};

use crate::domain::audit::{AuditEvent, Change, Consequence};
use crate::domain::cursor::Position;
use crate::domain::directory::{AttributeAuthority, LastOwnerPolicy};
use crate::domain::email;
use crate::domain::group::{MemberKind, Membership};
use crate::domain::invitation::Acceptance;
use crate::domain::size::ByteBudget;
use crate::domain::user::{Related, User, UserDraft, UserView, Writer};
use crate::domain::{Caller, Code, Error, Field, Noun, OrganizationId, Permission, Refusal, UserId, id};
use crate::store::{Found, OrganizationStore, OwnerWatch, StoreError};

use super::attempts::Attempts;
use super::{Conditions, Listed, Outcome, Saved, Service};

/// How many users of a list are read at a time: no more than these are read in vain where the list is full before.
pub(super) const USERS_AT_ONCE: usize = 128;

impl Service {
    /// Creates a user and the audit event that says so; both or neither.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Taken`] when the name (compared without
    /// case, RFC 7643 §4.1.1) or the directory's externalId is in use, [`Error::TakenByInactive`] naming the user when
    /// the directory may reactivate it instead (C33); [`Error::Invalid`].
    pub async fn create_user(&self, caller: &Caller, attributes: Resource) -> Result<Saved<UserView>, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        attributes.check_growth(&caller.types().user, None)?;
        let draft = UserDraft::new(attributes)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_create_user(caller, organization, draft.clone()).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_create_user(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        draft: UserDraft,
    ) -> Result<Saved<UserView>, Error> {
        let store = self.store.organization(organization).await?;
        let writer = self.writer(caller).stating_all();
        let user = User::create(UserId::new(self.entropy.id(writer.now)), draft, writer);
        let external = caller.as_directory().is_some_and(|directory| directory.settings.external_accounts);
        let user = with_authority(caller, None, User { salt: self.new_salt(), external, ..user });
        self.check_size(None, &user.attributes)?;
        self.check_domains(caller, organization, &user).await?;
        check_manager(caller, &store, None, &user).await?;
        if let Some(returned) = self.return_deprovisioned(caller, organization, &store, &user).await? {
            return Ok(returned);
        }
        let change = Change::of_user(None, Some(user.clone()));
        let event = self.user_event(caller, &change, user.id);
        let inserted = match store.insert_user(&user, caller.as_directory().is_some(), &event).await {
            Err(StoreError::Invited) => self.close_invitation(organization, &store, &user, &event).await,
            outcome => outcome.map_err(Error::from),
        };
        match inserted {
            Ok(()) => Ok(Saved { view: self.view_new_user(&store, user).await?, outcome: Outcome::Created }),
            Err(Error::Taken(field @ (Field::UserName | Field::ExternalId))) => {
                self.key_is_taken(caller, &store, &user, field).await
            }
            Err(error) => Err(error),
        }
    }

    /// A name that an inactive user has: the directory is told which, or gets it back, as it prefers (C33). Of two keys
    /// that are taken the store names one: the name is what counts.
    async fn key_is_taken(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        wanted: &User,
        field: Field,
    ) -> Result<Saved<UserView>, Error> {
        let name_key = wanted.user_name_key();
        let Some(existing) = store.find_user_by_name_key(&name_key).await? else {
            let is_taken = field != Field::UserName || store.find_program_by_name_key(&name_key).await?.is_some();
            // What nobody has any more has just become free: then it is worth another attempt.
            return Err(if is_taken { Error::Taken(field) } else { Error::Busy });
        };
        if existing.active() {
            return Err(Error::Taken(Field::UserName));
        }
        if !caller.as_directory().is_some_and(|directory| directory.settings.restore_inactive) {
            return Err(Error::TakenByInactive(existing.id));
        }
        check_unprotected(caller, &existing)?;
        if let Some(request) = caller.provisioning() {
            request.will_answer(200);
        }
        let restored = existing.with_attributes(wanted.draft(), self.writer(caller).stating_all());
        self.check_size(Some(&existing.attributes), &restored.attributes)?;
        let (user, outcome) = self.save_user(caller, store, existing, restored).await?;
        Ok(Saved { view: self.view_user(store, user).await?, outcome })
    }

    /// A user.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`]; [`Error::NotFound`].
    pub async fn get_user(&self, caller: &Caller, id: UserId) -> Result<UserView, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let store = self.store.organization(organization).await?;
        let found = store.find_user_with_memberships(id).await?;
        let (user, memberships) = found.ok_or(Error::NotFound(Noun::User))?;
        self.view_member(&store, user, memberships).await
    }

    /// Users (RFC 7644 §3.4.2).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`]; [`Error::Protocol`] for a request that cannot be
    /// carried out exactly (C55).
    pub async fn list_users(
        &self,
        caller: &Caller,
        request: &ListRequest,
        reading: &mut Reading,
    ) -> Result<Listed<UserView>, Error> {
        caller.require(Permission::UserAccessRead)?;
        self.list_users_within(caller, request, reading, &mut self.list_budget()).await
    }

    /// The same, as many as fit in what is left of the bytes of a list.
    pub(super) async fn list_users_within(
        &self,
        caller: &Caller,
        request: &ListRequest,
        reading: &mut Reading,
        budget: &mut ByteBudget,
    ) -> Result<Listed<UserView>, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let store = self.store.organization(organization).await?;
        let list = self.read_list(caller, &caller.types().user, request, reading)?;
        let found = if let Some(found) = self.page_of_all(&store, &list).await? {
            self.view_page(&store, found, budget).await?
        } else {
            let query = list.query();
            let found = store.list_users(&query).await?;
            let views = self.view_users(&store, found.page).await?;
            let base = self.scim_base_bytes();
            let fitting = |view: &UserView| budget.takes(view.answer_bytes(base));
            let found = Found { total: found.total, page: views, next: found.next };
            found.while_fitting(fitting, |view| query.place_of_user(&view.user))
        };
        let place = self.place(caller, &caller.types().user, request, &list, found.next.as_ref())?;
        Ok(Listed { total: found.total, place, views: found.page })
    }

    /// Users of a page of all, read some at a time until the list is full. Those that are gone are left out.
    async fn view_page(
        &self,
        store: &OrganizationStore,
        found: Found<UserId>,
        budget: &mut ByteBudget,
    ) -> Result<Found<UserView>, Error> {
        let base = self.scim_base_bytes();
        let mut page: Vec<UserView> = Vec::with_capacity(found.page.len());
        for ids in found.page.chunks(USERS_AT_ONCE) {
            let users = super::showing::in_order(ids, store.find_users(ids).await?);
            for view in self.view_users(store, users).await? {
                if !budget.takes(view.answer_bytes(base)) {
                    let last = page.last().map(|view| Position { key: None, id: view.user.id.uuid() });
                    return Ok(Found { total: found.total, page, next: last });
                }
                page.push(view);
            }
        }
        Ok(Found { total: found.total, page, next: found.next })
    }

    /// Replaces a user (RFC 7644 §3.5.1): what the body leaves out is cleared, but `active` (C68).
    ///
    /// # Errors
    ///
    /// As [`Service::patch_user`].
    pub async fn replace_user(
        &self,
        caller: &Caller,
        id: UserId,
        body: &Resource,
        conditions: &Conditions,
        reading: &mut Reading,
    ) -> Result<Saved<UserView>, Error> {
        caller.require(Permission::UserAccessManage)?;
        let writer = self.writer(caller).stating_all();
        let replaced = |user: &User| {
            let replacement = user.replacement(body.clone(), reading);
            replacement.check_growth(&caller.types().user, Some(&user.attributes))?;
            caller.note_reading(reading);
            Ok(replacement)
        };
        self.change_user(caller, id, writer, conditions, replaced).await
    }

    /// Applies the operations of a PATCH, all or none (RFC 7644 §3.5.2).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::NotFound`]; [`Error::Protected`];
    /// [`Error::Stale`], [`Error::PreconditionRequired`]; [`Error::Taken`]; [`Error::Protocol`], [`Error::Invalid`].
    pub async fn patch_user(
        &self,
        caller: &Caller,
        id: UserId,
        operations: &[Operation],
        conditions: &Conditions,
        reading: &mut Reading,
    ) -> Result<Saved<UserView>, Error> {
        caller.require(Permission::UserAccessManage)?;
        let text = id.to_string();
        let patched = |user: &User| {
            let patched = patch::apply(&caller.types().user, &text, &user.attributes, operations, reading)?;
            caller.note_reading(reading);
            Ok(patched.resource)
        };
        self.change_user(caller, id, self.writer(caller), conditions, patched).await
    }

    /// Reads, decides, writes; again when someone else was faster.
    async fn change_user(
        &self,
        caller: &Caller,
        id: UserId,
        writer: Writer,
        conditions: &Conditions,
        mut attributes: impl FnMut(&User) -> Result<Resource, Error>,
    ) -> Result<Saved<UserView>, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let store = self.store.organization(organization).await?;
        let _lane = self.lanes.enter(id).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let found = store.find_user_with_memberships(id).await?;
            let (user, memberships) = found.ok_or(Error::NotFound(Noun::User))?;
            self.check_conditions(caller, &store, (&user, &memberships), conditions).await?;
            check_unprotected(caller, &user)?;
            let seen = user.seen_by(caller.directory_id());
            let wanted = self.work_on_body(caller, || attributes(&seen)).await?;
            let after = user.with_attributes(UserDraft::new(wanted)?, writer);
            let after = with_authority(caller, Some(&user), after);
            self.check_size(Some(&user.attributes), &after.attributes)?;
            self.check_domains(caller, organization, &after).await?;
            check_manager(caller, &store, Some(&user), &after).await?;
            match self.save_user(caller, &store, user, after).await {
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
                // It is in the groups it was in when it was read: this changes none of them.
                Ok((user, outcome)) => {
                    return Ok(Saved { view: self.view_member(&store, user, memberships).await?, outcome });
                }
            }
        }
    }

    /// The version counts what others contribute, which is read only if someone asks for the version.
    async fn check_conditions(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        (user, memberships): (&User, &[Membership]),
        conditions: &Conditions,
    ) -> Result<(), Error> {
        let version = if conditions.if_match.is_none() && conditions.if_none_match.is_none() {
            UserView::alone(user.clone()).version()
        } else {
            self.view_member(store, user.clone(), memberships.to_vec()).await?.version()
        };
        conditions.check(caller, &version)
    }

    async fn save_user(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        before: User,
        after: User,
    ) -> Result<(User, Outcome), Error> {
        let change = Change::of_user(Some(before.clone()), Some(after.clone()));
        if change.is_nothing() {
            return Ok((after, Outcome::Unchanged));
        }
        let event = self.user_event(caller, &change, after.id);
        let subjects = [after.id];
        let ends = change.consequences.contains(&Consequence::AccessEnded);
        let watch = if ends { watch(caller, &before, &subjects) } else { OwnerWatch::Nobody };
        let given_up = self.invitations_given_up(caller, store, &before, &after).await?;
        let updated = store.update_user_with(&before, &after, &given_up, watch, &event).await;
        updated.map_err(|error| told_of_last_owner(caller, &before, error))?;
        Ok((after, Outcome::Updated))
    }

    /// Deletes a user with its memberships, as the directory's mode says; the audit trail keeps that it was, not who (C117,
    /// C118).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::NotFound`]; [`Error::Protected`];
    /// [`Error::Stale`], [`Error::PreconditionRequired`].
    pub async fn delete_user(&self, caller: &Caller, id: UserId, conditions: &Conditions) -> Result<(), Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let store = self.store.organization(organization).await?;
        let _lane = self.lanes.enter(id).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let found = store.find_user_with_memberships(id).await?;
            let (user, memberships) = found.ok_or(Error::NotFound(Noun::User))?;
            self.check_conditions(caller, &store, (&user, &memberships), conditions).await?;
            check_unprotected(caller, &user)?;
            match self.deprovision(caller, organization, &user).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    /// Protects a user from its directories, or lifts that (C120).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::NotFound`].
    pub async fn set_user_protected(&self, caller: &Caller, user_name: &str, protected: bool) -> Result<User, Error> {
        caller.require_operator(Permission::UserAccessManage)?;
        let organization = caller.require(Permission::UserAccessManage)?;
        let store = self.store.organization(organization).await?;
        let found = store.find_user_by_name_key(&scim::fold(user_name)).await?;
        let before = found.ok_or(Error::NotFound(Noun::User))?;
        let writer = self.writer(caller);
        let after = User { protected, version: before.version + 1, last_modified: writer.now, ..before.clone() };
        if before.protected == protected {
            return Ok(before);
        }
        self.save_user(caller, &store, before, after).await.map(|(user, _)| user)
    }

    /// A directory provisions somebody who was invited. In a domain of the organization that answers the invitation, and
    /// carries its roles and groups; otherwise it stays, and the person proves the address (account model 3.5).
    async fn close_invitation(
        &self,
        organization: OrganizationId,
        store: &OrganizationStore,
        user: &User,
        event: &AuditEvent,
    ) -> Result<(), Error> {
        let own = self.store.identity().list_domains(organization).await?;
        let keys: Vec<String> = user.email_keys().iter().map(|address| email::lookup_key(address)).collect();
        let is_own =
            |key: &&String| key.rsplit_once('@').is_some_and(|(_, domain)| own.iter().any(|name| name == domain));
        let mut answered = Vec::new();
        for key in keys.iter().filter(is_own) {
            // One that nobody may accept now stays as it is, and gives nothing (S-10).
            if let Some(before) = self.acceptable_at(store, key).await? {
                let after = before.accepted(user.id, Acceptance::Directory, event.at);
                answered.push((before, after));
            }
        }
        Ok(store.insert_invited_user(user, &answered, event).await?)
    }

    /// A directory may be held to the organization's own mail domains (C31).
    async fn check_domains(&self, caller: &Caller, organization: OrganizationId, user: &User) -> Result<(), Error> {
        if !caller.as_directory().is_some_and(|directory| directory.settings.verified_domains_only) {
            return Ok(());
        }
        let own = self.store.identity().list_domains(organization).await?;
        let is_own = |address: &String| {
            email::lookup_key(address).rsplit_once('@').is_some_and(|(_, domain)| own.iter().any(|name| name == domain))
        };
        if user.email_keys().iter().all(is_own) {
            return Ok(());
        }
        Err(Error::Invalid { field: Field::Email, reason: "is not in a domain of the organization" })
    }

    /// A user that was just made is in no group.
    async fn view_new_user(&self, store: &OrganizationStore, user: User) -> Result<UserView, Error> {
        match user.manager() {
            None => Ok(UserView::alone(user)),
            Some(_) => self.view_user(store, user).await,
        }
    }

    pub(super) async fn view_user(&self, store: &OrganizationStore, user: User) -> Result<UserView, Error> {
        let mut related = self.related(store, std::slice::from_ref(&user)).await?;
        Ok(related.view(user))
    }

    /// A user whose groups were read with it.
    async fn view_member(
        &self,
        store: &OrganizationStore,
        user: User,
        memberships: Vec<Membership>,
    ) -> Result<UserView, Error> {
        let managers = store.user_names(&managers(std::slice::from_ref(&user))).await?;
        Ok(Related { memberships: HashMap::from([(user.id, memberships)]), managers }.view(user))
    }

    pub(super) async fn view_users(&self, store: &OrganizationStore, users: Vec<User>) -> Result<Vec<UserView>, Error> {
        let mut related = self.related(store, &users).await?;
        Ok(users.into_iter().map(|user| related.view(user)).collect())
    }

    /// Groups and managers' names of several users, in as many queries as for one.
    async fn related(&self, store: &OrganizationStore, users: &[User]) -> Result<Related, Error> {
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        let memberships = store.memberships_of(&ids).await?;
        Ok(Related { memberships, managers: store.user_names(&managers(users)).await? })
    }
}

/// Who manages these, each once.
fn managers(users: &[User]) -> Vec<uuid::Uuid> {
    let mut managers: Vec<uuid::Uuid> = users.iter().filter_map(|user| user.manager().and_then(id::parse)).collect();
    managers.sort_unstable();
    managers.dedup();
    managers
}

/// Directories keep their hands off protected users (C120, SC-08).
fn check_unprotected(caller: &Caller, user: &User) -> Result<(), Error> {
    if user.protected && caller.as_directory().is_some() { Err(Error::Protected) } else { Ok(()) }
}

/// Whether an owner has to be left when access of this user ends: always, but where a directory's policy lets it happen. The
/// policy is about users that a directory has claimed: a directory that was given nothing locks nobody out.
pub(super) fn watch<'u>(caller: &Caller, user: &User, subjects: &'u [UserId]) -> OwnerWatch<'u> {
    let may_sign_in = user.account.is_some() && user.is_admitted();
    match caller.as_directory().map(|directory| directory.settings.last_owner_policy) {
        Some(LastOwnerPolicy::SuspendAndAlert) if user.is_claimed() || !may_sign_in => OwnerWatch::Nobody,
        _ => OwnerWatch::Users(subjects),
    }
}

/// The error of a change that failed: a directory that may not end the last owner's access is told what would allow it.
pub(super) fn told_of_last_owner(caller: &Caller, user: &User, error: StoreError) -> Error {
    let message = match error {
        StoreError::LastOwner if caller.as_directory().is_none() => return error.into(),
        StoreError::LastOwner if user.is_claimed() => {
            "this user is the last owner who can sign in: make another owner first, or set the directory's policy for the \
             last owner to SUSPEND_AND_ALERT"
        }
        StoreError::LastOwner => {
            "this user is the last owner who can sign in, and no directory provisions them: make another owner first, or \
             let the directory take the user over by setting one of their attributes"
        }
        other => return other.into(),
    };
    Refusal::new(Code::LastOwner, message).into()
}

/// The strict dialect wants a manager to be there; the lenient ones take them as they come (C37).
async fn check_manager(
    caller: &Caller,
    store: &OrganizationStore,
    before: Option<&User>,
    user: &User,
) -> Result<(), Error> {
    let (Some(directory), Some(manager)) = (caller.as_directory(), user.manager()) else { return Ok(()) };
    if before.and_then(User::manager) == Some(manager) {
        return Ok(());
    }
    if let Some(id) = id::parse(manager)
        && store.kinds_of(&[id]).await?.get(&id) == Some(&MemberKind::User)
    {
        return Ok(());
    }
    if !Reading::new(directory.dialect).tolerates(Tolerance::UnknownManager) {
        return Err(Error::Invalid { field: Field::Manager, reason: "its value is the id of no user" });
    }
    if let Some(request) = caller.provisioning() {
        request.tolerated(Tolerance::UnknownManager);
    }
    Ok(())
}

/// What a directory takes over, as its settings say (account model 3.5).
fn with_authority(caller: &Caller, before: Option<&User>, after: User) -> User {
    let Some(directory) = caller.as_directory() else { return after };
    match (directory.settings.attribute_authority, before) {
        (AttributeAuthority::Requested, _) => after,
        (AttributeAuthority::Full, _) => after.claimed_whole(directory.id),
        (AttributeAuthority::Initial, None) => User { authority: std::collections::BTreeMap::new(), ..after },
        // It filled them at creation; from then on it says only who is in.
        (AttributeAuthority::Initial, Some(before)) => after.with_profile_of(before),
    }
}
