//! The configured key determines the signature algorithm; a token that names another algorithm is refused.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations,
    PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use settings::{DatabaseUrl, Settings};
use tokio::sync::Mutex;

use super::Claims;

/// Allowed clock difference; synchronised clocks differ by less.
const LEEWAY_S: u64 = 5;
/// HS256 is only as strong as its secret, which should be as long as the hash: 32 bytes.
const SECRET_BYTES_MIN: usize = 32;
/// The key file is checked for changes at most this often, however many tokens name an unknown key.
const RELOAD_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Keys {
    source: Source,
    issuer: Option<String>,
    audience: Option<String>,
}

enum Source {
    /// No setting names a key: every token is refused.
    None,
    One(Key),
    File(Box<Mutex<KeyFile>>),
}

#[derive(Clone)]
struct Key {
    /// The `kid` of a key from a key set.
    name: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

struct KeyFile {
    path: PathBuf,
    keys: Vec<Key>,
    changed: Option<SystemTime>,
    looked: Instant,
}

impl Keys {
    /// On Postgres a key is required; with SQLite the run file's token is enough.
    pub(crate) async fn of(settings: &Settings) -> Result<Self> {
        let secret = settings.jwt_secret.reveal();
        let (public, set) = (settings.jwt_public_key_file.as_str(), settings.jwt_jwks_file.as_str());
        let source = match (secret, public, set) {
            (Some(secret), "", "") if secret.len() < SECRET_BYTES_MIN => bail!(
                "jwt_secret has {} bytes; it needs {SECRET_BYTES_MIN} or more: `openssl rand -base64 32` makes one",
                secret.len()
            ),
            (Some(secret), "", "") => Source::One(Key {
                name: None,
                algorithm: Algorithm::HS256,
                key: DecodingKey::from_secret(secret.as_bytes())?,
            }),
            (None, path, "") if !path.is_empty() => Source::One(public_key(Path::new(path)).await?),
            (None, "", path) if !path.is_empty() => {
                Source::File(Box::new(Mutex::new(KeyFile::open(path).await?)))
            }
            (None, "", "") => match settings.database_url {
                DatabaseUrl::Sqlite(_) => Source::None,
                DatabaseUrl::Postgres(_) => bail!(
                    "the gateway does not know whose tokens to trust: set one of jwt_secret (HS256), \
                     jwt_public_key_file (RS256, ES256, EdDSA) and jwt_jwks_file"
                ),
            },
            _ => bail!("set only one of jwt_secret, jwt_public_key_file and jwt_jwks_file: one key decides"),
        };
        let setting = |text: &str| (!text.is_empty()).then(|| text.to_string());
        Ok(Self { source, issuer: setting(&settings.jwt_issuer), audience: setting(&settings.jwt_audience) })
    }

    /// The error is for our log and must not be sent to the caller.
    pub(crate) async fn check(&self, token: &str) -> Result<Claims> {
        let key = self.key_for(token).await?;
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.validate_aud = self.audience.is_some();
        let mut needed = vec!["exp", "sub"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            needed.push("iss");
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            needed.push("aud");
        }
        validation.set_required_spec_claims(&needed);
        Ok(jsonwebtoken::decode::<Claims>(token, &key.key, &validation)?.claims)
    }

    async fn key_for(&self, token: &str) -> Result<Key> {
        match &self.source {
            Source::None => bail!("no setting names a key: jwt_secret, jwt_public_key_file or jwt_jwks_file"),
            Source::One(key) => Ok(key.clone()),
            Source::File(file) => {
                let name = jsonwebtoken::decode_header(token)?.kid;
                file.lock().await.key(name.as_deref()).await
            }
        }
    }
}

impl KeyFile {
    async fn open(path: &str) -> Result<Self> {
        let path = PathBuf::from(path);
        let changed = changed(&path).await;
        Ok(Self { keys: read_set(&path).await?, path, changed, looked: Instant::now() })
    }

    async fn key(&mut self, name: Option<&str>) -> Result<Key> {
        if self.looked.elapsed() >= RELOAD_EVERY {
            self.reload_if_changed().await;
        }
        match (name, self.keys.as_slice()) {
            (None, [only]) => Ok(only.clone()),
            (None, _) => bail!("it names no key, and {} has several", self.path.display()),
            (Some(name), keys) => {
                let known = keys.iter().find(|key| key.name.as_deref() == Some(name));
                known.cloned().with_context(|| format!("{} has no key of its name", self.path.display()))
            }
        }
    }

    /// A file that cannot be parsed, perhaps because it is being written, leaves the keys as they were.
    async fn reload_if_changed(&mut self) {
        self.looked = Instant::now();
        let changed = changed(&self.path).await;
        if changed == self.changed {
            return;
        }
        match read_set(&self.path).await {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "read the keys of {} again", self.path.display());
                (self.keys, self.changed) = (keys, changed);
            }
            Err(why) => tracing::warn!("the keys stay as they were: {why:#}"),
        }
    }
}

async fn changed(path: &Path) -> Option<SystemTime> {
    tokio::fs::metadata(path).await.ok()?.modified().ok()
}

async fn public_key(path: &Path) -> Result<Key> {
    let pem = tokio::fs::read(path).await.with_context(|| format!("cannot read {}", path.display()))?;
    if pem.windows(PRIVATE.len()).any(|window| window == PRIVATE) {
        bail!("{} holds a private key, which belongs to whoever signs; give the public one", path.display());
    }
    let known = [
        (Algorithm::RS256, DecodingKey::from_rsa_pem(&pem)),
        (Algorithm::ES256, DecodingKey::from_ec_pem(&pem)),
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(&pem)),
    ];
    let read = known.into_iter().find_map(|(algorithm, key)| Some((algorithm, key.ok()?)));
    let (algorithm, key) = read.with_context(|| {
        format!("{} is no public key in PEM that we know: RSA, P-256 or Ed25519", path.display())
    })?;
    Ok(Key { name: None, algorithm, key })
}

const PRIVATE: &[u8] = b"PRIVATE KEY";

async fn read_set(path: &Path) -> Result<Vec<Key>> {
    let named = || format!("{}: a JSON Web Key Set is expected", path.display());
    let text = tokio::fs::read(path).await.with_context(|| format!("cannot read {}", path.display()))?;
    let set: JwkSet = serde_json::from_slice(&text).with_context(named)?;
    let known = set.keys.iter().filter_map(key_of).collect::<Result<Vec<Key>>>();
    let keys = known.with_context(|| format!("{} holds a key that cannot be read", path.display()))?;
    if keys.is_empty() {
        bail!("{} has no public key that we know: RSA, P-256 or Ed25519", path.display());
    }
    Ok(keys)
}

/// `None` for keys with another purpose and for symmetric secrets, which do not belong in a public set. An error is a
/// damaged key that we would have used.
fn key_of(jwk: &Jwk) -> Option<Result<Key>> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(ed) if ed.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    if !may_verify(&jwk.common, algorithm) {
        return None;
    }
    let name = jwk.common.key_id.clone();
    let read = DecodingKey::from_jwk(jwk).with_context(|| format!("key {name:?}"));
    Some(read.map(|key| Key { name, algorithm, key }))
}

/// If a key has `use`, `key_ops` or `alg`, each of them must allow verification (RFC 7517, 4.2 to 4.4).
fn may_verify(common: &CommonParameters, algorithm: Algorithm) -> bool {
    let signs = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|ops| ops.contains(&KeyOperations::Verify));
    let alike = common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    signs && verifies && alike
}
