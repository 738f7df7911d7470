//! Every response that a test gets over HTTP is checked against the OpenAPI document: status, media type, shape, and
//! a problem's code.

use std::sync::LazyLock;

use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(gateway::openapi_document);

/// The parts of a response that the document describes.
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) media: Option<&'a str>,
    pub(crate) body: &'a str,
}

/// Panics if the response differs from the document, which says nothing about pages, nor about unknown paths and
/// methods.
#[track_caller]
pub(crate) fn assert_documented(method: &str, path: &str, response: &Response<'_>) {
    if let Err(why) = conforms(&DOCUMENT, method, path, response) {
        let Response { status, body, .. } = response;
        panic!("{method} {path} answered {status}, which docs/openapi.json does not promise: {why}\n{body}");
    }
}

fn conforms(document: &Value, method: &str, path: &str, response: &Response<'_>) -> Result<(), String> {
    let (is_head, method) = (method == "HEAD", if method == "HEAD" { "GET" } else { method });
    let Some(operation) = operation(document, &method.to_lowercase(), path) else { return Ok(()) };
    let Response { status, media, body } = response;
    let response = &operation["responses"][status.to_string()];
    let shared = response["$ref"].as_str().and_then(|path| document.pointer(path.strip_prefix('#')?));
    let response = shared.unwrap_or(response);
    if response.is_null() {
        return Err("it names no such status".to_string());
    }
    let Some(content) = response["content"].as_object() else {
        return if body.is_empty() { Ok(()) } else { Err("it promises no body".to_string()) };
    };
    if is_head {
        return Ok(());
    }
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default();
    let schema = content.get(media).map(|content| &content["schema"]);
    let schema = schema.ok_or_else(|| format!("it names no {media:?}"))?;
    if !media.ends_with("json") {
        return Ok(());
    }
    let body = serde_json::from_str(body).map_err(|why| format!("it promises JSON: {why}"))?;
    fits(document, schema, &body, "")
}

/// The path with the most literal parts in common is meant: `/orders/checkout` is no `/orders/{id}`.
fn operation<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let asked: Vec<&str> = path.split(['?', '#']).next().unwrap_or_default().split('/').collect();
    let paths = document["paths"].as_object()?.iter();
    let alike = paths.filter_map(|(known, methods)| {
        let known: Vec<&str> = known.split('/').collect();
        let variable = |part: &str| part.starts_with('{');
        let is_one = known.len() == asked.len()
            && known.iter().zip(&asked).all(|(known, asked)| variable(known) || known == asked);
        is_one.then(|| (known.iter().filter(|part| variable(part)).count(), methods))
    });
    alike.min_by_key(|(variables, _)| *variables)?.1.get(method)
}

/// As much of JSON Schema as the document uses; an unknown keyword is an error and not a pass.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let rules = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(rules) => rules,
        other => return Err(format!("{at}: {other} is no schema")),
    };
    let wrong = |why: String| Err(format!("{}: {why}", if at.is_empty() { "the body" } else { at }));
    for (rule, says) in rules {
        let holds = match rule.as_str() {
            "$ref" => {
                let to = says.as_str().and_then(|path| document.pointer(path.strip_prefix('#')?));
                fits(document, to.ok_or_else(|| format!("{says} leads nowhere"))?, value, at)?;
                true
            }
            "allOf" => {
                each(says).try_for_each(|schema| fits(document, schema, value, at))?;
                true
            }
            "anyOf" => each(says).any(|schema| fits(document, schema, value, at).is_ok()),
            "oneOf" => each(says).filter(|schema| fits(document, schema, value, at).is_ok()).count() == 1,
            "type" => says
                .as_str()
                .into_iter()
                .chain(each(says).filter_map(Value::as_str))
                .any(|kind| is(kind, value)),
            "const" => value == says,
            "enum" => each(says).any(|one| one == value),
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= says.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= says.as_f64()),
            "required" => match value.as_object() {
                Some(fields) => each(says).all(|name| fields.contains_key(name.as_str().unwrap_or_default())),
                None => true,
            },
            "properties" => {
                for (name, schema) in says.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        fits(document, schema, value, &format!("{at}/{name}"))?;
                    }
                }
                true
            }
            "items" => {
                for (no, value) in value.as_array().into_iter().flatten().enumerate() {
                    fits(document, says, value, &format!("{at}/{no}"))?;
                }
                true
            }
            "minLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 >= says.as_u64().unwrap_or(0))
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| Some(text.chars().count() as u64) <= says.as_u64())
            }
            // Patterns describe ids and amounts, which other tests compare literally.
            "description" | "title" | "examples" | "default" | "format" | "pattern" => true,
            unknown => return wrong(format!("{unknown} is not known to tests/support/documented.rs")),
        };
        if !holds {
            return wrong(format!("{value} is not {rule} {says}"));
        }
    }
    Ok(())
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[test]
fn an_answer_that_the_document_does_not_promise_is_seen() {
    let json = Some("application/json");
    let problem = Some("application/problem+json; charset=utf-8");
    let check = |path: &str, status: u16, media, body: &str| {
        conforms(&DOCUMENT, "GET", path, &Response { status, media, body })
    };
    let order = |more: &str| {
        format!(
            r#"{{"order_id":"01932b4a-1111-7000-8000-000000000001","status":"created","actions":[]{more}}}"#
        )
    };
    assert_eq!(check("/orders/x", 200, json, &order("")), Ok(()));
    assert_eq!(check("/orders/x?y=z", 200, json, &order(r#","returns":[]"#)), Ok(()));
    let refused =
        |code: &str| format!(r#"{{"status":404,"code":"{code}","title":"Not Found","detail":"none"}}"#);
    assert_eq!(check("/orders/x", 404, problem, &refused("ORDER_NOT_FOUND")), Ok(()));
    for (path, status, media, body) in [
        ("/orders/x", 200, json, order(r#","returns":null"#)),
        ("/orders/x", 200, json, order(r#","total":{"amount":12.5,"currency":"EUR"}"#)),
        ("/orders/x", 200, json, r#"{"status":"created"}"#.to_string()),
        ("/orders/x", 200, json, order("").replace("created", "lost")),
        ("/orders", 200, json, format!(r#"{{"items":[{}],"next":null}}"#, order(r#","audit":null"#))),
        ("/orders/x", 200, problem, order("")),
        ("/orders/x", 204, None, String::new()),
        ("/orders/x", 404, problem, refused("PRODUCT_UNKNOWN")),
        ("/orders/x", 404, json, refused("ORDER_NOT_FOUND")),
    ] {
        assert!(check(path, status, media, &body).is_err(), "{path} {status} {body}");
    }
    assert_eq!(
        check("/dashboard", 200, Some("text/html"), "<p>"),
        Ok(()),
        "the document says nothing about pages"
    );
}
