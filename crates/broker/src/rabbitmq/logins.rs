//! Who a login may speak for. The broker proves the login (it refuses a `user_id` that is not the publisher's own);
//! nothing else that a publisher writes into a message proves anything.
//!
//! With one login for all, everything that comes by our own exchange is ours, and outsiders come by `P.commands`.
//! With separate logins each may send what its roles may say (`workers/contract/src/message.rs`), and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Queue, Speaker, speakers_of};

use super::topology::Names;

/// What each login may say.
#[derive(Clone, Debug)]
pub struct Logins {
    /// The login of this process.
    own: String,
    by_login: BTreeMap<String, Voice>,
    /// `true`: each login speaks for some roles. `false`: all of our processes share one login, which may say
    /// everything.
    are_separate: bool,
}

/// What one login may send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Voice {
    says: BTreeSet<Speaker>,
    /// It passes on what comes by HTTP: from customers, from admins, and signed by the provider.
    lets_in: bool,
    /// It publishes again what others said: due deadlines, replayed dead letters, what a refill restores.
    relays: bool,
}

/// The exchanges for outsiders. Permission to write to one is permission to speak as the outsider that it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entrance {
    Commands,
    Provider,
    Admin,
}

/// The parts of a process that are no speakers themselves.
const GATEWAY: &str = "gateway";
const RELAYS: [Speaker; 2] = [Speaker::Timers, Speaker::Operator];
/// Who may come in by the exchanges for outsiders, those with the fewest rights first.
const OUTSIDE: [Speaker; 3] = [Speaker::Shop, Speaker::PaymentProvider, Speaker::Admin];

const FORM: &str = "write login=name+name, login=name: each name a role, gateway, timers, operator, shop, \
                    payment_provider or admin";

impl Logins {
    /// One login for every process of ours.
    pub fn shared(own: &str) -> Self {
        let by_login = BTreeMap::from([(own.to_string(), Voice::everything())]);
        Self { own: own.to_string(), by_login, are_separate: false }
    }

    /// `PREFIX.order` speaks for the order worker, `PREFIX.gateway` for the gateway, and so on; `more` adds other
    /// logins, and overrides these defaults for those that it names.
    pub fn separate(own: &str, prefix: &str, more: &str) -> Result<Self, String> {
        let usual = Speaker::ALL.iter().filter(|speaker| nameable(**speaker)).map(|speaker| speaker.name());
        let mut by_login = BTreeMap::new();
        for name in usual.chain([GATEWAY]) {
            by_login.insert(format!("{prefix}.{name}"), Voice::of(name)?);
        }
        by_login.extend(read(more)?);
        Ok(Self { own: own.to_string(), by_login, are_separate: true })
    }

    /// Whether this process's own login may speak for the part `name`.
    pub fn speaks_for(&self, name: &str) -> bool {
        let asked = Voice::of(name).unwrap_or_default();
        self.voice(Some(&self.own)).is_some_and(|voice| voice.covers(&asked))
    }

    pub fn own(&self) -> &str {
        &self.own
    }

    pub fn are_separate(&self) -> bool {
        self.are_separate
    }

    pub(super) fn voice(&self, login: Option<&str>) -> Option<&Voice> {
        self.by_login.get(login?)
    }

    /// The speaker of a message of this type that came by this exchange.
    pub(super) fn outside(&self, entrance: Entrance, name: &str) -> Speaker {
        match (entrance, self.are_separate) {
            (Entrance::Provider, _) => Speaker::PaymentProvider,
            (Entrance::Admin, _) => Speaker::Admin,
            (Entrance::Commands, true) => Speaker::Shop,
            // All that any outsider may say is accepted here. For a type that no outsider may say, an admin is
            // assumed, so that the refusal names who may.
            (Entrance::Commands, false) => first_of(OUTSIDE, name).unwrap_or(Speaker::Admin),
        }
    }

    /// The speaker of a message that the broker dead-lettered before we read it. By then its exchange proves nothing:
    /// a publisher can make up the header that names it.
    pub(super) fn of_dead(&self, login: Option<&str>, name: &str) -> Speaker {
        let known = self.voice(login).filter(|_| self.are_separate);
        let by_login =
            known.and_then(|voice| first_of(OUTSIDE.into_iter().filter(|s| voice.says.contains(s)), name));
        by_login.unwrap_or_else(|| self.outside(Entrance::Commands, name))
    }
}

impl Entrance {
    pub(super) fn of(names: &Names, exchange: &str) -> Option<Self> {
        match exchange {
            exchange if exchange == names.commands() => Some(Entrance::Commands),
            exchange if exchange == names.provider_events() => Some(Entrance::Provider),
            exchange if exchange == names.admin() => Some(Entrance::Admin),
            _ => None,
        }
    }
}

impl Voice {
    fn of(name: &str) -> Result<Self, String> {
        if name == GATEWAY {
            return Ok(Self { lets_in: true, ..Self::default() });
        }
        let speaker = Speaker::named(name).filter(|speaker| nameable(*speaker));
        let speaker = speaker.ok_or_else(|| format!("{name:?} is nobody to speak for; {FORM}"))?;
        let relays = RELAYS.contains(&speaker);
        Ok(Self { says: BTreeSet::from([speaker]), relays, lets_in: relays })
    }

    fn everything() -> Self {
        Self { says: Speaker::ALL.into(), lets_in: true, relays: true }
    }

    fn add(&mut self, more: Self) {
        self.says.extend(more.says);
        self.lets_in |= more.lets_in;
        self.relays |= more.relays;
    }

    fn covers(&self, other: &Self) -> bool {
        other.says.is_subset(&self.says) && (self.lets_in || !other.lets_in) && (self.relays || !other.relays)
    }

    /// Whether this login may bring to `queue` what `by` said. A role may bring anything to its own queue: that is
    /// how its retries wait.
    pub(super) fn may_bring(&self, by: Speaker, queue: Queue) -> bool {
        let let_in = matches!(by, Speaker::Customer | Speaker::PaymentProvider | Speaker::Admin);
        self.relays || self.reads(queue) || self.says_inside(by) || (self.lets_in && let_in)
    }

    /// Whether it is the login of the role that consumes this queue.
    pub(super) fn reads(&self, queue: Queue) -> bool {
        self.says_inside(queue.reader().into())
    }

    /// Whether it is a login of ours, and not one of a shop, the provider or an admin.
    pub(super) fn is_ours(&self) -> bool {
        self.relays || self.lets_in || self.says.iter().any(|speaker| speaker.role().is_some())
    }

    /// The one speaker, if this login speaks for one alone.
    pub(super) fn alone(&self) -> Option<Speaker> {
        let mut says = self.says.iter();
        match (says.next(), says.next(), self.lets_in) {
            (Some(only), None, false) => Some(*only),
            _ => None,
        }
    }

    fn says_inside(&self, by: Speaker) -> bool {
        by.role().is_some() && self.says.contains(&by)
    }
}

/// Whether a login may be given the right to speak for it: customers come by HTTP only, and an unknown outsider has
/// no rights.
fn nameable(speaker: Speaker) -> bool {
    !matches!(speaker, Speaker::Customer | Speaker::Outsider)
}

fn first_of(speakers: impl IntoIterator<Item = Speaker>, name: &str) -> Option<Speaker> {
    let allowed = speakers_of(name);
    speakers.into_iter().find(|speaker| allowed.contains(speaker))
}

/// Parses the setting `logins`.
fn read(text: &str) -> Result<BTreeMap<String, Voice>, String> {
    let mut logins = BTreeMap::new();
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let (login, names) = one.split_once('=').ok_or_else(|| format!("{one:?} names no login; {FORM}"))?;
        let mut voice = Voice::default();
        for name in names.split('+').map(str::trim) {
            voice.add(Voice::of(name)?);
        }
        logins.insert(login.trim().to_string(), voice);
    }
    Ok(logins)
}

/// Whether `logins` can be parsed, for a setting that is checked at start.
pub fn check(logins: &str) -> Result<(), String> {
    read(logins).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_login_for_all_may_say_everything_and_any_other_nothing() {
        let logins = Logins::shared("guest");
        let voice = logins.voice(Some("guest")).unwrap();
        assert!(Speaker::ALL.iter().all(|by| voice.may_bring(*by, Queue::Order)));
        assert!(logins.voice(Some("shop")).is_none() && logins.voice(None).is_none());
    }

    #[test]
    fn a_role_speaks_for_itself_and_says_anything_only_to_its_own_queue() {
        let logins = Logins::separate("p.saga", "p", "").unwrap();
        let email = logins.voice(Some("p.email")).unwrap();
        assert!(!email.may_bring(Speaker::Saga, Queue::Order));
        assert!(!email.may_bring(Speaker::Admin, Queue::Order));
        assert!(
            email.may_bring(Speaker::Email, Queue::Order) && email.may_bring(Speaker::Saga, Queue::Email)
        );
        assert!(logins.speaks_for("saga") && !logins.speaks_for("order") && !logins.speaks_for("gateway"));
    }

    #[test]
    fn the_gateway_brings_what_others_said_and_nothing_of_our_roles() {
        let logins = Logins::separate("p.gateway", "p", "").unwrap();
        let gateway = logins.voice(Some("p.gateway")).unwrap();
        for by in Speaker::ALL {
            let let_in = matches!(by, Speaker::Customer | Speaker::PaymentProvider | Speaker::Admin);
            assert_eq!(gateway.may_bring(by, Queue::Order), let_in, "{by}");
        }
    }

    #[test]
    fn a_login_that_speaks_for_several_says_so_in_the_settings() {
        let logins = Logins::separate("back", "p", "back=order+payment, front = gateway+timers").unwrap();
        assert!(logins.speaks_for("order") && logins.speaks_for("payment") && !logins.speaks_for("stock"));
        assert!(logins.voice(Some("front")).unwrap().relays);
        for (wrong, why) in
            [("back", "names no login"), ("back=orders", "\"orders\" is nobody"), ("x=outsider", "nobody")]
        {
            let refused = Logins::separate("x", "p", wrong).unwrap_err();
            assert!(refused.contains(why) && refused.contains("login=name+name"), "{refused}");
        }
    }

    #[test]
    fn an_outsider_by_the_common_exchange_is_a_shop_unless_all_share_one_login() {
        let separate = Logins::separate("p.order", "p", "").unwrap();
        let shared = Logins::shared("guest");
        for (name, alone) in [
            ("checkout.submit", Speaker::Shop),
            ("payment.webhook", Speaker::PaymentProvider),
            ("stock.adjust", Speaker::Admin),
            ("payment.captured", Speaker::Admin),
        ] {
            assert_eq!(shared.outside(Entrance::Commands, name), alone);
            assert_eq!(separate.outside(Entrance::Commands, name), Speaker::Shop);
        }
        assert_eq!(separate.of_dead(Some("p.admin"), "stock.adjust"), Speaker::Admin);
        assert_eq!(separate.of_dead(Some("p.shop"), "stock.adjust"), Speaker::Shop);
        assert_eq!(separate.of_dead(None, "stock.adjust"), Speaker::Shop);
    }
}
