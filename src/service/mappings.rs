//! What the members of a directory's groups get here: roles, and places in groups kept here.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::references::{GroupRef, RoleRef, check_count, check_may_give, check_version};
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::directory::{Directory, MOST_MAPPINGS, Mapping};
use crate::domain::group::{Belonging, MemberKind, MemberSource};
use crate::domain::role::{GrantSource, Role};
use crate::domain::user::Writer;
use crate::domain::{Author, Caller, Code, DirectoryId, Error, GroupId, Permission, Refusal};
use crate::store::{Belongings, DirectoryChange, GrantChange, OrganizationStore};

/// What the members of a directory's group are to get.
#[derive(Clone, Debug)]
pub struct MappingWish {
    /// The directory's group, by id.
    pub group: String,
    /// The role its members get.
    pub role: Option<RoleRef>,
    /// The group, kept here, that its members join.
    pub target: Option<GroupRef>,
}

/// What setting mappings did.
#[derive(Debug)]
pub struct MappingsSet {
    /// The directory.
    pub directory: Directory,
    /// Roles and groups that people have from now on, counted by person.
    pub added: usize,
    /// Those that people have no longer.
    pub removed: usize,
}

impl Service {
    /// Sets all mappings of a directory, in order (S1-23, E4-02). Takes effect at once for members there are.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Refused`] with the codes of
    /// `setGroupRoleMappings`.
    pub async fn set_mappings(
        &self,
        caller: &Caller,
        id: &str,
        wishes: &[MappingWish],
        if_version: Option<i64>,
    ) -> Result<MappingsSet, Error> {
        caller.require(Permission::DirectoryManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_set_mappings(caller, id, wishes, if_version).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_set_mappings(
        &self,
        caller: &Caller,
        id: &str,
        wishes: &[MappingWish],
        if_version: Option<i64>,
    ) -> Result<MappingsSet, Error> {
        let (store, before) = self.directory_to_manage(caller, id).await?;
        caller.require_fresh(Permission::DirectoryManage, self.clock.now())?;
        check_version(before.stamps.version, if_version)?;
        check_count(wishes.len(), MOST_MAPPINGS, "mappings")?;
        let mut mappings = Vec::with_capacity(wishes.len());
        for (index, wish) in wishes.iter().enumerate() {
            let mapping = self.read_mapping(caller, &store, &before, wish).await;
            mappings.push(mapping.map_err(|error| within(error, &["mappings", &index.to_string()]))?);
        }
        let after = Directory { mappings, stamps: before.stamps.next(self.writer(caller)), ..before.clone() };
        if after.mappings == before.mappings {
            return Ok(MappingsSet { directory: before, added: 0, removed: 0 });
        }
        let given = Given::read(&store, &before, &after, caller).await?;
        self.check_taken(caller, &store, &given, "mappings").await?;
        let (added, removed) = self.count_given(&store, &given).await?;
        let (grants, sources) = (given.grants(), given.sources());
        let change = DirectoryChange {
            before: &before,
            after: &after,
            grants: &grants,
            belongings: &given.belongings,
            sources: &sources,
        };
        let event = AuditEvent {
            values: vec![FieldChange::new("mappings", json!(before.mappings), json!(after.mappings))],
            ..self.event(caller, EventKind::MappingChanged, ("directory", after.id.to_string()))
        };
        store.update_directory(&change, &event).await?;
        self.known_tokens.forget();
        Ok(MappingsSet { directory: after, added, removed })
    }

    async fn read_mapping(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        directory: &Directory,
        wish: &MappingWish,
    ) -> Result<Mapping, Error> {
        let missing =
            || Error::from(Refusal::new(Code::NotFound, "no such group of the directory").at("directoryGroupId"));
        let source: GroupId = wish.group.parse().map_err(|_| missing())?;
        let group = store.find_group(source).await?.filter(|group| group.directory == Some(directory.id));
        group.ok_or_else(missing)?;
        if wish.role.is_none() && wish.target.is_none() {
            return Err(Refusal::new(Code::InvalidArgumentCombination, "give a role, a group, or both").into());
        }
        let role = match &wish.role {
            Some(role) => {
                let role = self.find_role_by(store, role).await?;
                if role.is_owner() {
                    return Err(Refusal::new(Code::ReservedRole, "a directory never gives ownership")
                        .at("role")
                        .into());
                }
                check_may_give(caller, [&role], "role")?;
                Some(role.key)
            }
            None => None,
        };
        let target = match &wish.target {
            Some(target) => {
                let target = self.find_group_by(store, target).await?;
                self.check_local(store, &target, "group").await?;
                let given = store.roles_through(&[target.id]).await?;
                if given.iter().any(Role::is_owner) {
                    return Err(Refusal::new(Code::ReservedRole, "a directory never gives ownership")
                        .at("group")
                        .into());
                }
                check_may_give(caller, &given, "group")?;
                Some(target.id)
            }
            None => None,
        };
        Ok(Mapping { source, role, target })
    }

    /// Checks that the caller may take what a change of mappings takes away; what it gives is checked where it is read (S-8).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INSUFFICIENT_RANK` and what is lacking.
    pub(super) async fn check_taken(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        given: &Given,
        field: &'static str,
    ) -> Result<(), Error> {
        let left: Vec<GroupId> = given.belongings.gone.iter().map(|(group, _)| *group).collect();
        let mut taken = store.roles_through(&left).await?;
        for key in given.roles.iter().flat_map(|(_, _, removed)| removed) {
            taken.extend(store.find_role_by_key(key).await?);
        }
        check_may_give(caller, &taken, field)
    }

    /// How many people get a role or group, and how many lose one.
    async fn count_given(&self, store: &OrganizationStore, given: &Given) -> Result<(usize, usize), Error> {
        let groups = |picked: fn(&RolesOfGroup) -> &Vec<String>| {
            given.roles.iter().filter(move |change| !picked(change).is_empty()).map(|(group, ..)| group.uuid())
        };
        let put = given.belongings.put.iter().map(|one| one.member);
        let gone = given.belongings.gone.iter().map(|(_, member)| *member);
        let getting: Vec<uuid::Uuid> = groups(|(_, added, _)| added).chain(put).collect();
        let losing: Vec<uuid::Uuid> = groups(|(.., removed)| removed).chain(gone).collect();
        Ok((store.users_within(&getting).await?.len(), store.users_within(&losing).await?.len()))
    }
}

/// By the directory's group: keys of roles that come and go.
type RolesOfGroup = (GroupId, Vec<String>, Vec<String>);

/// What a change of mappings gives and takes.
pub(super) struct Given {
    directory: DirectoryId,
    by: Option<Author>,
    roles: Vec<RolesOfGroup>,
    pub(super) belongings: Belongings,
}

impl Given {
    /// What one version of a directory gives that the one before did not, and the other way round. Groups that were deleted
    /// since have nobody left to lose.
    pub(super) async fn read(
        store: &OrganizationStore,
        before: &Directory,
        after: &Directory,
        caller: &Caller,
    ) -> Result<Self, Error> {
        let mut given = given_by(before, after, caller);
        let targets: Vec<GroupId> = given.belongings.gone.iter().map(|(group, _)| *group).collect();
        let there: Vec<GroupId> = store.find_groups(&targets).await?.iter().map(|group| group.id).collect();
        given.belongings.gone.retain(|(group, _)| there.contains(group));
        Ok(given)
    }

    /// Groups whose members get something that they did not get before: they must still be the directory's at the commit.
    fn sources(&self) -> Vec<GroupId> {
        let granted = self.roles.iter().filter(|(_, added, _)| !added.is_empty()).map(|(group, ..)| *group);
        let mut sources: Vec<GroupId> =
            granted.chain(self.belongings.put.iter().map(|put| GroupId::new(put.member))).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    pub(super) fn grants(&self) -> Vec<GrantChange<'_>> {
        self.roles
            .iter()
            .map(|(group, added, removed)| GrantChange {
                holder: group.uuid(),
                kind: MemberKind::Group,
                source: GrantSource::DirectoryMapping,
                reference: Some(self.directory),
                added,
                removed,
                by: self.by,
            })
            .collect()
    }
}

fn given_by(before: &Directory, after: &Directory, caller: &Caller) -> Given {
    let roles = |directory: &Directory, group: GroupId| -> Vec<String> {
        let mut keys: Vec<String> =
            directory.mappings.iter().filter(|one| one.source == group).filter_map(|one| one.role.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    let joins = |directory: &Directory| -> Vec<(GroupId, GroupId)> {
        let mut pairs: Vec<(GroupId, GroupId)> =
            directory.mappings.iter().filter_map(|one| Some((one.target?, one.source))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    };
    let mut groups: Vec<GroupId> =
        before.mappings.iter().chain(&after.mappings).map(|mapping| mapping.source).collect();
    groups.sort_unstable();
    groups.dedup();
    let less = |list: Vec<String>, others: &[String]| -> Vec<String> {
        list.into_iter().filter(|key| !others.contains(key)).collect()
    };
    let changed = groups.into_iter().map(|group| {
        let (old, new) = (roles(before, group), roles(after, group));
        (group, less(new.clone(), &old), less(old, &new))
    });
    let (old, new) = (joins(before), joins(after));
    let writer = Writer { author: caller.author(), now: after.stamps.updated, states_all: false };
    let put = new.iter().filter(|pair| !old.contains(pair)).map(|(target, source)| {
        Belonging::new(*target, source.uuid(), MemberKind::Group, MemberSource::Mapping, writer)
    });
    let gone = old.iter().filter(|pair| !new.contains(pair)).map(|(target, source)| (*target, source.uuid()));
    Given {
        directory: before.id,
        by: caller.author(),
        roles: changed.filter(|(_, added, removed)| !added.is_empty() || !removed.is_empty()).collect(),
        belongings: Belongings { put: put.collect(), gone: gone.collect() },
    }
}

fn within(error: Error, outer: &[&str]) -> Error {
    match error {
        Error::Refused(refusals) => Error::Refused(refusals.into_iter().map(|refusal| refusal.below(outer)).collect()),
        other => other,
    }
}
