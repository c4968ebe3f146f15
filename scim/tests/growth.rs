//! A13, S-1: the cost of a change grows with the values it names, for every verb and every shape of attribute; and what grows
//! with the product of operations and values has a limit.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use scim::extension::{Extension, ResourceTypes};
use scim::patch::{EdgeChanges, MAX_COMPARISONS, Member, Patched, apply, read};
use scim::resource::MAX_VALUES;
use scim::schema::{GROUP, USER};
use scim::{Dialect, Error, Reading, Resource, ResourceType};
use serde_json::{Map, Value, json};

const HR: &str = "urn:acme:scim:hr:1.0:User";

/// Requests with this many values, and with this many times as many.
const FEW: usize = 125;
const TIMES: usize = 8;
/// How much longer one request with many values may take than as many values in several requests. Linear costs are the same,
/// quadratic ones are [`TIMES`] as high: the limit lies well between the two.
const LIMIT: u32 = 4;

/// One at a time: tests that run beside each other would measure each other.
static CLOCK: Mutex<()> = Mutex::new(());

fn user_type() -> ResourceType {
    let devices = json!({"name": "devices", "type": "string", "multiValued": true, "description": "d", "required": false,
        "mutability": "readWrite", "returned": "default"});
    let schema = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": HR, "name": "Hr",
        "description": "d", "attributes": [devices]});
    let extension: Extension =
        serde_json::from_value(json!({"resourceType": "User", "schema": schema})).expect("an extension");
    ResourceTypes::with(vec![extension]).user.clone()
}

/// The shapes of multi-valued attributes: with a value, without one, plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Valued,
    Parts,
    Plain,
}

impl Shape {
    const ALL: [Self; 3] = [Self::Valued, Self::Parts, Self::Plain];

    fn path(self) -> String {
        match self {
            Self::Valued => "phoneNumbers".to_owned(),
            Self::Parts => "addresses".to_owned(),
            Self::Plain => format!("{HR}:devices"),
        }
    }

    fn item(self, index: usize) -> Value {
        match self {
            Self::Valued => json!({"value": format!("P{index}"), "type": "work", "primary": true}),
            Self::Parts => json!({"locality": format!("L{index}"), "type": "work"}),
            Self::Plain => json!(format!("D{index}")),
        }
    }

    fn items(self, count: usize) -> Vec<Value> {
        (0..count).map(|index| self.item(index)).collect()
    }

    fn user(self, count: usize) -> Map<String, Value> {
        let mut items = self.items(count);
        items.iter_mut().skip(1).filter_map(Value::as_object_mut).for_each(|item| drop(item.remove("primary")));
        let user = match self {
            Self::Valued => json!({"userName": "a", "phoneNumbers": items}),
            Self::Parts => json!({"userName": "a", "addresses": items}),
            Self::Plain => json!({"userName": "a", HR: {"devices": items}}),
        };
        user.as_object().expect("an object").clone()
    }
}

fn patched(kind: &ResourceType, before: &Map<String, Value>, operations: &Value) -> Result<Patched, Error> {
    let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": operations});
    let mut reading = Reading::new(Dialect::Auto);
    let operations = read(body.as_object().expect("an object"), &mut reading)?;
    apply(kind, "id", &Resource::from_stored(before.clone()), &operations, &mut reading)
}

type Operations = Box<dyn Fn(usize) -> Value>;
type Request = (String, Box<dyn Fn(usize) -> (Map<String, Value>, Value)>);

/// Every verb on every shape: one operation with many values, and many operations with one.
fn requests() -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for shape in Shape::ALL {
        let path = shape.path();
        for (verb, is_stored) in [("add", false), ("add", true), ("replace", true), ("remove", true)] {
            let count_stored = move |count: usize| if is_stored { count } else { 0 };
            let named = |how: &str| format!("{verb} {path} {how}, stored: {is_stored}");
            let one = path.clone();
            requests.push((
                named("in one operation"),
                Box::new(move |count| {
                    let operation = json!({"op": verb, "path": one, "value": shape.items(count)});
                    (shape.user(count_stored(count)), json!([operation]))
                }),
            ));
            if shape == Shape::Parts && verb == "remove" {
                // Each looks at all: counted, and limited below.
                continue;
            }
            let one = path.clone();
            requests.push((
                named("one by one"),
                Box::new(move |count| {
                    let operations = shape.items(count).into_iter();
                    let operations = operations.map(|item| json!({"op": verb, "path": one, "value": [item]}));
                    // Each replace makes the list short: what counts is that none of them reads the whole again.
                    (shape.user(count_stored(count)), operations.collect())
                }),
            ));
        }
        let filtered = |verb: &'static str, sub: &'static str, value: Option<Value>| -> Request {
            let name = format!("{verb} {path}[value eq …]{sub}");
            let path = path.clone();
            let operations = move |count: usize| {
                let operations = shape.items(count).into_iter().map(|item| {
                    let id = item.get("value").unwrap_or(&item).clone();
                    let mut operation = json!({"op": verb, "path": format!("{path}[value eq {id}]{sub}")});
                    if let Some(value) = &value {
                        operation["value"] = value.clone();
                    }
                    operation
                });
                (shape.user(count), operations.collect::<Value>())
            };
            (name, Box::new(operations))
        };
        match shape {
            Shape::Valued => requests.extend([
                filtered("remove", "", None),
                filtered("remove", ".type", None),
                filtered("add", ".display", Some(json!("x"))),
                filtered("replace", ".primary", Some(json!(true))),
            ]),
            Shape::Plain => requests.push(filtered("remove", "", None)),
            Shape::Parts => {}
        }
    }
    requests
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Times many values in one request against the same number in several: both take as long, so that a busy machine slows both
/// alike. The fastest of several rounds counts, and one that is linear ends them.
fn assert_linear(name: &str, many: usize, mut work: impl FnMut(usize)) {
    let (mut several, mut one) = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        several = several.min(timed(|| (0..TIMES).for_each(|_| work(many / TIMES))));
        one = one.min(timed(|| work(many)));
        if one <= several * LIMIT {
            return;
        }
    }
    panic!("{name}: {many} values took {several:?} in {TIMES} requests and {one:?} in one");
}

#[test]
fn a_patch_looks_at_each_value_a_few_times_whatever_its_shape() {
    let kind = user_type();
    for (name, request) in requests() {
        let comparisons = |count: usize| {
            let (before, operations) = request(count);
            patched(&kind, &before, &operations).unwrap_or_else(|error| panic!("{name}: {error}")).comparisons
        };
        let (few, many) = (comparisons(FEW), comparisons(FEW * 2));
        assert!(many * 2 <= few * 5, "{name}: {few} and {many}");
        assert!(many <= 5 * 2 * FEW as u64, "{name}: {many}");
    }
}

#[test]
fn the_time_of_a_patch_grows_with_the_values_it_names() {
    let _alone = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let kind = user_type();
    for (name, request) in requests() {
        let prepared = [FEW, FEW * TIMES].map(|count| (count, request(count)));
        assert_linear(&name, FEW * TIMES, |count| {
            let (_, (before, operations)) = prepared.iter().find(|(known, _)| *known == count).expect("prepared");
            black_box(patched(&kind, before, operations).expect("applied"));
        });
    }
}

#[test]
fn the_time_of_a_post_and_a_put_grows_with_their_values() {
    let _alone = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let kind = user_type();
    for shape in Shape::ALL {
        let bodies = [FEW, FEW * TIMES].map(|count| {
            let mut body = shape.user(count);
            body.insert("schemas".to_owned(), json!([USER, HR]));
            (count, body)
        });
        assert_linear(&format!("{shape:?}"), FEW * TIMES, |count| {
            let (_, body) = bodies.iter().find(|(known, _)| *known == count).expect("prepared");
            black_box(Resource::read(&kind, body, &mut Reading::default()).expect("read"));
            black_box(Resource::read_replacement(&kind, body, &mut Reading::default()).expect("read"));
        });
    }
}

#[test]
fn the_time_of_a_change_of_members_grows_with_those_it_names() {
    let _alone = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let many = 8_000;
    let ids = |count: usize| -> Vec<Value> { (0..count).map(|index| json!({"value": format!("U{index}")})).collect() };
    let at_once = |op: &'static str| move |count: usize| json!([{"op": op, "path": "members", "value": ids(count)}]);
    let one_by_one = |op: &'static str| {
        move |count: usize| -> Value {
            ids(count).into_iter().map(|id| json!({"op": op, "path": "members", "value": [id]})).collect()
        }
    };
    let by_path = |more: &'static str| {
        move |count: usize| -> Value {
            let path = |index: usize| format!("members[value eq \"U{index}\"{more}]");
            (0..count).map(|index| json!({"op": "remove", "path": path(index)})).collect()
        }
    };
    let requests: Vec<(&str, Operations)> = vec![
        ("add", Box::new(at_once("add"))),
        ("remove", Box::new(at_once("remove"))),
        ("replace", Box::new(at_once("replace"))),
        ("add one by one", Box::new(one_by_one("add"))),
        ("remove one by one", Box::new(one_by_one("remove"))),
        ("replace one by one", Box::new(one_by_one("replace"))),
        ("remove by path", Box::new(by_path(""))),
        ("remove by path and type", Box::new(by_path(" and type eq \"User\""))),
    ];
    let group = json!({"displayName": "G"}).as_object().expect("an object").clone();
    for (name, request) in requests {
        let prepared = [many / TIMES, many].map(|count| {
            let member = |index| Member { id: format!("U{index}"), kind: "User", display: None, is_in: true };
            (count, request(count), (0..count).map(member).collect::<Vec<Member>>())
        });
        assert_linear(name, many, |count| {
            let (_, operations, members) = prepared.iter().find(|(known, ..)| *known == count).expect("prepared");
            let changes = patched(ResourceType::group(), &group, operations).expect("applied").edges;
            black_box(changes.settled(members).expect("settled"));
        });
    }
    assert_linear("a PUT", many, |count| {
        let body = json!({"schemas": [GROUP], "displayName": "G", "members": ids(count)});
        let body = body.as_object().expect("an object");
        black_box(Resource::read_replacement(ResourceType::group(), body, &mut Reading::default()).expect("read"));
    });
}

#[test]
fn the_time_of_a_bulk_request_grows_with_its_operations() {
    let _alone = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let prepared = [2_000 / TIMES, 2_000].map(|count| {
        let members: Vec<Value> = (0..count).map(|index| json!({"value": format!("bulkId:u{index}")})).collect();
        let mut operations: Vec<Value> = (0..count)
            .map(|index| {
                json!({"method": "POST", "path": "/Users", "bulkId": format!("u{index}"), "data": {"userName": "a"}})
            })
            .collect();
        let group = json!({"displayName": "G", "members": members});
        operations.push(json!({"method": "POST", "path": "/Groups", "bulkId": "g", "data": group}));
        (count, json!({"schemas": [scim::bulk::REQUEST], "Operations": operations}))
    });
    assert_linear("bulk", 2_000, |count| {
        let (_, body) = prepared.iter().find(|(known, _)| *known == count).expect("prepared");
        let body = body.as_object().expect("an object");
        let bulk = scim::bulk::read(body, 10_000, &mut Reading::default()).expect("read");
        let ids: scim::bulk::Ids = (0..count).map(|index| (format!("u{index}"), index.to_string())).collect();
        for step in scim::bulk::plan(&bulk.operations) {
            let scim::bulk::Step::Run { operation, later } = step else { continue };
            let sound = bulk.operations[operation].read.as_ref().expect("sound");
            black_box(sound.resolved(&ids, &later).expect("resolved"));
        }
    });
}

/// What has to look at every value for every operation is stopped before it costs seconds.
#[test]
fn operations_times_values_has_a_limit_that_is_named() {
    let kind = user_type();
    let before = Shape::Valued.user(MAX_VALUES);
    // Each counts as many comparisons as it has terms; the first is true, so that the test is fast.
    let filter = |terms: usize| vec!["type eq \"work\""; terms].join(" or ");
    let operations = |count: usize| -> Value {
        let path = format!("phoneNumbers[{}].display", filter(50));
        (0..count).map(|_| json!({"op": "replace", "path": path, "value": "x"})).collect()
    };
    assert!(patched(&kind, &before, &operations(10)).is_ok());
    let error = patched(&kind, &before, &operations(30)).expect_err("refused");
    assert_eq!(error.status(), 413);
    assert!(error.to_string().contains(&MAX_COMPARISONS.to_string()), "{error}");

    let members: Vec<Member> =
        (0..30_000).map(|index| Member { id: format!("U{index}"), kind: "User", display: None, is_in: true }).collect();
    let group = json!({"displayName": "G"}).as_object().expect("an object").clone();
    let changes = |count: usize, terms: usize| -> EdgeChanges {
        let path = format!("members[{}]", filter(terms));
        let operations = (0..count).map(|_| json!({"op": "remove", "path": path})).collect();
        patched(ResourceType::group(), &group, &operations).expect("applied").edges
    };
    assert!(changes(1, 10).settled(&members).is_ok());
    assert_eq!(changes(1, 50).settled(&members).expect_err("refused").status(), 413);
    assert_eq!(changes(50, 1).settled(&members).expect_err("refused").status(), 413);
}

/// `decisions.md` 8: the limit refuses growth, and nothing else.
#[test]
fn a_list_gets_so_many_values_and_a_longer_one_may_only_shrink() {
    let kind = user_type();
    for shape in Shape::ALL {
        let (path, limit) = (shape.path(), MAX_VALUES.to_string());
        let add = |from: usize, to: usize| {
            let items: Vec<Value> = (from..to).map(|index| shape.item(index)).collect();
            json!([{"op": "add", "path": path, "value": items}])
        };
        let full = shape.user(MAX_VALUES);
        assert!(patched(&kind, &shape.user(0), &add(0, MAX_VALUES)).is_ok());
        assert!(patched(&kind, &full, &add(0, 10)).is_ok(), "they are there already");
        let error = patched(&kind, &full, &add(MAX_VALUES, MAX_VALUES + 1)).expect_err("refused");
        assert!(error.to_string().contains(&limit) && error.status() == 400, "{error}");

        let longer = shape.user(MAX_VALUES + 10);
        let title = json!([{"op": "replace", "path": "title", "value": "T"}, {"op": "replace", "path": "active", "value": false}]);
        assert!(patched(&kind, &longer, &title).is_ok());
        let one = json!([{"op": "remove", "path": path, "value": [shape.items(1)[0]]}]);
        assert!(patched(&kind, &longer, &one).is_ok(), "still too long, and shorter");
        let exchanged = json!([{"op": "replace", "path": path, "value":
            (1..=MAX_VALUES + 10).map(|index| shape.item(index)).collect::<Vec<Value>>()}]);
        assert!(patched(&kind, &longer, &exchanged).is_ok(), "as long as before");
        assert!(patched(&kind, &longer, &add(MAX_VALUES + 10, MAX_VALUES + 11)).is_err());

        let sent = Resource::from_stored(longer.clone());
        assert!(sent.check_growth(&kind, None).is_err());
        assert!(sent.check_growth(&kind, Some(&sent)).is_ok());
        assert!(sent.check_growth(&kind, Some(&Resource::from_stored(full))).is_err());
    }
    let many: Vec<Value> = (0..MAX_VALUES * 3).map(|index| json!({"value": format!("U{index}")})).collect();
    let body = json!({"schemas": [GROUP], "displayName": "G", "members": many});
    let group = Resource::read(ResourceType::group(), body.as_object().expect("an object"), &mut Reading::default());
    assert_eq!(group.expect("read").check_growth(ResourceType::group(), None), Ok(()), "members have no such limit");
}
