//! The public routes: health, metrics and the API documentation.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::probe::Readiness;

use super::call::Call;
use super::problem::Problem;
use super::route::{Route, Who};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/health", "health", |call| Box::pin(health(call)))
            .by(Who::Monitor)
            .about("Whether this process answers")
            .answers_other(200, "it does", "text/plain"),
        Route::get("/health/ready", "ready", |call| Box::pin(ready(call)))
            .by(Who::Monitor)
            .about("Whether it can work: each dependency by its name")
            .answers::<Readiness>(200, "all of them are there")
            .answers::<Readiness>(503, "one of them is away"),
        Route::get("/metrics", "metrics", |call| Box::pin(metrics(call)))
            .by(Who::Open)
            .about("Numbers for Prometheus; nothing of any order. With the setting `ops_listen` they are there, and not here")
            .answers_other(200, "the page", "text/plain")
            .problem(404, "NOT_FOUND"),
        Route::get("/openapi.json", "openapi", |call| Box::pin(document(call)))
            .by(Who::Open)
            .about("This document")
            .answers::<serde_json::Value>(200, "OpenAPI 3.1"),
        Route::get("/docs", "docs", |call| Box::pin(page(call)))
            .by(Who::Open)
            .about("The same for people")
            .answers_other(200, "a page", "text/html"),
        Route::get("/docs/page.css", "docs_style", |call| Box::pin(style(call)))
            .by(Who::Open)
            .about("How that page looks")
            .answers_other(200, "a style sheet", "text/css"),
        Route::get("/docs/page.js", "docs_script", |call| Box::pin(script(call)))
            .by(Who::Open)
            .about("What that page does")
            .answers_other(200, "a script", "text/javascript"),
    ]
}

async fn health(_: Call) -> Result<Response, Problem> {
    Ok("ok\n".into_response())
}

async fn ready(call: Call) -> Result<Response, Problem> {
    let readiness = call.gateway.probe.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(readiness)).into_response())
}

async fn metrics(call: Call) -> Result<Response, Problem> {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, call.gateway.probe.metrics().await).into_response())
}

/// The page may load and call only this origin.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

async fn page(_: Call) -> Result<Response, Problem> {
    let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    let policy = (header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    Ok(([kind, policy], include_str!("docs/page.html")).into_response())
}

async fn style(_: Call) -> Result<Response, Problem> {
    Ok(([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("docs/page.css")).into_response())
}

async fn script(_: Call) -> Result<Response, Problem> {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    Ok((kind, include_str!("docs/page.js")).into_response())
}

async fn document(call: Call) -> Result<Response, Problem> {
    Ok(([(header::CONTENT_TYPE, "application/json")], call.gateway.openapi.clone()).into_response())
}
