//! `docker-compose.yml` runs each role with its own logins and no others, and contains no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::support::{Folder, root};

/// The lines of each service, including those of the block that it merges.
fn services() -> BTreeMap<String, String> {
    let file = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let (head, rest) = file.split_once("\nservices:\n").unwrap();
    let (body, _) = rest.split_once("\nnetworks:\n").unwrap();
    let mut anchors = BTreeMap::new();
    for block in head.split("\nx-").skip(1) {
        let (first, lines) = block.split_once('\n').unwrap();
        let name = first.split('&').nth(1).unwrap().trim().to_string();
        anchors.insert(name, merged(lines, &anchors));
    }
    let mut found = BTreeMap::<String, String>::new();
    let mut name = String::new();
    let says = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    for line in body.lines().filter(says) {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ') && !rest.is_empty()) {
            Some(rest) => name = rest.split(':').next().unwrap().to_string(),
            None => *found.entry(name.clone()).or_default() += &format!("{line}\n"),
        }
    }
    found.into_iter().map(|(name, lines)| (name, merged(&lines, &anchors))).collect()
}

/// A line of the block counts only where the service does not set that key itself.
fn merged(lines: &str, anchors: &BTreeMap<String, String>) -> String {
    let mut whole = lines.to_string();
    for named in lines.lines().filter_map(|line| line.trim().strip_prefix("<<: *")) {
        for line in anchors[named].lines().filter(|line| !line.trim().is_empty()) {
            let key = line.split_inclusive(':').next().unwrap().trim();
            let own = lines.lines().any(|own| own.trim().starts_with(key));
            if !own {
                whole += &format!("{line}\n");
            }
        }
    }
    whole
}

fn value<'a>(lines: &'a str, key: &str) -> Option<&'a str> {
    let line = lines.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    line.map(|value| value.trim_matches('"'))
}

/// The secrets that the environment names: (service's folder, file).
fn secrets_of(lines: &str) -> BTreeSet<(String, String)> {
    let paths = lines.split("/run/checkout/").skip(1);
    let words = paths.map(|rest| rest.split([' ', '\n', '"', ']', '}', ':']).next().unwrap());
    words.filter_map(|path| path.split_once('/')).map(|(a, b)| (a.into(), b.into())).collect()
}

#[test]
fn every_service_of_the_compose_file_is_confined() {
    let services = services();
    assert!(services.len() > 14, "{:?}", services.keys());
    for (name, lines) in &services {
        for says in ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true"] {
            assert!(lines.contains(says), "{name}: {says}");
        }
        for key in ["mem_limit", "pids_limit", "user"] {
            assert!(value(lines, key).is_some(), "{name} has no {key}");
        }
        assert!(!lines.contains("privileged") && !lines.contains("docker.sock"), "{name}");
        let published = lines.contains("ports:");
        let networks = value(lines, "networks").unwrap_or_default();
        assert_eq!((published, networks.contains("edge")), (name == "gateway", name == "gateway"), "{name}");
        assert!(!published || lines.contains("[\"127.0.0.1:"), "{name} is published beyond this machine");
    }
    let file = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    for network in ["database", "broker"] {
        assert!(file.contains(&format!("\n  {network}: {{ internal: true }}")), "{network}");
    }
    let on = |network: &str| {
        let here =
            services.iter().filter(|(_, lines)| value(lines, "networks").unwrap_or("").contains(network));
        here.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    assert!(!on("database").contains(&"rabbitmq") && !on("broker").contains(&"postgres"));
}

#[test]
fn no_role_has_the_owners_login_and_no_secret_stands_in_the_file() {
    let file = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    for word in ["://", "JWT_SECRET:", "WEBHOOK_SECRET:", "PASSWORD:", "_PASS:", "guest"] {
        assert!(!file.contains(word), "{word} stands in docker-compose.yml");
    }
    let users = users();
    let mut ids = BTreeSet::new();
    for (name, lines) in services() {
        let folders: BTreeSet<_> = secrets_of(&lines).into_iter().map(|(folder, _)| folder).collect();
        let own = match name.as_str() {
            "migrate" | "topology" => "owner",
            "sample" | "cli" => "operator",
            "secrets" | "rights" => {
                assert_eq!(value(&lines, "user"), Some("0"), "{name}");
                assert!(value(&lines, "cap_add").is_some() && folders.is_empty(), "{name}");
                continue;
            }
            name => name,
        };
        // The broker's settings file names the broker's own file.
        assert!(folders.iter().all(|folder| folder == own), "{name} is given {folders:?}");
        let id = value(&lines, "user").unwrap().split(':').next().unwrap();
        assert_eq!(users.get(own).map(String::as_str), Some(id), "{name}");
        ids.insert(id.to_string());
        assert_eq!(value(&lines, "cap_add"), None, "{name}");
        assert!(lines.contains("secrets:/run/checkout:ro"), "{name}");
        if let Some(command) =
            value(&lines, "command").filter(|it| it.contains("worker") || it.contains("timers"))
        {
            assert!(command.contains(own), "{name} runs {command} as {own}");
        }
    }
    assert_eq!(ids.len(), 14, "each has a user of its own: {ids:?}");
}

/// The user id of each service, to which the script gives its files.
fn users() -> BTreeMap<String, String> {
    let script = fs::read_to_string(root().join("scripts/compose-init.sh")).unwrap();
    let list = script.split("services='").nth(1).unwrap().split('\'').next().unwrap();
    list.split_whitespace()
        .map(|one| one.split_once(':').unwrap())
        .map(|(a, b)| (a.into(), b.into()))
        .collect()
}

/// Runs the script with a `chown` that only logs its arguments, because only root can give files away.
fn make(folder: &Folder) {
    let mut script = Command::new(root().join("scripts/compose-init.sh"));
    script.args(["secrets", folder.path("secrets").to_str().unwrap()]);
    let path = format!("{}:{}", folder.path("bin").display(), std::env::var("PATH").unwrap());
    let made = script.env("PATH", path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn all(folder: &Folder) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for service in fs::read_dir(folder.path("secrets")).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(&service).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let name = file.strip_prefix(folder.path("secrets")).unwrap().display().to_string();
            let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
            found.insert(name, fs::read_to_string(&file).unwrap());
        }
    }
    found
}

#[test]
fn the_first_start_makes_every_secret_that_the_services_need_and_the_second_changes_none() {
    let folder = Folder::new();
    fs::create_dir(folder.path("bin")).unwrap();
    folder.write("bin/chown", format!("#!/bin/sh\necho \"$@\" >>{}\n", folder.path("given").display()));
    fs::set_permissions(folder.path("bin/chown"), fs::Permissions::from_mode(0o755)).unwrap();
    make(&folder);
    let first = all(&folder);
    for (name, lines) in services() {
        for (service, file) in secrets_of(&lines) {
            assert!(first.contains_key(&format!("{service}/{file}")), "{name} needs {service}/{file}");
        }
    }
    let config = fs::read_to_string(root().join("config/rabbitmq.conf")).unwrap();
    let definitions = secrets_of(&config).into_iter().next().unwrap();
    let definitions: Value =
        serde_json::from_str(&first[&format!("{}/{}", definitions.0, definitions.1)]).unwrap();
    // The broker knows the logins that the services use, and no other login with more rights.
    let password = |url: &str| url.split(['/', ':', '@']).nth(4).unwrap().to_string();
    let known: BTreeMap<_, _> = definitions["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| {
            (user["name"].as_str().unwrap().to_string(), user["password"].as_str().unwrap().to_string())
        })
        .collect();
    let urls: BTreeMap<_, _> = first.iter().filter(|(name, _)| name.ends_with("/amqp_url")).collect();
    assert_eq!(known.len(), urls.len());
    for (name, url) in &urls {
        let login = format!("checkout.{}", name.split('/').next().unwrap());
        assert_eq!(known[&login], password(url), "{name}");
    }
    let admins = definitions["users"].as_array().unwrap().iter().filter(|user| user["tags"] != "");
    assert_eq!(admins.map(|user| user["name"].as_str().unwrap()).collect::<Vec<_>>(), ["checkout.owner"]);
    // No secret is used twice, and none can be guessed.
    let urls = first.iter().filter(|(name, _)| name.ends_with("_url"));
    let passwords: BTreeSet<_> = urls.clone().map(|(_, url)| password(url)).collect();
    assert_eq!(passwords.len(), urls.count());
    assert!(passwords.iter().all(|password| password.len() == 48), "{passwords:?}");
    let given = folder.read("given");
    for (service, id) in users() {
        assert!(
            given.contains(&format!("-R {id} {}", folder.path("secrets").join(&service).display())),
            "{service}"
        );
    }
    make(&folder);
    assert_eq!(all(&folder), first);
    // After an upgrade with other logins, the secrets that others already use stay.
    fs::write(folder.path("secrets/made"), "of another version").unwrap();
    make(&folder);
    let second = all(&folder);
    for stays in ["postgres/password", "owner/database_url", "gateway/jwt_secret", "gateway/webhook_secret"] {
        assert_eq!(first[stays], second[stays], "{stays}");
    }
    assert_ne!(first["order/database_url"], second["order/database_url"]);
}
