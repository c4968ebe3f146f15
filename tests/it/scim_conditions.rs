//! C8: concurrency headers.

use rollcall::domain::directory::{DirectoryDraft, DirectorySettings};
use scim::Dialect;
use serde_json::json;

use crate::support::{TestApp, group, members, user};

#[tokio::test(flavor = "multi_thread")]
async fn c123_the_etag_is_the_version_and_changes_with_the_representation() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let id = scim.make_user("ada").await;
    let path = format!("/Users/{id}");
    let etag = || async {
        let answer = scim.get(&path).await;
        let tag = answer.header("etag").to_owned();
        assert_eq!(answer.expect(200)["meta"]["version"], tag);
        tag
    };
    let first = etag().await;
    assert!(first.starts_with("W/\"") && first.ends_with('"'));
    assert_eq!(etag().await, first);
    let patched = scim.patch(&path, json!([{"op": "add", "path": "title", "value": "T"}])).await;
    let second = patched.header("etag").to_owned();
    assert_ne!(second, first);
    let group = scim.make_group("G", &[&id]).await;
    let third = etag().await;
    assert_ne!(third, second, "its groups are part of it");
    scim.patch(&format!("/Groups/{group}"), json!([{"op": "replace", "path": "displayName", "value": "H"}]))
        .await
        .expect(204);
    assert_ne!(etag().await, third, "and so are their names");
    let listed = scim.get("/Users").await.expect(200);
    assert_eq!(listed["Resources"][0]["meta"]["version"], etag().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn c124_if_match() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let id = scim.make_user("ada").await;
    let member = scim.make_user("member").await;
    let group_id = scim.make_group("G", &[&member]).await;
    let title = json!([{"op": "add", "path": "nickName", "value": "T"}]);
    for (path, body, patch) in [
        (format!("/Users/{id}"), user("ada"), title),
        (
            format!("/Groups/{group_id}"),
            group("H"),
            json!([{"op": "replace", "path": "members", "value": members(&[])}]),
        ),
    ] {
        let before = scim.get(&path).await;
        let current = before.header("etag").to_owned();
        let before = before.expect(200);
        let stale = scim.with_header("if-match", "W/\"0\"");
        stale.put(&path, &body).await.refused(412, None);
        stale.patch(&path, patch.clone()).await.refused(412, None);
        stale.delete(&path).await.refused(412, None);
        assert_eq!(scim.get(&path).await.expect(200), before);
        for value in
            ["*".to_owned(), current.clone(), current.trim_start_matches("W/").to_owned(), format!("\"x\", {current}")]
        {
            let same = before.clone();
            scim.with_header("if-match", &value).put(&path, &same).await.expect(200);
        }
        assert!(scim.with_header("if-match", &current).patch(&path, patch).await.status < 300);
        scim.with_header("if-match", &current).delete(&path).await.refused(412, None);
        scim.with_header("if-match", "*").delete(&path).await.expect(204);
        scim.with_header("if-match", "*").delete(&path).await.refused(404, None);
    }
    scim.with_header("if-match", "7").put("/Users/x", &user("a")).await.refused(400, Some("invalidSyntax"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c125_if_none_match() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let path = format!("/Users/{}", scim.make_user("ada").await);
    let current = scim.get(&path).await.header("etag").to_owned();
    let unchanged = scim.with_header("if-none-match", &current).get(&path).await;
    assert_eq!((unchanged.status, unchanged.text.as_str(), unchanged.header("etag")), (304, "", current.as_str()));
    scim.with_header("if-none-match", "W/\"0\"").get(&path).await.expect(200);
    scim.with_header("if-none-match", "*").put(&path, &user("ada")).await.refused(412, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn c126_a_directory_may_demand_if_match() {
    let app = TestApp::start().await;
    let settings = DirectorySettings { require_if_match: true, ..DirectorySettings::default() };
    let scim = app.tenant_with("acme", DirectoryDraft { settings, ..DirectoryDraft::named("D") }).await.scim;
    let path = format!("/Users/{}", scim.make_user("ada").await);
    scim.put(&path, &user("bob")).await.refused(428, None);
    scim.patch(&path, json!([])).await.refused(428, None);
    scim.delete(&path).await.refused(428, None);
    scim.with_header("if-match", "W/\"1\"").put(&path, &user("bob")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_sc14_of_many_writers_with_one_etag_one_wins() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let path = format!("/Users/{}", scim.make_user("ada").await);
    let conditional = scim.with_header("if-match", "W/\"1\"");
    let writers: Vec<_> = (0..32)
        .map(|index| {
            let (scim, path) = (conditional.clone(), path.clone());
            tokio::spawn(async move {
                scim.patch(&path, json!([{"op": "replace", "path": "title", "value": format!("t{index}")}]))
                    .await
                    .status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for writer in writers {
        statuses.push(writer.await.expect("finished"));
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 31][..]));
}
