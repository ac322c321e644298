"""The only code that touches the outside world; foreign errors are translated here, once."""
