"""Weight of a regulariser over the epochs of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral

__all__ = ['Schedule']

# Factor as a function of the progress, 0 before the first and 1 at the last active epoch.
_SHAPES: dict[str, Callable[[float], float]] = {
    'constant': lambda progress: 1.,
    'cosine_increase': lambda progress: 0.5 * (1 - math.cos(math.pi * progress)),
    'cosine_decrease': lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    'linear_increase': lambda progress: progress,
    'linear_decrease': lambda progress: 1 - progress,
    'sine': lambda progress: math.sin(0.8 * math.pi * progress),
}
_HORIZONS = ('remaining', 'total')


def _is_count(value: object, least: int = 0) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


@dataclass(frozen=True)
class Schedule:
    r"""Factor in [0, 1] by which the weight of a regulariser is multiplied in an epoch.

    Zero for the first w epochs (the warm-up), then a function of the progress
    p = min(1, (t - w + 1) / n), with t the epoch counted from 0 and n the `horizon`:

    ===============  ==============================
    constant         1
    cosine_increase  :math:`(1 - \cos \pi p) / 2`
    cosine_decrease  :math:`(1 + \cos \pi p) / 2`
    linear_increase  p
    linear_decrease  1 - p
    sine             :math:`\sin 0.8 \pi p`
    ===============  ==============================

    RD-NAS (Dong et al., 2023) has, with a weight of 2 and no warm-up, 2 sin(0.8 pi e / E), which
    is 'sine', and min(2, e / 10), 'linear_increase' with a horizon of 20; e counts from 0 there
    and from 1 here. The increase is Eq. 7 of Yu, Ranftl, Salzmann, "Landmark Regularization:
    Ranking Guided Super-Net Training in Neural Architecture Search", CVPR 2021.

    Parameters
    ----------
    shape
        'constant', 'cosine_increase', 'cosine_decrease', 'linear_increase', 'linear_decrease',
        'sine', which rises to 1 at 62.5 % and ends at 0.588.
    warmup
        Warm-up: an integer counts epochs; a float in [0, 1) is a share of all epochs, rounded to
        the nearest integer (halves to the even one).
    ramp
        Active epochs over which a constant or decreasing factor is faded in: it is multiplied
        by (t - w + 1) / ramp until that reaches 1. A ramp longer than the active part is cut off.
    horizon
        Denominator n of the progress. 'remaining': the epochs after the warm-up, so that the end
        value is reached in the last epoch. 'total': all epochs, as in the paper and its code,
        where the end value is not reached unless there is no warm-up. An integer: that many
        epochs, for a run with epochs on top of those that the schedule was laid out for.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, or `ramp` is used with an increasing shape.

    Notes
    -----
    .. note::
        Eq. 7 is printed with 1 + cos and would start at the maximum and decrease; the text, the
        ablation and the published code (github.com/kcyu2014/nas-landmarkreg, commit a00c361) mean
        the increase computed here. Epoch w itself is active, as in the code (paper: t > w).
        That code's 'linear' is a staircase (0, .01, .1, 1 by quarters, or the reverse); here it
        is a line. Its ramp is (t - w + 2) / 11 over 10 epochs and delays the decrease until the
        ramp has ended; here the ramp multiplies the running decrease.

    Examples
    --------
    >>> schedule = Schedule('linear_increase', warmup=2)
    >>> [schedule(epoch, 6) for epoch in range(6)]
    [0.0, 0.0, 0.25, 0.5, 0.75, 1.0]
    >>> round(Schedule(warmup=150, horizon='total')(399, 400), 3)
    0.691
    """

    shape: str = 'cosine_increase'
    warmup: int | float = 0.375
    ramp: int = 0
    horizon: int | str = 'remaining'

    def __post_init__(self) -> None:
        if self.shape not in _SHAPES:
            raise ValueError(f'Expected shape to be one of {", ".join(_SHAPES)}, '
                             f'got {self.shape!r}.')
        share = isinstance(self.warmup, float) and 0 <= self.warmup < 1
        if not share and not _is_count(self.warmup):
            raise ValueError('Expected warmup to be an integer >= 0 (epochs) or a float in [0, 1) '
                             f'(share of all epochs), got {self.warmup!r}.')
        if not _is_count(self.ramp):
            raise ValueError(f'Expected ramp to be an integer >= 0, got {self.ramp!r}.')
        if self.ramp and self.shape.endswith('increase'):
            raise ValueError('Expected ramp=0 for an increasing shape, which starts near 0 anyway, '
                             f'got ramp={self.ramp} with {self.shape!r}.')
        if self.horizon not in _HORIZONS and not _is_count(self.horizon, least=1):
            raise ValueError(f'Expected horizon to be one of {", ".join(_HORIZONS)}, or a number '
                             f'of epochs >= 1, got {self.horizon!r}.')

    def __call__(self, epoch: int, epochs: int) -> float:
        """Return the factor in an epoch of a training.

        Parameters
        ----------
        epoch
            Number of the epoch, from 0.
        epochs
            Number of all epochs, warm-up included.

        Returns
        -------
        float
            Factor in [0, 1]; 0 during the warm-up.

        Raises
        ------
        ValueError
            If `epoch` is not in 0..epochs-1, or if the warm-up leaves no active epoch.
        """
        warmup = self.warmup_epochs(epochs)
        if not 0 <= epoch < epochs:
            raise ValueError(f'Expected epoch in 0..{epochs - 1} (counted from 0), got {epoch}.')
        if epoch < warmup:
            return 0.
        done = epoch - warmup + 1
        if self.horizon == 'remaining':
            horizon = epochs - warmup
        else:
            horizon = epochs if self.horizon == 'total' else int(self.horizon)
        factor = _SHAPES[self.shape](min(1., done / horizon))
        return factor * min(1., done / self.ramp) if self.ramp else factor

    def warmup_epochs(self, epochs: int) -> int:
        """Return the number of warm-up epochs in a training of `epochs` epochs.

        Raises
        ------
        ValueError
            If `epochs` is below 1 or no epoch is left after the warm-up.

        Examples
        --------
        >>> Schedule(warmup=0.375).warmup_epochs(400)
        150
        """
        if epochs < 1:
            raise ValueError(f'Expected epochs >= 1, got {epochs}.')
        warmup = self.warmup
        count = round(warmup * epochs) if isinstance(warmup, float) else int(warmup)
        if count >= epochs:
            raise ValueError(f'Expected a warm-up shorter than the training of {epochs} epochs, '
                             f'got {count} epochs (warmup={warmup}); lower warmup or train longer.')
        return count

    def without_warmup(self) -> Schedule:
        """Return the same schedule with no warm-up, for a super-net that is already trained.

        Examples
        --------
        >>> Schedule(warmup=150).without_warmup()
        Schedule(shape='cosine_increase', warmup=0, ramp=0, horizon='remaining')
        """
        return replace(self, warmup=0)
