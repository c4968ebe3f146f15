//! Which groups users are in, directly and through groups in groups.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use surrealdb::types::SurrealValue;

use super::error::settle;
use super::known_groups::KnownGroup;
use super::list::{Row as _, Table};
use super::members::EdgeRow;
use super::users::{UserRow, user_record};
use super::{OrganizationStore, StoreError, uuid};
use crate::domain::group::Membership;
use crate::domain::user::User;
use crate::domain::{GroupId, UserId};

/// Asked for in one statement: two cost a sixth more (SurrealDB 3.3.5).
#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct UserAndEdges {
    user: Option<UserRow>,
    edges: Vec<EdgeRow>,
}

impl OrganizationStore {
    /// The user with this id and the groups it is in, as [`OrganizationStore::memberships_of`] answers them: one query if
    /// nothing has to be asked about the groups.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_user_with_memberships(&self, id: UserId) -> Result<Option<(User, Vec<Membership>)>, StoreError> {
        let query = self
            .0
            .query("RETURN {user: $id.*, edges: (SELECT group, member, kind FROM member WHERE member = $member)}")
            .bind(("id", user_record(id)))
            .bind(("member", uuid(id.uuid())));
        let found: Option<UserAndEdges> = settle(query.await?)?.take(0)?;
        let Some(UserAndEdges { user: Some(row), edges }) = found else { return Ok(None) };
        let direct: Vec<uuid::Uuid> = edges.into_iter().map(|edge| edge.group.into_inner()).collect();
        let groups = self.groups_upward(direct.iter().copied()).await?;
        Ok(Some((row.into_entity()?, memberships(&direct, &groups))))
    }

    /// The groups that users are in, direct ones and those that contain such a group, however deep and in whatever
    /// circle (C62, C111). In order of group id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn memberships_of(&self, users: &[UserId]) -> Result<HashMap<UserId, Vec<Membership>>, StoreError> {
        let ids: Vec<uuid::Uuid> = users.iter().map(|user| user.uuid()).collect();
        let direct = self.direct_groups(&ids).await?;
        let groups = self.groups_upward(direct.values().flatten().copied()).await?;
        let of = |user: &UserId| direct.get(&user.uuid()).map_or(&[][..], Vec::as_slice);
        Ok(users.iter().map(|user| (*user, memberships(of(user), &groups))).collect())
    }

    /// All groups that these are in, by themselves or by nesting, however deep and in whatever circle.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn groups_around(
        &self,
        members: &[uuid::Uuid],
    ) -> Result<HashMap<uuid::Uuid, HashSet<uuid::Uuid>>, StoreError> {
        let direct = self.direct_groups(members).await?;
        let groups = self.groups_upward(direct.values().flatten().copied()).await?;
        let of = |member: &uuid::Uuid| direct.get(member).map_or(&[][..], Vec::as_slice);
        Ok(members.iter().map(|member| (*member, upward(of(member), &groups))).collect())
    }

    /// The groups that each of these is a member of by itself.
    async fn direct_groups(&self, members: &[uuid::Uuid]) -> Result<HashMap<uuid::Uuid, Vec<uuid::Uuid>>, StoreError> {
        let mut direct: HashMap<uuid::Uuid, Vec<uuid::Uuid>> = HashMap::new();
        for edge in self.edges_to(members).await? {
            direct.entry(edge.member.into_inner()).or_default().push(edge.group.into_inner());
        }
        Ok(direct)
    }

    async fn edges_to(&self, members: &[uuid::Uuid]) -> Result<Vec<EdgeRow>, StoreError> {
        const EDGES: &str = "SELECT group, member, kind FROM member WHERE member";
        // The planner answers a list of one the same way, but more slowly.
        if let [member] = members {
            let query = self.0.query(format!("{EDGES} = $member")).bind(("member", uuid(*member)));
            return Ok(settle(query.await?)?.take(0)?);
        }
        let members = members.iter().copied().map(uuid);
        self.0.rows_by_keys(&format!("{EDGES} IN $keys"), members).await
    }

    /// These groups, and those that contain one of them. Breadth first; what was asked for once is not asked for again, so
    /// circles end.
    async fn groups_upward(&self, groups: impl Iterator<Item = uuid::Uuid>) -> Result<Groups, StoreError> {
        let (mut found, mut asked) = (Groups::new(), groups.collect::<HashSet<_>>());
        while !asked.is_empty() {
            found.extend(self.known_groups(asked).await?);
            let above = found.values().flat_map(|group| &group.parents);
            asked = above.filter(|group| !found.contains_key(group)).copied().collect();
        }
        Ok(found)
    }

    /// These groups, as they are known or read now.
    async fn known_groups(&self, ids: HashSet<uuid::Uuid>) -> Result<Groups, StoreError> {
        let (shared, organization) = (&self.0.shared, self.1);
        let stamp = shared.stamp_of_all(organization);
        let (mut found, mut unknown) = (Groups::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match shared.groups.get(organization, id, stamp) {
                Some(group) => _ = found.insert(id, group),
                None => unknown.push(id),
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        let (mut parents, mut names) =
            tokio::try_join!(self.direct_groups(&unknown), self.names_of(Table::Group, &unknown))?;
        for id in unknown {
            let group =
                KnownGroup { display: names.remove(&id).flatten(), parents: parents.remove(&id).unwrap_or_default() };
            found.insert(id, shared.groups.keep(organization, id, stamp, group));
        }
        Ok(found)
    }
}

/// Groups by id.
type Groups = HashMap<uuid::Uuid, Arc<KnownGroup>>;

/// Groups, and all that contain one of them.
fn upward(direct: &[uuid::Uuid], groups: &Groups) -> HashSet<uuid::Uuid> {
    let mut seen: HashSet<uuid::Uuid> = direct.iter().copied().collect();
    let mut open: Vec<uuid::Uuid> = direct.to_vec();
    while let Some(group) = open.pop() {
        let parents = groups.get(&group).map_or(&[][..], |group| &group.parents);
        open.extend(parents.iter().copied().filter(|parent| seen.insert(*parent)));
    }
    seen
}

fn memberships(direct: &[uuid::Uuid], groups: &Groups) -> Vec<Membership> {
    let mut memberships: Vec<Membership> = upward(direct, groups)
        .into_iter()
        // A group that went between two of our queries is no group any more.
        .filter_map(|group| Some((group, groups.get(&group)?.display.clone()?)))
        .map(|(group, display)| Membership { group: GroupId::new(group), display, direct: direct.contains(&group) })
        .collect();
    memberships.sort_unstable();
    memberships
}
