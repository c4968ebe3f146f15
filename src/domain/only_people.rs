//! Features that only people have, and what a service account uses instead.

use super::{Caller, Code, Error, Refusal};

/// A feature that only people have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyPeople {
    /// Preferences.
    Settings,
    /// Sessions that a person signed in to.
    Logins,
    /// Devices that skip the second factor.
    TrustedDevices,
}

impl OnlyPeople {
    /// Refuses a service account and tells it what to use instead. Lets every other caller pass.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `PROTECTED_ACCOUNT`; `useInstead` names the operation.
    pub fn check(self, caller: &Caller) -> Result<(), Error> {
        if caller.as_program().is_none() {
            return Ok(());
        }
        let (message, instead) = match self {
            Self::Settings => (
                "a service account has no settings: change its name and description with updateServiceAccount",
                "updateServiceAccount",
            ),
            Self::Logins => {
                ("a service account has no logins: me.tokens lists its tokens, revokeToken ends one", "revokeToken")
            }
            Self::TrustedDevices => (
                "a service account has no trusted devices: me.tokens lists its tokens, revokeToken ends one",
                "revokeToken",
            ),
        };
        Err(Refusal::new(Code::ProtectedAccount, message).with("useInstead", instead).into())
    }
}
