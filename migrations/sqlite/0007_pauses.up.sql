-- Roles that rest until somebody resumes them. Who paused and resumed what, and why, stays in the journal.
create table pauses (
    role text primary key,
    paused_by text not null,
    why text not null,
    at text not null
);
