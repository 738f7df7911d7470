//! Caches which products exist, so that a busy shop does not look them up for each order. The order worker checks
//! whether a product was retired since.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use contract::{Fault, Line, Sku, Submit, Table};
use order::Product;
use store::{Database, Error};

/// More than most shops sell; products past it are looked up each time.
const KNOWN_MAX: usize = 100_000;

#[derive(Default)]
pub(crate) struct ProductCache(Mutex<HashSet<Sku>>);

impl ProductCache {
    /// One fault for each unknown product.
    pub(super) async fn unknown(
        &self,
        store: &dyn Database,
        submit: &Submit,
        lines: &[Line],
    ) -> Result<Vec<Fault>, Error> {
        let new: Vec<&Sku> = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.iter().map(|line| &line.sku).filter(|sku| !known.contains(*sku)).collect()
        };
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let products = look_up(store, new.iter().copied()).await?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut faults = Vec::new();
        for sku in new {
            if products.get(sku.as_str()).is_none_or(|product| product.retired) {
                let why = format!("there is no product {sku}");
                faults.push(Fault::new(submit.field_of(sku, lines), "product_unknown", why));
            } else if known.len() < KNOWN_MAX {
                known.insert(sku.clone());
            }
        }
        Ok(faults)
    }
}

/// The existing products among `skus`, in one query. A record that cannot be parsed counts as missing.
pub(crate) async fn look_up(
    store: &dyn Database,
    skus: impl Iterator<Item = &Sku>,
) -> Result<HashMap<String, Product>, Error> {
    let skus: Vec<String> = skus.map(|sku| sku.as_str().to_string()).collect();
    let docs = store.get_many(Table::Products, &skus).await?;
    Ok(docs.into_iter().filter_map(|(sku, doc)| Some((sku, serde_json::from_str(&doc).ok()?))).collect())
}
