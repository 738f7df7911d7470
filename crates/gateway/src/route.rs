//! A route declares who may call it, what it takes and what it answers. The router and the OpenAPI document are both
//! built from the table of all routes (`table.rs`), so that they cannot differ.

use axum::http::Method;
use axum::response::Response;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::call::Call;
use super::problem::Problem;

pub(crate) struct Route {
    pub(crate) method: Method,
    /// In the syntax that axum and OpenAPI share: `/orders/{id}`.
    pub(crate) path: &'static str,
    /// The operation id in the OpenAPI document, and the route's name in the log.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) who: Who,
    /// A dashboard page: it answers with HTML even for an error, and is left out of the OpenAPI document.
    pub(crate) page: bool,
    /// Exists only in a demo shop.
    pub(crate) play: bool,
    pub(crate) takes: Takes,
    pub(crate) query: Option<Query>,
    /// Name, whether it is required, and description.
    pub(crate) headers: Vec<(&'static str, bool, &'static str)>,
    pub(crate) answers: Vec<Answer>,
    /// The error codes of this route alone; those that every route can answer are not listed.
    pub(crate) problems: Vec<(u16, &'static str)>,
    pub(crate) handler: Handler,
}

/// An `async fn` becomes one by `|call| Box::pin(place(call))`.
pub(crate) type Handler = fn(Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// The query parameters that a route accepts.
pub(crate) struct Query {
    pub(crate) schema: SchemaOf,
    pub(crate) names: Vec<String>,
}

pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    /// No token needed: the route shows nothing of any order.
    Open,
    /// No token and no rate limit, so that a monitor gets the state of this process even when other requests have used
    /// up its address's rate limit. Only for routes that cost next to nothing.
    Monitor,
    /// Any valid token; the handler shows customers only their own things.
    Customer,
    Admin,
    /// The handler itself checks a signature or a secret in the request.
    OwnProof,
    /// An admin in a browser, by a token or by the cookie that was set for a token at sign-in.
    Browser,
}

#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Nothing,
    /// A JSON object of at most `bytes_max` bytes that contains no card number.
    Json {
        bytes_max: usize,
        required: bool,
        schema: SchemaOf,
    },
    /// A signed body: it is neither parsed nor searched for card numbers before the handler has checked the signature.
    Signed {
        bytes_max: usize,
        schema: SchemaOf,
    },
    /// A dashboard form. It must contain the form token of its browser session.
    Form {
        bytes_max: usize,
    },
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    pub(crate) content: Content,
}

#[derive(Clone, Copy)]
pub(crate) enum Content {
    Nothing,
    Json(SchemaOf),
    /// A media type other than JSON.
    Other(&'static str),
}

/// The limit of a message, because a customer's body becomes one.
pub(crate) const BODY_BYTES_MAX: usize = contract::BODY_BYTES_MAX;
/// For a body of a few short fields. Accepted input is journalled before a worker checks the length of its texts, so a
/// body that is too large to be valid is refused here.
pub(crate) const SMALL_BODY_BYTES_MAX: usize = 4 * 1024;
/// A message of `BODY_BYTES_MAX`, with room for the percent-encoding of its quotes and braces in a form.
const FORM_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

impl Route {
    pub(crate) fn get(path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self::new(Method::GET, path, name, handler)
    }

    pub(crate) fn post(path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self::new(Method::POST, path, name, handler)
    }

    pub(crate) fn put(path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self::new(Method::PUT, path, name, handler)
    }

    pub(crate) fn patch(path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self::new(Method::PATCH, path, name, handler)
    }

    pub(crate) fn delete(path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self::new(Method::DELETE, path, name, handler)
    }

    /// A page of the dashboard.
    pub(crate) fn page(path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self { who: Who::Browser, page: true, ..Self::get(path, name, handler) }
    }

    /// The target of a dashboard form.
    pub(crate) fn form(path: &'static str, name: &'static str, handler: Handler) -> Self {
        let takes = Takes::Form { bytes_max: FORM_BYTES_MAX };
        Self { who: Who::Browser, page: true, takes, ..Self::post(path, name, handler) }
    }

    /// A route is for admins unless `by` says otherwise.
    fn new(method: Method, path: &'static str, name: &'static str, handler: Handler) -> Self {
        Self {
            method,
            path,
            name,
            about: "",
            who: Who::Admin,
            page: false,
            play: false,
            takes: Takes::Nothing,
            query: None,
            headers: Vec::new(),
            answers: Vec::new(),
            problems: Vec::new(),
            handler,
        }
    }

    pub(crate) fn by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    pub(crate) fn in_play(self) -> Self {
        Self { play: true, ..self }
    }

    pub(crate) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    pub(crate) fn takes<T: JsonSchema>(self) -> Self {
        self.takes_up_to::<T>(BODY_BYTES_MAX)
    }

    pub(crate) fn takes_up_to<T: JsonSchema>(self, bytes_max: usize) -> Self {
        Self { takes: Takes::Json { bytes_max, required: true, schema: schema_of::<T> }, ..self }
    }

    /// The body is optional; none means the same as an empty object.
    pub(crate) fn may_take<T: JsonSchema>(self) -> Self {
        self.may_take_up_to::<T>(BODY_BYTES_MAX)
    }

    pub(crate) fn may_take_up_to<T: JsonSchema>(self, bytes_max: usize) -> Self {
        let takes = Takes::Json { bytes_max, required: false, schema: schema_of::<T> };
        Self { takes, ..self }
    }

    pub(crate) fn takes_signed<T: JsonSchema>(self, bytes_max: usize) -> Self {
        Self { takes: Takes::Signed { bytes_max, schema: schema_of::<T> }, ..self }
    }

    /// Declares the query parameters, as the fields of a struct.
    pub(crate) fn asks<T: JsonSchema>(self) -> Self {
        let whole = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        let fields = whole["properties"].as_object();
        let names = fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect();
        Self { query: Some(Query { schema: schema_of::<T>, names }), ..self }
    }

    /// Whether unknown query parameters are refused. On API routes they are a caller's mistake that should be reported.
    /// On pages and monitoring routes they are ignored, because proxies and monitors add parameters of their own.
    pub(crate) fn is_strict(&self) -> bool {
        !self.page && !matches!(self.who, Who::Open | Who::Monitor)
    }

    /// The names of the query parameters that the route accepts.
    pub(super) fn query_names(&self) -> &[String] {
        self.query.as_ref().map_or(&[], |query| &query.names)
    }

    pub(crate) fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push((name, false, about));
        self
    }

    pub(crate) fn needs_header(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push((name, true, about));
        self
    }

    pub(crate) fn answers<T: JsonSchema>(self, status: u16, about: &'static str) -> Self {
        self.answer(status, about, Content::Json(schema_of::<T>))
    }

    pub(crate) fn answers_nothing(self, status: u16, about: &'static str) -> Self {
        self.answer(status, about, Content::Nothing)
    }

    pub(crate) fn answers_other(self, status: u16, about: &'static str, media: &'static str) -> Self {
        self.answer(status, about, Content::Other(media))
    }

    pub(crate) fn problem(mut self, status: u16, code: &'static str) -> Self {
        self.problems.push((status, code));
        self
    }

    fn answer(mut self, status: u16, about: &'static str, content: Content) -> Self {
        self.answers.push(Answer { status, about, content });
        self
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
