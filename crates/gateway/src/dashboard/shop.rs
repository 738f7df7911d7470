//! A small storefront on the public API, as an example for front-end developers. It exists only in a demo shop.

use axum::response::Response;
use contract::{Money, Table};
use serde::Deserialize;

use super::assets::SHOP;
use super::html::{Html, Tag, tag, text};
use super::page::Page;
use super::parts::{button, field, section};
use crate::call::Call;
use crate::problem::Problem;

pub(super) const PATH: &str = "/dashboard/shop";
/// Enough for a demo.
const PRODUCTS_MAX: usize = 60;

#[derive(Deserialize)]
struct Product {
    sku: String,
    title: String,
    #[serde(default)]
    author: Option<String>,
    price: Money,
    #[serde(default)]
    retired: bool,
}

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let products = call.gateway.store.page(Table::Products, "", PRODUCTS_MAX).await?;
    let products: Vec<Product> =
        products.iter().filter_map(|(_, doc)| serde_json::from_str(doc).ok()).collect();
    let page = Page::new(&call, PATH, "Shop").script(&SHOP);
    let Some(token) = &call.gateway.shop_token else {
        let why =
            "Another key than this program's signs tokens here: the shop cannot make one for its customer.";
        return Ok(page.with(tag("p").class("note bad").text(why)).answer());
    };
    let about = "Everything here is asked of the public API, as shown at ";
    let about = tag("p")
        .text(about)
        .with(tag("a").attr("href", "/docs").text("/docs"))
        .text(", with a customer's token.");
    let said = tag("p").attr("id", "said").attr("role", "status");
    let shop = tag("div").attr("id", "shop").attr("data-token", token);
    let right = tag("div").with(cart()).with(list("orders-then", "history", "What you ordered"));
    let shop =
        shop.with(said).with(tag("div").class("grid").with(catalogue(products)).with(right).with(order()));
    Ok(page
        .with(about)
        .with(tag("noscript").text("The shop is a script, and needs one."))
        .with(shop)
        .answer())
}

fn catalogue(products: Vec<Product>) -> Tag {
    let each = products.into_iter().filter(|product| !product.retired).map(|product| {
        let Product { sku, title, author, price, .. } = product;
        let by = author.map(|author| tag("span").class("dim").text(format_args!(", {author}")));
        let label = format!("Put in the cart: {title}");
        let put = tag("button").attr("type", "button").attr("data-sku", &sku).attr("aria-label", label);
        let put = put.text("Put in the cart");
        let name = tag("p").with(tag("strong").text(&title)).with(by);
        tag("li").with(name).with(tag("p").text(price)).with(put)
    });
    section("catalogue", "Catalogue").with(tag("ul").class("bare").all(each))
}

fn cart() -> Tag {
    let option = |(value, label): (&str, &str)| tag("option").attr("value", value).text(label);
    let methods =
        [("card", "Card"), ("debit_card", "Debit card"), ("paypal", "PayPal"), ("cod", "Cash on delivery")];
    let outcomes = [
        ("tok_ok", "It is paid"),
        ("tok_declined", "It is declined"),
        ("tok_insufficient_funds", "There is too little money"),
        ("tok_duplicate_event", "The provider says so three times"),
        ("tok_never_answers", "The provider never answers"),
    ];
    let email =
        tag("input").attr("type", "email").attr("autocomplete", "email").attr("value", "reader@example.org");
    let form = tag("form")
        .attr("id", "checkout")
        .with(field("method", "Pay by", tag("select").all(methods.into_iter().map(option))))
        .with(field("token", "What comes of it", tag("select").all(outcomes.into_iter().map(option))))
        .with(field("email", "E-mail", email))
        .with(button("Order").attr("id", "order-now"));
    section("basket", "Your cart")
        .with(tag("ul").class("bare").attr("id", "cart").attr("aria-live", "polite"))
        .with(form)
}

fn list(id: &str, inside: &str, title: &str) -> Tag {
    section(id, title).with(tag("ul").class("bare").attr("id", inside))
}

fn order() -> Tag {
    let nothing: Html = text("Order something, or choose an order.");
    section("order-now-seen", "Your order").with(
        tag("div").attr("id", "order").attr("aria-live", "polite").with(tag("p").class("dim").with(nothing)),
    )
}
