alter table journal drop column says;
