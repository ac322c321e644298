"""One typed tree of settings: defaults, TOML, environment, command line; each overrides the one before."""
