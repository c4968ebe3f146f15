//! LG-03: every write leaves exactly one audit event; refusals and reads leave none.

use serde_json::{Value, json};

use crate::support::{Engine, TestApp, group, members, user};

#[tokio::test(flavor = "multi_thread")]
async fn lg03_one_event_per_write_naming_attributes_and_no_value_of_a_person() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let tenant = app.tenant("acme").await;
        let scim = &tenant.scim;
        let id = scim.make_user("canary-name").await;
        let path = format!("/Users/{id}");
        scim.patch(&path, json!([{"op": "add", "path": "title", "value": "canary-title"}])).await.expect(200);
        scim.put(&path, &user("canary-other")).await.expect(200);
        let group_id = scim.make("/Groups", &group("canary-group")).await;
        let add = json!([{"op": "add", "path": "members", "value": members(&[&id])}]);
        let answer = scim.patch(&format!("/Groups/{group_id}"), add).await;
        let request = answer.header("x-request-id").to_owned();
        answer.expect(204);
        scim.post("/Users", &user("canary-other")).await.refused(409, Some("uniqueness"));
        scim.patch(&path, json!([{"op": "remove"}])).await.refused(400, Some("noTarget"));
        scim.get("/Users").await.expect(200);
        scim.delete(&format!("/Groups/{group_id}")).await.expect(204);
        scim.delete(&path).await.expect(204);

        let events = app.events(tenant.id).await;
        let told: Vec<(&str, Vec<&str>)> = events
            .iter()
            .map(|event| (event.kind.as_str(), event.changed.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            told,
            [
                ("organization.created", vec![]),
                ("directory.created", vec![]),
                ("user.created", vec!["active", "userName"]),
                ("user.updated", vec!["title"]),
                ("user.updated", vec!["title", "userName"]),
                ("group.created", vec!["displayName"]),
                ("group.updated", vec![]),
                ("group.deleted", vec![]),
                ("user.deleted", vec![]),
            ]
        );
        let joined = &events[6];
        assert_eq!((joined.members_added, joined.members_removed), (1, 0));
        assert_eq!(
            (&joined.target, joined.request.as_ref()),
            (&json!({"kind": "group", "id": group_id}), Some(&request))
        );
        assert_eq!((&joined.actor["kind"], &joined.actor["name"]), (&json!("directory"), &json!("Test")));
        assert_eq!(events[0].actor, json!({"kind": "operator"}));
        let text: Value = events.iter().map(|event| json!(format!("{event:?}"))).collect();
        for canary in ["canary-name", "canary-other", "canary-title"] {
            assert!(!text.to_string().contains(canary), "{canary}: values of people are sealed");
        }
    }
}
