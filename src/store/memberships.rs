//! Which groups users are in, directly and through groups in groups.

use std::collections::{HashMap, HashSet};

use surrealdb::types::SurrealValue;

use super::error::settle;
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
    /// The user with this id and the groups it is in, as [`OrganizationStore::memberships_of`] answers them: one query if it
    /// is in none.
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
        let parents = self.parents_by(vec![id.uuid()], edges).await?;
        let names = self.names_of_parents(&parents).await?;
        Ok(Some((row.into_entity()?, memberships(id, &parents, &names))))
    }

    /// The groups that users are in, direct ones and those that contain such a group, however deep and in whatever
    /// circle (C62, C111). In order of group id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn memberships_of(&self, users: &[UserId]) -> Result<HashMap<UserId, Vec<Membership>>, StoreError> {
        let ids: Vec<uuid::Uuid> = users.iter().map(|user| user.uuid()).collect();
        let parents = self.parents(&ids).await?;
        let names = self.names_of_parents(&parents).await?;
        Ok(users.iter().map(|user| (*user, memberships(*user, &parents, &names))).collect())
    }

    async fn names_of_parents(&self, parents: &Parents) -> Result<HashMap<uuid::Uuid, Option<String>>, StoreError> {
        let groups: HashSet<uuid::Uuid> = parents.values().flatten().copied().collect();
        self.names_of(Table::Group, &groups.into_iter().collect::<Vec<_>>()).await
    }

    /// The groups that each of these, and each group found, is a direct member of.
    pub(super) async fn parents(&self, members: &[uuid::Uuid]) -> Result<Parents, StoreError> {
        let edges = self.edges_to(members).await?;
        self.parents_by(members.to_vec(), edges).await
    }

    /// The same, where it was read already what these are members of.
    async fn parents_by(&self, members: Vec<uuid::Uuid>, edges: Vec<EdgeRow>) -> Result<Parents, StoreError> {
        let mut parents = Parents::new();
        let (mut asked, mut edges) = (members, edges);
        // Breadth first, one query a level; what was asked for once is not asked for again, so circles end.
        loop {
            for id in asked {
                parents.entry(id).or_default();
            }
            for edge in edges {
                parents.entry(edge.member.into_inner()).or_default().push(edge.group.into_inner());
            }
            let found: HashSet<uuid::Uuid> = parents.values().flatten().copied().collect();
            asked = found.into_iter().filter(|group| !parents.contains_key(group)).collect();
            if asked.is_empty() {
                return Ok(parents);
            }
            edges = self.edges_to(&asked).await?;
        }
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
}

/// The groups that users and groups are direct members of.
pub(super) type Parents = HashMap<uuid::Uuid, Vec<uuid::Uuid>>;

fn memberships(user: UserId, parents: &Parents, names: &HashMap<uuid::Uuid, Option<String>>) -> Vec<Membership> {
    let of = |id: uuid::Uuid| parents.get(&id).map_or(&[][..], Vec::as_slice);
    let direct: HashSet<uuid::Uuid> = of(user.uuid()).iter().copied().collect();
    let mut seen = direct.clone();
    let mut open: Vec<uuid::Uuid> = direct.iter().copied().collect();
    while let Some(group) = open.pop() {
        open.extend(of(group).iter().copied().filter(|parent| seen.insert(*parent)));
    }
    let mut memberships: Vec<Membership> = seen
        .into_iter()
        // A group that went between two of our queries is no group any more.
        .filter_map(|group| Some((group, names.get(&group)?.clone()?)))
        .map(|(group, display)| Membership { group: GroupId::new(group), display, direct: direct.contains(&group) })
        .collect();
    memberships.sort_unstable();
    memberships
}
