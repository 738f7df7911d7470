//! Tokens that were signed out before they expire.

use async_trait::async_trait;

use super::Error;

#[async_trait]
pub trait SignedOut: Send + Sync {
    /// Revokes the token with this hash until it expires by itself at `until_s` (Unix time). Forgets expired tokens.
    /// Fails when [`SIGNED_OUT_MAX`] others are stored.
    async fn sign_out(&self, token_hash: &str, until_s: u64) -> Result<(), Error>;

    async fn is_signed_out(&self, token_hash: &str) -> Result<bool, Error>;
}

/// At most this many signed-out tokens are stored. Each was an admin's valid token, so only the issuer of tokens can
/// reach the limit; past it, signing out fails with an error.
pub(super) const SIGNED_OUT_MAX: usize = 10_000;

pub(super) fn too_many_signed_out() -> Error {
    Error::Unavailable(format!("{SIGNED_OUT_MAX} tokens are signed out and have not expired yet"))
}
