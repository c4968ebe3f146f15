//! The wording of notices: what happened, and what to do about it.

use serde::Serialize;

use super::unlinkable::unlinkable;
use crate::domain::mail::Notice;

/// A notice in words. The headline is the subject, too.
#[derive(Serialize)]
pub(super) struct Words {
    headline: &'static str,
    text: String,
    advice: &'static str,
}

const IF_NOT_YOU: &str = "If this was you, there is nothing to do. If it was not, someone else can use your account: set a \
                          new password now, end the sign-ins and tokens that you do not know, remove addresses that are not \
                          yours, and tell your administrator.";
const ASK_YOUR_ADMINISTRATOR: &str = "If you do not know why, ask the administrator of your organization.";

/// Words a notice.
pub(super) fn words(notice: &Notice) -> Words {
    let (headline, text) = match notice {
        Notice::PasswordChanged => ("Your password was changed", "The password of your account was changed.".to_owned()),
        Notice::AuthenticatorAdded => (
            "An authenticator app was added",
            "An authenticator app was added to your account. Signing in asks for its code from now on.".to_owned(),
        ),
        Notice::AuthenticatorRemoved => (
            "Your authenticator app was removed",
            "The authenticator app was removed from your account. Signing in does not ask for its code any more."
                .to_owned(),
        ),
        Notice::MfaReset => (
            "Your second factors were reset",
            "An administrator removed the second factors of your account and signed you out everywhere.".to_owned(),
        ),
        Notice::RecoveryCodesMade => (
            "You have new recovery codes",
            "New recovery codes were made for your account. The earlier ones no longer work.".to_owned(),
        ),
        Notice::RecoveryCodeUsed { remaining: 0 } => (
            "Your last recovery code was used",
            "The last recovery code of your account was used. Make new ones, so that you can still sign in without your \
             authenticator app."
                .to_owned(),
        ),
        Notice::RecoveryCodeUsed { remaining } => {
            ("A recovery code was used", format!("A recovery code of your account was used. {remaining} are left."))
        }
        Notice::AddressAdded { address } => (
            "An email address was added to your account",
            format!(
                "The address {address} was added to your account. It cannot be used to sign in until the link that was sent \
                 there has been followed."
            ),
        ),
        Notice::AddressProven { address } => (
            "An email address was confirmed",
            format!("The address {address} was confirmed and can now be used to sign in to your account."),
        ),
        Notice::AddressRemoved { address } => (
            "An email address was removed from your account",
            format!("The address {address} was removed from your account."),
        ),
        Notice::TokenMade { name } => (
            "A personal token was made",
            format!(
                "A personal token called \"{}\" was made, or given a new secret. Whoever has it can act as you.",
                unlinkable(name)
            ),
        ),
        Notice::CodesUsedUp => (
            "Too many wrong codes",
            "Someone who knows your password entered too many wrong codes of your second factor. No code is taken for up \
             to a day."
                .to_owned(),
        ),
        Notice::PrimaryEmailChanged { to } => (
            "Your email address was changed",
            format!("The primary address of your account is now {to}. Mails go there from now on."),
        ),
        Notice::ProfileChanged => {
            ("Your profile was changed", "An administrator changed the profile of your account.".to_owned())
        }
        Notice::PasswordReset => (
            "Your password was reset",
            "An administrator set a temporary password for your account and signed you out everywhere.".to_owned(),
        ),
        Notice::NewDevice { .. } => (
            "Your account was used on a new device",
            "Someone signed in to your account on a device that was not used with it before.".to_owned(),
        ),
        Notice::Locked => (
            "Your account is locked",
            "There were too many failed sign-ins to your account, so it is locked.".to_owned(),
        ),
        Notice::ProviderLinked { provider } => {
            ("You can sign in in a new way", format!("You can sign in to your account with {} from now on.", unlinkable(provider)))
        }
        Notice::CopyNoticed => (
            "One of your sign-ins was ended",
            "A secret of one of your sign-ins was used twice, so someone may have a copy of it. That sign-in was ended."
                .to_owned(),
        ),
    };
    Words { headline, text, advice: advice(notice) }
}

fn advice(notice: &Notice) -> &'static str {
    match notice {
        Notice::Locked => {
            "To open it again, ask for a new password when you sign in, or ask the administrator of your organization."
        }
        Notice::CopyNoticed => {
            "Sign in again. If you see devices that you do not know, sign them out and set a new password."
        }
        Notice::MfaReset | Notice::PasswordReset | Notice::ProfileChanged => ASK_YOUR_ADMINISTRATOR,
        _ => IF_NOT_YOU,
    }
}
