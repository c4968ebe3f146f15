//! What mutations of users answer.

use async_graphql::{Context, ID, SimpleObject};

use super::super::failure::UserError;
use super::super::groups::Group;
use super::super::invitations::Invitation;
use super::super::organizations::{Role, RoleGrant};
use super::super::query::Query;
use super::super::request::Asking as _;
use super::super::scalars::DateTime;
use super::super::users::User;
use super::{Answer, Error, user_errors};

payload! {
    /// What `createUser` answers.
    CreateUserPayload {
        /// The new user.
        user: Option<User>,
        /// With `credentials.temporary`: the password, shown this once.
        temporary_password: Option<String>,
        /// When it stops working: after 24 hours.
        temporary_password_expires_at: Option<DateTime>,
        /// The invitation, if one was sent.
        invitation: Option<Invitation>,
    }
}

payload! {
    /// What `updateUser` answers.
    UpdateUserPayload {
        /// The user.
        user: Option<User>,
    }
}

payload! {
    /// What `updateUserProfile` answers.
    UpdateUserProfilePayload {
        /// The user.
        user: Option<User>,
    }
}

payload! {
    /// What `disableUser` answers.
    DisableUserPayload {
        /// The user.
        user: Option<User>,
        /// How many logins ended.
        logins_revoked: Option<i32>,
        /// How many personal tokens ended.
        tokens_revoked: Option<i32>,
        /// How many devices are no longer trusted.
        trusted_devices_revoked: Option<i32>,
    }
}

payload! {
    /// What `enableUser` answers.
    EnableUserPayload {
        /// The user.
        user: Option<User>,
    }
}

payload! {
    /// What `deleteUser` answers.
    DeleteUserPayload {
        /// The user deleted.
        deleted_user_id: Option<ID>,
        /// When the data is destroyed; null if it is already.
        purge_at: Option<DateTime>,
        /// How many logins ended.
        logins_revoked: Option<i32>,
        /// How many personal tokens ended.
        tokens_revoked: Option<i32>,
        /// How many devices are no longer trusted.
        trusted_devices_revoked: Option<i32>,
        /// The directory that still has the user active and may create the user again, in English, for people; null where
        /// none does. Remove the user there too.
        warning: Option<String>,
    }
}

payload! {
    /// What `restoreUser` answers.
    RestoreUserPayload {
        /// The user.
        user: Option<User>,
    }
}

payload! {
    /// What `removeMember` answers.
    RemoveMemberPayload {
        /// The user removed.
        removed_user_id: Option<ID>,
        /// How many logins in this organization ended.
        logins_revoked: Option<i32>,
        /// How many personal tokens ended.
        tokens_revoked: Option<i32>,
    }
}

payload! {
    /// What `anonymizeUsers` answers.
    AnonymizeUsersPayload {
        /// Users whose data is gone, in the order asked.
        anonymized_user_ids: Vec<ID>,
        /// One for each id, in the order asked.
        results: Vec<super::AnonymizeUserResult>,
    }
}

payload! {
    /// What `resetPassword` answers.
    ResetPasswordPayload {
        /// The user.
        user: Option<User>,
        /// The password, shown this once.
        temporary_password: Option<String>,
        /// When it stops working: after 24 hours.
        expires_at: Option<DateTime>,
        /// How many logins ended.
        logins_revoked: Option<i32>,
    }
}

payload! {
    /// What `sendPasswordReset` answers.
    SendPasswordResetPayload {
        /// The user.
        user: Option<User>,
        /// Where to, masked: `b•••@example.com`.
        sent_to: Option<String>,
        /// Until when the link works: 1 hour; for a first password 24 hours, or as long as the invitation.
        expires_at: Option<DateTime>,
    }
}

payload! {
    /// What `setPasswordExpired` answers.
    SetPasswordExpiredPayload {
        /// The user.
        user: Option<User>,
    }
}

payload! {
    /// What `unlockUser` answers.
    UnlockUserPayload {
        /// The user.
        user: Option<User>,
    }
}

payload! {
    /// What `setUserRoles` answers.
    SetUserRolesPayload {
        /// The user.
        user: Option<User>,
        /// Direct roles the user did not have before.
        added: Vec<Role>,
        /// Direct roles the user has no more.
        removed: Vec<Role>,
        /// Other grants that keep one of `removed` in force.
        still_granted_by: Vec<RoleGrant>,
    }
}

payload! {
    /// What `addUserRoles` answers.
    AddUserRolesPayload {
        /// The user.
        user: Option<User>,
        /// Direct roles the user did not have before.
        added: Vec<Role>,
    }
}

payload! {
    /// What `removeUserRoles` answers.
    RemoveUserRolesPayload {
        /// The user.
        user: Option<User>,
        /// Direct roles the user has no more.
        removed: Vec<Role>,
        /// Other grants that keep one of `removed` in force.
        still_granted_by: Vec<RoleGrant>,
    }
}

payload! {
    /// What `updateUserGroups` answers.
    UpdateUserGroupsPayload {
        /// The user.
        user: Option<User>,
        /// Groups the user did not belong to before.
        added: Vec<Group>,
        /// Groups the user belongs to no more.
        removed: Vec<Group>,
        /// Groups that `set` does not name and the user belongs to all the same, because a directory keeps their members.
        kept_by_directory: Vec<Group>,
    }
}

payload! {
    /// What `setSuperuser` answers.
    SetSuperuserPayload {
        /// The user.
        user: Option<User>,
    }
}
