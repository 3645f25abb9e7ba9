"""What officials do at the console: submit, check, approve, watch, update, end."""
