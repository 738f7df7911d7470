alter table dead_letters drop column said_by;
