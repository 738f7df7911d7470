mod fences;
mod simulation;
mod store_contract;
mod world;
