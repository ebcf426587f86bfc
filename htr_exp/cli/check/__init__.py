"""What `check` shows of ground truth, to people and to programs, and what it corrects."""
