//! A login: one authenticated session on one device, how long it lives and how fresh its proof is.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{AccountId, Error, LoginId, OrganizationId, UserId};
use crate::domain::refusal::{Code, Refusal};

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The peer, or whom a trusted proxy speaks for.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, at most 512 characters.
    pub user_agent: Option<String>,
    /// The request's id.
    pub request: Option<String>,
}

impl Origin {
    /// The address as failures are counted by: whole for IPv4, the /64 for IPv6, which one subscriber has to itself.
    pub fn network(&self) -> String {
        match self.ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            Some(IpAddr::V4(ip)) => ip.to_string(),
            None => "unknown".to_owned(),
        }
    }

    /// The address as text.
    pub fn remote_ip(&self) -> Option<String> {
        self.ip.map(|ip| ip.to_canonical().to_string())
    }
}

/// The device a person signs in from.
#[derive(Clone, Debug)]
pub struct Device {
    /// The client's own stable id, or one made by the server.
    pub id: String,
    /// What the client calls it.
    pub name: Option<String>,
}

/// Text that names a device: visible ASCII, at most 128 characters.
///
/// # Errors
///
/// [`Error::Refused`] with `VALIDATION_FAILED`.
pub fn check_device(id: Option<&str>, name: Option<&str>) -> Result<(), Error> {
    if id.is_some_and(|id| id.is_empty() || id.len() > 128 || !id.bytes().all(|byte| byte.is_ascii_graphic())) {
        let refusal = Refusal::new(Code::ValidationFailed, "a device id is 1 to 128 visible ASCII characters");
        return Err(refusal.at("deviceId").with("max", 128).into());
    }
    if name.is_some_and(|name| name.chars().count() > 100 || name.chars().any(char::is_control)) {
        let refusal = Refusal::new(Code::ValidationFailed, "a device name has at most 100 characters");
        return Err(refusal.at("deviceName").with("max", 100).into());
    }
    Ok(())
}

macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($(#[$item:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $enum {
            $($(#[$item])* $name,)*
        }

        impl $enum {
            /// The name in the store and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The one with this name.
            pub fn named(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use names;

names! {
    /// What a person gave to sign in.
    AuthMethod {
        /// A password.
        Password = "PASSWORD",
        /// A code of an authenticator app.
        Totp = "TOTP",
        /// A recovery code.
        RecoveryCode = "RECOVERY_CODE",
        /// A trusted device in place of the second factor.
        TrustedDevice = "TRUSTED_DEVICE",
        /// An invitation link.
        Invitation = "INVITATION",
        /// A login provider.
        Connection = "CONNECTION",
    }
}

names! {
    /// Why a login was revoked.
    EndReason {
        /// By the person.
        Oneself = "SELF",
        /// By an administrator.
        Admin = "ADMIN",
        /// The second factors were reset.
        MfaReset = "MFA_RESET",
        /// The password was changed or reset.
        Password = "PASSWORD",
        /// The user was disabled.
        Disabled = "DISABLED",
        /// The user was deleted, removed or left.
        Deleted = "DELETED",
        /// A directory deactivated or deleted the user.
        Directory = "DIRECTORY",
        /// The factor it was made with was removed.
        CredentialRemoved = "CREDENTIAL_REMOVED",
        /// A refresh token was used twice.
        Reuse = "REUSE",
    }
}

/// State of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginState {
    /// Its tokens work.
    Active,
    /// Ended before its time.
    Revoked,
    /// Ended by time.
    Expired,
}

/// How long things last; set by the operator.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Access tokens, at most 10 minutes.
    pub access: Duration,
    /// A login that is not used.
    pub idle: Duration,
    /// A login in any case.
    pub absolute: Duration,
    /// How long a password or second factor counts as fresh.
    pub fresh: Duration,
}

/// One signed-in session on one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// Names it; not a secret.
    pub id: LoginId,
    /// Whose.
    pub account: AccountId,
    /// Where it acts.
    pub organization: OrganizationId,
    /// Who the person is there.
    pub user: UserId,
    /// Joins logins and trusted devices.
    pub device_id: String,
    /// What the client calls the device.
    pub device_name: Option<String>,
    /// When a password or second factor was last given; the sign-in, where a login provider does not say.
    pub auth_time: DateTime<Utc>,
    /// What was given, in order.
    pub auth_methods: Vec<AuthMethod>,
    /// Until when operations marked step-up work.
    pub fresh_until: Option<DateTime<Utc>>,
    /// Last request, to the minute.
    pub last_used: DateTime<Utc>,
    /// When it ends if it is not used.
    pub expires: DateTime<Utc>,
    /// When it ends in any case.
    pub absolute_end: DateTime<Utc>,
    /// Where from, at the last sign-in.
    pub remote_ip: Option<String>,
    /// With what, at the last sign-in.
    pub user_agent: Option<String>,
    /// Access tokens of an earlier generation are refused.
    pub generation: u64,
    /// Why and when it was revoked.
    pub revoked: Option<(DateTime<Utc>, EndReason)>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it last changed, uses not counted.
    pub updated: DateTime<Utc>,
    /// Counts the changes.
    pub version: u64,
}

/// What a new login is made of.
#[derive(Clone, Debug)]
pub struct LoginDraft {
    /// Whose.
    pub account: AccountId,
    /// Where it acts.
    pub organization: OrganizationId,
    /// Who the person is there.
    pub user: UserId,
    /// Which device.
    pub device: Device,
    /// What was given, in order.
    pub auth_methods: Vec<AuthMethod>,
    /// When; a login provider may have asked earlier, or not say. Without it the proof is not fresh.
    pub proven: Option<DateTime<Utc>>,
}

impl Login {
    /// A new login.
    pub fn create(id: LoginId, draft: LoginDraft, origin: &Origin, lifetimes: &Lifetimes, now: DateTime<Utc>) -> Self {
        let absolute_end = now + lifetimes.absolute;
        Self {
            id,
            account: draft.account,
            organization: draft.organization,
            user: draft.user,
            device_id: draft.device.id,
            device_name: draft.device.name,
            auth_time: draft.proven.map_or(now, |proven| proven.min(now)),
            fresh_until: draft
                .proven
                .filter(|_| is_fresh_proof(&draft.auth_methods))
                .map(|proven| proven.min(now) + lifetimes.fresh),
            auth_methods: draft.auth_methods,
            last_used: now,
            expires: absolute_end.min(now + lifetimes.idle),
            absolute_end,
            remote_ip: origin.remote_ip(),
            user_agent: origin.user_agent.clone(),
            generation: 1,
            revoked: None,
            created: now,
            updated: now,
            version: 1,
        }
    }

    /// Its state now.
    pub fn state(&self, now: DateTime<Utc>) -> LoginState {
        match self.revoked {
            Some(_) => LoginState::Revoked,
            None if now >= self.expires => LoginState::Expired,
            None => LoginState::Active,
        }
    }

    /// Whether its tokens work now.
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.state(now) == LoginState::Active
    }

    /// Whether operations marked step-up work now.
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    /// Whether two factors were given, or one and a trusted device.
    pub fn is_multi_factor(&self) -> bool {
        let second = [AuthMethod::Totp, AuthMethod::RecoveryCode, AuthMethod::TrustedDevice];
        self.auth_methods.iter().any(|method| second.contains(method))
    }

    /// Whether a second factor was given itself: a trusted device stands for it only where it is trusted.
    pub fn has_given_a_second_factor(&self) -> bool {
        self.auth_methods.iter().any(|method| matches!(method, AuthMethod::Totp | AuthMethod::RecoveryCode))
    }

    /// When it ends by itself: after use at `now` the idle time begins anew, up to the absolute end (SE-04).
    pub fn expires_after_use(&self, now: DateTime<Utc>, lifetimes: &Lifetimes) -> DateTime<Utc> {
        self.absolute_end.min(now + lifetimes.idle)
    }

    /// The login with its access tokens replaced: those of before are refused from now on (SE-01).
    #[must_use]
    pub fn next_generation(&self, now: DateTime<Utc>) -> Self {
        Self { generation: self.generation + 1, updated: now, version: self.version + 1, ..self.clone() }
    }

    /// The login after the person has proven again to be who they are.
    #[must_use]
    pub fn proven_again(&self, method: AuthMethod, lifetimes: &Lifetimes, now: DateTime<Utc>) -> Self {
        let mut login = self.next_generation(now);
        if !login.auth_methods.contains(&method) {
            login.auth_methods.push(method);
        }
        Self { auth_time: now, fresh_until: Some(now + lifetimes.fresh), ..login }
    }
}

/// A recovery code, an invitation or a trusted device lets in, but is no reason to touch credentials (MF-10).
fn is_fresh_proof(methods: &[AuthMethod]) -> bool {
    let stale = [AuthMethod::RecoveryCode, AuthMethod::Invitation, AuthMethod::TrustedDevice];
    !methods.iter().any(|method| stale.contains(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(ip: &str) -> Origin {
        Origin { ip: Some(ip.parse().expect("an address")), ..Origin::default() }
    }

    #[test]
    fn au06_one_subscriber_is_one_network() {
        assert_eq!(origin("192.0.2.7").network(), "192.0.2.7");
        assert_eq!(origin("::ffff:192.0.2.7").network(), "192.0.2.7");
        assert_eq!(origin("2001:db8:1:2:3::4").network(), origin("2001:db8:1:2:ffff::9").network());
        assert_ne!(origin("2001:db8:1:2::1").network(), origin("2001:db8:1:3::1").network());
    }

    #[test]
    fn mf10_a_recovery_code_is_no_fresh_proof() {
        assert!(is_fresh_proof(&[AuthMethod::Password]));
        assert!(is_fresh_proof(&[AuthMethod::Password, AuthMethod::Totp]));
        assert!(!is_fresh_proof(&[AuthMethod::Password, AuthMethod::RecoveryCode]));
        assert!(!is_fresh_proof(&[AuthMethod::Invitation]));
    }
}
