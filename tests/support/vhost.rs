//! A virtual host of its own with the logins that `scripts/rabbitmq-users.sh` makes.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use super::rabbit::{self, Namespace, url};
use super::root;

/// A virtual host and its users, deleted at the end.
pub(crate) struct VirtualHost {
    name: String,
    passwords: BTreeMap<String, String>,
}

impl VirtualHost {
    pub(crate) fn new() -> Self {
        let name = format!("test-{}", uuid::Uuid::new_v4().simple());
        let guest = user_of(&url());
        let definitions = serde_json::json!({
            "vhosts": [{"name": name}],
            "permissions": [{"user": guest, "vhost": name, "configure": ".*", "write": ".*", "read": ".*"}],
        });
        let mut import = rabbit::ctl();
        import.arg("import_definitions");
        let mut vhost = Self { name, passwords: BTreeMap::new() };
        fed(import, &definitions.to_string());
        vhost.passwords = made(&vhost.name);
        vhost
    }

    /// A topology with the virtual host's name as its prefix.
    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::within(self.name.clone(), self.url(&user_of(&url()), &password_of(&url())))
    }

    /// For the login that the script made for this role or outsider.
    pub(crate) fn url_of(&self, login: &str) -> String {
        let user = self.login(login);
        self.url(&user, &self.passwords[&user])
    }

    pub(crate) fn login(&self, login: &str) -> String {
        format!("{}.{login}", self.name)
    }

    fn url(&self, user: &str, password: &str) -> String {
        let mut uri: lapin::uri::AMQPUri = url().parse().unwrap();
        uri.vhost = self.name.clone();
        uri.authority.userinfo =
            lapin::uri::AMQPUserInfo { username: user.into(), password: password.into() };
        uri.to_string()
    }
}

impl Drop for VirtualHost {
    fn drop(&mut self) {
        // One call for all, because each costs a second.
        let forget = format!(
            "rabbit_vhost:delete(<<\"{name}\">>, <<\"test\">>), [rabbit_auth_backend_internal:delete_user(U, <<\"test\">>) || \
             X <- rabbit_auth_backend_internal:list_users(), U <- [proplists:get_value(user, X)], \
             binary:longest_common_prefix([U, <<\"{name}.\">>]) =:= {length}].",
            name = self.name,
            length = self.name.len() + 1,
        );
        let forgotten = rabbit::ctl().args(["eval", &forget]).output();
        if !std::thread::panicking() {
            let forgotten = forgotten.unwrap();
            assert!(forgotten.status.success(), "{forgotten:?}");
        }
    }
}

/// Users and passwords, as the script prints them.
fn made(vhost: &str) -> BTreeMap<String, String> {
    let mut script = Command::new(root().join("scripts/rabbitmq-users.sh"));
    script.args(["--vhost", vhost, "--prefix", vhost]).env("RABBITMQCTL", rabbit::ctl_words().join(" "));
    let Output { stdout, stderr, status } = script.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let text = String::from_utf8(stdout).unwrap();
    let pair =
        |line: &str| line.split_once(' ').map(|(user, password)| (user.to_string(), password.to_string()));
    text.lines().map(|line| pair(line).unwrap()).collect()
}

fn fed(mut command: Command, input: &str) {
    use std::io::Write;
    let command = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|why| {
        panic!(
            "this test needs rabbitmqctl ({why}); say how it is called by CHECKOUT_TEST_RABBITMQCTL=\"docker compose \
             exec -T rabbitmq rabbitmqctl\""
        )
    });
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn user_of(url: &str) -> String {
    url.parse::<lapin::uri::AMQPUri>().unwrap().authority.userinfo.username
}

fn password_of(url: &str) -> String {
    url.parse::<lapin::uri::AMQPUri>().unwrap().authority.userinfo.password
}
