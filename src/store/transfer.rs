//! Many users at once: what an import asks and writes.

use std::collections::HashSet;

use surrealdb::types::RecordId;

use super::error::settle;
use super::users::{UserRow, external_key, key, push_name_check, user_record};
use super::write::Write;
use super::{OrganizationStore, StoreError};
use crate::domain::audit::AuditEvent;
use crate::domain::user::User;
use crate::domain::{DirectoryId, UserId};

/// What some users would collide with.
#[derive(Debug, Default)]
pub struct Taken {
    /// Ids that are there.
    pub ids: HashSet<UserId>,
    /// Folded user names that are there, of people and of programs.
    pub name_keys: HashSet<String>,
    /// External ids that are there, in the directory that was asked about.
    pub external_ids: HashSet<String>,
}

impl OrganizationStore {
    /// Which of these ids, names and external ids are there.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn find_taken(&self, users: &[User], directory: Option<DirectoryId>) -> Result<Taken, StoreError> {
        let ids: Vec<RecordId> = users.iter().map(|user| user_record(user.id)).collect();
        let names: Vec<String> = users.iter().map(User::user_name_key).collect();
        let external = |user: &User| external_key(directory, user.external_id());
        let externals: Vec<String> = users.iter().filter_map(external).collect();
        let query = self.0.query("SELECT VALUE id FROM $ids").bind(("ids", ids));
        let of_people = "SELECT VALUE user_name_key FROM user WHERE user_name_key IN $keys";
        let of_programs = "SELECT VALUE user_name_key FROM service_account WHERE user_name_key IN $keys";
        let of_directory = "SELECT VALUE external_id FROM user WHERE external_key IN $keys";
        let (results, people, programs, external_ids) = tokio::try_join!(
            query.into_future(),
            self.0.rows_by_keys::<String, _>(of_people, names.iter().cloned()),
            self.0.rows_by_keys::<String, _>(of_programs, names.iter().cloned()),
            self.0.rows_by_keys::<Option<String>, _>(of_directory, externals),
        )?;
        let ids: Vec<RecordId> = settle(results)?.take(0)?;
        Ok(Taken {
            ids: ids.iter().map(|id| key(id).map(UserId::new)).collect::<Result<_, _>>()?,
            name_keys: people.into_iter().chain(programs).collect(),
            external_ids: external_ids.into_iter().flatten().collect(),
        })
    }

    /// Adds users with their audit events, all or none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for a name or external id; [`StoreError::Outdated`] for an id.
    pub async fn insert_users(&self, users: &[(User, AuditEvent)]) -> Result<(), StoreError> {
        let Some(((_, first), rest)) = users.split_first() else { return Ok(()) };
        let mut write = Write::new(self.1, first);
        write.also(rest.iter().map(|(_, event)| event));
        push_name_check(&mut write, users.iter().map(|(user, _)| user.user_name_key()));
        write.push("INSERT INTO user $users RETURN NONE;");
        for (user, _) in users {
            write.user_comes(user.id);
        }
        write.bind("users", users.iter().map(|(user, _)| UserRow::from(user)).collect::<Vec<UserRow>>());
        write.commit(&self.0).await
    }
}
