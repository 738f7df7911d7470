-- Roles that rest until somebody resumes them. Who paused and resumed what, and why, stays in the journal.
create table pauses (
    role text collate "C" primary key,
    paused_by text not null,
    why text not null,
    at timestamptz not null
);

-- Payment methods that were paused or resumed at least once. It belongs to the order worker, like the catalogue.
create table methods (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
);

-- A program that does not know pauses would work on through one.
update meta set value = 7 where key = 'program_at_least';
