//! What mutations of service accounts and directories answer.

use async_graphql::{Context, ID, SimpleObject};

use super::super::directories::Directory;
use super::super::failure::UserError;
use super::super::groups::Group;
use super::super::query::Query;
use super::super::request::Asking as _;
use super::super::service_accounts::ServiceAccount;
use super::super::tokens::ApiToken;
use super::{Answer, Error, user_errors};

payload! {
    /// What `createServiceAccount` answers.
    CreateServiceAccountPayload {
        /// The new service account.
        service_account: Option<ServiceAccount>,
        /// The token's record, if one was made.
        token: Option<ApiToken>,
        /// The token itself, shown this once.
        secret: Option<String>,
    }
}

payload! {
    /// What `updateServiceAccount` answers.
    UpdateServiceAccountPayload {
        /// The service account.
        service_account: Option<ServiceAccount>,
    }
}

payload! {
    /// What `deleteServiceAccount` answers.
    DeleteServiceAccountPayload {
        /// The service account deleted.
        deleted_service_account_id: Option<ID>,
        /// How many tokens ended.
        tokens_revoked: Option<i32>,
    }
}

payload! {
    /// What `updateServiceAccountGroups` answers.
    UpdateServiceAccountGroupsPayload {
        /// The service account.
        service_account: Option<ServiceAccount>,
        /// Groups it did not belong to before.
        added: Vec<Group>,
        /// Groups it belongs to no more.
        removed: Vec<Group>,
        /// Groups that `set` does not name and it belongs to all the same, because a directory keeps their members.
        kept_by_directory: Vec<Group>,
    }
}

payload! {
    /// What `createApiToken` answers.
    CreateApiTokenPayload {
        /// The token's record.
        token: Option<ApiToken>,
        /// The token itself, shown this once.
        secret: Option<String>,
    }
}

payload! {
    /// What `createDirectory` answers.
    CreateDirectoryPayload {
        /// The new directory, with its base URL.
        directory: Option<Directory>,
        /// The token's record.
        token: Option<ApiToken>,
        /// The token itself, shown this once.
        secret: Option<String>,
    }
}

payload! {
    /// What `updateDirectory` answers.
    UpdateDirectoryPayload {
        /// The directory.
        directory: Option<Directory>,
    }
}

payload! {
    /// What `rotateDirectoryToken` answers.
    RotateDirectoryTokenPayload {
        /// The directory.
        directory: Option<Directory>,
        /// The new token's record.
        token: Option<ApiToken>,
        /// The new token itself, shown this once.
        secret: Option<String>,
    }
}

payload! {
    /// What `revokeDirectoryToken` answers.
    RevokeDirectoryTokenPayload {
        /// The directory.
        directory: Option<Directory>,
        /// The token, now revoked.
        token: Option<ApiToken>,
    }
}

payload! {
    /// What `deleteDirectory` answers.
    DeleteDirectoryPayload {
        /// The directory deleted.
        deleted_directory_id: Option<ID>,
        /// How many users are now kept here.
        users_released: Option<i32>,
        /// How many groups are now kept here.
        groups_released: Option<i32>,
    }
}

payload! {
    /// What `setGroupRoleMappings` answers.
    SetGroupRoleMappingsPayload {
        /// The directory.
        directory: Option<Directory>,
        /// How many users got a role or group.
        grants_added: Option<i32>,
        /// How many users lost one.
        grants_removed: Option<i32>,
    }
}
