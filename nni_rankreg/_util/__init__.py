"""What any package has: files, random states, forked work, kept memory, the log."""
