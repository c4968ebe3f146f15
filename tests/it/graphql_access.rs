//! Who may do what, for every operation there is; and what ids of other organizations name: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rollcall::api::graphql::GUARDED;
use serde_json::{Value, json};

use crate::graphql_mfa::sample;
use crate::support::person::root_fields;
use crate::support::{Owned, Person, TestApp};

const ROLES: [&str; 5] = ["owner", "admin", "developer", "analyst", "member"];
/// Any id that is nobody's.
const NOBODY: &str = "01900000-0000-7000-8000-000000000000";

/// What the README says that each role may do.
fn documented() -> BTreeMap<String, BTreeSet<&'static str>> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let (_, table) = readme.split_once("| Permission | owner |").expect("the table");
    let mut permissions: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        for name in cells[0].split(", ") {
            let holders = ROLES.into_iter().enumerate().filter(|(index, _)| cells[index + 1] == "x");
            permissions.insert(name.trim_matches('`').to_owned(), holders.map(|(_, role)| role).collect());
        }
    }
    permissions
}

/// Lists that need a permission.
const QUERIES: &[(&str, &str)] = &[
    ("users { totalCount }", "user_access_read"),
    ("invitations { totalCount }", "user_access_invite"),
    ("serviceAccounts { totalCount }", "user_access_read"),
    ("directories { totalCount }", "directory_manage"),
    ("auditEvents { totalCount }", "audit_read"),
    ("provisioningEvents { totalCount }", "directory_manage"),
];

/// Everybody, whatever their role.
const OPEN: &[&str] = &["groups { totalCount }", "roles { totalCount }", "permissions { key }", "me { accountId }"];

#[tokio::test(flavor = "multi_thread")]
async fn ac01_s0_31_s1_01_each_role_may_do_what_the_readme_says_and_nothing_else() {
    let documented = documented();
    assert_eq!(documented.len(), 14, "{documented:?}");
    let app = TestApp::start().await;
    for role in ROLES {
        // An organization each: what one role does leaves the next alone.
        let acme = app.owned(&format!("org-{role}")).await;
        let email = format!("{role}@people.example");
        let person = app.member(acme.id, &email, &[role]).await.sign_in().await;
        let mine = person.me("permissions { key } roles { key }").await;
        assert_eq!(mine["roles"], json!([{"key": role}]));
        let held: BTreeSet<&str> =
            mine["permissions"].as_array().expect("permissions").iter().filter_map(|one| one["key"].as_str()).collect();
        let expected: BTreeSet<&str> =
            documented.iter().filter(|(_, holders)| holders.contains(role)).map(|(name, _)| name.as_str()).collect();
        assert_eq!(held, expected, "{role}");
        for (query, permission) in QUERIES {
            let code = person.refused_code(&format!("{{ {query} }}")).await;
            let allowed = documented[*permission].contains(role);
            assert_eq!(code.as_deref(), (!allowed).then_some("FORBIDDEN"), "{role}: {query}");
        }
        for query in OPEN {
            assert_eq!(person.refused_code(&format!("{{ {query} }}")).await, None, "{role}: {query}");
        }
        for (name, permission, _) in GUARDED {
            let answer = person.try_mutate(name, sample(name), "clientMutationId").await;
            let forbidden = answer.code().as_deref() == Some("FORBIDDEN");
            let hidden = answer.body["data"][*name]["userErrors"][0]["code"] == "NOT_FOUND";
            // It changes groups too.
            let both = *name != "updateServiceAccountGroups" || documented["groups_manage"].contains(role);
            if documented[permission.key()].contains(role) && both {
                assert!(!forbidden, "{role} may {name}: {}", answer.body);
            } else {
                // An admin of a group needs no permission; of a group that is not theirs nothing is told.
                assert!(forbidden || hidden, "{role} may not {name}: {}", answer.body);
            }
        }
    }
}

async fn ids_of(app: &TestApp, globex: &Owned) -> BTreeMap<&'static str, Value> {
    let owner = globex.owner.sign_in().await;
    let me = owner.me("user { id } login { id } emails { nodes { id } }").await;
    let role = json!({"key": "theirs", "name": "Theirs", "permissions": ["groups_read"]});
    let role = owner.done("createRole", role, "role { id }").await["role"]["id"].clone();
    let group = owner.done("createGroup", json!({"name": "Theirs"}), "group { id }").await["group"]["id"].clone();
    let bot =
        json!({"userName": "bot", "token": {"name": "t", "scopes": ["groups_read"]}, "roles": [{"key": "analyst"}]});
    let bot = owner.done("createServiceAccount", bot, "serviceAccount { id } token { id }").await;
    let directory =
        owner.done("createDirectory", json!({"displayName": "Theirs"}), "directory { id } token { id }").await;
    app.invite(globex.id, "guest@globex.example", "Guest", &[]).await;
    let invitation = owner.ask("{ invitations { nodes { id } } }", json!({})).await.data();
    [
        ("user", me["user"]["id"].clone()),
        ("to", me["user"]["id"].clone()),
        ("userId", me["user"]["id"].clone()),
        ("userIds", me["user"]["id"].clone()),
        ("loginId", me["login"]["id"].clone()),
        ("emailId", me["emails"]["nodes"][0]["id"].clone()),
        ("role", role),
        ("group", group),
        ("serviceAccount", bot["serviceAccount"]["id"].clone()),
        ("tokenId", bot["token"]["id"].clone()),
        ("directoryId", directory["directory"]["id"].clone()),
        ("directoryTokenId", directory["token"]["id"].clone()),
        ("invitationId", invitation["invitations"]["nodes"][0]["id"].clone()),
        ("organization", json!(globex.id.to_string())),
        ("factorId", json!(NOBODY)),
        ("trustedDeviceId", json!(NOBODY)),
    ]
    .into()
}

/// The same input with ids of the other organization; none, if it has no id.
fn with_foreign(name: &str, ids: &BTreeMap<&str, Value>) -> Option<Value> {
    let mut input = sample(name);
    let mut found = false;
    for (key, value) in input.as_object_mut().expect("an object") {
        let known = if name == "revokeDirectoryToken" { "directoryTokenId" } else { key.as_str() };
        let Some(id) = ids.get(known) else { continue };
        found = true;
        *value = match value {
            Value::Object(_) => json!({ "id": id }),
            Value::Array(_) => json!([id]),
            _ => id.clone(),
        };
    }
    found.then_some(input)
}

#[tokio::test(flavor = "multi_thread")]
async fn g1_tn01_tn02_ids_of_another_organization_name_nothing() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let ids = ids_of(&app, &globex).await;
    let owner = acme.owner.sign_in().await;
    let mut asked = 0;
    for name in root_fields("Mutation") {
        // Public ones take secrets; ending all logins of nobody is refused like the rest.
        // Only superusers learn whom they could make one, and only root which organizations there are.
        if ["setSuperuser", "inviteOwner", "restoreOwner"].contains(&name.as_str()) {
            continue;
        }
        let Some(input) = with_foreign(&name, &ids) else { continue };
        let results = ["anonymizeUsers", "sendInvitations"].contains(&name.as_str());
        let selection = if results { "results { userErrors { code } }" } else { "clientMutationId" };
        let payload = owner.mutate(&name, input, selection).await;
        let code =
            if results { &payload["results"][0]["userErrors"][0]["code"] } else { &payload["userErrors"][0]["code"] };
        assert_eq!(code, "NOT_FOUND", "{name}: {payload}");
        asked += 1;
    }
    assert!(asked >= 40, "{asked}");
    for (kind, id) in &ids {
        let node = owner.ask("query One($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await.data();
        assert_eq!(node["node"], Value::Null, "{kind}");
    }
    for (query, kind) in [
        ("user(by: {id: $id}) { id }", "user"),
        ("group(by: {id: $id}) { id }", "group"),
        ("role(by: {id: $id}) { id }", "role"),
        ("serviceAccount(by: {id: $id}) { id }", "serviceAccount"),
        ("directory(id: $id) { id }", "directoryId"),
        ("invitation(id: $id) { id }", "invitationId"),
        ("organization(id: $id) { id }", "organization"),
    ] {
        let code = owner.ask(&format!("query One($id: ID!) {{ {query} }}"), json!({ "id": ids[kind] })).await.code();
        assert_eq!(code.as_deref(), Some("NOT_FOUND"), "{query}");
    }
    assert!(globex_is_untouched(&globex.owner).await);
}

async fn globex_is_untouched(owner: &Person) -> bool {
    owner.sign_in().await.is_in().await
}
