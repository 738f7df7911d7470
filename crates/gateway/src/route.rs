//! A route says who may call it, and what it takes and answers. The router and the OpenAPI document are both made from the
//! table of all routes (`table.rs`), so that they cannot differ.

use axum::http::Method;
use axum::response::Response;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::call::Call;
use super::problem::Problem;

pub(crate) struct Route {
    pub(crate) method: Method,
    /// As axum and OpenAPI both write it: `/orders/{id}`.
    pub(crate) path: &'static str,
    /// The operation's name in the document, and the route's in the log.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) who: Who,
    /// A page is for people: it answers with markup, whatever goes wrong, and the document does not tell of it.
    pub(crate) page: bool,
    /// It is there in a shop to play with, and nowhere else.
    pub(crate) play: bool,
    pub(crate) takes: Takes,
    pub(crate) query: Option<Query>,
    /// Name, whether it must be there, and what it is for.
    pub(crate) headers: Vec<(&'static str, bool, &'static str)>,
    pub(crate) answers: Vec<Answer>,
    /// The codes of its own problems; those that every route has need no mention.
    pub(crate) problems: Vec<(u16, &'static str)>,
    pub(crate) handler: Handler,
}

/// Made from an `async fn` by `|call| Box::pin(place(call))`.
pub(crate) type Handler = fn(Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// What may stand in a query.
pub(crate) struct Query {
    pub(crate) schema: SchemaOf,
    pub(crate) names: Vec<String>,
}

pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    /// Everybody: it shows nothing of any order.
    Open,
    /// Everybody, however often they ask: a monitor whose address asks too much for other things still hears how this
    /// process is. Only for what costs next to nothing.
    Monitor,
    /// Whoever has a token; what they see is their own.
    Customer,
    Admin,
    /// Whoever brings what the route itself asks for, a signature or a secret.
    OwnProof,
    /// An admin before a browser, by a token or by the cookie that one was changed for.
    Browser,
}

#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Nothing,
    /// A JSON object, of at most so many bytes, in which no card number may stand.
    Json {
        bytes_max: usize,
        required: bool,
        schema: SchemaOf,
    },
    /// Bytes that are signed as they are: they are neither read nor searched before the signature is checked.
    Signed {
        bytes_max: usize,
        schema: SchemaOf,
    },
    /// What a page's form sends. In a browser's session it brings that session's token.
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
    /// Anything else, by its media type.
    Other(&'static str),
}

/// As for a message: what a customer sends is of that size at most.
pub(crate) const BODY_BYTES_MAX: usize = contract::BODY_BYTES_MAX;
/// A few short fields. What a customer writes is journalled before a worker says that a text is too long, so a body that
/// cannot be right is refused before that.
pub(crate) const SMALL_BODY_BYTES_MAX: usize = 4 * 1024;
/// A message of that size, with what a form makes of its quotes and braces.
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

    /// Where a form of the dashboard goes.
    pub(crate) fn form(path: &'static str, name: &'static str, handler: Handler) -> Self {
        let takes = Takes::Form { bytes_max: FORM_BYTES_MAX };
        Self { who: Who::Browser, page: true, takes, ..Self::post(path, name, handler) }
    }

    /// A route that forgets to say who may call it is for admins.
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

    /// No body at all means the same as an empty object.
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

    /// Its query, as a struct of what may stand there.
    pub(crate) fn asks<T: JsonSchema>(self) -> Self {
        let whole = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        let fields = whole["properties"].as_object();
        let names = fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect();
        Self { query: Some(Query { schema: schema_of::<T>, names }), ..self }
    }

    /// What is in its query and not in the document is a mistake that is better named. Whatever stands between us and
    /// whoever monitors or reads a page may add something of its own.
    pub(crate) fn is_strict(&self) -> bool {
        !self.page && !matches!(self.who, Who::Open | Who::Monitor)
    }

    /// What may stand in its query.
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
