"""What works here and what does not: nothing of it is changed, nothing outside is waited for long."""
