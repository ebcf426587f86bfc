"""From the words of the command line to a checked experiment: schema, composition by Hydra, rules."""
