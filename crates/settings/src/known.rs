//! Name, default and meaning of every setting, the few defaults that depend on the use, and which settings are
//! secret.

/// In the order in which `checkout config` shows them.
pub(super) const SETTINGS: [(&str, &str, &str); 37] = [
    (
        "database_url",
        "sqlite:data/checkout.db",
        "where everything is kept: sqlite:PATH, or postgres://user:password@host/database; a primary and its standbys as host,host:port",
    ),
    (
        "amqp_url",
        "",
        "the broker: amqp://user:password@host:5672/vhost, amqps://…; the nodes of a cluster as host,host:port; empty: in this process",
    ),
    (
        "prefix",
        "checkout",
        "what the names of exchanges and queues begin with, so that systems can share a broker",
    ),
    (
        "separate_logins",
        "false",
        "each role has a login of its own on the broker, and says only what that role may say; false: one login for all",
    ),
    (
        "logins",
        "",
        "with separate_logins: who speaks for whom, as login=order+payment, login=gateway; PREFIX.order and so on by themselves",
    ),
    (
        "durability",
        "power_loss",
        "of a SQLite file: power_loss (every commit is on disk) or process_crash (faster; a power cut may lose the last commits, a killed process loses none)",
    ),
    (
        "listen",
        "127.0.0.1:8080",
        "address of the HTTP listener; port 0 picks a free one, none has none (the default of worker and timers)",
    ),
    (
        "ops_listen",
        "none",
        "address of a listener of its own for health, readiness and metrics; none: they are on the HTTP listener",
    ),
    (
        "jwt_secret",
        "",
        "signs the tokens of customers and admins (HS256): 32 bytes or more; dev makes one up",
    ),
    ("jwt_public_key_file", "", "instead of jwt_secret: a public key in PEM (RSA, P-256 or Ed25519)"),
    ("jwt_jwks_file", "", "instead of jwt_secret: a JSON Web Key Set, read again whenever it changes"),
    ("jwt_issuer", "", "what a token's iss must be; empty: anything"),
    ("jwt_audience", "", "what a token's aud must hold; empty: anything"),
    (
        "cors_origins",
        "",
        "web pages from these places may call the gateway: https://shop.example,https://…; empty: none",
    ),
    ("rate_per_customer", "100", "requests that a customer may make in a second; 0: any number"),
    (
        "rate_per_address",
        "1000",
        "requests that an address may make in a second; 0: any number, for behind a proxy",
    ),
    (
        "connections_per_address",
        "256",
        "connections that an address may have open; 0: any number, for behind a proxy",
    ),
    (
        "connections_max",
        "4096",
        "connections in all; past it only health, readiness and metrics are answered",
    ),
    (
        "refuse_when_oldest_s",
        "900",
        "new checkouts are refused while a message has waited for longer; 0: they never are",
    ),
    (
        "refuse_when_dead_letters",
        "1000",
        "new checkouts are refused while more dead letters of our own are open; 0: they never are",
    ),
    ("provider_success_rate", "1.0", "share of payments that the mock provider takes (0.95 in dev)"),
    ("provider_delay_ms", "0", "how long it takes: 0, or a range like 1000-3000 (the default in dev)"),
    ("provider_late_ms", "310000", "how late tok_late answers"),
    ("provider_seed", "0", "the same seed gives the same outcomes"),
    (
        "provider_webhook_url",
        "",
        "where it posts its events, signed: http://127.0.0.1:8080/webhooks/payments; empty: they come by the queue",
    ),
    (
        "provider_webhook_retries_s",
        "5,300,1800,7200,18000,36000,50400,72000,86400",
        "how long it waits after each try in vain to post an event; after the last one it gives up",
    ),
    (
        "webhook_secret",
        "",
        "whsec_… of who sends webhooks to /webhooks/payments; several, with commas, while one is replaced",
    ),
    ("stripe_webhook_secret", "", "whsec_… of the Stripe endpoint /webhooks/stripe; several, with commas"),
    ("stock_patience_s", "30", "how long stock may take before it is asked again"),
    (
        "payment_patience_s",
        "300",
        "how long a payment may take before the provider is asked what became of it",
    ),
    ("ship_patience_s", "30", "how long a shipment may take before it is asked for again"),
    (
        "cod_patience_s",
        "2592000",
        "how long cash on delivery may take before an operator is called (30 days)",
    ),
    ("batch_max", "256", "messages that one transaction handles at most"),
    ("journal_keep_days", "14", "how long the journal of an ended order is kept"),
    (
        "archive_after_days",
        "365",
        "how long after its end an order is put away, when nothing can be returned any more",
    ),
    ("log", "info", "trace, debug, info, warn, error, or a filter like checkout=debug"),
    ("log_format", "auto", "text, json, or auto: text on a terminal and json elsewhere"),
];

pub(super) const DEV_DEFAULTS: &[(&str, &str)] =
    &[("provider_success_rate", "0.95"), ("provider_delay_ms", "1000-3000")];
pub(super) const PART_DEFAULTS: &[(&str, &str)] = &[("listen", "none")];
/// Shown as stars, and read from a file if the environment names one: CHECKOUT_AMQP_URL_FILE.
pub(super) const SECRETS: [&str; 5] =
    ["database_url", "amqp_url", "jwt_secret", "webhook_secret", "stripe_webhook_secret"];
