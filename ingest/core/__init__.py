"""Pure: values in, values out. No trio, no I/O, no clock, no randomness."""
