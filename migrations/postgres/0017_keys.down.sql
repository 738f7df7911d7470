delete from meta where key like 'key_secret_%' or key = 'keys_before';
