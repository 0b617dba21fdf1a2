// Of targets that have headers only.
