//! `rollcall root`

use clap::Args;
use serde_json::{Value, json};

use super::{Failure, Global, told};
use crate::domain::Caller;
use crate::service::Service;

#[derive(Args)]
#[command(
    after_help = "Send it as 'Authorization: Bearer …' with one of the mutations createOrganization, inviteOwner and restoreOwner.\n\
                        A new credential makes the one before it void."
)]
pub(super) struct Root {}

/// A credential of root, to be shown once.
pub(super) struct Credential {
    /// For programs.
    pub(super) value: Value,
    /// For people.
    pub(super) text: String,
}

impl Root {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let service = global.open().await?;
        let credential = issue(&service).await?;
        global.answer(&credential.value, &credential.text)
    }
}

/// Issues a credential of root.
pub(super) async fn issue(service: &Service) -> Result<Credential, Failure> {
    let (secret, expires) = service.issue_root_credential(&Caller::operator(None)).await.map_err(told)?;
    let expires = expires.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let text = format!("Credential of root, good for one deed until {expires} (shown once): {}", secret.expose());
    Ok(Credential { value: json!({"token": secret.expose(), "expires": expires}), text })
}
