//! A shop that is open, and all that a customer and an operator do to it through other processes.

use contract::Table;
use serde_json::{Value, json};
use store::Records;

use super::system::{QUICK, System};
use super::{Folder, Run, block_on, new_id, root, until};

pub(crate) const EXAMPLE: &str = "config/example-checkout.json";

pub(crate) struct Shop {
    pub(crate) folder: Folder,
    pub(crate) system: System,
}

/// A checkout of one `sku` by a customer without an address. Cash needs no token.
pub(crate) fn checkout(id: &str, sku: &str, method: &str, token: &str) -> Value {
    let mut payment = json!({"method": method});
    if !token.is_empty() {
        payment["token"] = json!(token);
    }
    json!({"order_id": id, "customer_id": "customer-7", "items": [{"sku": sku, "quantity": 1}], "payment": payment})
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::open_with(&[])
    }

    pub(crate) fn open_with(settings: &[&str]) -> Self {
        let folder = Folder::new();
        // A test's settings replace these defaults.
        let quick = QUICK.iter().filter(|quick| {
            let name = quick.split('=').next().unwrap_or_default();
            settings.iter().all(|setting| !setting.starts_with(name))
        });
        let settings: Vec<&str> = quick.chain(settings).copied().collect();
        let system = System::start(&folder, &settings);
        Self { folder, system }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.folder.checkout(args)
    }

    /// Submits an order and does not wait for it. The order's id.
    pub(crate) fn submit(&self, sku: &str, method: &str, token: &str) -> String {
        let id = new_id();
        self.folder.checkout_reading(checkout(&id, sku, method, token).to_string(), &["submit", "-"]).ok();
        id
    }

    /// Through the ingress, without starting another process.
    #[track_caller]
    pub(crate) fn send(&self, name: &str, id: &str, body: &Value) {
        let (status, answer) = self.system.ingress().send(name, id, body).unwrap();
        assert_eq!(status, 202, "{answer}");
    }

    pub(crate) fn show(&self, id: &str) -> Value {
        self.run(&["order", "show", id, "--json"]).json()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, id: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        until(&format!("what should become of {id}"), || {
            let shown = self.run(&["order", "show", id, "--json"]);
            last = serde_json::from_str(&shown.out).unwrap_or_default();
            is(&last).then(|| last.clone())
        })
    }

    /// The sample catalogue comes by messages, like everything else.
    pub(crate) fn wait_for_stock(&self, sku: &str) {
        block_on(async {
            let store = self.folder.store().await;
            let counted = async || store.get(Table::Stock, sku).await.unwrap().is_some();
            super::until_stored("the stock", counted).await;
        });
    }

    pub(crate) fn wait_for_hold(&self, id: &str) {
        block_on(async {
            let store = self.folder.store().await;
            let held = async || store.get(Table::Holds, id).await.unwrap().is_some();
            super::until_stored("the hold", held).await;
        });
    }

    /// The one open dead letter with that code. Its id.
    #[track_caller]
    pub(crate) fn dead_letter(&self, code: &str) -> String {
        until(&format!("a dead letter {code}"), || {
            let letters = self.run(&["dead", "list", "--json"]).json();
            let letter = letters.as_array()?.iter().find(|letter| letter["code"] == code)?;
            Some(letter["id"].as_str()?.to_string())
        })
    }

    pub(crate) fn story(&self) -> String {
        self.folder.read(&self.system.out)
    }

    pub(crate) fn log(&self) -> String {
        self.folder.read(&self.system.log)
    }

    /// Whatever went wrong before, a good order goes through, everything comes to rest, and the audit is clean.
    #[track_caller]
    pub(crate) fn close(self) {
        let example = root().join(EXAMPLE).display().to_string();
        let last = self.run(&["submit", &example, "--wait"]);
        assert!(last.code == 0, "a good order is stuck: {}{}\n{}", last.out, last.err, self.log());
        let Self { folder, system } = self;
        block_on(async {
            let store = folder.store().await;
            super::until_stored("rest", async || super::at_rest(&store).await).await;
        });
        let log = system.log.clone();
        assert_eq!(system.terminate(), 0);
        assert!(!folder.read(&log).contains("panicked"), "{}", folder.read(&log));
        folder.assert_clean_at_rest();
    }
}
