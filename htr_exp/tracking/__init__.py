"""MLflow as a view of run folders: what it shows, its stores, its writer, its UI, and the processes that record."""
