"""Arguments of strategies that are of a wrong kind, refused before anything is trained."""

from __future__ import annotations

import inspect
from typing import Any

from .._util.error import brief
from ..predictor import Evidence, LearnedTeacher
from ..typing import Scorer

__all__ = ['as_evidence', 'check_evidence', 'check_oneshot', 'check_predictor', 'check_type']


def check_type(name: str, value: Any, *kinds: type) -> None:
    """Refuse an argument of another type.

    Raises
    ------
    TypeError
        If the value is of none of these types.
    """
    if not isinstance(value, kinds):
        raise TypeError(f'Expected {name} of type {" or ".join(kind.__name__ for kind in kinds)}, '
                        f'got {brief(value)}.')


def check_oneshot(name: str, value: Any) -> None:
    """Refuse what cannot train a super-net for a job, such as NNI's own one-shot strategies.

    Raises
    ------
    TypeError
        If the value has no method `train`.
    """
    if not callable(getattr(value, 'train', None)):
        raise TypeError(f'Expected {name} to be a one-shot strategy of nni_rankreg, such as '
                        f'SPOS(), got {brief(value)}.')


def check_evidence(value: Any) -> None:
    """Refuse evidence that is not yet one of a space, such as names of proxies.

    Raises
    ------
    TypeError
        If the value is neither an `Evidence` nor None.
    """
    if not isinstance(value, (Evidence, type(None))):
        raise TypeError(f'Expected evidence of type Evidence, or None, got {brief(value)}; make '
                        "Evidence(space, batch, scorers), with scorers such as ['synflow'].")


def check_predictor(predictor: Any) -> None:
    """Refuse a predictor, or its class, in the place of what makes one.

    Raises
    ------
    TypeError
        If the argument is not None, and cannot be called with a space and evidence.
    """
    if predictor is None:
        return
    try:
        inspect.signature(predictor).bind('space', 'evidence')
    except TypeError as error:
        raise TypeError('Expected a function of space and evidence as predictor, got '
                        f'{brief(predictor)}; such as lambda space, evidence: Ensemble(space, '
                        'evidence=evidence).') from error
    except ValueError:  # without a signature that Python knows
        return


def as_evidence(evidence: Any) -> list[Scorer | LearnedTeacher]:
    """Return the evidence of a one-shot strategy as a list.

    Raises
    ------
    TypeError
        If one is neither a scorer nor a teacher.
    """
    if evidence is None:
        return []
    found = list(evidence) if isinstance(evidence, (list, tuple)) else [evidence]
    for one in found:
        if isinstance(one, type) or not (callable(one) or isinstance(one, LearnedTeacher)):
            raise TypeError(f'Expected scorers or LearnedTeacher() as evidence, got {brief(one)}; '
                            "a proxy is Evidence(space, batch, ['synflow']).")
    return found
