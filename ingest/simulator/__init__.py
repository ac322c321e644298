"""A Home Assistant and a home that anyone can run."""
