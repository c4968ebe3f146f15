//! Properties of the parsers and of PATCH, on generated input. The fuzz targets in `fuzz/` ask the same questions.

use proptest::collection::vec;
use proptest::prelude::*;
use scim::filter::{Filter, Literal, Operator, parse};
use scim::patch::{apply, read};
use scim::path::{AttributePath, PatchPath};
use scim::{Dialect, Projection, Reading, Resource, ResourceType};
use serde_json::{Map, Value, json};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("userName".to_owned()),
        Just("emails".to_owned()),
        Just("active".to_owned()),
        Just("not".to_owned()),
        Just("and".to_owned()),
        Just("pr".to_owned()),
        "[a-zA-Z][a-zA-Z0-9_-]{0,8}",
        "\\$[a-z]{1,4}",
    ]
}

fn path() -> impl Strategy<Value = AttributePath> {
    let urn = proptest::option::weighted(0.2, "urn:[a-z]{1,5}(:[a-zA-Z0-9.]{1,6}){1,3}");
    (urn, name(), proptest::option::weighted(0.3, name())).prop_map(|(urn, name, sub)| AttributePath { urn, name, sub })
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        "[^\0]{0,12}".prop_map(Literal::Text),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i64>().prop_map(|number| Literal::Number(number.into())),
        (-1e30..1e30f64).prop_map(|number| Literal::Number(serde_json::Number::from_f64(number).expect("finite"))),
        Just(Literal::Null),
    ]
}

fn leaf() -> impl Strategy<Value = Filter> {
    prop_oneof![
        path().prop_map(Filter::Present),
        (path(), proptest::sample::select(Operator::ALL.to_vec()), literal())
            .prop_map(|(path, operator, literal)| Filter::Compare(path, operator, literal)),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    leaf().prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Filter::And),
            vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.clone().prop_map(|inner| Filter::Not(Box::new(inner))),
            (path(), inner).prop_map(|(path, inner)| Filter::Element(path, Box::new(inner))),
        ]
    })
}

/// Text that looks like filters and paths often enough to get past the first token.
fn filterish() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(".".to_owned()),
        Just("not".to_owned()),
        Just(" and ".to_owned()),
        Just(" or ".to_owned()),
        Just(" eq ".to_owned()),
        Just(" pr".to_owned()),
        Just("\"x\"".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("true".to_owned()),
        Just("1e".to_owned()),
        Just("userName".to_owned()),
        Just("urn:a:2.0:U:x".to_owned()),
        "\\PC{0,3}",
    ];
    vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!("True")),
        Just(json!("")),
        Just(json!("{\"value\":\"x\"}")),
        "[^\0]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            Just("value".to_owned()),
            Just("type".to_owned()),
            Just("primary".to_owned()),
            Just("$ref".to_owned()),
            Just("name.givenName".to_owned()),
            Just("emails".to_owned()),
            Just("members".to_owned()),
            Just("userName".to_owned()),
            Just("id".to_owned()),
            Just(scim::schema::ENTERPRISE_USER.to_owned()),
            "[a-z]{1,5}",
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((key, inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn operations() -> impl Strategy<Value = Value> {
    let op = proptest::sample::select(vec!["add", "Replace", "remove", "copy"]);
    let path = prop_oneof![
        filterish(),
        Just("members".to_owned()),
        Just("emails[type eq \"work\"].value".to_owned()),
        Just("active".to_owned()),
        Just("userName".to_owned()),
        Just("members[value eq \"U1\"]".to_owned()),
        Just("name".to_owned()),
    ];
    let operation =
        (op, proptest::option::of(path), proptest::option::of(json_value())).prop_map(|(op, path, value)| {
            let mut operation = json!({ "op": op });
            if let Some(path) = path {
                operation["path"] = json!(path);
            }
            if let Some(value) = value {
                operation["value"] = value;
            }
            operation
        });
    vec(operation, 0..5).prop_map(|operations| json!({"Operations": operations}))
}

fn dialect() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(vec![Dialect::Auto, Dialect::Rfc])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_printed_filter_parses_to_itself(filter in filter()) {
        let text = filter.to_string();
        match parse(&text) {
            Ok(parsed) => prop_assert_eq!(parsed, filter),
            // Only size can be the reason: what is generated may be larger than what is accepted.
            Err(error) => prop_assert!(error.to_string().contains("than"), "{}: {}", text, error),
        }
    }

    #[test]
    fn z01_no_text_makes_the_filter_parser_panic_and_what_it_accepts_it_can_print(text in filterish()) {
        if let Ok(filter) = parse(&text) {
            prop_assert_eq!(parse(&filter.to_string()).expect("printed"), filter);
        }
        let _ = PatchPath::parse(&text);
        let _ = AttributePath::parse(&text);
        let _ = scim::version::Tags::parse(&text);
        let _ = Projection::read(ResourceType::user(), Some(&text), None);
    }

    #[test]
    fn z01_no_bytes_make_the_json_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = scim::json::parse(&bytes);
    }

    #[test]
    fn z01_whatever_is_read_as_a_user_reads_the_same_again(value in json_value(), dialect in dialect()) {
        let mut body = value.as_object().cloned().unwrap_or_default();
        body.insert("userName".to_owned(), json!("a"));
        body.insert("schemas".to_owned(), json!([scim::schema::USER]));
        let kind = ResourceType::user();
        if let Ok(resource) = Resource::read(kind, &body, &mut Reading::new(dialect)) {
            let mut again = resource.attributes().clone();
            again.insert("schemas".to_owned(), json!(resource.schemas(kind)));
            let read_again = Resource::read(kind, &again, &mut Reading::new(Dialect::Rfc));
            prop_assert_eq!(read_again.map(Resource::into_attributes), Ok(resource.into_attributes()));
        }
    }

    #[test]
    fn z01_no_patch_panics_and_its_result_is_a_resource(body in operations(), dialect in dialect(), group in any::<bool>()) {
        let kind = if group { ResourceType::group() } else { ResourceType::user() };
        let before = if group { json!({"displayName": "G"}) } else {
            json!({"userName": "a", "active": true, "emails": [{"value": "a@x", "type": "work", "primary": true}]})
        };
        let before = Resource::from_stored(before.as_object().expect("an object").clone());
        let mut reading = Reading::new(dialect);
        let Ok(operations) = read(body.as_object().expect("an object"), &mut reading) else { return Ok(()) };
        let Ok(patched) = apply(kind, "id", &before, &operations, &mut reading) else { return Ok(()) };
        let mut after = patched.resource.attributes().clone();
        after.insert("schemas".to_owned(), json!(patched.resource.schemas(kind)));
        let read_again = Resource::read(kind, &after, &mut Reading::new(Dialect::Rfc));
        prop_assert_eq!(read_again.map(Resource::into_attributes), Ok(patched.resource.into_attributes()));
    }

    /// The members of a group against the simplest model: a set, changed one operation after the other (C106).
    #[test]
    fn c106_member_changes_equal_a_set_changed_in_order(
        before in proptest::collection::btree_set(0..8u8, 0..6),
        steps in vec((0..4u8, vec(0..8u8, 0..4)), 0..8),
    ) {
        let id = |member: &u8| format!("U{member}");
        let mut model = before.clone();
        let mut operations = Vec::new();
        for (step, members) in &steps {
            let value: Vec<Value> = members.iter().map(|member| json!({"value": id(member)})).collect();
            match step {
                0 => {
                    model.extend(members);
                    operations.push(json!({"op": "Add", "path": "members", "value": value}));
                }
                1 => {
                    model.retain(|member| !members.contains(member));
                    operations.push(json!({"op": "Remove", "path": "members", "value": value}));
                }
                2 => {
                    model = members.iter().copied().collect();
                    operations.push(json!({"op": "replace", "value": {"members": value}}));
                }
                _ => {
                    let Some(first) = members.first() else { continue };
                    model.remove(first);
                    let path = format!("members[value eq \"{}\"]", id(first));
                    operations.push(json!({"op": "remove", "path": path}));
                }
            }
        }
        let mut reading = Reading::default();
        let body = json!({ "Operations": operations });
        let operations = read(body.as_object().expect("an object"), &mut reading).expect("valid");
        let group = Resource::from_stored(Map::from_iter([("displayName".to_owned(), json!("G"))]));
        let edges = apply(ResourceType::group(), "id", &group, &operations, &mut reading).expect("valid").edges;

        let mut after: std::collections::BTreeSet<String> =
            if edges.cleared() { std::collections::BTreeSet::default() } else { before.iter().map(id).collect() };
        after.extend(edges.added().map(str::to_owned));
        for removed in edges.removed() {
            after.remove(removed);
        }
        prop_assert_eq!(after, model.iter().map(id).collect());
    }

    /// Singular attributes against a map: the last write wins, a removal unassigns (RFC 7644 §3.5.2).
    #[test]
    fn patch_of_singular_attributes_equals_a_map(
        steps in vec((0..3u8, proptest::sample::select(vec!["title", "nickName", "locale"]), "[a-z]{1,3}"), 0..10),
    ) {
        let mut model = Map::from_iter([("userName".to_owned(), json!("a"))]);
        let before = Resource::from_stored(model.clone());
        let mut operations = Vec::new();
        for (step, attribute, value) in steps {
            match step {
                0 => operations.push(json!({"op": "add", "path": attribute, "value": value})),
                1 => operations.push(json!({"op": "replace", "value": {attribute: value}})),
                _ => operations.push(json!({"op": "remove", "path": attribute})),
            }
            if step == 2 { model.remove(attribute); } else { model.insert(attribute.to_owned(), json!(value)); }
        }
        let mut reading = Reading::default();
        let body = json!({ "Operations": operations });
        let operations = read(body.as_object().expect("an object"), &mut reading).expect("valid");
        let patched = apply(ResourceType::user(), "id", &before, &operations, &mut reading).expect("valid");
        prop_assert_eq!(patched.resource.into_attributes(), model);
    }

    /// Groups that name each other in any way: each is made once, what it names is made before it or linked after it, and
    /// nothing refers to a name any more.
    #[test]
    fn a_bulk_of_any_references_is_planned_whole(references in vec(vec(0..12usize, 0..4), 1..12)) {
        let count = references.len();
        let operations: Vec<Value> = references
            .iter()
            .enumerate()
            .map(|(index, named)| {
                let members: Vec<Value> =
                    named.iter().filter(|name| **name < count).map(|name| json!({"value": format!("bulkId:{name}")})).collect();
                json!({"method": "POST", "path": "/Groups", "bulkId": index.to_string(),
                       "data": {"displayName": index.to_string(), "members": members}})
            })
            .collect();
        let body = json!({"schemas": [scim::bulk::REQUEST], "Operations": operations});
        let bulk = scim::bulk::read(body.as_object().expect("an object"), 100, &mut Reading::default()).expect("read");
        let mut ids = scim::bulk::Ids::new();
        let mut links = std::collections::HashMap::new();
        let mut members: Vec<Vec<String>> = vec![Vec::new(); count];
        for step in scim::bulk::plan(&bulk.operations) {
            match step {
                scim::bulk::Step::Run { operation, later } => {
                    prop_assert!(!ids.contains_key(&operation.to_string()), "once");
                    let sound = bulk.operations[operation].read.as_ref().expect("sound");
                    let (made, link) = sound.resolved(&ids, &later).expect("what is named is made");
                    members[operation] = named_in(&made.data["members"]);
                    ids.insert(operation.to_string(), format!("id-{operation}"));
                    links.extend(link.map(|link| (operation, link)));
                }
                scim::bulk::Step::Link(operation) => {
                    let link = scim::bulk::linked(&links.remove(&operation).expect("a link"), &ids).expect("linked");
                    members[operation].extend(named_in(&link["Operations"][0]["value"]));
                }
            }
        }
        prop_assert!(links.is_empty(), "every link is put in");
        for (operation, named) in references.iter().enumerate() {
            let mut wanted: Vec<String> = named.iter().filter(|name| **name < count).map(|name| format!("id-{name}")).collect();
            wanted.sort();
            members[operation].sort();
            prop_assert_eq!(&members[operation], &wanted);
        }
    }
}

fn named_in(members: &Value) -> Vec<String> {
    members.as_array().into_iter().flatten().filter_map(|one| one["value"].as_str()).map(str::to_owned).collect()
}
