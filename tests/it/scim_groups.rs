//! C6: groups and membership.

use rollcall::domain::directory::{DirectoryDraft, DirectorySettings};
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{Scim, TestApp, group, members, user};

async fn three() -> (Scim, String, [String; 3]) {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut named = user("a");
    named["displayName"] = json!("Ada");
    let ids = [scim.make("/Users", &named).await, scim.make_user("b").await, scim.make_user("c").await];
    let group = scim.make_group("G", &[&ids[0], &ids[1], &ids[2]]).await;
    (scim, group, ids)
}

async fn patched(scim: &Scim, group: &str, operations: Value) -> Vec<String> {
    scim.patch(&format!("/Groups/{group}"), operations).await.expect(204);
    scim.member_ids(group).await
}

#[tokio::test(flavor = "multi_thread")]
async fn c101_members_are_described_and_cannot_be_edited() {
    let (scim, group, ids) = three().await;
    scim.post("/Groups", &json!({"schemas": [crate::support::GROUP]})).await.refused(400, Some("invalidValue"));
    let read = scim.get(&format!("/Groups/{group}")).await.expect(200);
    let first = &read["members"][0];
    assert_eq!(
        first,
        &json!({"value": ids[0], "type": "User", "display": "Ada", "$ref": format!("{}/Users/{}", scim.base, ids[0])})
    );
    let edit = json!([{"op": "replace", "path": format!("members[value eq \"{}\"].value", ids[0]), "value": "x"}]);
    scim.patch(&format!("/Groups/{group}"), edit).await.refused(400, Some("mutability"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c102_remove_with_value_never_wipes_the_group() {
    for shape in 0..4 {
        let (scim, group, ids) = three().await;
        let value = match shape {
            0 => json!([{"value": ids[0]}]),
            1 => json!([{"$ref": null, "value": ids[0]}]),
            2 => json!({"value": ids[0]}),
            _ => json!(ids[0]),
        };
        let left = patched(&scim, &group, json!([{"op": "Remove", "path": "members", "value": value}])).await;
        assert_eq!(left, ids[1..]);
    }
    let (scim, group, _) = three().await;
    assert!(patched(&scim, &group, json!([{"op": "remove", "path": "members"}])).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c102_the_strict_dialect_refuses_a_value_on_remove() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let id = tenant.scim.make_user("a").await;
    let group = tenant.scim.make_group("G", &[&id]).await;
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("Strict") };
    let (_, strict) = app.directory(tenant.id, strict).await;
    let operations = json!([{"op": "remove", "path": "members", "value": [{"value": id}]}]);
    strict.patch(&format!("/Groups/{group}"), operations).await.refused(400, Some("invalidSyntax"));
    assert_eq!(tenant.scim.member_ids(&group).await, [id]);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c103_removing_nobody_is_never_a_wipe_and_never_a_silent_success() {
    let (scim, group, ids) = three().await;
    for value in [json!([]), json!(null), json!([null])] {
        assert_eq!(patched(&scim, &group, json!([{"op": "remove", "path": "members", "value": value}])).await, ids);
    }
    for value in [json!([{"value": null}]), json!([{}]), json!([{"value": ids[0]}, {}])] {
        let operations = json!([{"op": "remove", "path": "members", "value": value}]);
        scim.patch(&format!("/Groups/{group}"), operations).await.refused(400, Some("invalidValue"));
        assert_eq!(scim.member_ids(&group).await, ids);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c104_replace_with_nothing_empties() {
    for value in [json!([]), Value::Null] {
        let (scim, group, _) = three().await;
        assert!(patched(&scim, &group, json!([{"op": "replace", "path": "MEMBERS", "value": value}])).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c105_adding_who_is_in_and_removing_who_is_not_changes_nothing() {
    let (scim, group, ids) = three().await;
    let path = format!("/Groups/{group}");
    let version = scim.get(&path).await.header("etag").to_owned();
    let outsider = scim.make_user("d").await;
    patched(&scim, &group, json!([{"op": "add", "path": "members", "value": members(&[&ids[0], &ids[1]])}])).await;
    patched(&scim, &group, json!([{"op": "remove", "path": format!("members[value eq \"{outsider}\"]")}])).await;
    assert_eq!(scim.get(&path).await.header("etag"), version);
    patched(&scim, &group, json!([{"op": "add", "path": "members", "value": members(&[&outsider])}])).await;
    assert_ne!(scim.get(&path).await.header("etag"), version, "C123: a member change is a change");
}

#[tokio::test(flavor = "multi_thread")]
async fn c106_add_and_remove_in_one_patch_net_out_in_order() {
    let (scim, group, ids) = three().await;
    let new = scim.make_user("d").await;
    let add = json!({"op": "add", "path": "members", "value": members(&[&new])});
    let remove = json!({"op": "remove", "path": format!("members[value eq \"{new}\"]")});
    assert_eq!(patched(&scim, &group, json!([add, remove])).await, ids);
    assert_eq!(patched(&scim, &group, json!([remove, add])).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn c107_unknown_members_are_skipped_or_refused_and_foreign_ones_are_unknown() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let scim = &tenant.scim;
    let foreign = app.tenant("globex").await.scim.make_user("x").await;
    let known = scim.make_user("a").await;
    let unknown = "01900000-0000-7000-8000-000000000000";
    let group = scim.make_group("G", &[&known, unknown, &foreign]).await;
    assert_eq!(scim.member_ids(&group).await, [known.clone()]);
    for id in [unknown, foreign.as_str()] {
        let add = json!([{"op": "add", "path": "members", "value": members(&[id])}]);
        assert_eq!(patched(scim, &group, add).await, [known.clone()]);
    }
    let settings = DirectorySettings { reject_unknown_members: true, ..DirectorySettings::default() };
    let (_, refusing) = app.directory(tenant.id, DirectoryDraft { settings, ..DirectoryDraft::named("R") }).await;
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("S") };
    let (_, strict) = app.directory(tenant.id, strict).await;
    for client in [refusing, strict] {
        let mut answers = Vec::new();
        for id in [unknown, foreign.as_str()] {
            let add = json!([{"op": "add", "path": "members", "value": members(&[id, &known])}]);
            answers.push(
                client.patch(&format!("/Groups/{group}"), add).await.refused(400, Some("invalidValue"))["detail"]
                    .clone(),
            );
        }
        assert_eq!(answers[0], answers[1], "TN-03: the same answer for unknown and foreign");
    }
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c110_deactivation_keeps_memberships_and_deletion_takes_them() {
    let (scim, group, ids) = three().await;
    let path = format!("/Users/{}", ids[0]);
    let active = |value: bool| json!([{"op": "replace", "value": {"active": value}}]);
    scim.patch(&path, active(false)).await.expect(200);
    assert_eq!(scim.member_ids(&group).await, ids);
    let restored = scim.patch(&path, active(true)).await.expect(200);
    assert_eq!(restored["groups"][0]["value"], group);

    let version = scim.get(&format!("/Groups/{group}")).await.header("etag").to_owned();
    scim.delete(&path).await.expect(204);
    assert_eq!(scim.member_ids(&group).await, ids[1..]);
    assert_ne!(scim.get(&format!("/Groups/{group}")).await.header("etag"), version);
    scim.delete(&format!("/Groups/{group}")).await.expect(204);
    let left = scim.get(&format!("/Users/{}", ids[1])).await.expect(200);
    assert!(left.get("groups").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn c111_groups_nest_in_circles_unless_switched_off() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let scim = &tenant.scim;
    let user = scim.make_user("u").await;
    let a = scim.make_group("A", &[&user]).await;
    let b = scim.make_group("B", &[&a]).await;
    assert_eq!(patched(scim, &a, json!([{"op": "add", "path": "members", "value": members(&[&b])}])).await.len(), 2);
    let read = scim.get(&format!("/Groups/{b}")).await.expect(200);
    assert_eq!(
        read["members"][0],
        json!({"value": a, "type": "Group", "display": "A", "$ref": format!("{}/Groups/{a}", scim.base)})
    );
    let groups = scim.get(&format!("/Users/{user}")).await.expect(200)["groups"].clone();
    let kinds: Vec<(&str, &str)> = groups
        .as_array()
        .expect("a list")
        .iter()
        .map(|group| (group["display"].as_str().expect("text"), group["type"].as_str().expect("text")))
        .collect();
    assert_eq!(kinds, [("A", "direct"), ("B", "indirect")]);
    scim.delete(&format!("/Groups/{a}")).await.expect(204);
    assert!(scim.member_ids(&b).await.is_empty());

    let settings = DirectorySettings { nested_groups: false, ..DirectorySettings::default() };
    let (_, flat) = app.directory(tenant.id, DirectoryDraft { settings, ..DirectoryDraft::named("Flat") }).await;
    let mut nested = group("C");
    nested["members"] = members(&[&b]);
    flat.post("/Groups", &nested).await.refused(400, Some("invalidValue"));
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c113_a_rename_keeps_id_and_members_and_names_can_be_swapped() {
    let (scim, group, ids) = three().await;
    let other = scim.make_group("H", &[]).await;
    let rename = |id: &str, name: &str| {
        (format!("/Groups/{id}"), json!([{"op": "replace", "value": {"id": id, "displayName": name}}]))
    };
    for (id, name) in [(&group, "tmp"), (&other, "G"), (&group, "H")] {
        let (path, operations) = rename(id, name);
        scim.patch(&path, operations).await.expect(204);
    }
    assert_eq!(scim.get(&format!("/Groups/{group}")).await.expect(200)["displayName"], "H");
    assert_eq!(scim.member_ids(&group).await, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn c114_what_a_client_says_about_a_member_is_computed_instead() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut named = user("ada");
    named["displayName"] = json!("Ada");
    let id = scim.make("/Users", &named).await;
    let mut body = group("G");
    body["members"] = json!([{"value": id, "display": "Mallory", "$ref": null, "type": "Group"}]);
    let created = scim.post("/Groups", &body).await.expect(201);
    assert_eq!((&created["members"][0]["display"], &created["members"][0]["type"]), (&json!("Ada"), &json!("User")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sc07_a_groups_name_gives_nothing() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let id = scim.make_user("ada").await;
    let before = scim.get(&format!("/Users/{id}")).await.expect(200);
    scim.make_group("admins", &[&id]).await;
    let after = scim.get(&format!("/Users/{id}")).await.expect(200);
    assert_eq!((before.get("roles"), after.get("roles"), after.get("entitlements")), (None, None, None));
}
