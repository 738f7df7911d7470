drop index dead_letters_story;
