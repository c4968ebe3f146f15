//! Lists of users, as administrators ask for them.

use super::Service;
use super::deprovisioned::find_deprovisioned;
use super::references::{GroupRef, RoleRef};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::role::BuiltInRole;
use crate::domain::user::User;
use crate::domain::{Caller, DirectoryId, Error, Permission};
use crate::store::{OrganizationStore, Seek, UserQuery, UserStates};

/// Characters a name search needs; one of them is a letter.
const LEAST_CHARACTERS: usize = 3;
/// Characters a search can have.
const MOST_SEARCHED: usize = 200;

/// Which users are asked for; all given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Part of a name, an address or the user name.
    pub search: Option<String>,
    /// Part of a name.
    pub name_search: Option<String>,
    /// In one of these states.
    pub states: Option<UserStates>,
    /// Holding this role, whatever it comes from.
    pub role: Option<RoleRef>,
    /// Belonging to this group.
    pub group: Option<GroupRef>,
    /// Whose account the person controls, or the organization.
    pub external: Option<bool>,
    /// Provisioned by this directory.
    pub directory: Option<String>,
}

impl Service {
    /// One page of users, deprovisioned ones among them, and whether there are more in the direction of reading.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`]; [`Error::Refused`] with `SEARCH_TERM_TOO_SHORT`,
    /// `VALIDATION_FAILED`, `NOT_FOUND`.
    pub async fn seek_users(
        &self,
        caller: &Caller,
        filter: &UserFilter,
        seek: &Seek,
    ) -> Result<(Vec<User>, bool), Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let store = self.store.organization(organization).await?;
        let query = self.user_query(&store, filter).await?;
        if seek.limit == 0 {
            return Ok((Vec::new(), false));
        }
        Ok(store.seek_users(&query, seek).await?)
    }

    /// How many users there are, deprovisioned ones included, and how many of them match.
    ///
    /// # Errors
    ///
    /// As [`Service::seek_users`].
    pub async fn count_users(&self, caller: &Caller, filter: Option<&UserFilter>) -> Result<u64, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let store = self.store.organization(organization).await?;
        let Some(filter) = filter else {
            return Ok(store.count_users().await? + store.count_deprovisioned_users(&UserQuery::default()).await?);
        };
        let query = self.user_query(&store, filter).await?;
        Ok(store.count_matching_users(&query).await? + store.count_deprovisioned_users(&query).await?)
    }

    async fn user_query(&self, store: &OrganizationStore, filter: &UserFilter) -> Result<UserQuery, Error> {
        let mut query = UserQuery {
            states: filter.states,
            external: filter.external,
            search: filter.search.as_deref().map(read_search).transpose()?.flatten(),
            name: filter.name_search.as_deref().map(read_name_search).transpose()?,
            ..UserQuery::default()
        };
        if let Some(id) = &filter.directory {
            let missing = || Error::from(Refusal::new(Code::NotFound, "no such directory").at("directoryId"));
            let id: DirectoryId = id.parse().map_err(|_| missing())?;
            query.directory = Some(store.find_directory(id).await?.ok_or_else(missing)?.id);
        }
        if let Some(role) = &filter.role {
            let role = self.find_role_by(store, role).await?;
            query.only = Some(store.holders_of_role(&role.key).await?);
            if role.key == BuiltInRole::Member.as_str() {
                // Whoever was given nothing holds the default role.
                query.but = Some(store.holders_of_any_role().await?);
            }
        }
        if let Some(group) = &filter.group {
            let group = self.find_group_by(store, group).await?;
            let members = store.users_within(&[group.id.uuid()]).await?;
            if let Some(but) = query.but.take() {
                let only = query.only.take().unwrap_or_default();
                query.only = Some(members.into_iter().filter(|id| only.contains(id) || !but.contains(id)).collect());
            } else {
                query.only = Some(match query.only.take() {
                    Some(only) => only.intersection(&members).copied().collect(),
                    None => members,
                });
            }
        }
        Ok(query)
    }

    /// One user by reference: for whoever may read people, and for oneself.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn read_user(&self, caller: &Caller, who: &super::UserRef) -> Result<User, Error> {
        let member = caller.require_member()?;
        let store = self.store.organization(member.organization().id).await?;
        let found = self.find_user(caller, &store, who).await;
        if found.as_ref().is_ok_and(|user| user.id.uuid() == member.id()) {
            return found;
        }
        caller.require(Permission::UserAccessRead)?;
        if found.is_err()
            && let Some(deprovisioned) = find_deprovisioned(&store, who).await?.and_then(|one| one.deprovisioned())
        {
            return Ok(deprovisioned);
        }
        found
    }
}

/// A search as it is compared; blank is none.
fn read_search(text: &str) -> Result<Option<String>, Error> {
    if text.chars().count() > MOST_SEARCHED {
        let refusal = Refusal::new(Code::ValidationFailed, "a search has at most 200 characters").at("search");
        return Err(refusal.with("max", MOST_SEARCHED).into());
    }
    let folded = scim::fold(text.trim());
    Ok((!folded.is_empty() && !text.trim().is_empty()).then_some(folded))
}

/// A name search as it is compared: letters with their marks, spaces, `'` and `-`.
///
/// At least three characters and one letter (S1-10, C17). Spaces at both ends count, because the pattern of S1-10 counts
/// them, but are not looked for: no name begins or ends with one.
fn read_name_search(text: &str) -> Result<String, Error> {
    let trimmed = text.trim();
    if trimmed.chars().count() > MOST_SEARCHED {
        let refusal = Refusal::new(Code::ValidationFailed, "a search has at most 200 characters").at("nameSearch");
        return Err(refusal.with("max", MOST_SEARCHED).into());
    }
    let is_mark = unicode_normalization::char::is_combining_mark;
    let is_allowed = |c: char| c.is_alphabetic() || is_mark(c) || matches!(c, ' ' | '\'' | '-' | '\u{2019}');
    if !trimmed.chars().all(is_allowed) {
        let message = "names are searched by letters, spaces, ' and -";
        return Err(Refusal::new(Code::ValidationFailed, message).at("nameSearch").into());
    }
    // A letter and its marks count as one, and marks alone as none.
    let is_counted = |c: &char| !is_mark(*c) && (*c == ' ' || !c.is_whitespace());
    if text.chars().filter(is_counted).count() < LEAST_CHARACTERS || !trimmed.contains(char::is_alphabetic) {
        let message = "a name search needs at least 3 characters, and one of them must be a letter";
        let refusal = Refusal::new(Code::SearchTermTooShort, message);
        return Err(refusal.at("nameSearch").with("min", LEAST_CHARACTERS).into());
    }
    Ok(scim::fold(trimmed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<Code> {
        read_name_search(text).err().and_then(|error| error.code())
    }

    #[test]
    fn s1_10_a_name_search_needs_three_characters_and_a_letter() {
        for text in ["jo", "", "   ", "---", "j\t\n", "\u{301}\u{301}\u{301}", "e\u{301}o\u{308}"] {
            assert_eq!(code(text), Some(Code::SearchTermTooShort), "{text:?}");
        }
        for text in ["jen", "JEN", "O'Brien", "Anne-Marie", "李小龙", "e\u{301}lo", "jo ", " jo", "a  "] {
            assert_eq!(code(text), None, "{text:?}");
        }
        for text in ["jen%", "a1b", "<script>", "jen\u{0}"] {
            assert_eq!(code(text), Some(Code::ValidationFailed), "{text:?}");
        }
        assert_eq!(read_name_search(" JEN ").expect("valid"), "jen");
        assert_eq!(read_name_search("jo ").expect("spaces count"), "jo");
    }
}
