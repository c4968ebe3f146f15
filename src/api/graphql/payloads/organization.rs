//! What mutations of the organization, its invitations, roles and groups answer.

use async_graphql::{Context, ID, SimpleObject};

use super::super::failure::UserError;
use super::super::groups::{Group, GroupMemberEdge};
use super::super::invitations::Invitation;
use super::super::organizations::{Organization, Role};
use super::super::policy::AccountPolicy;
use super::super::query::Query;
use super::super::request::Asking as _;
use super::super::users::User;
use super::{Answer, Error, user_errors};

payload! {
    /// What `invite` answers.
    InvitePayload {
        /// One for each item, in the order asked; empty if the list itself was refused.
        results: Vec<super::InviteResult>,
    }
}

payload! {
    /// What `sendInvitations` answers.
    SendInvitationsPayload {
        /// One for each id, in the order asked; empty if the list itself was refused.
        results: Vec<super::SendInvitationResult>,
    }
}

payload! {
    /// What `resendInvitation` answers.
    ResendInvitationPayload {
        /// The invitation.
        invitation: Option<Invitation>,
    }
}

payload! {
    /// What `cancelInvitation` answers.
    CancelInvitationPayload {
        /// The invitation, cancelled.
        invitation: Option<Invitation>,
    }
}

payload! {
    /// What `cancelUserInvitations` answers.
    CancelUserInvitationsPayload {
        /// How many were withdrawn; 0 is no error.
        cancelled_count: Option<i32>,
        /// Those withdrawn.
        invitations: Vec<Invitation>,
    }
}

payload! {
    /// What `updateOrganization` answers.
    UpdateOrganizationPayload {
        /// The organization.
        organization: Option<Organization>,
    }
}

payload! {
    /// What `transferOwnership` answers.
    TransferOwnershipPayload {
        /// The organization.
        organization: Option<Organization>,
        /// The new owner.
        owner: Option<User>,
    }
}

payload! {
    /// What `updateAccountPolicy` answers.
    UpdateAccountPolicyPayload {
        /// The rules now in force.
        account_policy: Option<AccountPolicy>,
    }
}

payload! {
    /// What `createRole` answers.
    CreateRolePayload {
        /// The new role.
        role: Option<Role>,
    }
}

payload! {
    /// What `updateRole` answers.
    UpdateRolePayload {
        /// The role.
        role: Option<Role>,
    }
}

payload! {
    /// What `deleteRole` answers.
    DeleteRolePayload {
        /// The role deleted.
        deleted_role_id: Option<ID>,
        /// How many grants became grants of the other role.
        reassigned_count: Option<i32>,
    }
}

payload! {
    /// What `createGroup` answers.
    CreateGroupPayload {
        /// The new group.
        group: Option<Group>,
    }
}

payload! {
    /// What `updateGroup` answers.
    UpdateGroupPayload {
        /// The group.
        group: Option<Group>,
    }
}

payload! {
    /// What `deleteGroup` answers.
    DeleteGroupPayload {
        /// The group deleted.
        deleted_group_id: Option<ID>,
        /// How many members it had.
        members_removed: Option<i32>,
    }
}

payload! {
    /// What `setGroupMember` answers.
    SetGroupMemberPayload {
        /// The group.
        group: Option<Group>,
        /// The member in the group, ready to put into `Group.members`.
        member_edge: Option<GroupMemberEdge>,
    }
}

payload! {
    /// What `removeGroupMember` answers.
    RemoveGroupMemberPayload {
        /// The group.
        group: Option<Group>,
        /// The user.
        user: Option<User>,
    }
}
