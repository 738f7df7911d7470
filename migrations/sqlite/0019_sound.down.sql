drop trigger dead_letters_stay_own;
