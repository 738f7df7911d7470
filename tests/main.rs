mod fences;
mod store_contract;
