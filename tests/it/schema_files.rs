//! Migrations: they apply to an empty and to a filled store, once, and their first line says why.

use std::path::Path;

use rollcall::domain::Caller;

use crate::support::{Engine, Scim, TestApp, store_settings};

#[test]
fn migrations_are_numbered_and_say_why() {
    for kind in ["identity", "organization", "remote"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(kind);
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        for (index, name) in names.iter().enumerate() {
            assert!(name.starts_with(&format!("{:04}_", index + 1)), "{kind}/{name}");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(kind).join(name);
            assert!(std::fs::read_to_string(path).expect("text").starts_with("-- "), "{kind}/{name}");
        }
        assert!(!names.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_apply_to_an_empty_and_to_a_filled_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("surrealkv://{}/store", folder.path().display());
    let store = store_settings(&url);
    let app = TestApp::start_on(Engine::Disk).await;
    let tenant = app.tenant("acme").await;
    let id = tenant.scim.make_user("ada").await;
    // Opening again applies nothing twice and changes nothing.
    app.service.open_organization(&Caller::operator(None), tenant.id).await.expect("opened");
    let scim = Scim::new(&app.url, tenant.scim.token.as_deref().expect("a token"));
    scim.get(&format!("/Users/{id}")).await.expect(200);

    for _ in 0..2 {
        let mut attempts = 0;
        loop {
            match rollcall::store::Store::connect(&store).await {
                Ok(_) => break,
                Err(error) if attempts == 50 => panic!("{error:?}"),
                Err(_) => attempts += 1,
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}
