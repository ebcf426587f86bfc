"""What each supported kraken itself would make of a file of ground truth."""
