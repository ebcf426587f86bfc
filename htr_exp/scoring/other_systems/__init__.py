"""What other systems predict: finds the files, reads their forms, and pairs their lines with those of the ground truth."""
