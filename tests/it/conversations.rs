//! What Okta and Entra really send, over a real socket: every fixture, in memory and on a SurrealDB server.

use rollcall::domain::directory::DirectoryDraft;

use crate::support::surreal::SurrealServer;
use crate::support::{TestApp, conversation};

async fn play_all(app: &TestApp) {
    let conversations = conversation::all();
    assert!(conversations.len() >= 8, "the fixtures are there");
    for (index, conversation) in conversations.iter().enumerate() {
        let dialect = conversation.dialect.parse().expect("a dialect");
        let draft = DirectoryDraft { dialect, ..DirectoryDraft::named("Test") };
        let tenant = app.tenant_with(&format!("org-{index}"), draft).await;
        conversation::play(conversation, &tenant.scim).await;
        println!("{}: {} expectations held", conversation.name, conversation.assertions());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_providers_get_what_they_expect() {
    play_all(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_providers_get_what_they_expect_from_a_store_on_a_server() {
    let Some(server) = SurrealServer::start() else { return };
    play_all(&TestApp::start_at(&server.url()).await).await;
}

#[test]
fn the_okta_spec_test_is_complete() {
    let conversations = conversation::all();
    let spec = conversations.iter().find(|conversation| conversation.name == "okta-spec-test").expect("the fixture");
    assert_eq!(spec.requests(), 12);
    assert!(spec.assertions() >= 53, "{}", spec.assertions());
}
