"""Whether the data fits the model: its characters, its classes, the length of its lines, the memory that it takes."""
