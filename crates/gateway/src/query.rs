//! Parses query parameters and refuses unknown ones, which would otherwise be ignored without the caller noticing.

use std::error::Error as _;

use axum::extract::Query;
use axum::http::Uri;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// An unknown name is cut to this length in the error.
const NAME_CHARS_MAX: usize = 40;

pub(super) fn refuse_unknown(known: &[String], uri: &Uri) -> Result<(), Problem> {
    let pairs: Vec<(String, String)> = read(uri)?;
    let Some((name, _)) = pairs.into_iter().find(|(name, _)| !known.contains(name)) else { return Ok(()) };
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let instead = if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) };
    Err(Problem::bad_request("QUERY_INVALID", format!("there is no parameter {name:?} here{instead}")))
}

/// The error names the parameter and what would be valid.
pub(super) fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let read = Query::try_from_uri(uri).map(|Query(query)| query);
    read.map_err(|why| {
        // axum puts a sentence of its own before the parameter's name.
        let why = why.source().map_or_else(|| why.body_text(), ToString::to_string);
        Problem::bad_request("QUERY_INVALID", contract::in_plain_words(&why))
    })
}
