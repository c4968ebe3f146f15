//! Messages around resources: lists, errors, discovery documents (RFC 7644 §3.4.2, §3.12, §4).

use serde_json::{Map, Value, json};

use crate::json::get_ignore_case;
use crate::schema::{Attribute, ResourceType, Schema};
use crate::{Error, Reading, ScimType, Tolerance};

/// The schema of a list (RFC 7644 §3.4.2).
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The schema of an error (RFC 7644 §3.12).
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The schema of a search (RFC 7644 §3.4.3).
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// One page of a list, counted from one (RFC 7644 §3.4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The index of the first resource.
    pub start_index: u64,
    /// The most resources to answer.
    pub count: u64,
}

impl Page {
    /// Reads `startIndex` and `count`: clamped to `1..` and `0..=max_results`, both absent means the first page of
    /// `default_count` (C43).
    ///
    /// # Errors
    ///
    /// `invalidValue` for what is not a whole number.
    pub fn read(
        start_index: Option<&str>,
        count: Option<&str>,
        default_count: u64,
        max_results: u64,
    ) -> Result<Self, Error> {
        let start_index = number("startIndex", start_index)?.unwrap_or(1).max(1);
        let count = number("count", count)?.unwrap_or(default_count).min(max_results);
        Ok(Self { start_index, count })
    }

    /// How many resources come before the page.
    pub fn offset(&self) -> u64 {
        self.start_index - 1
    }
}

/// A whole number of any size, negative ones as zero; too large ones as the largest.
fn number(name: &str, text: Option<&str>) -> Result<Option<u64>, Error> {
    let Some(text) = text else { return Ok(None) };
    let digits = text.strip_prefix('-').or_else(|| text.strip_prefix('+')).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::new(ScimType::InvalidValue, format!("{name} must be a whole number")));
    }
    // The largest value that the database's signed offsets hold.
    let largest = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let value = if text.starts_with('-') { 0 } else { digits.parse().unwrap_or(largest) };
    Ok(Some(value.min(largest)))
}

/// A message says in `schemas` what it is; the lenient dialects take it at its place (C63, C73, C135).
///
/// # Errors
///
/// `invalidSyntax` when it says something else, or nothing where that is not tolerated.
pub fn check_schemas(body: &Map<String, Value>, urn: &str, reading: &mut Reading) -> Result<(), Error> {
    let is_it = |listed: &Value| listed.as_str().is_some_and(|listed| listed.eq_ignore_ascii_case(urn));
    match get_ignore_case(body, "schemas") {
        Some(Value::Array(listed)) if listed.iter().any(is_it) => Ok(()),
        // An empty list is unassigned (RFC 7643 §2.5), as if it were absent.
        listed if is_unassigned(listed) && reading.tolerates(Tolerance::LooseSchemas) => Ok(()),
        _ => Err(Error::syntax(format!("schemas must list {urn}"))),
    }
}

fn is_unassigned(listed: Option<&Value>) -> bool {
    match listed {
        None | Some(Value::Null) => true,
        Some(Value::Array(listed)) => listed.is_empty(),
        Some(_) => false,
    }
}

/// Where a page of a list stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// From this index on (RFC 7644 §3.4.2.4).
    Index(u64),
    /// Before what this cursor leads to; none: it is the last (RFC 9865 §2).
    Cursor(Option<String>),
}

/// A list (C42): `Resources` is there even when it is empty. Of one that is read by cursor no index is told (C65).
pub fn list(total: u64, place: &Place, resources: &[Value]) -> Value {
    let mut list = json!({
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    });
    match place {
        Place::Index(index) => list["startIndex"] = json!(index),
        Place::Cursor(Some(next)) => list["nextCursor"] = json!(next),
        Place::Cursor(None) => {}
    }
    list
}

/// The same of resources that are text already.
pub fn list_of_texts(total: u64, place: &Place, resources: &[impl AsRef<str>]) -> String {
    const NONE: &str = "\"Resources\":[]";
    let mut envelope = list(total, place, &[]);
    envelope["itemsPerPage"] = json!(resources.len());
    let envelope = envelope.to_string();
    // Nothing else in it is anybody's text: a cursor has no quotation marks.
    let Some(at) = envelope.find(NONE).map(|at| at + NONE.len() - 1) else { return envelope };
    let length: usize = resources.iter().map(|resource| resource.as_ref().len() + 1).sum();
    let mut text = String::with_capacity(envelope.len() + length);
    text.push_str(&envelope[..at]);
    for (index, resource) in resources.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(resource.as_ref());
    }
    text.push_str(&envelope[at..]);
    text
}

/// An error body (C12). The request id, if there is one, closes the detail (C13): clients that check answers against
/// RFC 7644 §3.12 refuse any other member.
pub fn error(status: u16, scim_type: Option<ScimType>, detail: &str, request_id: Option<&str>) -> Value {
    let mut body = Map::new();
    body.insert("schemas".to_owned(), json!([ERROR]));
    body.insert("status".to_owned(), json!(status.to_string()));
    if let Some(scim_type) = scim_type {
        body.insert("scimType".to_owned(), json!(scim_type.as_str()));
    }
    let detail = request_id.map_or_else(|| detail.to_owned(), |id| format!("{detail} (request {id})"));
    body.insert("detail".to_owned(), json!(detail));
    Value::Object(body)
}

/// What the server offers, for `/ServiceProviderConfig`. What is said here is what is enforced (C21).
#[derive(Clone, Debug)]
pub struct Features {
    /// The most resources in one list.
    pub max_results: u64,
    /// Resources in a list when the client names no count.
    pub default_page_size: u64,
    /// How long a cursor can be used, in seconds.
    pub cursor_timeout: i64,
    /// The most operations of one bulk request.
    pub max_operations: usize,
    /// The largest body, in bytes.
    pub max_payload_size: usize,
    /// Where people read about the server.
    pub documentation_uri: Option<String>,
}

/// `/ServiceProviderConfig` (RFC 7643 §5, with the `pagination` block of RFC 9865).
pub fn service_provider_config(features: &Features, base: &str) -> Value {
    let mut config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {
            "supported": true, "maxOperations": features.max_operations, "maxPayloadSize": features.max_payload_size,
        },
        "filter": {"supported": true, "maxResults": features.max_results},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": {
            "cursor": true, "index": true, "defaultPaginationMethod": "index",
            "defaultPageSize": features.default_page_size, "maxPageSize": features.max_results,
            "cursorTimeout": features.cursor_timeout,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "The directory's token in the Authorization header",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    });
    if let (Some(uri), Some(object)) = (&features.documentation_uri, config.as_object_mut()) {
        object.insert("documentationUri".to_owned(), json!(uri));
    }
    config
}

/// One entry of `/ResourceTypes` (RFC 7643 §6, C24). Clients take an extension that is listed for one they may write:
/// one that is read-only altogether is described at `/Schemas` only.
pub fn resource_type(kind: &ResourceType, base: &str) -> Value {
    let writable = kind.extensions.iter().filter(|schema| !schema.attributes.iter().all(Attribute::is_read_only));
    let extensions: Vec<Value> = writable.map(|schema| json!({"schema": schema.id, "required": false})).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name,
        "name": kind.name,
        "description": kind.description,
        "endpoint": kind.endpoint,
        "schema": kind.core.id,
        "schemaExtensions": extensions,
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name)},
    })
}

/// One entry of `/Schemas` (RFC 7643 §7).
///
/// # Panics
///
/// Never: a schema is plain data.
pub fn schema(schema: &Schema, base: &str) -> Value {
    let mut body = serde_json::to_value(schema).expect("a schema is plain data");
    if let Some(object) = body.as_object_mut() {
        let location = format!("{base}/Schemas/{}", schema.id);
        object.insert("meta".to_owned(), json!({"resourceType": "Schema", "location": location}));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(start: Option<&str>, count: Option<&str>) -> (u64, u64) {
        let page = Page::read(start, count, 100, 1_000).expect("valid");
        (page.start_index, page.count)
    }

    #[test]
    fn c42_a_list_of_texts_is_the_list() {
        for texts in [vec![], vec![r#"{"id":"a"}"#], vec![r#"{"id":"a"}"#, r#"{"Resources":[]}"#]] {
            for place in [Place::Index(3), Place::Cursor(Some("c0-_".to_owned())), Place::Cursor(None)] {
                let resources: Vec<Value> =
                    texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
                let written: Value = serde_json::from_str(&list_of_texts(7, &place, &texts)).expect("JSON");
                assert_eq!(written, list(7, &place, &resources));
            }
        }
    }

    #[test]
    fn c43_start_index_and_count_are_clamped() {
        assert_eq!(page(None, None), (1, 100));
        assert_eq!(page(Some("0"), Some("-1")), (1, 0));
        assert_eq!(page(Some("-5"), Some("0")), (1, 0));
        assert_eq!(page(Some("101"), Some("1000000000")), (101, 1_000));
        for text in ["NaN", "1.5", "", "1e3", "0x10", " 1"] {
            assert!(Page::read(Some(text), None, 100, 1_000).is_err(), "{text}");
            assert!(Page::read(None, Some(text), 100, 1_000).is_err(), "{text}");
        }
    }

    #[test]
    fn sc17_numbers_beyond_any_integer_do_not_overflow() {
        for text in ["2147483648", "9223372036854775808", "99999999999999999999999999"] {
            assert_eq!(page(None, Some(text)).1, 1_000);
            let (start, _) = page(Some(text), None);
            assert!(i64::try_from(start).is_ok());
        }
        assert_eq!(page(Some("-99999999999999999999999999"), None).0, 1);
    }

    #[test]
    fn c12_status_is_text_and_scim_type_only_where_there_is_one() {
        assert_eq!(
            error(409, Some(ScimType::Uniqueness), "userName is in use", None),
            json!({"schemas": [ERROR], "status": "409", "scimType": "uniqueness", "detail": "userName is in use"})
        );
        assert!(error(404, None, "no such user", Some("r")).get("scimType").is_none());
    }

    #[test]
    fn c42_an_empty_list_has_its_resources() {
        assert_eq!(
            list(0, &Place::Index(1), &[]),
            json!({"schemas": [LIST_RESPONSE], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []})
        );
    }
}
