//! LG-03: every write leaves exactly one audit event; refusals and reads leave none.

use rollcall::clock::Entropy;
use rollcall::domain::audit::{AuditEvent, EventKind};
use rollcall::domain::user::{User, UserDraft, Writer};
use rollcall::domain::{AuditEventId, Caller, OrganizationId, UserId};
use rollcall::store::{EventFilter, Store, Verdict};
use scim::Resource;
use serde_json::{Value, json};

use crate::support::app::start_of_time;
use crate::support::{Engine, TestApp, group, members, store_settings, user};

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
                ("user.disabled", vec![]),
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

/// After an import there is much to number: whoever reads does not wait for all of it, and none of it is left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_trail_with_much_that_is_new_is_read_at_once_and_soon_whole() {
    const EVENTS: u64 = 6_500;
    let (entropy, now) = (Entropy::default(), start_of_time());
    let store = Store::connect(&store_settings("mem://")).await.expect("a store");
    let store = store.organization(OrganizationId::new(entropy.id(now))).await.expect("opened");
    let writer = Writer { author: None, now, states_all: true };
    let made: Vec<(User, AuditEvent)> = (0..EVENTS)
        .map(|number| {
            let attributes = json!({"userName": format!("user{number}")}).as_object().expect("an object").clone();
            let draft = UserDraft::new(Resource::from_stored(attributes)).expect("valid");
            let user = User::create(UserId::new(entropy.id(now)), draft, writer);
            let (id, target) = (AuditEventId::new(entropy.id(now)), ("user", user.id.to_string()));
            (user, AuditEvent::new(id, now, &Caller::operator(None), EventKind::UserCreated, target))
        })
        .collect();
    for some in made.chunks(500) {
        store.insert_users(some).await.expect("stored");
    }
    let everything = EventFilter::default();
    let newest = async || {
        let newest = store.list_audit_events(&everything, None, None, true, 1).await.expect("read");
        newest.first().and_then(|event| event.sequence).expect("an event with its number")
    };
    let first = newest().await;
    assert!((2_000..EVENTS).contains(&first), "{first}: not all of it, and some");
    assert_eq!(newest().await, EVENTS, "the rest with the next one");
    let verdict = store.verify_audit_events(&|_| ()).await.expect("read");
    assert!(matches!(verdict, Verdict::Whole { events: EVENTS, .. }), "{verdict:?}");
}
