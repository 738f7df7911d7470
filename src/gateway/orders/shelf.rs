//! Which products there are, as far as anybody has asked. That one was retired since is the order worker's to say.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use contract::{Fault, Line, Sku, Table};

use crate::store::{Error, Store};

/// More than most shops sell; past it, it is looked up each time.
const KNOWN_MAX: usize = 100_000;

#[derive(Default)]
pub(crate) struct Shelf(Mutex<HashSet<Sku>>);

impl Shelf {
    /// A fault for each line of something that does not exist.
    pub(super) async fn unknown(&self, store: &dyn Store, lines: &[Line]) -> Result<Vec<Fault>, Error> {
        let new: Vec<&Sku> = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.iter().map(|line| &line.sku).filter(|sku| !known.contains(*sku)).collect()
        };
        let mut faults = Vec::new();
        for sku in new {
            let product = store.get(Table::Products, sku.as_str()).await?;
            let product = product.and_then(|doc| serde_json::from_str::<order::Product>(&doc).ok());
            if product.is_none_or(|product| product.retired) {
                let why = format!("there is no product {sku}");
                faults.push(Fault::new("items", "product_unknown", why));
                continue;
            }
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() < KNOWN_MAX {
                known.insert(sku.clone());
            }
        }
        Ok(faults)
    }
}
