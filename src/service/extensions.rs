//! Schemas that an organization adds to its users and groups (C139).

use scim::Extension;
use scim::extension::MOST_EXTENSIONS;
use serde_json::Value;

use super::Service;
use super::attempts::Attempts;
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::{Caller, Code, Error, Noun, OrganizationId, Permission, Refusal};

impl Service {
    /// The organization's extensions, by URN.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn list_extensions(&self, caller: &Caller) -> Result<Vec<Extension>, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        Ok(self.store.organization(organization).await?.list_extensions().await?)
    }

    /// Adds an extension, or changes the one of that URN: attributes may come, none may go or get another type. Directories
    /// know it at their next request.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Protocol`] saying what cannot be served;
    /// [`Error::Refused`] with `LIMIT_EXCEEDED`.
    pub async fn set_extension(&self, caller: &Caller, extension: Extension) -> Result<Extension, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        extension.check()?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let known = store.list_extensions().await?;
            let before = known.iter().find(|known| known.schema.id.eq_ignore_ascii_case(&extension.schema.id));
            match before {
                Some(before) if *before == extension => return Ok(extension),
                Some(before) => extension.check_replaces(before)?,
                None if known.len() >= MOST_EXTENSIONS => {
                    let message = format!("an organization has at most {MOST_EXTENSIONS} extensions");
                    return Err(Refusal::new(Code::LimitExceeded, message).with("max", MOST_EXTENSIONS).into());
                }
                None => {}
            }
            let event = self.extension_event(caller, organization, EventKind::ExtensionSet, &extension);
            match store.put_extension(before, &extension, &event).await.map_err(Error::from) {
                Ok(()) => break,
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
        self.known_tokens.forget();
        Ok(extension)
    }

    /// Removes an extension that no user or group has a value in.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::NotFound`]; [`Error::Refused`] with
    /// `VALIDATION_FAILED` while there are values.
    pub async fn delete_extension(&self, caller: &Caller, urn: &str) -> Result<(), Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        let store = self.store.organization(organization).await?;
        let known = store.list_extensions().await?;
        let found = known.into_iter().find(|known| known.schema.id.eq_ignore_ascii_case(urn));
        let extension = found.ok_or(Error::NotFound(Noun::Schema))?;
        let extended = store.count_extended(&extension).await?;
        if extended > 0 {
            let message = format!("{extended} resources have values in it: clear them first");
            return Err(Refusal::new(Code::ValidationFailed, message).into());
        }
        let event = self.extension_event(caller, organization, EventKind::ExtensionDeleted, &extension);
        store.delete_extension(&extension, &event).await?;
        self.known_tokens.forget();
        Ok(())
    }

    fn extension_event(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        kind: EventKind,
        extension: &Extension,
    ) -> AuditEvent {
        let urn = FieldChange::new("extension", Value::Null, extension.schema.id.clone());
        AuditEvent { values: vec![urn], ..self.event(caller, kind, ("organization", organization.to_string())) }
    }
}
