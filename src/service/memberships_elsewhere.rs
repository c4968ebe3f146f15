//! Memberships of other people in other organizations than the caller's, as far as the caller may know of them.

use std::collections::{BTreeMap, HashMap};

use super::Service;
use super::session::{lacks_factor, required_actions};
use crate::domain::account::Membership;
use crate::domain::actor::Person;
use crate::domain::login::Login;
use crate::domain::organization::Organization;
use crate::domain::role::{self, RoleGrant};
use crate::domain::user::User;
use crate::domain::{AccountId, Caller, Error, OrganizationId, Permission};

/// The most memberships of one person that are shown.
const MOST_SHOWN: usize = 100;

/// A membership of a person with the user and the roles there.
#[derive(Clone, Debug)]
pub struct MembershipElsewhere {
    /// The membership.
    pub membership: Membership,
    /// Its organization.
    pub organization: Organization,
    /// The person there.
    pub user: User,
    /// The roles in force there.
    pub grants: Vec<RoleGrant>,
}

impl Service {
    /// Memberships of these people outside of the caller's organization (S3-08, S3-09): for a superuser all of them, for
    /// another person those in organizations where that person's login could read members. An API token acts in one
    /// organization, so it learns of none.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`].
    pub async fn list_memberships_elsewhere(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Vec<MembershipElsewhere>>, Error> {
        let here = caller.require(Permission::UserAccessRead)?;
        let Some((person, login)) = caller.as_person().and_then(|person| Some((person, person.login()?))) else {
            return Ok(HashMap::new());
        };
        let mut readable = None;
        if !person.account.superuser {
            let organizations = self.organizations_read_by(person, login).await?;
            if organizations.is_empty() {
                return Ok(HashMap::new());
            }
            readable = Some(organizations);
        }
        let mut by_organization: BTreeMap<OrganizationId, Vec<Membership>> = BTreeMap::new();
        for membership in self.store.identity().list_memberships_of(accounts).await? {
            let id = membership.organization;
            if id != here && readable.as_ref().is_none_or(|readable| readable.contains_key(&id)) {
                by_organization.entry(id).or_default().push(membership);
            }
        }
        let mut shown: HashMap<AccountId, Vec<MembershipElsewhere>> = HashMap::new();
        for (id, memberships) in by_organization {
            let organization = match readable.as_mut().and_then(|readable| readable.remove(&id)) {
                Some(organization) => Some(organization),
                None => self.store.identity().find_organization(id).await?,
            };
            let Some(organization) = organization else { continue };
            for one in self.members_there(&organization, memberships).await? {
                shown.entry(one.membership.account).or_default().push(one);
            }
        }
        for memberships in shown.values_mut() {
            memberships.sort_by_key(|one| (one.membership.joined, one.organization.id));
            memberships.truncate(MOST_SHOWN);
        }
        Ok(shown)
    }

    /// The other organizations of a person in which the login could read members if it were switched there.
    async fn organizations_read_by(
        &self,
        person: &Person,
        login: &Login,
    ) -> Result<HashMap<OrganizationId, Organization>, Error> {
        let mut readable = HashMap::new();
        for joined in self.store.identity().list_memberships(person.account.id).await? {
            let (organization, membership) = (joined.organization, joined.membership);
            if organization.id == person.organization.id || !person.account.may_act_in(organization.id) {
                continue;
            }
            let member = self.find_member(organization.id, membership.user, membership.account).await?;
            let Some(member) = member else { continue };
            let may_read = role::permissions_of(&member.grants).contains(&Permission::UserAccessRead);
            let lacks = lacks_factor(login, person.authenticator.as_ref(), &member.policy);
            let actions = required_actions(person.password.as_ref(), person.enrolled().is_some(), &member.policy);
            if may_read && !lacks && actions.is_empty() {
                readable.insert(organization.id, organization);
            }
        }
        Ok(readable)
    }

    /// The users and roles of memberships in one organization. Leaves out those whose user is gone.
    async fn members_there(
        &self,
        organization: &Organization,
        memberships: Vec<Membership>,
    ) -> Result<Vec<MembershipElsewhere>, Error> {
        let store = self.store.organization(organization.id).await?;
        let ids: Vec<_> = memberships.iter().map(|membership| membership.user).collect();
        let users = store.find_users(&ids).await?;
        let mut grants = store.grants_of_users(&users).await?;
        let mut users: HashMap<_, _> = users.into_iter().map(|user| (user.id, user)).collect();
        let shown = memberships.into_iter().filter_map(|membership| {
            let user = users.remove(&membership.user).filter(|user| user.account == Some(membership.account))?;
            let grants = grants.remove(&user.id).unwrap_or_default();
            Some(MembershipElsewhere { membership, organization: organization.clone(), user, grants })
        });
        Ok(shown.collect())
    }
}
