//! The rights of a login are checked before the work begins: a role that is refused later would log errors for ever and
//! still look alive.

use contract::{Role, Table};
use sqlx::Row;

use super::{Error, PostgresStore, failed};
use crate::Work;

/// What one kind of work does with one table: work, table, SQL verb.
type Right = (Work, &'static str, &'static str);

/// The roles that set and remove deadlines.
const SET_DEADLINES: [Role; 3] = [Role::Order, Role::Payment, Role::Saga];

/// The needs for which the login has no right, with the login's name.
const MISSING: &str = "
    select current_user::text as login, need.work, need.name, need.verb
    from unnest($1::text[], $2::text[], $3::text[]) as need (work, name, verb)
    where not case
        when need.verb = 'usage' then has_sequence_privilege(need.name, need.verb)
        when need.verb = 'delete' then has_table_privilege(need.name, need.verb)
        -- A right on some columns is enough where the program writes only these.
        else has_any_column_privilege(need.name, need.verb) end";

/// The roles as which the login may not write journal rows. Each is tried with a row that has no hash: Postgres checks
/// the policies first and then refuses the null, so that nothing is written even if the policies allow it.
const TRY_POLICIES: &str = "do $$
    declare
        wanted text;
        refused text[] := '{}';
    begin
        foreach wanted in array string_to_array(current_setting('checkout.works_as'), ',') loop
            begin
                insert into journal (seq, role, message_id, at) values (0, wanted, 'none', now());
            exception
                when not_null_violation then null;
                when insufficient_privilege then refused := refused || wanted;
            end;
        end loop;
        perform set_config('checkout.refused', array_to_string(refused, ', '), true);
    end $$";

impl PostgresStore {
    pub(super) async fn check(&self, works: &[Work]) -> Result<(), Error> {
        if works.is_empty() {
            return Ok(());
        }
        let mut held = self.connections.take().await?;
        let needs: Vec<Right> = works.iter().flat_map(|work| rights_of(*work)).collect();
        let asked = sqlx::query(MISSING)
            .bind(needs.iter().map(|(work, ..)| work.name().to_string()).collect::<Vec<_>>())
            .bind(needs.iter().map(|(_, table, _)| (*table).to_string()).collect::<Vec<_>>())
            .bind(needs.iter().map(|(.., verb)| (*verb).to_string()).collect::<Vec<_>>());
        if let Some(row) = held.rows(asked).await?.first() {
            let told = |name| row.try_get::<&str, _>(name).map_err(failed);
            let may_not = format!("it may not {} {}", told("verb")?, told("name")?);
            return Err(unfit(told("login")?, told("work")?, &may_not));
        }
        let journals: Vec<_> = works.iter().map(|work| work.journals_as().name()).collect();
        held.begin().await?;
        let set = sqlx::query("select set_config('checkout.works_as', $1, true)").bind(journals.join(","));
        held.rows(set).await?;
        held.run_all(TRY_POLICIES).await?;
        let refused = sqlx::query("select current_user::text, current_setting('checkout.refused')");
        let told = held.rows(refused).await?;
        held.commit().await?;
        let row = told.first().ok_or_else(|| Error::Unavailable("the database did not answer".into()))?;
        match row.try_get::<&str, _>(1).map_err(failed)? {
            "" => Ok(()),
            roles => {
                let may_not = format!("it may not write rows of {roles} into the journal");
                Err(unfit(row.try_get(0).map_err(failed)?, roles, &may_not))
            }
        }
    }
}

fn unfit(login: &str, work: &str, may_not: &str) -> Error {
    Error::Refused(format!(
        "login {login:?} cannot do the work of {work}: {may_not}. Name the login of that role in database_url; if it is the \
         right one, run scripts/postgres-roles.sql again as the owner of the tables"
    ))
}

fn rights_of(work: Work) -> Vec<Right> {
    let of = |table: &'static str, verbs: &[&'static str]| -> Vec<Right> {
        verbs.iter().map(|verb| (work, table, *verb)).collect()
    };
    let (look, change) = (&["select"][..], &["select", "insert", "update"][..]);
    let common = [of("pauses", look), of("meta", look), of("journal", &["select", "insert"])];
    let (beside, letters) = (of("redelivery_stats", change), of("dead_letters", change));
    let mut needs: Vec<Right> = common.into_iter().flatten().chain(beside).chain(letters).collect();
    needs.extend(of("journal_seq", &["usage"]));
    match work {
        Work::Timers => {
            needs.extend(["orders", "sagas", "submissions"].into_iter().flat_map(|table| of(table, look)));
            let forgotten = ["submissions", "journal", "dead_letters", "redelivery_stats"];
            needs.extend(forgotten.into_iter().flat_map(|table| of(table, &["delete"])));
            needs.extend(of("deadlines", &["select", "update"]));
            needs.extend(of("meta", &["update"]));
        }
        Work::Of(Role::Gateway) => {
            needs.extend(Table::ALL.into_iter().flat_map(|table| of(table.name(), look)));
            needs.extend(of("deadlines", look));
            needs.extend(of("meta", &["insert", "delete"]));
        }
        Work::Of(role) => {
            let own = Table::ALL.into_iter().filter(|table| table.owner() == role);
            needs.extend(own.flat_map(|table| {
                let verbs = if table.append_only() { &["select", "insert"][..] } else { change };
                of(table.name(), verbs)
            }));
            if SET_DEADLINES.contains(&role) {
                needs.extend(of("deadlines", &["select", "insert", "update", "delete"]));
            }
        }
    }
    needs
}
