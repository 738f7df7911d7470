drop table echoes;
