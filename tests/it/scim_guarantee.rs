//! The guarantee of `docs/scim-guarantee.md` through the router: what a request does not name stays, and what cannot be
//! understood changes nothing. The rules themselves are tested in the scim crate.

use rollcall::domain::directory::{DirectoryDraft, DirectorySettings};
use scim::{Dialect, ScimType};
use serde_json::{Value, json};

use crate::support::{ENTERPRISE, GROUP, Scim, TestApp, USER, filtered, group, members, user};

/// Ids that nobody has.
fn unknown(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("01900000-0000-7000-8000-{index:012x}")).collect()
}

fn listed(ids: &[String]) -> Value {
    members(&ids.iter().map(String::as_str).collect::<Vec<&str>>())
}

async fn two_members() -> (TestApp, Scim, String, [String; 2]) {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    let ids = [scim.make_user("a").await, scim.make_user("b").await];
    let group = scim.make_group("G", &[&ids[0], &ids[1]]).await;
    (app, scim, group, ids)
}

fn operation(op: &str, value: &Value) -> Value {
    json!([{"op": op, "path": "members", "value": value}])
}

/// A1.
#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_id_is_refused_and_changes_no_members() {
    let (app, scim, group, ids) = two_members().await;
    let path = format!("/Groups/{group}");
    let both = format!("{},{}", ids[0], ids[1]);
    let texts = [
        both.clone(),
        format!("/Users/{}", ids[0]),
        format!(" {}", ids[0]),
        ids[0].to_uppercase(),
        "nobody".to_owned(),
        "[\"unfinished".to_owned(),
        "{}".to_owned(),
        String::new(),
    ];
    for text in texts {
        for value in [json!(text), json!([text]), json!([{"value": text}]), json!([{"value": ids[0]}, {"value": text}])]
        {
            for op in ["add", "remove", "replace"] {
                scim.patch(&path, operation(op, &value)).await.refused(400, Some("invalidValue"));
            }
            let body = json!({"schemas": [GROUP], "displayName": "G", "members": value});
            scim.put(&path, &body).await.refused(400, Some("invalidValue"));
            let body = json!({"schemas": [GROUP], "displayName": "H", "members": value});
            scim.post("/Groups", &body).await.refused(400, Some("invalidValue"));
            assert_eq!(scim.member_ids(&group).await, ids, "{value}");
        }
    }
    // What a later operation undoes was sent all the same.
    let undone = json!([{"op": "add", "path": "members", "value": [{"value": both}]},
                        {"op": "remove", "path": "members"}]);
    scim.patch(&path, undone).await.refused(400, Some("invalidValue"));
    assert_eq!(scim.member_ids(&group).await, ids);
    app.assert_consistent().await;
}

/// A1, C97.
#[tokio::test(flavor = "multi_thread")]
async fn json_inside_of_text_names_members() {
    let (_app, scim, group, ids) = two_members().await;
    let path = format!("/Groups/{group}");
    let new = scim.make_user("c").await;
    for value in [json!(members(&[&new]).to_string()), json!([json!({"value": new}).to_string()]), json!(new)] {
        scim.patch(&path, operation("replace", &value)).await.expect(204);
        assert_eq!(scim.member_ids(&group).await, [new.clone()], "{value}");
        scim.patch(&path, operation("replace", &listed(&ids))).await.expect(204);
    }
    let text = json!(format!("[\"{}\"]", ids[0]));
    scim.patch(&path, operation("remove", &text)).await.expect(204);
    assert_eq!(scim.member_ids(&group).await, ids[1..]);
}

/// A2, `decisions.md` 4.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_nothing_but_unknown_ids_replaces_no_members() {
    let (app, scim, group, ids) = two_members().await;
    let path = format!("/Groups/{group}");
    let foreign = app.tenant("globex").await.scim.make_user("x").await;
    let mut strangers = unknown(199);
    strangers.push(foreign);
    let list = listed(&strangers);
    let body = json!({"schemas": [GROUP], "displayName": "G", "members": list});
    let of_another_name = json!({"op": "replace", "path": "displayName", "value": "H"});
    for answer in [
        scim.patch(&path, operation("replace", &list)).await,
        scim.patch(&path, json!([of_another_name, {"op": "replace", "value": {"members": list}}])).await,
        scim.patch(
            &path,
            json!([{"op": "replace", "path": "members", "value": list},
                                 {"op": "add", "path": "members", "value": members(&[&ids[0]])}]),
        )
        .await,
        scim.put(&path, &body).await,
    ] {
        let detail = answer.refused(400, Some("invalidValue"))["detail"].clone();
        assert!(detail.as_str().expect("text").contains("200"), "{detail}");
        assert_eq!(scim.member_ids(&group).await, ids);
    }
    assert_eq!(scim.get(&path).await.expect(200)["displayName"], "G", "all or nothing");
    // To add them is to skip them (C107), and one known id makes it a list of this organization.
    scim.patch(&path, operation("add", &list)).await.expect(204);
    assert_eq!(scim.member_ids(&group).await, ids);
    strangers.push(ids[0].clone());
    scim.patch(&path, operation("replace", &listed(&strangers))).await.expect(204);
    assert_eq!(scim.member_ids(&group).await, ids[..1]);
    // A new group has no members that could be lost.
    let mut made = crate::support::group("New");
    made["members"] = list;
    scim.post("/Groups", &made).await.expect(201);
    // Both ways to say that there shall be none still say so (C104).
    scim.patch(&path, operation("replace", &json!([]))).await.expect(204);
    assert!(scim.member_ids(&group).await.is_empty());
    app.assert_consistent().await;
}

/// A1: `remove` says nothing of members it does not find, but does of text that is no id, also where unknown ones are refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_remove_of_an_unknown_id_is_done_and_one_of_a_text_is_not() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let settings = DirectorySettings { reject_unknown_members: true, ..DirectorySettings::default() };
    let draft = DirectoryDraft { settings, ..DirectoryDraft::named("Refusing") };
    let (_, refusing) = app.directory(tenant.id, draft).await;
    let ada = refusing.make_user("ada").await;
    let group = refusing.make_group("G", &[&ada]).await;
    let path = format!("/Groups/{group}");
    refusing.patch(&path, operation("remove", &listed(&unknown(1)))).await.expect(204);
    refusing.patch(&path, operation("remove", &json!("nobody"))).await.refused(400, Some("invalidValue"));
    refusing.patch(&path, operation("replace", &listed(&unknown(2)))).await.refused(400, Some("invalidValue"));
    assert_eq!(refusing.member_ids(&group).await, [ada]);
}

/// A8.
#[tokio::test(flavor = "multi_thread")]
async fn any_value_path_removes_the_members_it_chooses() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    let mut named = user("ada");
    named["displayName"] = json!("Ada");
    let (ada, bob) = (scim.make("/Users", &named).await, scim.make_user("bob").await);
    let staff = scim.make_group("Staff", &[]).await;
    let all = [ada.clone(), bob.clone(), staff.clone()];
    let group = scim.make_group("G", &[&ada, &bob, &staff]).await;
    let path = format!("/Groups/{group}");
    for (filter, gone) in [
        (format!("value eq \"{ada}\" and type eq \"User\""), vec![&ada]),
        (format!("value eq \"{ada}\" and type eq \"Group\""), vec![]),
        ("type eq \"Group\"".to_owned(), vec![&staff]),
        ("not (type eq \"group\")".to_owned(), vec![&ada, &bob]),
        (format!("display eq \"ADA\" or value eq \"{staff}\""), vec![&ada, &staff]),
        ("display eq \"staff\"".to_owned(), vec![&staff]),
        ("not (display pr)".to_owned(), vec![&bob]),
        (format!("value eq \"{}\"", unknown(1)[0]), vec![]),
        (format!("{GROUP}:value eq \"{bob}\""), vec![&bob]),
    ] {
        let operations = json!([{"op": "remove", "path": format!("members[{filter}]")}]);
        scim.patch(&path, operations).await.expect(204);
        let left: Vec<String> = all.iter().filter(|id| !gone.contains(id)).cloned().collect();
        let mut found = scim.member_ids(&group).await;
        found.sort_by_key(|id| all.iter().position(|known| known == id));
        assert_eq!(found, left, "{filter}");
        scim.patch(&path, operation("add", &listed(&all))).await.expect(204);
    }
    for (filter, scim_type) in [
        ("kind ne \"User\"", "invalidPath"),
        ("type gt 5", "invalidPath"),
        ("$ref pr", "invalidPath"),
        ("value ne 5", "invalidPath"),
        ("value eq \"nobody\"", "invalidValue"),
        ("value eq \"nobody\" and type eq \"User\"", "invalidValue"),
    ] {
        let operations = json!([{"op": "remove", "path": format!("members[{filter}]")}]);
        scim.patch(&path, operations).await.refused(400, Some(scim_type));
    }
    // A value path sees what the operations before it did (C106).
    let carol = scim.make_user("carol").await;
    let operations = json!([{"op": "add", "path": "members", "value": members(&[&carol])},
                            {"op": "remove", "path": "members[type eq \"User\"]"},
                            {"op": "add", "path": "members", "value": members(&[&bob])}]);
    scim.patch(&path, operations).await.expect(204);
    let mut found = scim.member_ids(&group).await;
    found.sort_by_key(|id| all.iter().position(|known| known == id));
    assert_eq!(found, [bob, staff]);
    app.assert_consistent().await;
}

/// A3 to A7, A10.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_changes_no_values() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut body = user("ada");
    body["emails"] = json!([{"value": "Ada@b.example", "type": "work"}, {"value": "x@y", "type": "home"}]);
    body["phoneNumbers"] = json!([{"value": "1"}]);
    body[ENTERPRISE] = json!({"manager": {"value": "M1"}});
    let path = format!("/Users/{}", scim.make("/Users", &body).await);
    let before = scim.get(&path).await.expect(200);
    for (operation, scim_type) in [
        (json!({"op": "remove", "path": "emails[kind ne \"work\"]"}), ScimType::InvalidPath),
        (
            json!({"op": "replace", "path": "phoneNumbers[label eq null]", "value": {"value": "2"}}),
            ScimType::InvalidPath,
        ),
        (json!({"op": "remove", "path": "emails[value ne 5]"}), ScimType::InvalidPath),
        (json!({"op": "replace", "value": {"emails[kind ne \"work\"].value": "q@x"}}), ScimType::InvalidPath),
        (json!({"op": "replace", "path": "emails", "value": [{"vlaue": "x@y"}]}), ScimType::InvalidValue),
        (json!({"op": "replace", "path": "emails", "value": "x@y"}), ScimType::InvalidValue),
        (json!({"op": "remove", "path": "emails", "value": [{}]}), ScimType::InvalidValue),
        (json!({"op": "add", "path": "title", "value": "{\"value\":\"x\"}"}), ScimType::InvalidValue),
    ] {
        scim.patch(&path, json!([operation])).await.refused(400, Some(scim_type.as_str()));
        assert_eq!(scim.get(&path).await.expect(200), before);
    }
    for put in [json!([{"vlaue": "x@y"}]), json!([{}]), json!(5), json!("x@y")] {
        let mut replaced = body.clone();
        replaced["emails"] = put;
        scim.put(&path, &replaced).await.refused(400, Some("invalidValue"));
        assert_eq!(scim.get(&path).await.expect(200), before);
    }
    for unchanged in [
        json!({"op": "remove", "path": "emails[value co \"\u{200b}\"]"}),
        json!({"op": "remove", "path": "emails", "value": null}),
        json!({"op": "remove", "path": "emails", "value": [null]}),
        json!({"op": "remove", "path": "manager[value eq \"M2\"]"}),
    ] {
        scim.patch(&path, json!([unchanged])).await.expect(200);
        assert_eq!(scim.get(&path).await.expect(200), before);
    }
    let changed = scim
        .patch(
            &path,
            json!([{"op": "remove", "path": "emails", "value": [{"value": "ada@B.example"}]},
                   {"op": "add", "path": "emails", "value": [{"value": "X@Y", "type": "home"}]},
                   {"op": "remove", "path": "manager[value eq \"M1\"]"}]),
        )
        .await
        .expect(200);
    assert_eq!(changed["emails"], json!([{"value": "X@Y", "type": "home"}]));
    assert_eq!(changed["schemas"], json!([USER]));
    let managed = json!([{"op": "add", "path": "manager", "value": "{\"value\":\"M1\"}"}]);
    let managed = scim.patch(&path, managed).await.expect(200);
    assert_eq!(managed[ENTERPRISE]["manager"]["value"], "M1");
    let schema = json!([{"op": "remove", "path": format!("schemas[value eq \"{ENTERPRISE}\"]")}]);
    assert!(scim.patch(&path, schema).await.expect(200).get(ENTERPRISE).is_none());
}

/// A3, A4, A7, A9, A11.
#[tokio::test(flavor = "multi_thread")]
async fn searches_find_what_they_say() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut body = user("ada");
    body["emails"] = json!([{"value": "a@x", "type": "work"}]);
    body["externalId"] = json!(701_984);
    scim.make("/Users", &body).await;
    for (filter, count) in [
        (format!("schemas[value eq \"{USER}\"]"), 1),
        (format!("schemas.value eq \"{ENTERPRISE}\""), 0),
        (format!("emails[{USER}:type eq \"work\"]"), 1),
        (format!("emails[{USER}:type eq \"work\" and value eq \"A@x\"]"), 1),
        ("userName co \"\u{200b}\"".to_owned(), 0),
        ("userName eq \"\u{200b}\" or title ne \"\u{200b}\"".to_owned(), 0),
        ("externalId eq 701984".to_owned(), 1),
    ] {
        assert_eq!(scim.count("/Users", &filter).await, count, "{filter}");
    }
    for filter in ["title gt 5", "userName eq 5", "active eq 1", "emails[value ne 5]"] {
        scim.get(&filtered("/Users", filter)).await.refused(400, Some("invalidFilter"));
    }
    let search =
        scim.post("/Users/.search", &json!({"schemas": [], "filter": "userName eq \"ada\""})).await.expect(200);
    assert_eq!(search["totalResults"], 1);
    scim.post("/Bulk", &json!({"schemas": [], "Operations": []})).await.expect(200);
}

/// A13, `decisions.md` 8.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_a_limit_that_is_named() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let phones = |count: usize| -> Value { (0..count).map(|index| json!({"value": index.to_string()})).collect() };
    let most = scim::resource::MAX_VALUES;
    let mut body = user("ada");
    body["phoneNumbers"] = phones(most + 1);
    let refused = |answer: crate::support::Answer| {
        let detail = answer.refused(400, Some("invalidValue"))["detail"].clone();
        assert!(detail.as_str().expect("text").contains(&most.to_string()), "{detail}");
    };
    refused(scim.post("/Users", &body).await);
    let path = format!("/Users/{}", scim.make_user("ada").await);
    refused(scim.put(&path, &body).await);
    refused(scim.patch(&path, json!([{"op": "add", "path": "phoneNumbers", "value": phones(4_000)}])).await);
    let full =
        scim.patch(&path, json!([{"op": "add", "path": "phoneNumbers", "value": phones(most)}])).await.expect(200);
    assert_eq!(full["phoneNumbers"].as_array().map(Vec::len), Some(most));
    let off = scim.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).await.expect(200);
    assert_eq!(off["active"], false);
    let mut team = group("Team");
    team["members"] = listed(&unknown(most + 1));
    scim.post("/Groups", &team).await.expect(201);
}
