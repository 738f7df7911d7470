//! Every store keeps the promise at the top of `crates/store/src/lib.rs`.

#![allow(clippy::unwrap_used)]

mod counting;
mod db;
mod flight;
mod keeping;
mod looking;
mod only_postgres;
mod only_sqlite;
mod pruning;
mod records;
mod rights;
mod roles;
mod searching;
mod side_by_side;
mod signed_out;
mod strangers;
mod unreadable;
mod waiting;
mod wire;
mod words;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contract::{Body, KeySecret, Message, MessageId, Need, OrderId, Queue, Role, Table, Time, bodies};
use db::*;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use store::Work;
use store::postgres::{Options, PostgresStore};
use store::sqlite::{Durability, SqliteStore};
use store::{
    Changes, Database, DeadChange, DeadLetter, DeadStatus, Emitted, Error, Filter, History, InFlight,
    Journal, JournalRow, Letters, Outbox, Pruned, Read, RedeliveryStats, SavedRecord, Store, Totals,
    Transaction, readable,
};
use uuid::Uuid;
use words::*;

/// One line for each backend: the module's name and how to get an empty database.
macro_rules! every_store {
    ($($file:ident: $($name:ident),* $(,)?;)*) => {
        stamp!(sqlite, SqliteDb, $($($file $name)*)*);
        stamp!(postgres, PostgresDb, $($($file $name)*)*);
    };
}

macro_rules! stamp {
    ($backend:ident, $db:ident, $($file:ident $name:ident)*) => {
        mod $backend {
            $(#[tokio::test]
            async fn $name() {
                let db = super::$db::fresh().await;
                super::$file::$name(super::Db::from(&db)).await;
                db.gone().await;
            })*
        }
    };
}

every_store!(
    keeping:
        what_was_kept_is_handled_next_time,
        an_emitted_message_comes_back_with_its_cause_and_time,
        a_second_writer_of_the_same_message_gets_a_conflict_and_nothing_is_stored,
        a_large_batch_is_kept_as_small_ones_are,
        a_message_is_handled_once_by_each_role,
        a_dropped_transaction_leaves_nothing,
        audit_and_journal_refuse_update_and_delete,
        a_batch_of_a_thousand_is_kept_whole,
        one_that_fails_among_many_writers_fails_alone_in_the_end,
        of_many_concurrent_writers_each_learns_what_became_of_its_own_commit,
        a_batch_is_numbered_in_the_order_in_which_it_was_handled,
        keys_become_the_same_ids_in_every_process_and_others_in_another_database;
    records:
        loaded_records_come_back_as_saved_with_versions,
        records_of_several_tables_come_back_together,
        a_stale_version_is_a_conflict,
    a_stale_record_of_any_worker_rolls_back_the_batch_of_all,
        a_record_that_was_saved_meanwhile_is_a_conflict,
        a_load_beside_a_commit_has_seen_it_or_is_a_conflict,
        what_is_on_its_way_is_seen_by_the_next_batch_and_if_it_fails_so_does_that_batch,
        a_record_that_is_not_there_cannot_be_changed,
        stock_below_zero_is_refused_and_nothing_is_kept,
        refund_above_capture_is_refused,
        money_is_kept_in_minor_units_for_people_to_query;
    flight:
        in_flight_is_emitted_minus_handled_minus_open_dead_letters,
        what_a_batch_emits_and_handles_itself_is_never_in_flight,
        a_replay_is_in_flight_again_wherever_the_mark_is,
        the_mark_never_passes_an_unhandled_message,
        the_oldest_that_waits_is_known_however_much_was_done_before_it,
        what_is_emitted_after_pruning_is_past_the_mark,
        two_queues_of_one_message_are_handled_apart;
    waiting:
        deadlines_come_due_again_until_cleared,
        the_last_deadline_under_a_key_counts,
        dead_letters_open_close_and_open_again,
        a_letter_that_is_closed_and_dies_again_at_once_is_open,
        discarding_twice_is_a_conflict;
    looking:
        list_filters_and_pages_newest_first,
        a_customer_finds_their_own_orders_and_the_failed_ones_when_asked,
        orders_are_found_by_their_total_and_its_currency,
        sagas_that_wait_for_a_person_are_listed,
        pages_follow_each_other_without_gap_or_overlap,
        many_documents_come_by_their_ids_and_those_that_are_not_there_are_left_out,
        an_orders_progress_differs_after_all_that_is_kept_of_it_and_of_no_other_order,
        a_payment_is_found_by_what_the_provider_calls_its_charge,
        an_orders_journal_comes_back_as_it_was_written;
    counting:
        orders_and_sagas_are_counted_by_where_they_stand;
    searching:
        what_has_not_ended_is_found_by_what_it_waits_for,
        sagas_are_found_by_their_step_and_by_how_long_nothing_was_heard,
        what_came_to_nothing_or_was_put_away_is_found_by_its_state,
        letters_are_found_by_what_they_died_of_page_by_page,
        open_letters_are_counted_by_what_they_died_of,
        what_stands_and_what_died_of_an_order_is_found_with_it,
        what_came_again_or_failed_is_added_up;
    pruning:
        pruning_takes_only_ended_orders,
        pruning_stops_at_its_limit_and_goes_on,
        what_belongs_to_no_order_is_pruned_once_it_is_old_and_behind_the_mark,
        a_rejection_is_remembered_as_long_as_anything_about_it_is_young,
        closed_letters_of_strangers_are_pruned_and_open_ones_and_those_of_orders_stay;
    strangers:
        strangers_letters_are_counted_listed_and_grouped_apart_from_our_own,
        the_oldest_letters_of_strangers_are_evicted_and_counted_and_our_own_never_are,
        a_strangers_letter_never_takes_the_place_of_our_own;
    unreadable:
        a_journal_row_that_cannot_be_read_is_named_and_hides_no_other,
        a_deadline_that_cannot_be_read_is_named_and_holds_up_no_other,
        the_same_message_in_the_rows_of_two_roles_is_in_flight_as_the_one_that_may_say_it;
    signed_out:
        a_token_is_signed_out_until_it_expires,
        no_more_tokens_are_signed_out_than_may_be_and_none_is_forgotten_for_another;
);
