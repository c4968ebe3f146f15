//! C1: discovery.

use rollcall::domain::directory::DirectoryDraft;
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{ENTERPRISE, TestApp, USER};

#[tokio::test(flavor = "multi_thread")]
async fn c18_lists_are_lists_single_documents_are_bare_and_unknown_ones_404() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    for path in ["/ResourceTypes", "/Schemas"] {
        let list = scim.get(path).await.expect(200);
        let resources = list["Resources"].as_array().expect("a list");
        assert_eq!(list["totalResults"], resources.len());
        assert_eq!((&list["startIndex"], &list["itemsPerPage"]), (&json!(1), &json!(resources.len())));
        for resource in resources {
            let id = resource["id"].as_str().expect("an id");
            assert_eq!(&scim.get(&format!("{path}/{id}")).await.expect(200), resource);
        }
        scim.get(&format!("{path}/nothing")).await.refused(404, None);
    }
    assert!(scim.get("/ServiceProviderConfig").await.expect(200).get("Resources").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn c19_discovery_needs_no_token_and_takes_no_writes() {
    let anonymous = TestApp::start().await.scim(Dialect::Auto).await.with_token(None);
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas"] {
        anonymous.get(path).await.expect(200);
        for method in ["PUT", "POST", "PATCH", "DELETE"] {
            anonymous.send(method, path, None).await.refused(405, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c20_filters_are_refused_paging_is_ignored_and_urns_match_in_any_case() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Schemas/x", "/ResourceTypes/User"] {
        scim.get(&format!("{path}?filter=id%20pr")).await.refused(403, None);
    }
    let all = scim.get("/Schemas").await.expect(200);
    assert_eq!(scim.get("/Schemas?startIndex=3&count=1&sortBy=id").await.expect(200), all);
    for urn in [USER.to_uppercase(), USER.replace(':', "%3A"), USER.to_lowercase()] {
        assert_eq!(scim.get(&format!("/Schemas/{urn}")).await.expect(200)["id"], USER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c21_what_is_advertised_is_there_and_is_enforced() {
    let app = TestApp::start_configured(|config| {
        config.scim.max_results = 3;
        config.scim.default_page_size = 2;
    });
    let scim = app.await.scim(Dialect::Auto).await;
    let config = scim.get("/ServiceProviderConfig").await.expect(200);
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        assert!(config[feature]["supported"].is_boolean(), "{feature}");
    }
    assert!(config["bulk"]["maxOperations"].is_u64() && config["bulk"]["maxPayloadSize"].is_u64());
    assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
    assert_eq!(config["pagination"]["index"], true);
    assert_eq!(config["pagination"]["defaultPaginationMethod"], "index");
    for index in 0..5 {
        scim.make_user(&format!("u{index}")).await;
    }
    let page = |path: &'static str| {
        let scim = scim.clone();
        async move { scim.get(path).await.expect(200)["itemsPerPage"].clone() }
    };
    assert_eq!(page("/Users?count=100").await, config["filter"]["maxResults"]);
    assert_eq!(page("/Users").await, config["pagination"]["defaultPageSize"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c22_schemas_describe_what_is_stored() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let schema = scim.get(&format!("/Schemas/{USER}")).await.expect(200);
    let attributes = schema["attributes"].as_array().expect("a list");
    let mut body = json!({"schemas": [USER], "userName": "ada"});
    // Every simple attribute a client may write comes back as it was sent.
    for attribute in attributes.iter().filter(|attribute| attribute["mutability"] == "readWrite") {
        let name = attribute["name"].as_str().expect("a name");
        if attribute["type"] == "string" && attribute["multiValued"] == false && name != "userName" {
            body[name] = json!(format!("the {name}"));
        }
    }
    let created = scim.post("/Users", &body).await.expect(201);
    for (name, value) in body.as_object().expect("an object") {
        assert_eq!(&created[name], value, "{name}");
    }
    assert!(attributes.iter().all(|attribute| attribute["name"] != "id" && attribute["name"] != "meta"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c23_entra_sees_neither_password_nor_display_of_addresses() {
    let app = TestApp::start().await;
    let names = |schema: &Value| -> Vec<String> {
        let attributes = schema["attributes"].as_array().expect("a list");
        attributes.iter().map(|attribute| attribute["name"].as_str().expect("a name").to_owned()).collect()
    };
    let path = format!("/Schemas/{USER}");
    let full = app.scim(Dialect::Auto).await.get(&path).await.expect(200);
    let draft = DirectoryDraft { dialect: Dialect::Entra, ..DirectoryDraft::named("D") };
    let entra = app.tenant_with("entra", draft).await.scim.get(&path).await.expect(200);
    assert!(names(&full).contains(&"password".to_owned()) && !names(&entra).contains(&"password".to_owned()));
    let emails = entra["attributes"].as_array().expect("a list").iter().find(|attribute| attribute["name"] == "emails");
    let subs = emails.expect("emails")["subAttributes"].as_array().expect("a list");
    assert!(subs.iter().all(|sub| sub["name"] != "display"));
    assert!(!entra.to_string().contains("null"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c24_resource_types_are_named_by_their_id_and_reachable() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let types = scim.get("/ResourceTypes").await.expect(200);
    for kind in types["Resources"].as_array().expect("a list") {
        assert_eq!(kind["id"], kind["name"]);
        let endpoint = kind["endpoint"].as_str().expect("a path");
        assert!(endpoint.starts_with('/'));
        scim.get(endpoint).await.expect(200);
        scim.get(&format!("/Schemas/{}", kind["schema"].as_str().expect("a URN"))).await.expect(200);
        for extension in kind["schemaExtensions"].as_array().expect("a list") {
            assert_eq!(extension["required"], false);
            scim.get(&format!("/Schemas/{}", extension["schema"].as_str().expect("a URN"))).await.expect(200);
        }
    }
    let user = types["Resources"][0]["schemaExtensions"].to_string();
    assert!(user.contains(ENTERPRISE));
}
