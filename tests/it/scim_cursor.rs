//! Lists by cursor (RFC 9865, C65–C67).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollcall::domain::directory::DirectoryDraft;
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{Engine, Scim, TestApp, filtered, user};

fn ids(page: &Value) -> Vec<String> {
    let resources = page["Resources"].as_array().expect("a list");
    resources.iter().map(|resource| resource["id"].as_str().expect("an id").to_owned()).collect()
}

fn next(page: &Value) -> Option<&str> {
    page.get("nextCursor").map(|next| next.as_str().expect("text"))
}

/// All pages of a list that begins with this query, and how long each was.
async fn walk(scim: &Scim, path: &str) -> (Vec<String>, Vec<usize>) {
    let (mut seen, mut lengths) = (Vec::new(), Vec::new());
    let mut cursor = String::new();
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = scim.get(&format!("{path}{joint}cursor={cursor}")).await.expect(200);
        assert!(page.get("startIndex").is_none(), "C65: {page}");
        let found = ids(&page);
        assert_eq!(page["itemsPerPage"], found.len());
        lengths.push(found.len());
        seen.extend(found);
        match next(&page) {
            Some(next) => next.clone_into(&mut cursor),
            None => return (seen, lengths),
        }
    }
}

async fn by_index(scim: &Scim, path: &str) -> Vec<String> {
    let joint = if path.contains('?') { '&' } else { '?' };
    ids(&scim.get(&format!("{path}{joint}count=1000")).await.expect(200))
}

/// People with titles that repeat, or are missing, and names whose order is not that of creation.
async fn people(scim: &Scim, count: usize) -> Vec<String> {
    let mut made = Vec::new();
    for index in 0..count {
        let mut body = user(&format!("u{:03}", (index * 7) % count));
        if index % 3 > 0 {
            body["title"] = json!(format!("T{}", index % 3));
        }
        made.push(scim.make("/Users", &body).await);
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn c65_a_cursor_leads_through_a_list_and_is_absent_exactly_on_the_last_page() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.scim(Dialect::Auto).await;
        let made = people(&scim, 12).await;
        assert_eq!(walk(&scim, "/Users?count=5").await, (made.clone(), vec![5, 5, 2]));
        assert_eq!(walk(&scim, "/Users?count=6").await, (made.clone(), vec![6, 6]), "no empty page at the end");
        assert_eq!(walk(&scim, "/Users?count=12").await.1, [12]);
        assert_eq!(walk(&scim, "/Users").await.1, [12]);
        assert_eq!(walk(&scim, &filtered("/Users", "userName eq \"nobody\"")).await.1, [0]);
        let bare = scim.get("/Users?cursor&count=5").await.expect(200);
        assert_eq!((ids(&bare), &bare["totalResults"]), (made[..5].to_vec(), &json!(12)));
        let none = scim.get("/Users?cursor&count=0").await.expect(200);
        assert_eq!((&none["totalResults"], &none["Resources"], next(&none)), (&json!(12), &json!([]), None));
        let index = scim.get("/Users?count=5").await.expect(200);
        assert_eq!((&index["startIndex"], next(&index)), (&json!(1), None), "the default is the index");
    }
    let config = TestApp::start().await.scim(Dialect::Auto).await.get("/ServiceProviderConfig").await.expect(200);
    assert_eq!(
        config["pagination"],
        json!({"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
               "maxPageSize": 1000, "cursorTimeout": 3600})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c65_pages_by_cursor_are_those_by_index_in_every_order_and_with_every_filter() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.scim(Dialect::Auto).await;
        let made = people(&scim, 17).await;
        let group = scim.make_group("G1", &[&made[3], &made[5]]).await;
        for index in 2..9 {
            scim.make_group(&format!("G{}", 10 - index), &[&made[3]]).await;
        }
        app.clock.advance(Duration::from_secs(1));
        for id in [&made[9], &made[2]] {
            let renamed = json!([{"op": "replace", "path": "nickName", "value": "N"}]);
            scim.patch(&format!("/Users/{id}"), renamed).await.expect(200);
        }
        let orders = [
            "id",
            "userName",
            "title",
            "emails",
            "active",
            "meta.created",
            "meta.lastModified",
            "urn:ietf:params:scim:schemas:core:2.0:User:nickName",
        ];
        let filters =
            ["", "title pr", "active eq true or title eq \"T1\"", "not (title eq \"T1\")", "userName co \"1\""];
        for (sort, direction) in orders.iter().flat_map(|sort| [(sort, "ascending"), (sort, "descending")]) {
            for filter in filters {
                let mut path = format!("/Users?sortBy={sort}&sortOrder={direction}");
                if !filter.is_empty() {
                    path = format!("{}&sortBy={sort}&sortOrder={direction}", filtered("/Users", filter));
                }
                let expected = by_index(&scim, &path).await;
                assert!(expected.len() > 5, "{path}: {}", expected.len());
                assert_eq!(walk(&scim, &format!("{path}&count=3")).await.0, expected, "{path} on {engine:?}");
            }
        }
        for path in [
            "/Groups?sortBy=displayName".to_owned(),
            "/Groups?sortBy=displayName&sortOrder=descending".to_owned(),
            "/Groups?sortBy=meta.lastModified".to_owned(),
            filtered("/Groups", &format!("members eq \"{}\"", made[3])),
            format!("{}&sortBy=displayName", filtered("/Groups", &format!("members eq \"{}\"", made[3]))),
        ] {
            let expected = by_index(&scim, &path).await;
            assert_eq!(expected.len(), 8, "{path}");
            let joint = if path.contains('?') { '&' } else { '?' };
            assert_eq!(walk(&scim, &format!("{path}{joint}count=3")).await.0, expected, "{path} on {engine:?}");
        }
        let one = format!("{}&count=1", filtered("/Groups", &format!("id eq \"{group}\"")));
        assert_eq!(walk(&scim, &one).await, (vec![group], vec![1]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c66_a_cursor_is_opaque_and_good_for_one_list_of_one_client() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let (_, other_directory) = app.directory(tenant.id, DirectoryDraft::named("Other")).await;
    let other_tenant = app.tenant("globex").await.scim;
    let scim = tenant.scim;
    people(&scim, 9).await;
    people(&other_tenant, 9).await;
    let begun = scim.get("/Users?cursor&count=2&sortBy=userName").await.expect(200);
    let cursor = next(&begun).expect("more").to_owned();
    let unreserved = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
    assert!(cursor.chars().all(unreserved), "{cursor}");
    for told in ["u000", "u001", &ids(&begun)[1]] {
        assert!(!cursor.contains(told), "{cursor}");
    }
    let list = format!("/Users?cursor={cursor}&sortBy=userName");
    let second = scim.get(&list).await.expect(200);
    assert_eq!(second["itemsPerPage"], 2, "the count is in the cursor");
    assert_eq!(scim.get(&format!("{list}&count=2")).await.expect(200)["Resources"], second["Resources"]);
    scim.get(&format!("{list}&count=3")).await.refused(400, Some("invalidCount"));

    let mut details = BTreeSet::new();
    let mut refuse = |answer: crate::support::Answer| {
        let refused = answer.refused(400, Some("invalidCursor"));
        details.insert(refused["detail"].as_str().expect("a detail").to_owned());
    };
    for changed in ["sortBy=userName&sortOrder=descending", "sortBy=id", "", "sortBy=userName&filter=title+pr"] {
        refuse(scim.get(&format!("/Users?cursor={cursor}&{changed}")).await);
    }
    refuse(scim.get(&format!("/Groups?cursor={cursor}")).await);
    refuse(other_directory.get(&list).await);
    refuse(other_tenant.get(&list).await);
    let (head, last) = cursor.split_at(cursor.len() - 1);
    let altered = if last == "A" { "B" } else { "A" };
    for forged in ["x", "1", "a.b.c", "....", &format!("{head}{altered}"), head, &format!("{cursor}A"), "%C3%A9"] {
        refuse(scim.get(&format!("/Users?cursor={forged}&sortBy=userName")).await);
    }
    assert_eq!(details.len(), 1, "one message for foreign and unknown: {details:?}");

    app.clock.advance(Duration::from_secs(3_599));
    scim.get(&list).await.expect(200);
    app.clock.advance(Duration::from_secs(1));
    scim.get(&list).await.refused(400, Some("expiredCursor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c66_whoever_lost_access_does_not_read_on() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    people(&tenant.scim, 4).await;
    let page = tenant.scim.get("/Users?cursor&count=2").await.expect(200);
    let rest = format!("/Users?cursor={}", next(&page).expect("more"));
    let operator = rollcall::domain::Caller::operator(Some(tenant.id));
    app.service.revoke_tokens(&operator, tenant.directory, None).await.expect("revoked");
    tenant.scim.get(&rest).await.refused(401, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn c66_under_inserts_and_deletes_each_row_that_stays_is_seen_exactly_once() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.scim(Dialect::Auto).await;
        let mut made = Vec::new();
        for index in 0..90 {
            made.push(scim.make_user(&format!("m{index:03}")).await);
        }
        let (leaving, staying): (Vec<_>, Vec<_>) = made.into_iter().enumerate().partition(|(index, _)| index % 3 == 0);
        let staying: BTreeSet<String> = staying.into_iter().map(|(_, id)| id).collect();
        let done = Arc::new(AtomicBool::new(false));
        let restless = tokio::spawn({
            let (scim, done) = (scim.clone(), done.clone());
            async move {
                let mut leaving = leaving.into_iter();
                let mut index = 0;
                while !done.load(Ordering::Relaxed) && index < 300 {
                    // Before and after all that is there, in either order.
                    scim.make_user(&format!("{}{index:03}", if index % 2 == 0 { "a" } else { "z" })).await;
                    if let Some((_, id)) = leaving.next() {
                        scim.delete(&format!("/Users/{id}")).await.expect(204);
                    }
                    index += 1;
                }
            }
        });
        for path in [
            "/Users?count=4",
            "/Users?count=4&sortBy=userName",
            "/Users?count=4&sortBy=userName&sortOrder=descending",
            "/Users?count=4&sortBy=id&sortOrder=descending",
            "/Users?count=4&sortBy=title",
            "/Users?count=4&filter=not+(title+pr)",
        ] {
            let (seen, _) = walk(&scim, path).await;
            let once: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!(once.len(), seen.len(), "{path}: none twice");
            assert!(
                staying.is_subset(&once),
                "{path} on {engine:?}: {} are missing",
                staying.difference(&once).count()
            );
        }
        done.store(true, Ordering::Relaxed);
        restless.await.expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c67_cursors_work_in_searches_and_not_beside_an_index() {
    let app = TestApp::start_configured(|config| config.scim.max_results = 5).await;
    let scim = app.scim(Dialect::Auto).await;
    let made = people(&scim, 8).await;
    let page = scim.post("/Users/.search", &json!({"cursor": "", "count": 3})).await.expect(200);
    assert_eq!(ids(&page), made[..3]);
    let search = json!({"cursor": next(&page).expect("more"), "count": 3});
    assert_eq!(ids(&scim.post("/Users/.search", &search).await.expect(200)), made[3..6]);
    let rest = format!("/Users?cursor={}", next(&page).expect("more"));
    assert_eq!(ids(&scim.get(&rest).await.expect(200)), made[3..6], "a list goes on where a search stopped");
    let clamped = scim.get("/Users?cursor&count=5000").await.expect(200);
    assert_eq!(clamped["itemsPerPage"], 5);
    let rest = format!("/Users?cursor={}", next(&clamped).expect("more"));
    assert_eq!(ids(&scim.get(&format!("{rest}&count=5000")).await.expect(200)), made[5..], "clamped alike");
    scim.make_group("G", &[]).await;
    assert_eq!(scim.post("/Groups/.search", &json!({"cursor": ""})).await.expect(200)["itemsPerPage"], 1);
    scim.get("/Users?cursor&startIndex=1").await.refused(400, Some("invalidValue"));
    scim.post("/Users/.search", &json!({"cursor": "", "startIndex": 2})).await.refused(400, Some("invalidValue"));
    scim.post("/.search", &json!({"cursor": ""})).await.refused(400, Some("invalidValue"));
}
