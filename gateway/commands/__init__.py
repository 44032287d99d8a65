"""The commands of `fairmeter`, a room for each thing a person comes to do."""
