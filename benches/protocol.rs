//! The pure parts under criterion: `cargo bench --profile dev --bench protocol`.

use criterion::{Criterion, criterion_group, criterion_main};
use scim::patch::{apply, read};
use scim::{Reading, Resource, ResourceType, filter, json};
use serde_json::{Value, json as value};

fn body() -> String {
    value!({"schemas": [scim::schema::USER], "userName": "ada@example.com", "name": {"givenName": "Ada"},
            "emails": [{"value": "ada@example.com", "type": "work", "primary": true}], "active": true})
    .to_string()
}

fn filters(criterion: &mut Criterion) {
    let text = r#"userName eq "ada@example.com" and (emails[type eq "work" and value co "@example"] or title pr)"#;
    let parsed = filter::parse(text).expect("valid");
    let resolved = filter::resolve(&parsed, ResourceType::user(), &mut Reading::default()).expect("valid");
    let Value::Object(object) = serde_json::from_str(&body()).expect("JSON") else { return };
    criterion.bench_function("filter: parse", |bench| bench.iter(|| filter::parse(text)));
    criterion.bench_function("filter: match", |bench| bench.iter(|| resolved.matches(&object)));
}

fn bodies(criterion: &mut Criterion) {
    let text = body();
    criterion.bench_function("body: read a user", |bench| {
        bench.iter(|| {
            let object = json::parse_object(text.as_bytes()).expect("valid");
            Resource::read(ResourceType::user(), &object, &mut Reading::default())
        });
    });
}

fn patches(criterion: &mut Criterion) {
    let object = json::parse_object(body().as_bytes()).expect("valid");
    let user = Resource::read(ResourceType::user(), &object, &mut Reading::default()).expect("valid");
    let group = Resource::from_stored(value!({"displayName": "G"}).as_object().expect("an object").clone());
    let deactivate = value!({"Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    let members: Vec<Value> = (0..1_000).map(|index| value!({"value": format!("U{index}")})).collect();
    let join = value!({"Operations": [{"op": "Add", "path": "members", "value": members}]});
    for (name, kind, resource, body) in [
        ("deactivate", ResourceType::user(), &user, deactivate),
        ("1,000 members", ResourceType::group(), &group, join),
    ] {
        let body = body.as_object().expect("an object").clone();
        criterion.bench_function(&format!("patch: {name}"), |bench| {
            bench.iter(|| {
                let mut reading = Reading::default();
                let operations = read(&body, &mut reading).expect("valid");
                apply(kind, "id", resource, &operations, &mut reading)
            });
        });
    }
}

criterion_group!(protocol, filters, bodies, patches);
criterion_main!(protocol);
