"""The super-net as exact architectures: how they are drawn, switched to, and trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor

from .._util.finite import LossWatch
from ..data import Loaders
from ..host.network.activation import Activator
from ..host.transfer import transferred
from ..sampler import PathSampler, UniformSampler
from ..sampler.rejection import ATTEMPTS, first_accepted
from ..typing import Accept, Sample
from .checkpoint import CheckpointedModule
from .hooks import forward_hooks
from .quiet import quiet_loss
from .ranks import Ranks

__all__ = ['PathModule']

_HINT = ('Give the evaluator a lower learning rate, gradient_clip_val, or a precision of a wider '
         'range.')

Drawn = TypeVar('Drawn')


class PathModule(CheckpointedModule):
    """Single-path super-net around the Lightning module of an evaluator.

    Parameters
    ----------
    training_module
        Lightning module of the evaluator; its model is the super-net.
    loaders
        Of the training.
    sampler
        Draws the architectures of a step; None draws one, uniformly.
    accept
        Which architectures may be trained; None accepts all.
    seed
        Of the drawn architectures.
    same_paths
        Whether all processes of a distributed training draw the same architectures.

    Attributes
    ----------
    ranks
        The processes of a distributed training.
    watch
        Sees the losses: a training that diverges ends with the step on a CPU, else with the epoch.
    """

    def __init__(self, training_module: LightningModule, *, loaders: Loaders | None = None,
                 sampler: PathSampler | None = None, accept: Accept | None = None, seed: int = 0,
                 same_paths: bool = True):
        super().__init__(training_module, loaders)
        forward_hooks(training_module, self)
        self.accept, self.seed = accept, seed
        self.ranks = Ranks(self, same_paths)
        self.watch = LossWatch(_HINT)
        self.path_sampler = sampler
        self._sampler: UniformSampler | None = None
        self._activator: Activator | None = None

    def configure_optimizers(self) -> Any:
        """Return the evaluator's optimiser and schedules.

        Raises
        ------
        ValueError
            If there are several optimisers: one step trains the super-net.
        """
        found = super().configure_optimizers()
        if isinstance(found, (list, tuple)) and found:
            both = len(found) == 2 and isinstance(found[0], (list, tuple))
            count = len(found[0] if both else found)
            if count > 1:
                raise ValueError('Expected configure_optimizers of '
                                 f'{type(self.training_module).__name__} to return one optimiser, '
                                 f'got {count}: one step trains the super-net.')
        return found

    @property
    def when(self) -> str:
        """The epoch, in words."""
        return f'in epoch {self.trainer.current_epoch + 1}'

    @property
    def skips_overflow(self) -> bool:
        """Whether steps that are not finite are left out, by a gradient scaler, and no mistake."""
        return getattr(self.trainer.precision_plugin, 'scaler', None) is not None

    @property
    def sampler(self) -> UniformSampler:
        """Draws the architectures that are trained."""
        if self._sampler is None:
            self._sampler = UniformSampler(self.model, seed=self.seed, accept=self.accept)
        return self._sampler

    def draw(self) -> Sample:
        """Return an architecture drawn as in training.

        Raises
        ------
        ValueError
            If the filter rejects 10,000 architectures in a row.
        """
        return self.ranks.drawn(self.sampler.sample)

    def paths(self) -> list[Sample]:
        """Return the architectures of a training step.

        Raises
        ------
        RuntimeError
            If the filter rejects one of them 10,000 times in a row.
        """
        return [self.draw()] if self.path_sampler is None else self.accepted(
            self.path_sampler.paths, list)

    def accepted(self, draw: Callable[[], Drawn],
                 samples: Callable[[Drawn], Sequence[Sample]]) -> Drawn:
        """Return the first draw whose architectures the filter accepts.

        `samples` returns the architectures of what was drawn; in a distributed training see
        `Ranks.drawn`.

        Raises
        ------
        RuntimeError
            If the filter rejects 10,000 draws in a row.
        """
        accept = self.accept
        return self.ranks.drawn(lambda: first_accepted(
            draw, lambda drawn: accept is None or all(map(accept, samples(drawn))),
            lambda: RuntimeError('Expected the filter to accept all architectures of a step, got '
                                 f'{ATTEMPTS} rejections in a row: {accept}. Widen its '
                                 'bounds.')))

    def activate(self, sample: Sample) -> None:
        """Switch the super-net to an exact architecture."""
        if self._activator is None:
            self._activator = Activator(self.model)
        self._activator(sample)

    def resample(self) -> Sample:
        """Switch the super-net to a drawn architecture and return it."""
        sample = self.draw()
        self.activate(sample)
        return sample

    def export(self) -> Sample:
        """Return a drawn architecture; `TrainedSuperNet.best` returns good ones."""
        return self.draw()

    def subnet_loss(self, sample: Sample, batch: Any) -> Tensor:
        """Return the training loss of one architecture on a batch, a scalar; nothing is logged.

        In a distributed training it is the mean over the batches of all processes.
        """
        self.activate(sample)
        return self.ranks.mean(quiet_loss(self.training_module, batch))

    def of_first_process(self, batch: Any) -> Any:
        """Return the batch that the first process of a distributed training has."""
        return self.to_device(self.ranks.of_first(batch))

    def to_device(self, batch: Any) -> Any:
        """Return a batch on the device of the super-net, by the way that Lightning goes."""
        try:
            trainer = self.trainer
        except RuntimeError:  # it has none yet
            trainer = None
        return (self.transfer_batch_to_device(batch, self.device, 0) if trainer is None
                else transferred(self, batch))

    def identity(self) -> dict[str, Any]:
        """Return what must be the same in a training that is resumed."""
        return {**super().identity(), 'seed': self.seed}

    def search_state(self) -> dict[str, Any]:
        """Return all that Lightning does not keep itself, in plain numbers, texts and tensors."""
        paths = self.path_sampler
        return {**super().search_state(), 'sampler': self.sampler.state_dict(),
                'paths': None if paths is None else paths.state_dict()}

    def load_search_state(self, state: dict[str, Any]) -> None:
        """Continue from what `search_state` has returned."""
        super().load_search_state(state)
        self.sampler.load_state_dict(state['sampler'])
        if self.path_sampler is not None:
            self.path_sampler.load_state_dict(state['paths'])
