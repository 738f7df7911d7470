//! The dashboard: server-rendered pages for admins. Every change that a page makes is a message.
//!
//! There is one file for each page; `page.rs` has what all pages share, and `../session.rs` authenticates the admin.

mod act;
mod assets;
mod chaos;
mod charts;
mod graph;
pub(crate) mod html;
mod letters;
mod live;
mod order;
pub(crate) mod overview;
pub(crate) mod page;
pub(crate) mod parts;
mod promises;
mod rests;
mod search;
pub(crate) mod shop;
mod sign_in;
mod stage;

use axum::http::Uri;
use axum::response::Response;

use super::problem::Problem;
use super::route::{Route, Who};
use assets::{Asset, ICON, SCRIPT, SHOP, STYLE};

pub(super) fn routes() -> Vec<Route> {
    [frame(), orders(), dead_letters(), pauses()].into_iter().flatten().collect()
}

fn orders() -> Vec<Route> {
    let act = "/dashboard/orders/{id}/acts/{act}";
    vec![
        Route::page(search::ORDERS, "page_orders", |call| Box::pin(search::orders(call))),
        Route::page(search::SAGAS, "page_sagas", |call| Box::pin(search::sagas(call))),
        Route::page("/dashboard/orders/{id}", "page_order", |call| Box::pin(order::show(call))),
        Route::page(act, "page_act", |call| Box::pin(act::show(call))),
        Route::form(act, "page_do_act", |call| Box::pin(act::ask(call))),
    ]
}

fn dead_letters() -> Vec<Route> {
    vec![
        Route::page(letters::PATH, "page_letters", |call| Box::pin(letters::list(call))),
        Route::page(letters::EVENTS, "watch_letters", |call| Box::pin(letters::watch(call))),
        Route::form("/dashboard/dead-letters/all/replay", "page_replay_all", |call| {
            Box::pin(letters::replay_all(call))
        }),
        Route::form("/dashboard/dead-letters/all/discard", "page_discard_all", |call| {
            Box::pin(letters::discard_all(call))
        }),
        Route::page("/dashboard/dead-letters/{id}", "page_letter", |call| Box::pin(letters::show(call))),
        Route::form("/dashboard/dead-letters/{id}/edited", "page_edit", |call| {
            Box::pin(letters::edited(call))
        }),
        Route::form("/dashboard/dead-letters/{id}/replay", "page_replay", |call| {
            Box::pin(letters::replay(call))
        }),
        Route::form("/dashboard/dead-letters/{id}/discard", "page_discard", |call| {
            Box::pin(letters::discard(call))
        }),
    ]
}

fn pauses() -> Vec<Route> {
    let (role, method) = ("/dashboard/pauses/roles/{id}", "/dashboard/pauses/methods/{id}");
    vec![
        Route::page(rests::PATH, "page_pauses", |call| Box::pin(rests::list(call))),
        Route::page(role, "page_role", |call| Box::pin(rests::role(call))),
        Route::form(role, "page_turn_role", |call| Box::pin(rests::toggle_role(call))),
        Route::page(method, "page_method", |call| Box::pin(rests::method(call))),
        Route::form(method, "page_turn_method", |call| Box::pin(rests::toggle_method(call))),
    ]
}

fn frame() -> Vec<Route> {
    let sign_in = Route::form(sign_in::PATH, "page_sign_in", |call| Box::pin(sign_in::sign_in(call)));
    vec![
        Route::page(overview::PATH, "page_overview", |call| Box::pin(overview::show(call))),
        Route::page(overview::EVENTS, "watch_overview", |call| Box::pin(overview::watch(call))),
        Route::page(promises::PATH, "page_promises", |call| Box::pin(promises::show(call))),
        Route::page(promises::EVENTS, "watch_promises", |call| Box::pin(promises::watch(call))),
        Route::form(promises::CHECK, "check_promises", |call| Box::pin(promises::check(call))),
        Route::page(chaos::PATH, "page_chaos", |call| Box::pin(chaos::show(call))).in_play(),
        Route::page(chaos::EVENTS, "watch_chaos", |call| Box::pin(chaos::watch(call))).in_play(),
        Route::form(chaos::ORDER, "chaos_order", |call| Box::pin(chaos::order(call))).in_play(),
        Route::form(chaos::FAULT, "chaos_fault", |call| Box::pin(chaos::rage(call))).in_play(),
        Route::form(chaos::CRASH, "chaos_crash", |call| Box::pin(chaos::crash(call))).in_play(),
        Route::form(chaos::HEAL, "chaos_heal", |call| Box::pin(chaos::heal(call))).in_play(),
        Route::page(sign_in::PATH, "page_signed_out", |call| Box::pin(sign_in::show(call))).by(Who::Open),
        sign_in.by(Who::Open),
        Route::form("/dashboard/sign-out", "page_sign_out", |call| Box::pin(sign_in::sign_out(call))),
        asset(&STYLE, "page_style", |call| Box::pin(STYLE.answer(call))),
        asset(&SCRIPT, "page_script", |call| Box::pin(SCRIPT.answer(call))),
        asset(&SHOP, "page_shop_script", |call| Box::pin(SHOP.answer(call))).in_play(),
        Route::page(shop::PATH, "page_shop", |call| Box::pin(shop::show(call))).in_play(),
        asset(&ICON, "page_icon", |call| Box::pin(ICON.answer(call))),
    ]
}

fn asset(asset: &Asset, name: &'static str, handler: super::route::Handler) -> Route {
    Route::page(asset.path, name, handler).by(Who::Open)
}

/// The error page. An admin without a valid token gets the sign-in page, which leads back to the requested one.
pub(super) fn refused(problem: Problem, asked: &Uri) -> Response {
    match problem.code.as_str() {
        "UNAUTHORIZED" => sign_in::page(asked.path_and_query().map_or("/", |path| path.as_str()), false),
        _ => page::refused(problem),
    }
}
