//! Builds the OpenAPI 3.1 document from the table of routes, and adds what all routes have in common.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::route::{Answer, Content, Route, Takes, Who};

const DESCRIPTION: &str = "\
Money is `{\"amount\":\"12.34\",\"currency\":\"EUR\"}`: an exact decimal as a string, never a float. Times are RFC 3339 in UTC.
Unknown fields of a body are ignored. Every refusal is a problem document (RFC 9457) with a `code` that does not change.
Card numbers are refused wherever they stand (`CARD_NUMBER_REFUSED`): send the provider's token.

Tokens are JSON Web Tokens. `sub` is the customer's id, `role` is `customer` or `admin`, `exp` must be there.
Whatever is away answers 503 with `Retry-After`, and nothing is half-done: send the same again.";

pub(super) fn document(routes: Vec<Route>) -> Value {
    let generator = |contract| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.contract = contract;
            settings.meta_schema = None;
        });
        settings.into_generator()
    };
    let (sent, heard) = (generator(Contract::Deserialize), generator(Contract::Serialize));
    let mut schemas = Schemas { sent, heard, refusals: Map::new() };
    let mut paths: Map<String, Value> = Map::new();
    for route in routes.into_iter().filter(|route| !route.page) {
        let operation = operation(&route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    let refusals = std::mem::take(&mut schemas.refusals);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "checkout-saga",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.all(),
            "responses": refusals,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    })
}

/// Error responses with at most this many codes are shared between routes as components.
const SHARED_CODES_MAX: usize = 2;

/// Requests and responses need separate generators: a field with a default is optional only in a request.
struct Schemas {
    sent: SchemaGenerator,
    heard: SchemaGenerator,
    /// Shared error responses, by name.
    refusals: Map<String, Value>,
}

impl Schemas {
    fn all(mut self) -> Map<String, Value> {
        let mut all = self.sent.take_definitions(true);
        for (name, heard) in self.heard.take_definitions(true) {
            all.insert(name, heard);
        }
        all
    }
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.about,
        "tags": [tag(route)],
        "security": match route.who {
            Who::Open | Who::Monitor | Who::OwnProof => json!([]),
            Who::Customer | Who::Admin | Who::Browser => json!([{"token": []}]),
        },
        "responses": responses(route, schemas),
    });
    let parameters = parameters(route, schemas);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let (required, schema) = match route.takes {
        Takes::Nothing | Takes::Form { .. } => return operation,
        Takes::Json { required, schema, .. } => (required, schema),
        Takes::Signed { schema, .. } => (true, schema),
    };
    operation["requestBody"] = json!({
        "required": required,
        "content": {"application/json": {"schema": schema(&mut schemas.sent)}},
    });
    operation
}

/// The first segment of the path, without `admin`.
fn tag(route: &Route) -> &'static str {
    let mut words = route.path.split('/').filter(|word| !word.is_empty() && *word != "admin");
    words.next().unwrap_or("pages")
}

fn parameters(route: &Route, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let schema = json!({"type": "string"});
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    if let Some(query) = &route.query {
        parameters.extend(in_query((query.schema)(&mut schemas.sent).to_value(), schemas));
    }
    for (name, required, about) in &route.headers {
        parameters.push(json!({
            "name": name, "in": "header", "required": required, "description": about, "schema": {"type": "string"},
        }));
    }
    parameters
}

/// Each field of the query struct becomes a parameter; the struct itself is left out of the document.
fn in_query(reference: Value, schemas: &mut Schemas) -> Vec<Value> {
    let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let whole = schemas.sent.definitions_mut().remove(name).unwrap_or_default();
    let required = whole["required"].as_array().cloned().unwrap_or_default();
    let fields = whole["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({
            "name": name, "in": "query", "required": required.contains(&json!(name)), "schema": schema,
        });
        if let Some(about) = about {
            parameter["description"] = about;
        }
        parameter
    };
    fields.into_iter().map(parameter).collect()
}

fn responses(route: &Route, schemas: &mut Schemas) -> Value {
    let mut responses: BTreeMap<u16, Value> = BTreeMap::new();
    for (status, codes) in problems(route) {
        let problem = schemas.heard.subschema_for::<Problem>();
        let schema = json!({"allOf": [problem, {"properties": {"code": {"enum": codes}}}]});
        let content = json!({"application/problem+json": {"schema": schema}});
        let words: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
        let response = json!({"description": words.join(", "), "content": content});
        let alone = route.answers.iter().all(|answer| answer.status != status);
        let response = match alone && codes.len() <= SHARED_CODES_MAX {
            true => {
                let name = format!("{status}_{}", codes.join("_"));
                let to = json!({"$ref": format!("#/components/responses/{name}")});
                schemas.refusals.insert(name, response);
                to
            }
            false => response,
        };
        responses.insert(status, response);
    }
    for Answer { status, about, content } in &route.answers {
        let content = match content {
            Content::Nothing => None,
            Content::Json(schema) => {
                Some(("application/json", json!({"schema": schema(&mut schemas.heard)})))
            }
            Content::Other(media) => Some((*media, json!({"schema": {"type": "string"}}))),
        };
        let response = responses.entry(*status).or_insert_with(|| json!({"description": ""}));
        let known = response["description"].as_str().filter(|known| !known.is_empty()).map(str::to_string);
        response["description"] =
            known.map_or((*about).into(), |known| format!("{about}; or {known}")).into();
        if let Some((media, schema)) = content {
            response["content"][media] = schema;
        }
    }
    let named = responses.into_iter().map(|(status, response)| (status.to_string(), response));
    Value::Object(named.collect())
}

/// The route's own error codes, and those of the checks before the handler.
fn problems(route: &Route) -> BTreeMap<u16, Vec<&'static str>> {
    let mut problems: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    let mut add = |status: u16, code: &'static str| {
        let codes = problems.entry(status).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    };
    for (status, code) in &route.problems {
        add(*status, code);
    }
    add(400, "HOST_INVALID");
    add(422, "CARD_NUMBER_REFUSED");
    if route.who != Who::Monitor {
        add(429, "TOO_MANY_REQUESTS");
        add(503, "TOO_MANY_CONNECTIONS");
    }
    match route.who {
        Who::Open | Who::Monitor => {}
        Who::OwnProof | Who::Customer => add(401, "UNAUTHORIZED"),
        Who::Admin | Who::Browser => {
            add(401, "UNAUTHORIZED");
            add(403, "FORBIDDEN");
        }
    }
    if !matches!(route.who, Who::Open | Who::Monitor) {
        add(503, "UNAVAILABLE");
    }
    if route.path.contains('{') {
        add(400, "PATH_INVALID");
    }
    if route.is_strict() {
        add(400, "QUERY_INVALID");
    }
    match route.takes {
        Takes::Nothing | Takes::Form { .. } => {}
        Takes::Signed { .. } => {
            add(400, "BODY_INCOMPLETE");
            add(408, "BODY_TOO_SLOW");
            add(413, "BODY_TOO_LARGE");
        }
        Takes::Json { .. } => {
            add(400, "BODY_MALFORMED");
            add(400, "BODY_INCOMPLETE");
            add(408, "BODY_TOO_SLOW");
            add(413, "BODY_TOO_LARGE");
            add(415, "CONTENT_TYPE_UNSUPPORTED");
            add(422, "BODY_INVALID");
        }
    }
    problems
}
