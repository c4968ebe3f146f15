//! What one directory, or one organization, may do to a user that others rely on.

use rollcall::domain::directory::DirectoryDraft;
use serde_json::{Value, json};

use crate::support::{Engine, Person, Scim, TestApp};

const EXTENSION: &str = scim::schema::ROLLCALL_USER;

async fn id_of(person: &Person) -> String {
    person.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned()
}

async fn set_active(scim: &Scim, user: &str, active: bool) -> Value {
    let operations = json!([{"op": "replace", "path": "active", "value": active}]);
    scim.patch(&format!("/Users/{user}"), operations).await.expect(200)
}

/// S-4: two directories, one flag each.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_lets_nobody_in_whom_another_one_keeps_out() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let (_, entra) = app.directory(acme.id, DirectoryDraft::named("Entra")).await;
        let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
        let id = id_of(&babs.sign_in().await).await;
        assert_eq!(set_active(&acme.scim, &id, false).await["active"], false);
        let shown = set_active(&entra, &id, true).await;
        assert_eq!(shown["active"], true, "its own flag, as it wrote it");
        assert_eq!(shown[EXTENSION]["effectiveActive"], false);
        assert!(babs.login_payload(json!({})).await["session"].is_null(), "the first directory's flag still says no");
        for (client, active) in [(&acme.scim, false), (&entra, true), (&acme.scim, false)] {
            let path = format!("/Users/{id}");
            assert_eq!(client.get(&path).await.expect(200)["active"], active, "each reads what it wrote");
        }
        // Both say no, and each lifts its own.
        set_active(&entra, &id, false).await;
        set_active(&acme.scim, &id, true).await;
        assert!(babs.login_payload(json!({})).await["session"].is_null());
        set_active(&entra, &id, true).await;
        assert!(babs.sign_in().await.is_in().await);
        app.assert_consistent().await;
        app.stop();
    }
}

/// S-4: what a directory kept out stays out without it, until an administrator lets it in.
#[tokio::test(flavor = "multi_thread")]
async fn whom_a_deleted_directory_kept_out_is_held_by_the_organization() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let (entra_id, entra) = app.directory(acme.id, DirectoryDraft::named("Entra")).await;
        let okta = owner.ask("{ directories { nodes { id displayName } } }", json!({})).await.data();
        let okta = okta["directories"]["nodes"].as_array().expect("a list").clone();
        let okta = okta.iter().find(|one| one["displayName"] == "Okta").expect("Okta")["id"].clone();
        let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
        let id = id_of(&babs.sign_in().await).await;
        let path = format!("/Users/{id}");
        set_active(&acme.scim, &id, false).await;
        entra.patch(&path, json!([{"op": "replace", "path": "title", "value": "Dr"}])).await.expect(200);
        owner.done("deleteDirectory", json!({"directoryId": okta}), "deletedDirectoryId").await;
        let by = json!({"id": id});
        let ask = "query($by: UserRef!) { user(by: $by) { status localHold { reason } } }";
        let user = owner.ask(ask, json!({ "by": by })).await.data()["user"].clone();
        assert_eq!(user, json!({"status": "DISABLED", "localHold": {"reason": "directory deleted"}}));
        set_active(&entra, &id, true).await;
        assert!(babs.login_payload(json!({})).await["session"].is_null(), "no directory lifts a local hold");
        // The other directory's claims are its own.
        let refused = owner.mutate("updateUser", json!({"user": by, "title": "x"}), "user { id }").await;
        assert_eq!(refused["userErrors"][0]["params"]["owner"], "Entra");
        owner.done("enableUser", json!({ "user": by }), "user { status }").await;
        assert!(babs.sign_in().await.is_in().await);
        // With its own directory gone too nobody writes the title but administrators.
        owner.done("deleteDirectory", json!({"directoryId": entra_id.to_string()}), "deletedDirectoryId").await;
        owner.done("updateUser", json!({"user": by, "title": "x"}), "user { title }").await;
        app.assert_consistent().await;
        app.stop();
    }
}
