//! Every setting, its default, and where its value came from. An unknown name is never ignored silently.

mod exposed;
mod known;
mod sense;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use config::{Config, Environment, File, FileFormat};
use serde::Deserialize;
use store::sqlite::Durability;
use webhook::{standard, stripe};

pub use exposed::exposed_secret_files;
use known::{DEV_DEFAULTS, PART_DEFAULTS, SECRETS, SETTINGS};
pub use sense::Usage;
pub use value::{
    AmqpUrl, DatabaseUrl, DelayMs, Key, Ladder, Listen, LoginMap, Origins, Prefix, Rate, Secret, WebhookUrl,
};

/// How the program is used; a few defaults depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// A shop to play with: the provider takes its time, and sometimes declines.
    Dev,
    /// Everything else: the provider answers at once, and declines only on request.
    Plain,
    /// One of several processes, perhaps on one machine: it listens only where the settings say.
    Part,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    pub database_url: DatabaseUrl,
    pub amqp_url: AmqpUrl,
    pub prefix: Prefix,
    pub separate_logins: bool,
    pub logins: LoginMap,
    pub durability: Durability,
    pub listen: Listen,
    pub ops_listen: Listen,
    pub jwt_secret: Key,
    pub jwt_public_key_file: String,
    pub jwt_jwks_file: String,
    pub jwt_issuer: String,
    pub jwt_audience: String,
    pub cors_origins: Origins,
    pub rate_per_customer: u32,
    pub rate_per_address: u32,
    pub connections_per_address: usize,
    pub connections_max: usize,
    pub refuse_when_oldest_s: u64,
    pub refuse_when_dead_letters: u64,
    pub provider_success_rate: Rate,
    pub provider_delay_ms: DelayMs,
    pub provider_late_ms: u64,
    pub provider_seed: u64,
    pub provider_webhook_url: WebhookUrl,
    pub provider_webhook_retries_s: Ladder,
    pub webhook_secret: standard::Secrets,
    pub stripe_webhook_secret: stripe::Secrets,
    pub stock_patience_s: u64,
    pub payment_patience_s: u64,
    pub ship_patience_s: u64,
    pub cod_patience_s: u64,
    pub batch_max: usize,
    pub journal_keep_days: u64,
    pub archive_after_days: u64,
    pub log: String,
    pub log_format: LogFormat,
}

const FILE: &str = "checkout.toml";
const PREFIX: &str = "CHECKOUT_";
/// Read elsewhere: not settings, and not mistakes either.
const OTHER_ENV: [&str; 4] =
    ["CHECKOUT_FAIL_POINT", "CHECKOUT_POISON", "CHECKOUT_TEST_DATABASE_URL", "CHECKOUT_TEST_AMQP_URL"];

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

/// Name and meaning of every setting: each is a flag as well.
pub fn settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    SETTINGS.iter().map(|(name, _, meaning)| (*name, *meaning))
}

/// What was loaded, with warnings to be logged once logging is set up.
pub struct Loaded {
    pub settings: Settings,
    pub shown: Vec<Shown>,
    pub warnings: Vec<String>,
}

/// A setting as `checkout config` prints it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Shown {
    pub name: &'static str,
    pub value: String,
    pub from: &'static str,
    pub meaning: &'static str,
}

/// Flags over environment over file over defaults.
pub fn load(profile: Profile, file: Option<&Path>, flags: &BTreeMap<String, String>) -> Result<Loaded> {
    let (env, warnings) = environment(std::env::vars())?;
    let file = read_file(file)?;
    assemble(profile, file, env, warnings, flags)
}

fn assemble(
    profile: Profile,
    file: Option<(String, String)>,
    env: BTreeMap<String, String>,
    warnings: Vec<String>,
    flags: &BTreeMap<String, String>,
) -> Result<Loaded> {
    let mut builder = Config::builder();
    for (name, default, _) in SETTINGS {
        builder = builder.set_default(name, default)?;
    }
    let others = match profile {
        Profile::Dev => DEV_DEFAULTS,
        Profile::Part => PART_DEFAULTS,
        Profile::Plain => &[],
    };
    for (name, default) in others {
        builder = builder.set_default(*name, *default)?;
    }
    let mut in_file = Vec::new();
    if let Some((path, text)) = &file {
        let source = File::from_str(text, FileFormat::Toml);
        in_file = names_in(
            path,
            &Config::builder().add_source(source.clone()).build().with_context(|| path.clone())?,
        )?;
        builder = builder.add_source(source);
    }
    let variables = env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    builder = builder.add_source(Environment::default().source(Some(variables)));
    for (name, value) in flags {
        builder = builder.set_override(name, value.clone())?;
    }
    let merged = builder.build()?;
    let mut shown = Vec::new();
    for (name, _, meaning) in SETTINGS {
        let from = match () {
            () if flags.contains_key(name) => "flag",
            () if env.contains_key(name) => "environment",
            () if in_file.iter().any(|known| known == name) => "file",
            () => "default",
        };
        let value = merged.get_string(name)?;
        let value = if SECRETS.contains(&name) { value::masked(name, &value) } else { value };
        shown.push(Shown { name, value, from, meaning });
    }
    let settings = merged.try_deserialize::<Settings>().map_err(|error| readable(&error, &shown))?;
    if settings.batch_max == 0 || settings.batch_max > 10_000 {
        bail!("batch_max must lie between 1 and 10000");
    }
    if settings.connections_max == 0 {
        bail!("connections_max must be 1 or more: the HTTP listener would answer nothing");
    }
    Ok(Loaded { settings, shown, warnings })
}

/// Says which setting is wrong, its value, and where that came from.
fn readable(error: &config::ConfigError, shown: &[Shown]) -> anyhow::Error {
    let text = error.to_string();
    let named = shown.iter().find(|setting| text.contains(&format!("`{}`", setting.name)));
    match named {
        Some(setting) => {
            let why = text.split(" for key").next().unwrap_or(&text);
            anyhow::anyhow!(
                "{} = {:?} (from {}): {why}; it is {}",
                setting.name,
                setting.value,
                setting.from,
                setting.meaning
            )
        }
        None => anyhow::anyhow!("{text}"),
    }
}

fn read_file(named: Option<&Path>) -> Result<Option<(String, String)>> {
    let path = named.unwrap_or(Path::new(FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the settings file {}", path.display())),
    }
}

fn names_in(path: &str, file: &Config) -> Result<Vec<String>> {
    let table: BTreeMap<String, config::Value> = file.clone().try_deserialize()?;
    for name in table.keys() {
        if !SETTINGS.iter().any(|(known, ..)| known == name) {
            bail!("{path}: there is no setting {name:?}; {}", nearest(name));
        }
    }
    Ok(table.into_keys().collect())
}

/// Our variables by setting name, and a warning for each unknown one: containers set odd ones, so that is no reason
/// to refuse to start.
fn environment(
    vars: impl Iterator<Item = (String, String)>,
) -> Result<(BTreeMap<String, String>, Vec<String>)> {
    let (mut known, mut warnings) = (BTreeMap::new(), Vec::new());
    let mut files = BTreeMap::new();
    for (variable, value) in vars {
        let Some(name) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else { continue };
        if OTHER_ENV.contains(&variable.as_str()) {
            continue;
        }
        if SETTINGS.iter().any(|(setting, ..)| *setting == name) {
            known.insert(name, value);
        } else if let Some(secret) = name.strip_suffix("_file").filter(|name| SECRETS.contains(name)) {
            files.insert(secret.to_string(), (variable, value));
        } else {
            warnings.push(format!("{variable} is not a setting; {}", nearest(&name)));
        }
    }
    for (name, (variable, path)) in files {
        if known.contains_key(&name) {
            bail!("{variable} and {} are both set; take one away", variable.trim_end_matches("_FILE"));
        }
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("{variable}: cannot read {path}"))?;
        // An editor ends a file with a line break, which belongs to no password.
        known.insert(name, text.trim_end().to_string());
    }
    Ok((known, warnings))
}

fn nearest(name: &str) -> String {
    let best = SETTINGS.iter().map(|(known, ..)| (strsim::jaro_winkler(known, name), known));
    match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, known)) if likeness > 0.7 => format!("did you mean {known}?"),
        _ => "`checkout config` lists them all".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded> {
        let pairs = |from: &[(&str, &str)]| {
            from.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>()
        };
        let (env, warnings) = environment(pairs(env).into_iter())?;
        let file = Some(("checkout.toml".to_string(), file.to_string()));
        assemble(Profile::Plain, file, env, warnings, &pairs(flags).into_iter().collect())
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let loaded = load(
            "stock_patience_s = 1\npayment_patience_s = 1\nship_patience_s = 1",
            &[("CHECKOUT_PAYMENT_PATIENCE_S", "2"), ("CHECKOUT_SHIP_PATIENCE_S", "2")],
            &[("ship_patience_s", "3")],
        );
        let settings = loaded.unwrap().settings;
        let patience = [settings.stock_patience_s, settings.payment_patience_s, settings.ship_patience_s];
        assert_eq!(patience, [1, 2, 3]);
        assert_eq!(settings.cod_patience_s, 30 * 24 * 3600);
    }

    #[test]
    fn an_unknown_name_is_an_error_in_a_file_and_a_warning_in_the_environment() {
        let error = load("batchmax = 3", &[], &[]).err().unwrap().to_string();
        assert!(error.contains("did you mean batch_max?"), "{error}");
        let warnings = load("", &[("CHECKOUT_LISTN", "x"), ("OTHER", "x")], &[]).unwrap().warnings;
        assert_eq!(warnings, ["CHECKOUT_LISTN is not a setting; did you mean listen?"]);
    }

    #[test]
    fn a_value_that_does_not_fit_names_its_setting_and_what_would_fit() {
        for (name, value) in [
            ("provider_delay_ms", "3-1"),
            ("provider_delay_ms", "fast"),
            ("provider_success_rate", "95"),
            ("database_url", "mysql://x"),
            ("listen", "here"),
            ("batch_max", "-1"),
            ("batch_max", "0"),
            ("ops_listen", "there"),
            ("connections_max", "0"),
            ("connections_per_address", "-1"),
            ("durability", "none"),
            ("database_url", "postgres:shop"),
            ("amqp_url", "http://broker"),
            ("amqp_url", "amqp://guest:s3cret@broker:port/shop"),
            ("amqp_url", "amqp://guest:s3cret@broker,broker:port/shop"),
            ("amqp_url", "amqp://guest:s3cret@broker,/shop"),
            ("database_url", "postgres://shop:s3cret@a,b/shop?target_session_attrs=any"),
            ("database_url", "postgres://anna:s3cret@db:port/shop"),
            ("prefix", "My Shop"),
            ("webhook_secret", "whsec_s3cret"),
            ("stripe_webhook_secret", "whsec_s3cret"),
            ("provider_webhook_url", "https://127.0.0.1/webhooks/payments"),
            ("provider_webhook_url", "127.0.0.1/webhooks/payments"),
            ("provider_webhook_url", "http:///webhooks"),
            ("provider_webhook_retries_s", ""),
            ("provider_webhook_retries_s", "0,soon"),
            ("provider_webhook_retries_s", "0,999999"),
        ] {
            let error = load("", &[], &[(name, value)]).err().unwrap().to_string();
            assert!(error.contains(name), "{name}={value}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_secret_may_come_from_a_file_and_is_shown_with_stars() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "amqp://anna:s3cret@broker/shop\n").unwrap();
        let path = file.path().display().to_string();
        let loaded = load("", &[("CHECKOUT_AMQP_URL_FILE", &path)], &[]).unwrap();
        let AmqpUrl::At(url) = &loaded.settings.amqp_url else { panic!("it was read") };
        assert_eq!(url.reveal(), "amqp://anna:s3cret@broker/shop");
        let shown = loaded.shown.iter().find(|shown| shown.name == "amqp_url").unwrap();
        assert_eq!((shown.value.as_str(), shown.from), ("amqp://anna:***@broker/shop", "environment"));
        assert!(!format!("{:?}", loaded.settings).contains("s3cret"));
        std::fs::write(file.path(), "whsec_s3cretAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
        let loaded = load("", &[("CHECKOUT_STRIPE_WEBHOOK_SECRET_FILE", &path)], &[]).unwrap();
        assert!(!loaded.settings.stripe_webhook_secret.is_empty());
        let shown = loaded.shown.iter().find(|shown| shown.name == "stripe_webhook_secret").unwrap();
        assert_eq!(shown.value, "***");
        std::fs::write(file.path(), "amqp://anna:s3cret@broker/shop\n").unwrap();
        let both = [("CHECKOUT_AMQP_URL_FILE", path.as_str()), ("CHECKOUT_AMQP_URL", "amqp://b")];
        assert!(load("", &both, &[]).err().unwrap().to_string().contains("both set"));
        let gone = load("", &[("CHECKOUT_DATABASE_URL_FILE", "/no/such/file")], &[]);
        assert!(gone.err().unwrap().to_string().contains("/no/such/file"));
    }

    #[test]
    fn databases_and_brokers_that_do_not_go_together_are_refused_with_the_reason() {
        let fits = |database: &str, amqp: &str, usage| {
            let flags = [("database_url", database), ("amqp_url", amqp)];
            load("", &[], &flags).unwrap().settings.must_fit(usage)
        };
        let (file, server, broker) = ("sqlite:x.db", "postgres://db/shop", "amqp://broker");
        for (database, amqp, usage) in [
            (file, "", Usage::Whole),
            (file, broker, Usage::Whole),
            (server, broker, Usage::Whole),
            (server, broker, Usage::Part),
            (server, "", Usage::Beside),
        ] {
            assert!(fits(database, amqp, usage).is_ok(), "{database} {amqp} {usage:?}");
        }
        for (database, amqp, usage, why) in [
            (file, "", Usage::Part, "checkout all"),
            (file, broker, Usage::Part, "checkout all"),
            (server, "", Usage::Whole, "--amqp-url"),
            (server, "", Usage::Part, "--amqp-url"),
        ] {
            let refused = fits(database, amqp, usage).err().unwrap().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
