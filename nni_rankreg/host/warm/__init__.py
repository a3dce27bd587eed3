"""Trials on this machine that need not import PyTorch: they are forked from a process that has.

`start` has the command of a trial, `client` is what that runs, `server` is what forks.
"""
