-- Roles that rest until somebody resumes them. Who paused and resumed what, and why, stays in the journal.
create table pauses (
    role text primary key,
    paused_by text not null,
    why text not null,
    at text not null
);

-- Payment methods that were paused or resumed at least once. It belongs to the order worker, like the catalogue.
create table methods (
    id text primary key,
    version integer not null,
    doc text not null,
    paused integer generated always as (doc ->> 'paused') virtual
);
