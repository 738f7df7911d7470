//! Only so many fleets run at a time, in all test programs of this machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::Duration;

/// Each has up to forty connections to the database,
/// which takes a hundred.
const FLEETS_MAX: usize = 2;

/// Waits for one of the places for fleets: a locked file, which the system unlocks when its process ends.
pub(crate) async fn wait() -> File {
    loop {
        for number in 0..FLEETS_MAX {
            let path = std::env::temp_dir().join(format!("checkout-test-fleet-{number}.lock"));
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
            match file.try_lock() {
                Ok(()) => return file,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(why)) => panic!("a lock file cannot be locked: {why}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
