"""The global random generators, to see whether something has used them."""

from __future__ import annotations

from nni_rankreg._util.random import global_state


def global_numbers():
    """Return the state of all global generators, which can be compared."""
    state = global_state()
    return {**state, 'torch': state['torch'].tolist(),
            'cuda': [one.tolist() for one in state['cuda']]}
