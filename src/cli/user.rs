//! `rollcall user`

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Global, operator_in, told};
use crate::domain::Caller;

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Keep directories from changing, deactivating or deleting a user
    Protect {
        /// Short name of the organization
        organization: String,
        /// The user's name
        user_name: String,
    },
    /// Let a person do everything on the whole server, or no longer
    Superuser {
        /// A verified address of the person
        email: String,
        /// Take it away
        #[arg(long)]
        revoke: bool,
    },
    /// Let directories change the user again
    Unprotect {
        /// Short name of the organization
        organization: String,
        /// The user's name
        user_name: String,
    },
}

impl UserCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let (organization, user_name, protected) = match self {
            Self::Protect { organization, user_name } => (organization, user_name, true),
            Self::Unprotect { organization, user_name } => (organization, user_name, false),
            Self::Superuser { email, revoke } => return set_superuser(global, &email, !revoke).await,
        };
        let service = global.open().await?;
        let operator = operator_in(&service, &organization).await?;
        let user = service.set_user_protected(&operator, &user_name, protected).await.map_err(told)?;
        let state = if protected { "protected" } else { "not protected" };
        global.answer(
            &json!({"id": user.id.to_string(), "userName": user.user_name(), "protected": protected}),
            &format!("{} is {state}.", user.user_name()),
        )
    }
}

async fn set_superuser(global: &Global, email: &str, value: bool) -> Result<(), Failure> {
    let service = global.open().await?;
    service.appoint_superuser(&Caller::operator(None), email, value).await.map_err(told)?;
    let state = if value { "a superuser" } else { "no superuser" };
    global.answer(&json!({"email": email, "superuser": value}), &format!("{email} is {state}."))
}
