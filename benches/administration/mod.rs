//! Lists of administrators, against the same page over SCIM.

use rollcall::domain::UserId;
use serde_json::{Value, json};

use crate::shared::{graphql_client, milliseconds, signed_in};
use crate::{Bench, Report, Tenant, median};

const ROUNDS: usize = 40;
const PAGE: &str = "query($after: String) { users(first: 100, after: $after) { totalCount \
     nodes { id userName displayName givenName familyName email title status } pageInfo { endCursor hasNextPage } } }";
const SEARCH: &str = "query($text: String!) { users(first: 20, filter: {nameSearch: $text}) { filteredCount \
     nodes { id displayName } } }";

/// Pages of 100 with the count of all, and searching names, among all users of an organization.
pub async fn lists(bench: &Bench, report: &mut Report, tenant: &Tenant, users: &[UserId]) {
    let token = signed_in(&bench.address, &tenant.owner.email, &tenant.owner.password).await;
    let (mut directory, mut administrator) = (bench.client(tenant).await, graphql_client(&bench.address, &token).await);
    let (mut pages, mut lists, mut after) = (Vec::new(), Vec::new(), Value::Null);
    for round in 0..ROUNDS {
        let path = format!("/scim/v2/Users?startIndex={}&count=100", round * 100 + 1);
        pages.push(directory.timed("GET", &path, "").await);
        let body = json!({"query": PAGE, "variables": {"after": after}}).to_string();
        lists.push(administrator.timed("POST", "/graphql", &body).await);
        let answer: Value = serde_json::from_slice(&administrator.send("POST", "/graphql", &body).await).expect("JSON");
        let list = &answer["data"]["users"];
        assert_eq!(list["totalCount"], users.len() + 1, "the owner, too: {answer}");
        assert_eq!(list["nodes"].as_array().map(Vec::len), Some(100));
        after = list["pageInfo"]["endCursor"].clone();
    }
    let (page, list) = (milliseconds(median(pages)), milliseconds(median(lists)));
    let ratio = list / page;
    let what = format!("users(first: 100) with totalCount of {}, against SCIM's page", users.len());
    report.line(&what, format!("{list:.1} ms, {page:.1} ms: {ratio:.2}"), "under 10", ratio < 10.0);
    // What few have, what many have, what all have, and what nobody has.
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let text = [format!("number {}", round * 397), "99".repeat(2), "user".to_owned(), "nobody".to_owned()];
        for text in text {
            let body = json!({"query": SEARCH, "variables": {"text": text}}).to_string();
            times.push(administrator.timed("POST", "/graphql", &body).await);
        }
    }
    let slowest = milliseconds(times.iter().copied().max().unwrap_or_default());
    let middle = milliseconds(median(times));
    let what = format!("users(filter: {{nameSearch}}) among {}: p50", users.len());
    report.line(&what, format!("{middle:.1} ms (slowest {slowest:.1} ms)"), "under 50 ms", middle < 50.0);
}
