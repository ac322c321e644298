"""One typed tree of settings: TOML, environment, command line."""
