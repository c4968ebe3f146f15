//! C46–C56 through the store: what it answers equals what the scim crate evaluates, for random filters on random
//! resources, on both engines.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rollcall::domain::Caller;
use scim::filter::{Filter, Literal, Operator, parse, resolve};
use scim::message::Place;
use scim::path::AttributePath;
use scim::{Dialect, ListRequest, Reading, Resource, ResourceType};
use serde_json::{Map, Value, json};

use crate::support::{Engine, Scim, TestApp, filtered};

const WORDS: [&str; 8] = ["ada", "Ada", "bob", "Åsa", "a\"b\\", "%", "ｂｏｂ", "x y"];

fn word() -> impl Strategy<Value = String> {
    proptest::sample::select(WORDS.to_vec()).prop_map(str::to_owned)
}

fn person() -> impl Strategy<Value = Value> {
    let optional = || proptest::option::weighted(0.6, word());
    let email = (word(), proptest::option::of(proptest::sample::select(vec!["work", "home"])), any::<bool>());
    let emails = proptest::collection::vec(email, 0..3);
    (optional(), optional(), optional(), any::<bool>(), emails, optional(), optional()).prop_map(
        |(title, given, external, active, emails, department, manager)| {
            let emails: Vec<Value> = emails
                .into_iter()
                .map(|(value, kind, primary)| json!({"value": format!("{value}@x"), "type": kind, "primary": primary}))
                .collect();
            json!({"title": title, "name": {"givenName": given}, "externalId": external, "active": active,
                   "emails": emails, scim::schema::ENTERPRISE_USER: {"department": department, "manager": manager}})
        },
    )
}

fn path(text: &str) -> AttributePath {
    AttributePath::parse(text).expect("a path")
}

fn comparison() -> impl Strategy<Value = Filter> {
    let attributes = vec![
        "userName",
        "externalId",
        "title",
        "name.givenName",
        "emails",
        "emails.value",
        "emails.type",
        "id",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "manager",
        "meta.resourceType",
        "schemas",
        "nickName",
    ];
    let text = (proptest::sample::select(attributes), proptest::sample::select(Operator::ALL.to_vec()), word())
        .prop_map(|(name, operator, word)| {
            let word = if name.starts_with("emails") && word.len() > 1 { format!("{word}@x") } else { word };
            Filter::Compare(path(name), operator, Literal::Text(word))
        });
    let equality = proptest::sample::select(vec![Operator::Eq, Operator::Ne]);
    let boolean = (equality, any::<bool>())
        .prop_map(|(operator, value)| Filter::Compare(path("active"), operator, Literal::Boolean(value)));
    let null = proptest::sample::select(vec!["title", "externalId", "emails", "manager"])
        .prop_map(|name| Filter::Compare(path(name), Operator::Eq, Literal::Null));
    let present = proptest::sample::select(vec![
        "title",
        "externalId",
        "emails",
        "userName",
        "active",
        "name",
        "id",
        "meta.created",
    ])
    .prop_map(|name| Filter::Present(path(name)));
    let times = proptest::sample::select(vec![
        Operator::Gt,
        Operator::Ge,
        Operator::Lt,
        Operator::Le,
        Operator::Eq,
        Operator::Ne,
    ]);
    let seconds = (proptest::sample::select(vec!["meta.created", "meta.lastModified"]), times, 0..60_u32).prop_map(
        |(name, operator, second)| {
            Filter::Compare(path(name), operator, Literal::Text(format!("2026-01-01T01:00:{second:02}+01:00")))
        },
    );
    prop_oneof![6 => text, 1 => boolean, 1 => null, 2 => present, 1 => seconds]
}

fn element() -> impl Strategy<Value = Filter> {
    let kind = proptest::sample::select(vec!["work", "WORK", "home"])
        .prop_map(|kind| Filter::Compare(path("type"), Operator::Eq, Literal::Text(kind.to_owned())));
    let value = (proptest::sample::select(Operator::ALL.to_vec()), word())
        .prop_map(|(operator, word)| Filter::Compare(path("value"), operator, Literal::Text(format!("{word}@x"))));
    (kind, value, any::<bool>()).prop_map(|(kind, value, both)| {
        let inner = if both { Filter::And(vec![kind, value]) } else { Filter::Or(vec![kind, value]) };
        Filter::Element(path("emails"), Box::new(inner))
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![4 => comparison(), 1 => element()].prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

/// The ids that the scim crate finds among the resources as they are answered.
fn expected(filter: &Filter, people: &[Map<String, Value>]) -> Option<Vec<String>> {
    let resolved = resolve(filter, ResourceType::user(), &mut Reading::new(Dialect::Auto)).ok()?;
    let matching = people.iter().filter(|person| resolved.matches(person));
    Some(matching.map(|person| person["id"].as_str().expect("an id").to_owned()).collect())
}

/// An organization, and what its users are answered as.
struct World {
    app: TestApp,
    caller: Caller,
    scim: Scim,
    everyone: Vec<Map<String, Value>>,
}

/// Pages of a list by cursor are as long as this part of everyone.
const PAGES: usize = 3;

impl World {
    async fn of(engine: Engine, people: usize, runner: &mut TestRunner) -> Self {
        let app = TestApp::start_changed(engine, |config| config.scim.max_results = 10_000).await;
        let tenant = app.tenant("acme").await;
        let caller = Caller::operator(Some(tenant.id));
        let mut external = std::collections::HashSet::new();
        for index in 0..people {
            let mut body = person().new_tree(runner).expect("a person").current();
            let word = WORDS[index % WORDS.len()];
            body["userName"] = json!(format!("{word}{index}"));
            body["schemas"] = json!([scim::schema::USER]);
            if !external.insert(body["externalId"].to_string()) {
                body["externalId"] = json!(null);
            }
            let body = body.as_object().expect("an object");
            let attributes = Resource::read(ResourceType::user(), body, &mut Reading::default()).expect("valid");
            app.service.create_user(&caller, attributes).await.expect("created");
            app.clock.advance(std::time::Duration::from_millis(777));
        }
        let everyone = tenant.scim.get("/Users?count=10000").await.expect(200);
        let everyone: Vec<Map<String, Value>> = everyone["Resources"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|user| user.as_object().expect("object").clone())
            .collect();
        assert_eq!(everyone.len(), people);
        Self { app, caller, scim: tenant.scim, everyone }
    }

    /// The ids that a list by index finds; none if the filter is refused.
    async fn listed(&self, filter: &str) -> Option<(u64, Vec<String>)> {
        let request =
            ListRequest { filter: Some(filter.to_owned()), count: Some("10000".to_owned()), ..ListRequest::default() };
        let listed = self.app.service.list_users(&self.caller, &request, &mut Reading::default()).await.ok()?;
        Some((listed.total, listed.views.iter().map(|view| view.user.id.to_string()).collect()))
    }

    /// The same by cursor, page by page.
    async fn by_cursor(&self, filter: &str) -> (u64, Vec<String>) {
        let (mut cursor, mut ids) = (String::new(), Vec::new());
        loop {
            let request = ListRequest {
                filter: Some(filter.to_owned()),
                count: Some((self.everyone.len() / PAGES).to_string()),
                cursor: Some(cursor),
                ..ListRequest::default()
            };
            let page =
                self.app.service.list_users(&self.caller, &request, &mut Reading::default()).await.expect("a page");
            ids.extend(page.views.iter().map(|view| view.user.id.to_string()));
            match page.place {
                Place::Cursor(Some(next)) => cursor = next,
                _ => return (page.total, ids),
            }
        }
    }

    /// The same by `.search`, over the socket.
    async fn searched(&self, filter: &str) -> (u64, Vec<String>) {
        let body = json!({"schemas": [scim::message::SEARCH_REQUEST], "filter": filter, "count": 10_000, "attributes": ["id"]});
        // A connection of its own: one that was idle may just be closing.
        let http = crate::support::http().pool_max_idle_per_host(0).build().expect("a client");
        let request = http.post(format!("{}/Users/.search", self.scim.base)).json(&body);
        let request = request.bearer_auth(self.scim.token.as_deref().expect("a token"));
        let found = request.send().await.expect("an answer");
        assert_eq!(found.status(), 200, "{filter}");
        let found: Value = found.json().await.expect("JSON");
        let ids = found["Resources"].as_array().expect("a list").iter();
        let ids = ids.map(|user| user["id"].as_str().expect("an id").to_owned()).collect();
        (found["totalResults"].as_u64().expect("a number"), ids)
    }

    /// Whether the filter can be evaluated; if so, every way of listing finds what the crate evaluates.
    async fn compare(&self, round: usize, filter: &Filter) -> bool {
        let text = filter.to_string();
        assert_eq!(&parse(&text).expect("printed"), filter);
        let listed = self.listed(&text).await;
        let Some(expected) = expected(filter, &self.everyone) else {
            assert_eq!(listed, None, "round {round}: {text}: the crate refuses it");
            return false;
        };
        let expected = (expected.len() as u64, expected);
        assert_eq!(listed.as_ref(), Some(&expected), "round {round}: {text}");
        assert_eq!(self.by_cursor(&text).await, expected, "round {round}, by cursor: {text}");
        assert_eq!(self.searched(&text).await, expected, "round {round}, by .search: {text}");
        true
    }
}

async fn differs(engine: Engine, people: usize, filters: usize) {
    const WORKERS: usize = 4;
    let seed = [7; 32];
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let world = Arc::new(World::of(engine, people, &mut runner).await);
    let rounds: Vec<Filter> =
        (0..filters).map(|_| filter().new_tree(&mut runner).expect("a filter").current()).collect();
    let rounds = Arc::new(rounds);
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        let (world, rounds) = (world.clone(), rounds.clone());
        workers.spawn(async move {
            let mut compared = 0;
            for (round, filter) in rounds.iter().enumerate().skip(worker).step_by(WORKERS) {
                compared += usize::from(world.compare(round, filter).await);
            }
            compared
        });
    }
    let compared: usize = workers.join_all().await.into_iter().sum();
    assert!(compared * 2 > filters, "most filters can be evaluated: {compared} of {filters}");
}

#[tokio::test(flavor = "multi_thread")]
async fn z03_the_store_answers_what_the_crate_evaluates_in_memory() {
    differs(Engine::Memory, 120, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z03_the_store_answers_what_the_crate_evaluates_on_disk() {
    differs(Engine::Disk, 60, 300).await;
}

/// `cargo test --test it z03 -- --ignored`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the long form of z03, about half an hour"]
async fn z03_the_store_answers_what_the_crate_evaluates_at_length() {
    differs(Engine::Memory, 2_000, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c54_c55_filters_that_cannot_be_evaluated_are_refused_and_never_widened() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    scim.make_user("ada").await;
    for filter in [
        "userName eq",
        "userName is \"x\"",
        "(userName pr",
        "active gt true",
        "name eq \"x\"",
        "meta.version eq \"W/1\"",
        "meta.location co \"x\"",
        "userName eq \"\\u0000\"",
        "manager.displayName eq \"x\"",
        &"(".repeat(100),
        &vec!["userName pr"; 101].join(" or "),
        &format!("userName eq \"{}\"", "x".repeat(9_000)),
    ] {
        scim.get(&filtered("/Users", filter)).await.refused(400, Some("invalidFilter"));
    }
    scim.get(&filtered("/Groups", "members.display co \"x\"")).await.refused(400, Some("invalidFilter"));
    scim.get(&filtered("/Groups", "members pr")).await.refused(400, Some("invalidFilter"));
    for operator in ["gt", "ge", "lt", "le"] {
        let binary = format!("x509Certificates.value {operator} \"QQ==\"");
        scim.get(&filtered("/Users", &binary)).await.refused(400, Some("invalidFilter"));
    }
    let search = json!({"schemas": [scim::message::SEARCH_REQUEST], "filter": "active eq \"True\""});
    scim.post("/.search", &search).await.expect(200);
    let strict = TestApp::start().await.scim(Dialect::Rfc).await;
    strict.post("/.search", &search).await.refused(400, Some("invalidFilter"));
    let one_type_has_it =
        json!({"schemas": [scim::message::SEARCH_REQUEST], "filter": "userName eq \"x\" or displayName pr"});
    strict.post("/.search", &one_type_has_it).await.expect(200);
    scim.get(&filtered("/Users", "password sw \"a\"")).await.refused(403, Some("sensitive"));
    assert_eq!(scim.count("/Users", "shoeSize eq \"9\"").await, 0, "C54: nobody has it");
    for filter in ["userName eq \"ad\"", "userName eq \"%\"", "userName eq \"*\"", "userName eq \"a.a\""] {
        assert_eq!(scim.count("/Users", filter).await, 0, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c56_ij01_values_are_data() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let names = [
        "\"; REMOVE TABLE user; --",
        "$auth",
        "⟨⟩",
        "`user`",
        "type::record('user', 1)",
        "fn::x()",
        "<future>{1}",
        "/* */",
        "-- x",
        "a'b",
        "a\\b",
        "%",
        "100+1",
        "{{x}}",
        "u'01900000-0000-7000-8000-000000000000'",
    ];
    for name in names {
        scim.make_user(name).await;
    }
    for name in names {
        for operator in ["eq", "sw", "ew", "co"] {
            let filter = format!("userName {operator} {}", json!(name));
            assert!(scim.count("/Users", &filter).await >= 1, "{filter}");
        }
        let absent = format!("title eq {} or nickName co {}", json!(name), json!(name));
        assert_eq!(scim.count("/Users", &absent).await, 0);
    }
    assert_eq!(scim.count("/Users", "id pr").await, names.len() as u64);
    let plus = scim.get("/Users?filter=userName+eq+%22100%2B1%22").await.expect(200);
    assert_eq!(plus["totalResults"], 1);
}
