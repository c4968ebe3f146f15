//! Signing in: one unit of work makes the login and uses up what let the person in.

use chrono::{DateTime, Utc};

use super::accounts::{account_record, password_record, push_confinement, push_credentials_change, push_password};
use super::emails::push_email_change;
use super::logins::{LoginRow, login_record, push_end_logins, push_own_tokens, push_refresh_token};
use super::one_time::push_use;
use super::outbox::push_mails;
use super::second_factors::push_forget_devices;
use super::trusted_devices::{push_device, push_device_use};
use super::users::user_record;
use super::write::Write;
use super::{
    DatabaseName, EmailChange, FactorUse, IdentityStore, LoginEnd, NewTokens, Purpose, SealedMail, Store, StoreError,
    millis, stored, uuid,
};
use crate::domain::account::{Account, EmailAddress, PasswordRecord};
use crate::domain::audit::AuditEvent;
use crate::domain::login::{EndReason, Login};
use crate::domain::token::BearerSecret;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::user::User;
use crate::domain::{OrganizationId, TrustedDeviceId, UserId};

/// What happens to the trust in the device.
pub(crate) enum DeviceTrust<'a> {
    /// It is trusted from now on.
    New(&'a TrustedDevice, &'a BearerSecret),
    /// It saved the second factor and gets another secret.
    Used(TrustedDeviceId, &'a BearerSecret, &'a BearerSecret),
}

/// A sign-in that is about to be.
pub(crate) struct SignIn<'a> {
    /// The new login.
    pub(crate) login: &'a Login,
    /// Its first refresh token.
    pub(crate) refresh: &'a BearerSecret,
    /// The person, as they were read.
    pub(crate) account: &'a Account,
    /// Who they are there, as it was read.
    pub(crate) user: &'a User,
    /// A second factor that is used up.
    pub(crate) factor: Option<FactorUse>,
    /// The challenge that is answered, or the code that is exchanged.
    pub(crate) proof: Option<(Purpose, &'a BearerSecret)>,
    /// What happens to the trust in the device.
    pub(crate) trust: Option<DeviceTrust<'a>>,
    /// The password, hashed anew, and the hash it replaces.
    pub(crate) rehashed: Option<(String, String)>,
    /// What is to be sent.
    pub(crate) mails: &'a [SealedMail],
}

impl Store {
    /// Signs somebody in. Their user record is written too: deactivating them at the same time is a conflict (C-08).
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the person, the user, the factor, the challenge or the device are no longer what was
    /// read.
    pub(crate) async fn sign_in(&self, sign_in: &SignIn<'_>, event: &AuditEvent) -> Result<(), StoreError> {
        let login = sign_in.login;
        let bound = self.organization(login.organization).await?;
        let mut write = Write::new(login.organization, event);
        push_user_seen(&mut write, sign_in.user);
        // That somebody was here shows in nothing that is remembered.
        write.touches_only([]);
        write.use_database(&DatabaseName::identity());
        push_login(&mut write, sign_in);
        if let Some(factor) = &sign_in.factor {
            factor.push(&mut write);
        }
        if let Some((purpose, secret)) = sign_in.proof {
            push_use(&mut write, purpose, secret);
            // Using it again ends what it was good for.
            write.push("UPDATE $using SET subject = $using_login RETURN NONE;");
            write.bind("using_login", uuid(login.id.uuid()));
        }
        match &sign_in.trust {
            Some(DeviceTrust::New(device, secret)) => push_device(&mut write, device, secret),
            Some(DeviceTrust::Used(id, shown, next)) => push_device_use(&mut write, *id, shown, next),
            None => {}
        }
        if let Some((before, after)) = &sign_in.rehashed {
            write.push("UPDATE $password SET hash = $hash_after WHERE hash = $hash_before RETURN NONE;");
            write.bind("password", password_record(sign_in.account.id));
            write.bind("hash_before", before.clone());
            write.bind("hash_after", after.clone());
        }
        push_mails(&mut write, sign_in.mails);
        write.use_database(&DatabaseName::of(login.organization));
        write.commit(&bound.0).await
    }

    /// Lets a login act in another organization, with new tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the login, the person or the user there are no longer what was read.
    pub(crate) async fn switch_organization(
        &self,
        account: &Account,
        user: &User,
        tokens: &NewTokens<'_>,
        proven: Option<(&FactorUse, &BearerSecret, &[SealedMail])>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let organization = tokens.after.organization;
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        push_user_seen(&mut write, user);
        write.touches_only([]);
        write.use_database(&DatabaseName::identity());
        push_guard(&mut write, account, organization);
        push_own_tokens(&mut write, tokens, event.at);
        if let Some((factor, challenge, mails)) = proven {
            factor.push(&mut write);
            push_use(&mut write, Purpose::Challenge, challenge);
            push_mails(&mut write, mails);
        }
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }

    /// Sets a password: trusted devices, reset links, waiting challenges and these logins end.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the credentials, the calling login or the link are no longer what was read.
    pub(crate) async fn set_password(&self, set: &PasswordSet<'_>, event: &AuditEvent) -> Result<(), StoreError> {
        self.set_password_proving(set, None, event).await
    }

    /// Sets a password as [`Store::set_password`] does, with a link that also proves an address, given before and after.
    ///
    /// # Errors
    ///
    /// As [`Store::set_password`]; [`StoreError::Taken`] when somebody else has verified the address.
    pub(crate) async fn set_password_proving(
        &self,
        set: &PasswordSet<'_>,
        proven: Option<&(EmailAddress, EmailAddress)>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(set.home, event, |write| {
            push_credentials_change(write, set.account);
            push_confinement(write, set.account);
            push_password(write, set.account.id, set.password);
            if let Some((before, after)) = proven {
                let changed = vec![(before, after.clone())];
                push_email_change(write, &EmailChange { changed, ..EmailChange::default() });
            }
            if let Some(link) = set.link {
                push_use(write, Purpose::Reset, link);
            }
            write.push(
                "DELETE one_time WHERE account = $set_account AND purpose IN ['reset', 'challenge'] \
                 AND used = NONE RETURN NONE;",
            );
            write.bind("set_account", uuid(set.account.id.uuid()));
            push_forget_devices(write, set.account.id);
            if let Some(which) = set.ending {
                push_end_logins(write, which, EndReason::Password, event.at);
            }
            if let Some(tokens) = set.tokens {
                push_own_tokens(write, tokens, event.at);
            }
            push_end_personal_tokens(write, set.ending_tokens_of, event.at);
            push_mails(write, set.mails);
        })
        .await
    }
}

impl Store {
    /// Says that a password must be changed, or need not be.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the credentials are no longer what was read.
    pub(crate) async fn mark_password(
        &self,
        home: OrganizationId,
        account: &Account,
        password: &PasswordRecord,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            push_credentials_change(write, account);
            push_password(write, account.id, password);
        })
        .await
    }
}

/// A password that is about to be.
pub(crate) struct PasswordSet<'a> {
    /// Whose trail the event goes into.
    pub(crate) home: Option<OrganizationId>,
    /// The person, as they were read, confined as they are to be.
    pub(crate) account: &'a Account,
    /// The password.
    pub(crate) password: &'a PasswordRecord,
    /// The link that was followed.
    pub(crate) link: Option<&'a BearerSecret>,
    /// Which logins end.
    pub(crate) ending: Option<&'a LoginEnd>,
    /// The calling login's new tokens.
    pub(crate) tokens: Option<&'a NewTokens<'a>>,
    /// Users whose personal tokens end.
    pub(crate) ending_tokens_of: &'a [UserId],
    /// What is to be sent.
    pub(crate) mails: &'a [SealedMail],
}

/// The user is still admitted, and from now on has been here.
fn push_user_seen(write: &mut Write, user: &User) {
    push_user_here(write, user);
    write.push("UPDATE $seen_user SET last_login = $seen_at RETURN NONE;");
}

/// The user is still the one that was read, and is written: taking their access away at the same time is a conflict.
pub(super) fn push_user_here(write: &mut Write, user: &User) {
    write.push(
        "LET $seen_now = (SELECT version FROM ONLY $seen_user); \
         IF $seen_now = NONE OR $seen_now.version != $seen_version { THROW 'outdated' }; \
         UPDATE $seen_user SET last_seen = $seen_at RETURN NONE;",
    );
    write.bind("seen_user", user_record(user.id));
    write.bind("seen_version", stored(user.version));
    let now = write.now();
    write.bind("seen_at", now);
}

/// The person's credentials are those that were read; signing in does not change them, but is a conflict with a change.
fn push_guard(write: &mut Write, account: &Account, organization: OrganizationId) {
    write.push(
        "IF (SELECT VALUE credentials_version FROM ONLY $guard) != $guard_version { THROW 'outdated' }; \
         UPDATE $guard SET last_organization = $guard_organization, touched_by = $event RETURN NONE;",
    );
    write.bind("guard", account_record(account.id));
    write.bind("guard_version", stored(account.credentials_version));
    write.bind("guard_organization", uuid(organization.uuid()));
}

pub(super) fn push_login(write: &mut Write, sign_in: &SignIn<'_>) {
    let login = sign_in.login;
    push_guard(write, sign_in.account, login.organization);
    write.push("CREATE $login CONTENT $login_content RETURN NONE;");
    write.bind("login", login_record(login.id));
    write.bind("login_content", LoginRow::from(login));
    push_refresh_token(write, sign_in.refresh, login.id, login.created);
}

impl IdentityStore {
    /// Forgets what ended long ago, a bounded number of records at a time: logins with their tokens, used links.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sweep(&self, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("LET $gone = (SELECT VALUE id FROM login WHERE expires < $before LIMIT 500)")
            .query("FOR $id IN $gone { DELETE refresh_token WHERE login = record::id($id) RETURN NONE }")
            .query("DELETE $gone RETURN NONE")
            .query("DELETE (SELECT VALUE id FROM one_time WHERE expires < $before LIMIT 500) RETURN NONE")
            // Anybody can begin a sign-in through a provider: what comes of nothing goes soon.
            .query(
                "DELETE (SELECT VALUE id FROM one_time WHERE expires < $now AND purpose IN ['connection', 'code'] \
                 LIMIT 5000) RETURN NONE",
            )
            .bind(("before", millis(before)))
            .bind(("now", millis(now)));
        super::error::settle(query.await?).map(drop)
    }
}

/// Ends the personal tokens of these users. One by one, because `IN` with more than 32 values reads the whole table.
pub(super) fn push_end_personal_tokens(write: &mut Write, users: &[UserId], now: DateTime<Utc>) {
    if users.is_empty() {
        return;
    }
    write.push(
        "FOR $token_holder IN $tokens_of { UPDATE bearer SET revoked = $tokens_end, updated = $tokens_end \
         WHERE principal = $token_holder AND kind = 'personal' AND revoked = NONE RETURN NONE; };",
    );
    write.bind("tokens_end", millis(now));
    write.bind("tokens_of", users.iter().map(|user| uuid(user.uuid())).collect::<Vec<_>>());
}
