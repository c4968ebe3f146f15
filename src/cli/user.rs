//! `rollcall user`

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
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
    /// Make somebody an owner who can sign in, or restore an owner who no longer can
    #[command(after_help = "rollcall user owner acme owner@acme.example\n\n\
                            The user is found by the address. A user who is kept out is let in again, also one that a directory \
                            deactivated; `rollcall user protect` keeps the directory from doing so once more. Without such a user \
                            one is made. A user who never joined gets a password, which is printed once.")]
    Owner(Owner),
    /// Let directories change the user again
    Unprotect {
        /// Short name of the organization
        organization: String,
        /// The user's name
        user_name: String,
    },
}

#[derive(Args)]
pub(super) struct Owner {
    /// Short name of the organization
    organization: String,
    /// The address that the owner signs in with
    email: String,
    /// Give the owner a new password too, which is printed once; sessions end
    #[arg(long)]
    new_password: bool,
}

impl Owner {
    async fn run(self, global: &Global) -> Result<(), Failure> {
        let Self { organization, email, new_password } = self;
        let service = global.open().await?;
        let operator = operator_in(&service, &organization).await?;
        let made = service.appoint_owner(&operator, &email).await.map_err(told)?;
        let password = match made.password {
            None if new_password => {
                let reset = service.reset_owner_password(&Caller::operator(None), &email).await;
                Some(reset.map_err(told)?)
            }
            password => password,
        };
        let name = made.user.user_name();
        let mut value = json!({"id": made.user.id.to_string(), "userName": name, "email": email, "owner": true});
        let mut text = format!("{name} is an owner of {organization} and can sign in.");
        if let Some(password) = &password {
            let password = password.expose_secret();
            value["password"] = json!(password);
            text.push_str(&format!("\nPassword (shown once): {password}"));
        } else {
            text.push_str("\nThe password is as it was; --new-password makes another.");
        }
        if made.user.directory.is_some() && !made.user.protected {
            text.push_str(&format!(
                "\nA directory provisions this user and can end the access again; this keeps it from that:\n  \
                 rollcall user protect {organization} {name}"
            ));
        }
        global.answer(&value, &text)
    }
}

impl UserCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let (organization, user_name, protected) = match self {
            Self::Protect { organization, user_name } => (organization, user_name, true),
            Self::Unprotect { organization, user_name } => (organization, user_name, false),
            Self::Owner(owner) => return owner.run(global).await,
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
