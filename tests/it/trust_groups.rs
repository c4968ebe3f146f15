//! Groups that give roles: which directory may write them, and who may give and take what they give.

use rollcall::domain::DirectoryId;
use rollcall::domain::directory::DirectoryDraft;
use serde_json::{Value, json};

use crate::support::{Answer, Owned, Person, Scim, TestApp, group, members};

/// What the members of a group get by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    Nothing,
    DirectGrant,
    Mapping,
    NestedInGrantingGroup,
}

impl Gives {
    const ALL: [Self; 4] = [Self::Nothing, Self::DirectGrant, Self::Mapping, Self::NestedInGrantingGroup];
}

const OPERATIONS: [&str; 5] = ["add a member", "remove a member", "replace", "rename", "delete"];

/// An organization with two directories.
struct Shared {
    app: TestApp,
    acme: Owned,
    owner: Person,
    okta: DirectoryId,
    entra: Scim,
}

async fn shared() -> Shared {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let directories = owner.ask("{ directories { nodes { id } } }", json!({})).await.data();
    let okta = directories["directories"]["nodes"][0]["id"].as_str().expect("an id").parse().expect("an id");
    let (_, entra) = app.directory(acme.id, DirectoryDraft::named("Entra")).await;
    Shared { app, acme, owner, okta, entra }
}

impl Shared {
    /// A group that Okta made, with one member.
    async fn group_that(&self, gives: Gives, name: &str, member: &str) -> String {
        let id = self.acme.scim.make_group(name, &[member]).await;
        match gives {
            Gives::Nothing => {}
            Gives::DirectGrant => self.grant(&id).await,
            Gives::Mapping => self.map(&json!([{"directoryGroupId": id, "role": {"key": "admin"}}])).await,
            Gives::NestedInGrantingGroup => {
                let outer = self.acme.scim.make_group(&format!("Around {name}"), &[&id]).await;
                self.grant(&outer).await;
            }
        }
        id
    }

    async fn grant(&self, group: &str) {
        let input = json!({"group": {"id": group}, "roles": [{"key": "admin"}]});
        self.owner.done("updateGroup", input, "group { id }").await;
    }

    async fn map(&self, mappings: &Value) {
        let input = json!({"directoryId": self.okta.to_string(), "mappings": mappings});
        self.owner.done("setGroupRoleMappings", input, "grantsAdded").await;
    }
}

async fn carry_out(operation: &str, scim: &Scim, id: &str, name: &str, (member, other): (&str, &str)) -> Answer {
    let path = format!("/Groups/{id}");
    match operation {
        "add a member" => {
            scim.patch(&path, json!([{"op": "add", "path": "members", "value": [{"value": other}]}])).await
        }
        "remove a member" => {
            scim.patch(&path, json!([{"op": "remove", "path": format!("members[value eq \"{member}\"]")}])).await
        }
        "replace" => {
            let mut body = group(name);
            body["members"] = members(&[other]);
            scim.put(&path, &body).await
        }
        "rename" => {
            let renamed = format!("{name} renamed");
            scim.patch(&path, json!([{"op": "replace", "path": "displayName", "value": renamed}])).await
        }
        _ => scim.delete(&path).await,
    }
}

/// S-4, S-15: the matrix of directory, kind of group and operation.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_gives_anything_is_written_by_its_own_directory_only() {
    let shared = shared().await;
    let scim = &shared.acme.scim;
    let (member, other) = (scim.make_user("ada").await, scim.make_user("eve").await);
    for gives in Gives::ALL {
        for operation in OPERATIONS {
            for (writer, client) in [("Entra", &shared.entra), ("Okta", scim)] {
                let name = format!("{gives:?} {operation} {writer}");
                let id = shared.group_that(gives, &name, &member).await;
                let before = scim.get(&format!("/Groups/{id}")).await.expect(200);
                let answer = carry_out(operation, client, &id, &name, (&member, &other)).await;
                if writer == "Okta" || gives == Gives::Nothing {
                    assert!((200..300).contains(&answer.status), "{name}: {}", answer.text);
                    continue;
                }
                let refused = answer.refused(403, None);
                assert!(refused["detail"].as_str().expect("a detail").contains("Okta"), "{name}: {refused}");
                assert_eq!(scim.get(&format!("/Groups/{id}")).await.expect(200), before, "{name}: nothing changed");
            }
        }
    }
    shared.app.assert_consistent().await;
}

/// S-4: the attack as it was seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_directory_makes_no_administrator_through_the_group_of_the_first() {
    let shared = shared().await;
    let it = shared.acme.scim.make_group("IT Admins", &[]).await;
    shared.map(&json!([{"directoryGroupId": it, "role": {"key": "admin"}}])).await;
    let mine = shared.entra.make_user("mallory").await;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": mine}]}]);
    shared.entra.patch(&format!("/Groups/{it}"), add.clone()).await.refused(403, None);
    let roles = shared.owner.ask("{ user(by: {userName: \"mallory\"}) { roles { key } } }", json!({})).await.data();
    assert_eq!(roles["user"]["roles"], json!([{"key": "member"}]));
    // Its own directory goes on as before.
    shared.acme.scim.patch(&format!("/Groups/{it}"), add).await.expect(204);
}

/// S-4: a group is its writer's as long as it gives nothing, and then mapped for that directory alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_another_directory_took_over_is_not_mapped_for_the_first() {
    let shared = shared().await;
    let id = shared.acme.scim.make_group("Shared", &[]).await;
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Taken over"}]);
    shared.entra.patch(&format!("/Groups/{id}"), rename).await.expect(204);
    let mapping = json!([{"directoryGroupId": id, "role": {"key": "admin"}}]);
    let input = json!({"directoryId": shared.okta.to_string(), "mappings": mapping});
    assert_eq!(shared.owner.refused("setGroupRoleMappings", input).await, "NOT_FOUND");
}

/// S-15: what a group kept here gives through the groups around it counts too.
#[tokio::test(flavor = "multi_thread")]
async fn no_directory_writes_a_group_kept_here_that_gives_through_another_one() {
    let shared = shared().await;
    let team = shared.owner.done("createGroup", json!({"name": "Team"}), "group { id }").await;
    let team = team["group"]["id"].as_str().expect("an id").to_owned();
    let outer = shared.acme.scim.make_group("Outer", &[&team]).await;
    shared.grant(&outer).await;
    let eve = shared.acme.scim.make_user("eve").await;
    for client in [&shared.acme.scim, &shared.entra] {
        for operation in OPERATIONS {
            let refused = carry_out(operation, client, &team, "Team", (&eve, &eve)).await.refused(403, None);
            assert!(refused["detail"].as_str().expect("a detail").contains("Rollcall"), "{operation}: {refused}");
        }
    }
}

/// A person with a role of these permissions.
async fn with_role(shared: &Shared, email: &str, permissions: &[&str]) -> Person {
    let key = email.split('@').next().expect("a name");
    let role = json!({"key": key, "name": key, "permissions": permissions});
    shared.owner.done("createRole", role, "role { id }").await;
    shared.app.member(shared.acme.id, email, &[key]).await.sign_in().await
}

/// S-15: a mapping into a group gives what every group around it gives.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_maps_into_a_group_that_gives_more_than_they_have() {
    let shared = shared().await;
    let team = shared.owner.done("createGroup", json!({"name": "Team"}), "group { id }").await["group"]["id"].clone();
    let outer = shared.acme.scim.make_group("Outer", &[team.as_str().expect("an id")]).await;
    shared.grant(&outer).await;
    let source = shared.acme.scim.make_group("Source", &[]).await;
    let mapper = with_role(&shared, "mapper@acme.example", &["directory_manage", "groups_read"]).await;
    let mappings = json!([{"directoryGroupId": source, "group": {"id": team}}]);
    let input = json!({"directoryId": shared.okta.to_string(), "mappings": mappings});
    assert_eq!(mapper.refused("setGroupRoleMappings", input).await, "INSUFFICIENT_RANK");
    shared.map(&mappings).await;
    // And whoever could not give it does not take it either (S-8).
    let nothing = json!({"directoryId": shared.okta.to_string(), "mappings": []});
    assert_eq!(mapper.refused("setGroupRoleMappings", nothing).await, "INSUFFICIENT_RANK");
    let gone = json!({"directoryId": shared.okta.to_string()});
    assert_eq!(mapper.refused("deleteDirectory", gone).await, "INSUFFICIENT_RANK");
    shared.map(&json!([])).await;
}

/// S-15: deleting a group takes what the groups around it give.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_deletes_a_group_that_gives_more_than_they_have_through_another_one() {
    let shared = shared().await;
    let team = shared.owner.done("createGroup", json!({"name": "Team"}), "group { id }").await["group"]["id"].clone();
    let outer = shared.acme.scim.make_group("Outer", &[team.as_str().expect("an id")]).await;
    shared.grant(&outer).await;
    let keeper = with_role(&shared, "keeper@acme.example", &["groups_manage", "groups_read"]).await;
    assert_eq!(keeper.refused("deleteGroup", json!({"group": {"id": team}})).await, "INSUFFICIENT_RANK");
    shared.owner.done("deleteGroup", json!({"group": {"id": team}}), "deletedGroupId").await;
}

/// S-8: what nobody could give, nobody takes, whichever operation it is asked with.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_roles_with_a_group_that_they_could_not_give() {
    let shared = shared().await;
    let owner = &shared.owner;
    let owners = json!({"name": "Owners", "roles": [{"key": "admin"}]});
    owner.done("createGroup", owners, "group { id }").await;
    let victim = shared.app.member(shared.acme.id, "boss@acme.example", &["member"]).await.sign_in().await;
    let id = victim.me("user { id }").await["user"]["id"].clone();
    let place = json!({"group": {"name": "Owners"}, "user": {"id": id}});
    owner.done("setGroupMember", place.clone(), "group { id }").await;
    let permissions = ["groups_manage", "groups_read", "user_access_read"];
    let keeper = with_role(&shared, "keeper@acme.example", &permissions).await;
    assert_eq!(keeper.refused("removeGroupMember", place.clone()).await, "INSUFFICIENT_RANK");
    for edit in [json!({"remove": [{"name": "Owners"}]}), json!({"set": []}), json!({"add": [{"name": "Owners"}]})] {
        let mut input = edit.clone();
        // Who has a place loses it, who has none gets it.
        let adds = edit.get("add").is_some();
        input["user"] = if adds { json!({"userName": "me"}) } else { json!({ "id": id }) };
        assert_eq!(keeper.refused("updateUserGroups", input).await, "INSUFFICIENT_RANK", "{edit}");
    }
    // A person leaves a group themselves, and whoever has what it gives takes it.
    victim.done("removeGroupMember", place.clone(), "group { id }").await;
    owner.done("setGroupMember", place.clone(), "group { id }").await;
    owner.done("removeGroupMember", place, "group { id }").await;
}

/// S-8: an admin of a group whose own place in it gives nothing is no exception.
#[tokio::test(flavor = "multi_thread")]
async fn an_admin_of_a_group_without_its_roles_takes_none_of_them() {
    let shared = shared().await;
    let owner = &shared.owner;
    owner.done("createGroup", json!({"name": "Team"}), "group { id }").await;
    let admin = shared.app.member(shared.acme.id, "lead@acme.example", &["admin"]).await.sign_in().await;
    let mate = shared.app.member(shared.acme.id, "mate@acme.example", &["member"]).await.sign_in().await;
    let place = async |person: &Person, role: &str| {
        let id = person.me("user { id }").await["user"]["id"].clone();
        json!({"group": {"name": "Team"}, "user": {"id": id}, "role": role})
    };
    owner.done("setGroupMember", place(&admin, "ADMIN").await, "group { id }").await;
    owner.done("setGroupMember", place(&mate, "MEMBER").await, "group { id }").await;
    owner.done("updateGroup", json!({"group": {"name": "Team"}, "roles": [{"key": "admin"}]}), "group { id }").await;
    // A token of the group's admin that may do less than the group gives.
    let scopes = ["user_self_profile_write", "user_access_read", "groups_read", "groups_manage"];
    let made = admin.done("createPersonalToken", json!({"name": "T", "scopes": scopes}), "secret").await;
    let token = admin.with_token(made["secret"].as_str().expect("a secret"));
    let mut gone = place(&mate, "MEMBER").await;
    gone.as_object_mut().expect("an object").remove("role");
    assert_eq!(token.refused("removeGroupMember", gone.clone()).await, "INSUFFICIENT_RANK");
    admin.done("removeGroupMember", gone, "group { id }").await;
}

/// S-4: a directory's token is a credential of the one who makes it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_directory_whose_token_may_do_what_they_may_not() {
    let shared = shared().await;
    let maker = with_role(&shared, "maker@acme.example", &["directory_manage"]).await;
    assert_eq!(maker.refused("createDirectory", json!({"displayName": "Mine"})).await, "INSUFFICIENT_RANK");
    let directory = json!({"directoryId": shared.okta.to_string()});
    assert_eq!(maker.refused("rotateDirectoryToken", directory).await, "INSUFFICIENT_RANK");
    let permissions = ["directory_manage", "user_access_manage", "groups_manage", "user_access_read", "groups_read"];
    let maker = with_role(&shared, "both@acme.example", &permissions).await;
    maker.done("createDirectory", json!({"displayName": "Mine"}), "secret").await;
    maker.done("rotateDirectoryToken", json!({"directoryId": shared.okta.to_string()}), "secret").await;
}

/// S-4: whoever holds a directory's token writes its groups, so a new token needs the roles that they give.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_of_a_directory_needs_the_roles_that_its_groups_give() {
    let keys = ["directory_manage", "user_access_read", "user_access_manage", "groups_read", "groups_manage"];
    for gives in Gives::ALL {
        let here = shared().await;
        let ada = here.acme.scim.make_user("ada").await;
        let role = json!({"key": "keeper", "name": "Keeper", "permissions": keys});
        here.owner.done("createRole", role, "role { id }").await;
        let keeper = here.app.member(here.acme.id, "keeper@acme.example", &["keeper"]).await.sign_in().await;
        here.group_that(gives, "IT Admins", &ada).await;
        let rotate = json!({"directoryId": here.okta.to_string()});
        if gives == Gives::Nothing {
            keeper.done("rotateDirectoryToken", rotate, "secret").await;
            continue;
        }
        assert_eq!(keeper.refused("rotateDirectoryToken", rotate.clone()).await, "INSUFFICIENT_RANK", "{gives:?}");
        here.owner.done("rotateDirectoryToken", rotate, "secret").await;
    }
}
