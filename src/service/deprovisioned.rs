//! Users whom a directory deprovisioned: shown to administrators, brought back, or deleted.

use chrono::{DateTime, Utc};

use super::attempts::Attempts;
use super::references::{UserRef, check_version};
use super::user_lifecycle::{Ended, Left};
use super::{Outcome, Saved, Service};
use crate::domain::account::{Membership, MembershipSource};
use crate::domain::audit::{AuditEvent, Consequence, EventKind};
use crate::domain::user::{User, UserView};
use crate::domain::{Caller, Error, OrganizationId, Permission, UserId};
use crate::store::{DeletedUser, OrganizationStore, StoreError};

/// The user that a directory deprovisioned, if the reference is its id. Its name and its other keys may be another user's.
pub(super) async fn find_deprovisioned(
    store: &OrganizationStore,
    reference: &UserRef,
) -> Result<Option<DeletedUser>, Error> {
    let UserRef::Id(id) = reference else { return Ok(None) };
    let Ok(id) = id.parse::<UserId>() else { return Ok(None) };
    Ok(store.find_deleted_user(id).await?.filter(|deleted| deleted.deprovisioned_by.is_some()))
}

impl Service {
    /// As [`Service::find_managed`], of a deprovisioned user: the stored record and the user as administrators see it.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Refused`] with `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    pub(super) async fn find_managed_deprovisioned(
        &self,
        caller: &Caller,
        who: &UserRef,
        if_version: Option<i64>,
    ) -> Result<Option<(DeletedUser, User)>, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let store = self.store.organization(organization).await?;
        let Some(deleted) = find_deprovisioned(&store, who).await? else { return Ok(None) };
        let (Some(user), Some(seen)) = (&deleted.user, deleted.deprovisioned()) else { return Ok(None) };
        self.check_rank(caller, &store, user).await?;
        check_version(seen.version, if_version)?;
        Ok(Some((deleted, seen)))
    }

    /// Brings a deprovisioned user back, active, with the account, without roles and groups, and provisioned by no directory.
    /// None: no directory deprovisioned it.
    ///
    /// # Errors
    ///
    /// As [`Service::find_managed_deprovisioned`]; [`Error::Taken`] for its name.
    pub(super) async fn enable_deprovisioned(
        &self,
        caller: &Caller,
        who: &UserRef,
        if_version: Option<i64>,
    ) -> Result<Option<User>, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let found = self.find_managed_deprovisioned(caller, who, if_version).await?;
            let Some((deleted, _)) = found else { return Ok(None) };
            let Some(known) = deleted.last_version() else { return Ok(None) };
            let (restored, link) = self.restored(caller, organization, &known, &deleted).await?;
            let mut user = User { hold: None, ..restored };
            user.attributes.attributes_mut().insert("active".to_owned(), true.into());
            let event = self.event_about(caller, EventKind::UserEnabled, &user, Vec::new(), None);
            let event = AuditEvent { consequences: vec![Consequence::AccessReturned], ..event };
            let link = link.as_ref().map(|(account, membership)| (account, membership));
            match self.store.restore_user(organization, &deleted, &user, link, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(Some(user)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes a deprovisioned user: restorable until that instant, or destroyed now. None: no directory deprovisioned it.
    ///
    /// # Errors
    ///
    /// As [`Service::find_managed_deprovisioned`].
    pub(super) async fn erase_deprovisioned(
        &self,
        caller: &Caller,
        who: &UserRef,
        purge_at: Option<DateTime<Utc>>,
        if_version: Option<i64>,
    ) -> Result<Option<Left>, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let found = self.find_managed_deprovisioned(caller, who, if_version).await?;
            let Some((deleted, _)) = found else { return Ok(None) };
            let erased = if let Some(until) = purge_at {
                let event = self.event(caller, EventKind::UserDeleted, ("user", deleted.id.to_string()));
                self.store.delete_deprovisioned_user(organization, &deleted, until, &event).await
            } else {
                let account = match &deleted.user {
                    Some(user) => self.plan_leftover(user).await?,
                    None => None,
                };
                let event = self.event(caller, EventKind::UserPurged, ("user", deleted.id.to_string()));
                self.store.purge_user(organization, &deleted, account.as_ref(), false, &event).await
            };
            match erased.map_err(Error::from) {
                Ok(()) => {
                    let (id, ended) = (deleted.id, Ended::default());
                    return Ok(Some(Left { id, purge_at, ended, still_active_in: None }));
                }
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives a directory that asks for it by `restore_inactive` the user back that it deprovisioned under this name: the old id
    /// and account, the attributes of the request, no roles and no groups. A hold of an administrator stays, because no
    /// directory lifts it. None: there is no such user, or one of its keys is taken.
    pub(super) async fn return_deprovisioned(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        store: &OrganizationStore,
        wanted: &User,
    ) -> Result<Option<Saved<UserView>>, Error> {
        let directory = caller.as_directory().filter(|directory| directory.settings.restore_inactive);
        let Some(directory) = directory else { return Ok(None) };
        let found = store.find_deprovisioned_by_name_key(directory.id, &wanted.user_name_key()).await?;
        let Some(deleted) = found else { return Ok(None) };
        let Some(known) = deleted.last_version() else { return Ok(None) };
        let (restored, link) = self.restored(caller, organization, &known, &deleted).await?;
        let user = User {
            attributes: wanted.attributes.clone(),
            authority: wanted.authority.clone(),
            directory: wanted.directory,
            kept_out_by: wanted.kept_out_by.clone(),
            hold: known.hold,
            ..restored
        };
        let consequences = if user.is_admitted() { vec![Consequence::AccessReturned] } else { Vec::new() };
        let event = self.event_about(caller, EventKind::UserRestored, &user, Vec::new(), None);
        let event = AuditEvent { consequences, ..event };
        let event = super::audit::recorded(caller, event, user.id.uuid(), (None, Some(user.version)));
        let link =
            link.map(|(account, joined)| (account, Membership { source: MembershipSource::Directory, ..joined }));
        let link = link.as_ref().map(|(account, membership)| (account, membership));
        match self.store.restore_user(organization, &deleted, &user, link, &event).await {
            Ok(()) => Ok(Some(Saved { view: self.view_user(store, user).await?, outcome: Outcome::Created })),
            Err(StoreError::Taken(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
