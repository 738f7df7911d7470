//! Keys of every kind are accepted, each with its own algorithm only, and a set of keys may change while the gateway
//! runs.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::GatewayTest;
use crate::support::http_client::{HttpClient, in_an_hour, signed};
use crate::support::shop::Shop;
use crate::support::{Folder, until};

/// A signing key, and its public forms.
struct Pair {
    algorithm: Algorithm,
    signs: EncodingKey,
    /// SubjectPublicKeyInfo.
    public: Vec<u8>,
    jwk: Value,
}

fn ed25519() -> Pair {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let key = pair.public_key().as_ref();
    Pair {
        algorithm: Algorithm::EdDSA,
        signs: EncodingKey::from_ed_der(pkcs8.as_ref()),
        public: [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", key].concat(),
        jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key)}),
    }
}

fn p256() -> Pair {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let point = pair.public_key().as_ref();
    let head = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    Pair {
        algorithm: Algorithm::ES256,
        signs: EncodingKey::from_ec_der(pkcs8.as_ref()),
        public: [head.as_slice(), point].concat(),
        jwk: json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
    }
}

fn rsa() -> Pair {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der = pair.as_der().unwrap();
    let public: aws_lc_rs::encoding::PublicKeyX509Der = pair.public_key().as_der().unwrap();
    // The key itself follows 26 bytes of PKCS #8 header.
    let signs = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
    Pair { algorithm: Algorithm::RS256, signs, public: public.as_ref().to_vec(), jwk: Value::Null }
}

impl Pair {
    fn pem(&self) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&self.public))
    }

    fn token(&self, name: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = name.map(str::to_string);
        signed(&header, claims, &self.signs)
    }

    fn named(&self, name: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(name);
        jwk
    }
}

fn claims() -> Value {
    json!({"sub": "anna", "exp": in_an_hour(), "iss": "https://id.example", "aud": ["shop", "other"]})
}

fn status(gate: &GatewayTest, token: &str) -> u16 {
    gate.with_token(token).get("/orders").status
}

#[test]
fn a_public_key_of_each_kind_opens_by_its_own_algorithm_alone() {
    for pair in [ed25519(), p256(), rsa()] {
        let folder = Folder::new();
        let path = folder.write("key.pem", pair.pem());
        let gate = GatewayTest { shop: Shop::open_with(&[&format!("--jwt-public-key-file={path}")]) };
        assert_eq!(status(&gate, &pair.token(None, &claims())), 200, "{:?}", pair.algorithm);
        // An attacker can sign with the public key as an HMAC secret; the key's algorithm rules that out.
        for secret in [pair.pem().into_bytes(), pair.public.clone()] {
            let forged = signed(&Header::default(), &claims(), &EncodingKey::from_secret(&secret).unwrap());
            assert_eq!(status(&gate, &forged), 401, "{:?}", pair.algorithm);
        }
        for other in [ed25519(), p256(), rsa()] {
            assert_eq!(status(&gate, &other.token(None, &claims())), 401, "{:?}", pair.algorithm);
        }
        gate.shop.close();
    }
}

#[test]
fn a_set_of_keys_is_read_again_when_it_changes() {
    let (old, new, folder) = (ed25519(), p256(), Folder::new());
    let path = folder.write("keys.json", json!({"keys": [old.named("old")]}).to_string());
    let expects = ["--jwt-issuer=https://id.example", "--jwt-audience=shop"];
    let file = format!("--jwt-jwks-file={path}");
    let gate = GatewayTest { shop: Shop::open_with(&[&[file.as_str()], &expects[..]].concat()) };
    assert_eq!(status(&gate, &old.token(Some("old"), &claims())), 200);
    assert_eq!(status(&gate, &old.token(None, &claims())), 200, "there is only one");
    assert_eq!(status(&gate, &old.token(Some("other"), &claims())), 401);
    assert_eq!(status(&gate, &new.token(Some("old"), &claims())), 401);
    for (name, value) in
        [("iss", json!("https://evil.example")), ("aud", json!("other")), ("aud", Value::Null)]
    {
        let mut claims = claims();
        claims[name] = value;
        assert_eq!(status(&gate, &old.token(Some("old"), &claims)), 401, "{name}");
    }
    folder.write("keys.json", json!({"keys": [old.named("old"), new.named("new")]}).to_string());
    until("the new key", || (status(&gate, &new.token(Some("new"), &claims())) == 200).then_some(()));
    assert_eq!(status(&gate, &old.token(Some("old"), &claims())), 200, "both are good while they change");
    assert_eq!(status(&gate, &old.token(None, &claims())), 401, "now a token has to name its key");
    folder.write("keys.json", json!({"keys": [new.named("new")]}).to_string());
    until("the old key's end", || (status(&gate, &old.token(Some("old"), &claims())) == 401).then_some(()));
    gate.shop.close();
}

#[test]
fn a_set_of_keys_that_is_emptied_or_damaged_leaves_the_keys_as_they_were() {
    let (ours, folder) = (ed25519(), Folder::new());
    let path = folder.write("keys.json", json!({"keys": [ours.named("a")]}).to_string());
    let gate = GatewayTest { shop: Shop::open_with(&[&format!("--jwt-jwks-file={path}")]) };
    let warnings = || {
        let log = gate.shop.folder.read(&gate.shop.system.log);
        log.matches("the keys stay as they were").count()
    };
    let mut damaged = ours.named("a");
    damaged["x"] = json!("!");
    for text in [
        String::new(),
        "{\"keys\": [".into(),
        "{}".into(),
        json!({"keys": []}).to_string(),
        json!({"keys": [p256().named("b"), damaged]}).to_string(),
    ] {
        let before = warnings();
        folder.write("keys.json", &text);
        // The gateway looks at the file only upon a request, and its warning shows that it has looked.
        until("a look at the file", || {
            assert_eq!(status(&gate, &ours.token(Some("a"), &claims())), 200, "{text:?}");
            (warnings() > before).then_some(())
        });
        assert_eq!(status(&gate, &ours.token(Some("a"), &claims())), 200, "{text:?}");
    }
    std::fs::remove_file(&path).unwrap();
    let before = warnings();
    until("a look for the file", || {
        assert_eq!(status(&gate, &ours.token(Some("a"), &claims())), 200, "it is gone");
        (warnings() > before).then_some(())
    });
    gate.shop.close();
}

#[test]
fn a_key_that_is_not_meant_for_verifying_opens_nothing() {
    let (plain, folder) = (p256(), Folder::new());
    let cases = [
        ("sig", json!({"use": "sig"}), 200),
        ("verify", json!({"key_ops": ["verify"]}), 200),
        ("both", json!({"use": "sig", "key_ops": ["sign", "verify"], "alg": "ES256"}), 200),
        ("enc", json!({"use": "enc"}), 401),
        ("tls", json!({"use": "tls"}), 401),
        ("sign", json!({"key_ops": ["sign"]}), 401),
        ("derive", json!({"key_ops": ["deriveKey"]}), 401),
        ("nothing", json!({"key_ops": []}), 401),
        ("split", json!({"use": "sig", "key_ops": ["deriveBits"]}), 401),
        ("agree", json!({"alg": "ECDH-ES"}), 401),
    ];
    let keys = cases.iter().map(|(name, limits, _)| {
        let mut jwk = plain.named(name);
        for (key, value) in limits.as_object().unwrap() {
            jwk[key] = value.clone();
        }
        jwk
    });
    let path = folder.write("keys.json", json!({"keys": keys.collect::<Vec<_>>()}).to_string());
    let gate = GatewayTest { shop: Shop::open_with(&[&format!("--jwt-jwks-file={path}")]) };
    for (name, limits, expected) in cases {
        assert_eq!(status(&gate, &plain.token(Some(name), &claims())), expected, "{limits}");
    }
    gate.shop.close();
}

#[test]
fn a_gateway_that_cannot_know_whom_to_trust_does_not_start() {
    let folder = Folder::new();
    let key = folder.write("key.pem", ed25519().pem());
    let private =
        folder.write("private.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let secret = "x".repeat(32);
    for (settings, says) in [
        (vec![("secret", "short")], "32 or more"),
        (vec![("secret", secret.as_str()), ("public-key-file", &key)], "only one"),
        (vec![("public-key-file", "/no/such/file")], "/no/such/file"),
        (vec![("public-key-file", &private)], "private key"),
        (vec![("jwks-file", &key)], "Key Set"),
    ] {
        let flags: Vec<String> =
            settings.iter().map(|(name, value)| format!("--jwt-{name}={value}")).collect();
        let mut args = vec!["all", "--listen=127.0.0.1:0"];
        args.extend(flags.iter().map(String::as_str));
        folder.checkout(&args).fails(1, &[says]);
    }
    let anyone = GatewayTest { shop: Shop::open() };
    let web = HttpClient::with_token(anyone.shop.system.ingress().address(), "eyJ.x.y");
    web.get("/orders").problem(401, "UNAUTHORIZED");
    anyone.shop.close();
}

#[test]
fn on_servers_a_gateway_without_a_key_says_what_to_set() {
    let served = crate::support::served::Served::new();
    let mut command = served.command(&["gateway"]);
    command.env_remove("CHECKOUT_JWT_SECRET").env("CHECKOUT_LISTEN", "127.0.0.1:0");
    served.folder.run(command, b"").fails(1, &["jwt_secret", "jwt_public_key_file", "jwt_jwks_file"]);
}
